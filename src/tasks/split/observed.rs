//! Observed counts of responses, from the metrics of this loop.

use std::collections::BTreeSet;

use crate::metrics::MetricsView;
use crate::model::insights::Insights;
use crate::model::metric::Reading;
use crate::model::metric_name::MetricName;
use crate::model::readable::show;
use crate::slo::split::Observed;

/// Counts above this are not exact as floating-point numbers.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns the count of each version, with notes about those that were changed. `measured` are the providers of this loop.
pub(super) fn counts(
    insights: &Insights,
    metric: &MetricName,
    measured: &BTreeSet<String>,
    rounds: bool,
) -> (Vec<Observed>, Vec<String>) {
    let mut notes = Vec::new();
    let count = |version: usize| {
        let name = insights.version_label(version);
        let found = MetricsView::new(insights, version).get(metric);
        let count = match found.reading {
            _ if !measured.contains(&metric.provider) => Err(format!("`{metric}` was not measured in this loop")),
            Reading::Missing(missing) => Err(format!("{name} has no count: {}", missing.reason)),
            Reading::Value(value) => match found.unit {
                None => whole(value, rounds).map_err(|reason| format!("{name}: {reason}")),
                Some(unit) => Err(format!(
                    "`{metric}` is in {unit}, so it counts no responses; use one such as `http/request-count`"
                )),
            },
        };
        let count = count.map(|Count { count, rounded }| {
            let note = |value| format!("{name}: {metric} of {} is rounded to {count}", show(value));
            notes.extend(rounded.map(note));
            without_lost(insights, version, metric, count, &mut notes)
        });
        Observed { name, count }
    };
    let has_load =
        |version: &usize| insights.load.get(*version).is_some_and(|loads| loads.contains_key(&metric.provider));
    let unknown = insights.unknown_version.filter(has_load);
    let observed = (0..insights.num_versions).chain(unknown).map(count).collect();
    (observed, notes)
}

/// A count of responses.
struct Count {
    count: u64,
    /// The value before it was rounded, if it had a fraction.
    rounded: Option<f64>,
}

/// Reads a value as a count.
fn whole(value: f64, rounds: bool) -> Result<Count, String> {
    if !(0.0..=MAX_EXACT).contains(&value) {
        return Err(format!("{} is not a count", show(value)));
    }
    let count = value.round();
    match value == count {
        true => Ok(Count { count: count as u64, rounded: None }),
        false if rounds => Ok(Count { count: count as u64, rounded: Some(value) }),
        false => Err(format!("{value} is not a whole number of responses; to round it, set `split.round: true`")),
    }
}

/// Returns the count of a version without the requests that got no response. Only responses of unknown origin can include them.
fn without_lost(insights: &Insights, version: usize, metric: &MetricName, count: u64, notes: &mut Vec<String>) -> u64 {
    let load = insights.load.get(version).and_then(|loads| loads.get(&metric.provider));
    let Some(load) = load.filter(|_| insights.unknown_version == Some(version)) else { return count };
    let responses = load.statuses.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if responses < count {
        notes.push(format!("{} requests without a response are not counted", count - responses));
    }
    responses.min(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::insights::Observation;
    use crate::model::load::LoadRecord;
    use crate::model::metric::{MetricMeta, MetricType};

    fn insights(values: &[Option<f64>]) -> Insights {
        let key = "istio/request-count".to_owned();
        let meta = MetricMeta { kind: MetricType::Counter, ..MetricMeta::default() };
        let list = |value: &Option<f64>| value.map(|value| (key.clone(), vec![value])).into_iter().collect();
        let missing = |value: &Option<f64>| match value {
            Some(_) => BTreeMap::new(),
            None => {
                BTreeMap::from([(key.clone(), Observation { no_data: Some("HTTP 503".into()), ..Default::default() })])
            }
        };
        Insights {
            num_versions: values.len(),
            metrics_info: [(key.clone(), meta)].into(),
            non_hist_metric_values: values.iter().map(list).collect(),
            observations: values.iter().map(missing).collect(),
            ..Insights::default()
        }
    }

    fn counts_of(insights: &Insights, measured: &str, rounds: bool) -> (Vec<Result<u64, String>>, Vec<String>) {
        let measured = BTreeSet::from([measured.to_owned()]);
        let (observed, notes) = counts(insights, &"istio/request-count".parse().unwrap(), &measured, rounds);
        (observed.into_iter().map(|observed| observed.count).collect(), notes)
    }

    #[test]
    fn whole_counts_are_used_as_they_are() {
        let whole = insights(&[Some(80.0), Some(0.0)]);
        assert_eq!(counts_of(&whole, "istio", false), (vec![Ok(80), Ok(0)], Vec::new()));
    }

    #[test]
    fn counts_with_fractions_are_rounded_only_on_request() {
        let fractions = insights(&[Some(80.4), Some(19.0)]);
        let error = "version 0: 80.4 is not a whole number of responses; to round it, set `split.round: true`";
        assert_eq!(counts_of(&fractions, "istio", false).0[0], Err(error.to_owned()));
        let note = "version 0: istio/request-count of 80.40 is rounded to 80";
        assert_eq!(counts_of(&fractions, "istio", true), (vec![Ok(80), Ok(19)], vec![note.to_owned()]));
    }

    #[test]
    fn values_with_a_unit_are_no_counts() {
        let mut seconds = insights(&[Some(80.0), Some(20.0)]);
        seconds.metrics_info.get_mut("istio/request-count").unwrap().units = Some("seconds".to_owned());
        let error =
            "`istio/request-count` is in seconds, so it counts no responses; use one such as `http/request-count`";
        assert_eq!(counts_of(&seconds, "istio", true).0, vec![Err(error.to_owned()); 2]);
    }

    #[test]
    fn counts_that_are_missing_old_or_impossible_have_a_reason() {
        let error =
            |insights: &Insights, measured: &str| counts_of(insights, measured, true).0.pop().unwrap().unwrap_err();
        assert_eq!(error(&insights(&[Some(80.0), None]), "istio"), "version 1 has no count: HTTP 503");
        assert_eq!(error(&insights(&[Some(-1.0)]), "istio"), "version 0: -1 is not a count");
        let old = insights(&[Some(80.0)]);
        assert_eq!(error(&old, "http"), "`istio/request-count` was not measured in this loop");
    }

    #[test]
    fn requests_without_a_response_have_no_origin() {
        let mut attributed = insights(&[Some(80.0), Some(7.0)]);
        (attributed.num_versions, attributed.unknown_version) = (1, Some(1));
        let load = LoadRecord { statuses: [(200, 3), (503, 1)].into(), ..LoadRecord::default() };
        attributed.load = vec![BTreeMap::new(), [("istio".to_owned(), load)].into()];
        let note = "3 requests without a response are not counted";
        assert_eq!(counts_of(&attributed, "istio", false), (vec![Ok(80), Ok(4)], vec![note.to_owned()]));
    }
}
