//! Metrics of each version against version 0, with their intervals.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::confidence::{Comparison, percent};
use super::{LoadReport, VersionReport};
use crate::model::insights::Insights;
use crate::model::metric::MetricType;
use crate::model::metric_name::MetricRef;
use crate::model::readable::in_percent;
use crate::model::slo::Outcome;
use crate::report::show::{percent as percent_text, readable, rounded, unit};
use crate::slo::compare::{Change, ComparedMetric, FIGURES, compare_with_baseline, confidence_of};
use crate::slo::comparison::{Comparison as Kind, comparison, is_error_rate};

/// Maximum comparisons, and how many of them have an interval; a document with more lists the first.
const MAX: usize = 2_000;
const MAX_INTERVALS: usize = 600;
/// Ratio from which a factor is easier to read than percents.
const FACTOR: f64 = 3.0;

/// One metric of a version against version 0.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    pub metric: String,
    /// Name of the version, as in `versions`.
    pub version: String,
    /// Name of version 0.
    pub reference: String,
    pub units: Option<String>,
    /// Meaning of `change` and `interval`.
    pub comparison: Comparison,
    pub reference_value: f64,
    pub value: f64,
    /// Value divided by that of version 0, or minus it; `null` if that is no finite number.
    pub change: Option<f64>,
    /// Lower and upper end of the interval of `change`; an end is `null` if the samples do not bound that side.
    pub interval: Option<[Option<f64>; 2]>,
    /// Confidence of each end; `null` without an interval.
    pub confidence: Option<f64>,
    /// `higher` or `lower`; `null` if the interval does not show a difference.
    pub direction: Option<Direction>,
    /// Worst verdict of this version's SLOs on the metric; `null` if there is none.
    pub verdict: Option<Outcome>,
}

/// Direction of a difference that is larger than chance explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Higher,
    Lower,
}

impl ChangeReport {
    /// Formats the change: `−54 %`, `× 4.2`, `+0.84 pp`, `+5 ms`.
    pub fn change_text(&self) -> Option<String> {
        Some(self.text(self.change.filter(|change| change.is_finite())?))
    }

    /// Formats the interval: `−58 to −45 %`.
    pub fn interval_text(&self) -> Option<String> {
        let end = |end: Option<f64>| end.map(|end| self.text(end));
        Some(match self.interval.map(|ends| ends.map(end))? {
            [Some(low), Some(high)] => {
                // One unit is enough. A factor has none: its number follows the space.
                let unit = high.split_once('\u{a0}').filter(|(number, _)| *number != "×");
                let unit = unit.map(|(_, unit)| format!("\u{a0}{unit}"));
                let low = unit.and_then(|unit| low.strip_suffix(&unit)).unwrap_or(&low);
                format!("{low} to {high}")
            }
            [Some(low), None] => format!("at least {low}"),
            [None, Some(high)] => format!("at most {high}"),
            [None, None] => return None,
        })
    }

    /// Formats the change with its interval: `+4.1 % (+1.2 to +7 %)`.
    pub fn in_words(&self) -> Option<String> {
        let interval = self.interval_text().map(|interval| format!(" ({interval})")).unwrap_or_default();
        Some(format!("{}{interval}", self.change_text()?))
    }

    /// Formats the interval, with its confidence unless `common` says that all intervals have the same: `−58 to −45 % (97.5 %)`.
    pub fn interval_beside(&self, common: Option<&str>) -> Option<String> {
        let interval = self.interval_text()?;
        Some(match self.percent().filter(|_| common.is_none()) {
            Some(percent) => format!("{interval} ({percent})"),
            None => interval,
        })
    }

    /// Says if the difference is more than chance; `None` without an interval.
    pub fn direction_text(&self) -> Option<&'static str> {
        match (self.direction, self.interval) {
            (Some(Direction::Higher), _) => Some("higher"),
            (Some(Direction::Lower), _) => Some("lower"),
            (None, Some([None, None]) | None) => None,
            (None, Some(_)) => Some("no clear difference"),
        }
    }

    /// Returns the confidence of each end of the interval, in percent.
    pub fn percent(&self) -> Option<String> {
        percent(self.confidence?)
    }

    /// Returns true for a share of errors, whose difference is in percentage points.
    fn is_share(&self) -> bool {
        let metric = MetricRef::from(self.metric.as_str());
        self.units.as_deref().is_none_or(str::is_empty) && metric.name().is_ok_and(is_error_rate)
    }

    fn text(&self, change: f64) -> String {
        let signed = |number: f64, text: String| {
            let text = text.trim_start_matches('-');
            match number {
                number if number > 0.0 => format!("+{text}"),
                number if number < 0.0 => format!("−{text}"),
                _ => text.to_owned(),
            }
        };
        match self.comparison {
            Comparison::Difference if self.is_share() => {
                let points = in_percent(change);
                let text = if points.abs() < 0.01 { readable(points, None) } else { rounded(points) };
                signed(points, format!("{text}\u{a0}pp"))
            }
            Comparison::Difference => {
                let units = self.units.as_deref();
                signed(change, format!("{}{}", readable(change, units), unit(units).replace(' ', "\u{a0}")))
            }
            Comparison::Ratio if change >= FACTOR => format!("×\u{a0}{}", rounded(change)),
            Comparison::Ratio => {
                // A tenth of a percent is as fine as anyone reads.
                let percents = ((change - 1.0) * 1_000.0).round() / 10.0;
                signed(percents, percent_text(percents))
            }
        }
    }
}

/// Returns the confidence of the intervals if all have the same; it differs between versions if a load ended with its verdict.
pub fn common_percent<'a>(changes: impl IntoIterator<Item = &'a ChangeReport>) -> Option<String> {
    let with_interval = changes.into_iter().filter(|change| change.interval_text().is_some());
    let mut levels = with_interval.map(ChangeReport::percent);
    let first = levels.next()?;
    if levels.all(|level| level == first) { first } else { None }
}

/// Compares every version with version 0; violated metrics come first, then undecided ones.
pub(super) fn of(insights: &Insights, versions: &[VersionReport], load: &[LoadReport]) -> Vec<ChangeReport> {
    let Some((reference, others)) = versions.split_first() else { return Vec::new() };
    let confidence = confidence_of(versions.iter().flat_map(VersionReport::slos).map(|slo| slo.confidence));
    let mut found: Vec<ChangeReport> = Vec::new();
    let mut left = MAX_INTERVALS;
    for (index, version) in others.iter().enumerate() {
        // Responses of unknown origin are not a version.
        if insights.unknown_version == Some(index + 1) {
            continue;
        }
        let names = names(version, load);
        let has_counts = |name: &&String| has_counts(name, version, load);
        let counted: Vec<&str> = names.iter().filter(has_counts).map(String::as_str).take(left).collect();
        left -= counted.len();
        let (compared, level) = compare_with_baseline(insights, index + 1, &counted, confidence);
        let compared: BTreeMap<&str, &ComparedMetric> = counted.iter().copied().zip(&compared).collect();
        let of = |name: &String| change(reference, version, name, compared.get(name.as_str()).copied(), level);
        found.extend(names.iter().filter_map(of).take(MAX - found.len()));
    }
    found.sort_by_key(|change| match change.verdict {
        Some(Outcome::Violated) => 0,
        Some(Outcome::Inconclusive) => 1,
        Some(Outcome::Satisfied) | None => 2,
    });
    found
}

/// Lists the metrics that are compared: the figures of each load, then those with SLOs or from providers.
fn names(version: &VersionReport, load: &[LoadReport]) -> Vec<String> {
    let loads = load.iter().filter(|row| row.version == version.name);
    let of_loads = loads.flat_map(|row| FIGURES.map(|figure| spelled(version, &row.provider, figure)));
    let of_slos = version.slos().filter(|slo| slo.comparison.is_none()).map(|slo| &slo.metric);
    // Counts depend on the load.
    let is_count = |name: &String| version.metrics.get(name).is_some_and(|m| m.kind == Some(MetricType::Counter));
    let others = of_slos.chain(version.observations.keys()).filter(|name| !is_count(name)).cloned();
    let mut known = BTreeSet::new();
    of_loads.chain(others).filter(|name| known.insert(name.clone())).collect()
}

/// Spells a figure as the document does: `http/latency-p99`, or `grpc/latency/p99` of a distribution.
fn spelled(version: &VersionReport, provider: &str, figure: &str) -> String {
    let [scalar, aggregate] =
        [figure.to_owned(), figure.replacen('-', "/", 1)].map(|name| format!("{provider}/{name}"));
    let is_distributed =
        || figure.starts_with("latency") && version.distributions.contains_key(&format!("{provider}/latency"));
    match version.metrics.contains_key(&scalar) {
        false if version.metrics.contains_key(&aggregate) || is_distributed() => aggregate,
        _ => scalar,
    }
}

impl VersionReport {
    /// Returns a figure of a load and its unit, `latency-p99`, in the spelling that the version has.
    pub fn figure(&self, provider: &str, figure: &str) -> Option<(f64, Option<&str>)> {
        reading(self, &spelled(self, provider, figure))
    }
}

/// Returns a metric's value and unit: that of the document, or of its distribution.
fn reading<'a>(version: &'a VersionReport, name: &str) -> Option<(f64, Option<&'a str>)> {
    let of_distribution = || {
        let (distribution, aspect) = name.rsplit_once('/')?;
        let distribution = version.distributions.get(distribution)?;
        let value = match aspect {
            "mean" => distribution.mean,
            percentile => *distribution.percentiles.get(percentile)?,
        };
        Some((value, distribution.units.as_deref()))
    };
    let metric = version.metrics.get(name).and_then(|metric| Some((metric.value?, metric.units.as_deref())));
    metric.or_else(of_distribution).filter(|(value, _)| value.is_finite())
}

/// Returns true for a metric whose load has the counts that an interval needs.
fn has_counts(name: &str, version: &VersionReport, load: &[LoadReport]) -> bool {
    let is_of_load = |row: &LoadReport| {
        row.version == version.name && name.split_once('/').is_some_and(|(provider, _)| provider == row.provider)
    };
    comparison(&MetricRef::from(name)).is_some() && load.iter().any(is_of_load)
}

fn change(
    reference: &VersionReport,
    version: &VersionReport,
    name: &str,
    compared: Option<&ComparedMetric>,
    level: f64,
) -> Option<ChangeReport> {
    let ((before, _), (after, units)) = (reading(reference, name)?, reading(version, name)?);
    let has_interval = compared.is_some_and(|compared| compared.interval.is_some());
    let kind = match comparison(&MetricRef::from(name)) {
        Some(Kind::Difference) => Comparison::Difference,
        // Values that may be negative have no ratio that says which one is higher.
        _ if has_interval || (before > 0.0 && after > 0.0) => Comparison::Ratio,
        _ => Comparison::Difference,
    };
    let plain = match kind {
        Comparison::Difference => after - before,
        Comparison::Ratio => after / before,
    };
    let interval = compared.and_then(|compared| compared.interval).and_then(super::confidence::ordered);
    let verdicts = version.slos().filter(|slo| slo.metric == name).filter_map(|slo| slo.verdict);
    let rank = |verdict: &Outcome| match verdict {
        Outcome::Violated => 0,
        Outcome::Inconclusive => 1,
        Outcome::Satisfied => 2,
    };
    Some(ChangeReport {
        metric: name.to_owned(),
        version: version.name.clone(),
        reference: reference.name.clone(),
        units: units.map(str::to_owned),
        comparison: kind,
        reference_value: before,
        value: after,
        change: Some(plain).filter(|plain| plain.is_finite()),
        interval,
        confidence: interval.map(|_| level),
        direction: interval.and(compared).and_then(|compared| compared.change).map(|change| match change {
            Change::Higher => Direction::Higher,
            Change::Lower => Direction::Lower,
        }),
        verdict: verdicts.min_by_key(rank),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_metric(metric: &str, comparison: Comparison, change: f64, interval: [Option<f64>; 2]) -> ChangeReport {
        ChangeReport {
            metric: metric.to_owned(),
            version: String::new(),
            reference: String::new(),
            units: None,
            comparison,
            reference_value: 1.0,
            value: 1.0,
            change: Some(change),
            interval: Some(interval),
            confidence: None,
            direction: None,
            verdict: None,
        }
    }

    fn texts(change: &ChangeReport) -> [Option<String>; 2] {
        [change.change_text(), change.interval_text()].map(|text| text.map(|text| text.replace('\u{a0}', " ")))
    }

    fn text(comparison: Comparison, change: f64, interval: [Option<f64>; 2]) -> [Option<String>; 2] {
        texts(&of_metric("p/m", comparison, change, interval))
    }

    #[test]
    fn shares_of_errors_differ_by_percentage_points_and_other_metrics_by_their_unit() {
        let some = |a: &str, b: &str| [Some(a.to_owned()), Some(b.to_owned())];
        let share = |change, interval| texts(&of_metric("http/error-rate", Comparison::Difference, change, interval));
        assert_eq!(share(0.0084, [Some(-0.001), Some(0.1234)]), some("+0.84 pp", "−0.1 to +12.3 pp"));
        assert_eq!(share(0.0, [None, Some(0.000_012)]), some("0 pp", "at most +0.0012 pp"));
        let other = of_metric("p/m", Comparison::Difference, 5.0, [Some(-1.5), Some(20.0)]);
        let other = ChangeReport { units: Some("msec".to_owned()), ..other };
        assert_eq!(texts(&other), some("+5.00 ms", "−1.50 to +20.00 ms"));
    }

    #[test]
    fn intervals_of_different_confidence_are_beside_theirs() {
        let with = |confidence| ChangeReport {
            confidence: Some(confidence),
            ..of_metric("p/m", Comparison::Ratio, 1.04, [Some(1.02), Some(1.07)])
        };
        let open = ChangeReport { interval: None, confidence: None, ..with(0.99) };
        let (same, mixed) = ([with(0.95), with(0.95), open], [with(0.95), with(0.975)]);
        assert_eq!(common_percent(&same).as_deref(), Some("95 %"));
        assert_eq!(common_percent(&mixed), None);
        let beside = |change: &ChangeReport, common| change.interval_beside(common).unwrap().replace('\u{a0}', " ");
        assert_eq!(beside(&mixed[1], None), "+2 to +7 % (97.5 %)");
        assert_eq!(beside(&same[0], Some("95 %")), "+2 to +7 %");
    }

    #[test]
    fn changes_read_as_percents_factors_or_differences() {
        let some = |a: &str, b: &str| [Some(a.to_owned()), Some(b.to_owned())];
        assert_eq!(text(Comparison::Ratio, 0.46, [Some(0.42), Some(0.55)]), some("−54 %", "−58 to −45 %"));
        assert_eq!(text(Comparison::Ratio, 4.2, [Some(2.5), None]), some("× 4.2", "at least +150 %"));
        assert_eq!(text(Comparison::Ratio, 4.2, [Some(4.201), Some(4.203)]), some("× 4.2", "× 4.2 to × 4.2"));
        assert_eq!(text(Comparison::Ratio, 1.0, [Some(0.9999), Some(1.0)]), some("0 %", "0 to 0 %"));
        let rate = text(Comparison::Difference, 0.0084, [None, Some(-0.01)]);
        assert_eq!(rate, some("+0.0084", "at most −0.01"));
        assert_eq!(text(Comparison::Difference, f64::NAN, [None, None]), [None, None]);
    }
}
