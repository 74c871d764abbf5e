//! An SLO and the explanation of its verdict in words, for formats with one entry per SLO. Names have no line breaks; units are written
//! as people write them (`ms`, not Iter8's `msec`).

use super::show::{clipped, grouped, readable_near, short, squeezed, thousands, unit};
use super::view::{Condition, SloReport, VersionVerdict};
use crate::model::slo::{Bound, Outcome};
use crate::model::text::one_line;

/// Maximum characters of a name and a reason.
const MAX_NAME: usize = 200;
const MAX_REASON: usize = 2_000;

/// Names a verdict.
pub(super) fn verdict_name(verdict: Option<Outcome>) -> &'static str {
    match verdict {
        Some(Outcome::Satisfied) => "satisfied",
        Some(Outcome::Violated) => "violated",
        Some(Outcome::Inconclusive) => "inconclusive",
        None => "not assessed",
    }
}

/// Shortens a name from the document, and escapes what must not be printed.
pub(super) fn name(text: &str) -> String {
    one_line(&clipped(text, MAX_NAME))
}

impl SloReport {
    /// Describes the SLO: `http/latency-p99 <= 60 ms`, `http/request-count >= 8`, `http/latency-p95 <= 1.1 x v1`.
    pub(in crate::report) fn label(&self) -> String {
        if self.comparison.is_some() {
            return name(&self.condition.to_string());
        }
        let sign = match self.bound {
            Bound::Upper => "<=",
            Bound::Lower => ">=",
        };
        format!("{} {sign} {}", name(&self.metric), self.limit_with_unit())
    }

    pub(in crate::report) fn limit_with_unit(&self) -> String {
        format!("{}{}", self.limit_text(), self.unit())
    }

    pub(in crate::report) fn value_with_unit(&self) -> Option<String> {
        Some(format!("{}{}", self.value_text()?, self.unit()))
    }

    pub(in crate::report) fn interval_with_unit(&self) -> Option<String> {
        Some(format!("{}{}", self.interval_text()?, self.unit()))
    }

    /// Describes the SLO with typographic signs: `http/latency-p99 ≤ 60 ms`, `http/latency-p95 ≤ 1.1 × v1`.
    pub(in crate::report) fn typeset(&self, max: usize) -> String {
        if self.comparison.is_some() {
            let Condition { before, metric, after, .. } = self.condition.typeset();
            return format!("{before}{}{}", squeezed(&metric, max), squeezed(&after, 40));
        }
        typeset(&squeezed(&self.condition.metric, max), self.bound, self.limit, self.units.as_deref())
    }

    /// Formats the limit for people, with its unit.
    pub(in crate::report) fn readable_limit(&self) -> String {
        self.with_unit(signed(grouped(&short(self.limit))), self.limit)
    }

    /// Formats the value for people, with its unit: `1,000`, `22.73 ms`, `× 1.04`.
    pub(in crate::report) fn readable_value(&self) -> Option<String> {
        let value = self.value?;
        Some(self.with_unit(signed(readable_near(value, self.limit, self.units.as_deref())), value))
    }

    /// Formats the interval for people, with its unit: `21.10 to 24.00 ms`, `≥ 66 ms`.
    pub(in crate::report) fn readable_interval(&self) -> Option<String> {
        let end = |end: f64| signed(readable_near(end, self.limit, self.units.as_deref()));
        Some(match self.interval? {
            [Some(low), Some(high)] => {
                format!("{} to {}", self.compared(low, end(low)), self.with_unit(end(high), high))
            }
            [Some(low), None] => format!("≥ {}", self.with_unit(end(low), low)),
            [None, Some(high)] => format!("≤ {}", self.with_unit(end(high), high)),
            [None, None] => "unknown".to_owned(),
        })
    }

    /// Returns the share of the limit that the value uses; `None` for lower limits and those that are zero, negative or relative.
    pub(in crate::report) fn share_of_limit(&self) -> Option<f64> {
        let is_upper = self.bound == Bound::Upper && self.comparison.is_none() && self.limit > 0.0;
        let value = self.value.filter(|value| is_upper && *value >= 0.0)?;
        Some(value / self.limit).filter(|share| share.is_finite())
    }

    /// Returns the reason of the verdict in the units of people.
    pub(in crate::report) fn readable_reason(&self) -> String {
        self.reason.replace(" msec", " ms")
    }

    fn with_unit(&self, text: String, number: f64) -> String {
        format!("{}{}", self.compared(number, text), self.unit().replace(' ', "\u{a0}"))
    }

    /// Returns the reason of the verdict in one line.
    pub(in crate::report) fn reason_line(&self) -> String {
        match self.reason.as_str() {
            "" => verdict_name(self.verdict).to_owned(),
            reason => one_line(&clipped(reason, MAX_REASON)),
        }
    }

    fn unit(&self) -> String {
        unit(self.units.as_deref())
    }
}

/// Describes a limit with typographic signs: `http/latency-p99 ≤ 60 ms`.
pub(super) fn typeset(metric: &str, bound: Bound, limit: f64, units: Option<&str>) -> String {
    let sign = match bound {
        Bound::Upper => "≤",
        Bound::Lower => "≥",
    };
    let limit = signed(grouped(&short(limit)));
    format!("{metric} {sign}\u{a0}{limit}{}", unit(units).replace(' ', "\u{a0}"))
}

/// Replaces the hyphen of a negative number by a minus sign.
fn signed(text: String) -> String {
    text.strip_prefix('-').map(|number| format!("−{number}")).unwrap_or(text)
}

/// Lists what a verdict rests on, one fact per line, the reason first.
pub(super) fn facts(verdict: &VersionVerdict) -> Vec<String> {
    let slo = &verdict.slo;
    let mut facts = vec![slo.reason_line()];
    let limit = slo.limit_with_unit();
    facts.push(match &slo.reference {
        Some(reference) => format!("limit: {limit} against {}", name(reference)),
        None => format!("limit: {limit}"),
    });
    facts.extend(slo.value_with_unit().map(|value| format!("value: {value}")));
    let confidence = slo.percent().map(|percent| format!(", each end with {percent} confidence")).unwrap_or_default();
    facts.extend(slo.interval_with_unit().map(|interval| format!("interval: {interval}{confidence}")));
    facts.extend(slo.samples.map(|samples| format!("samples: {}", thousands(samples))));
    facts.extend(slo.effective_text().map(|effective| format!("effective samples: {effective}")));
    facts.extend(slo.needs_text().map(|needs| format!("needs: {needs}")));
    facts
}

/// Sorts verdicts by urgency: violated, then undecided, then satisfied; otherwise in the report's order.
pub(super) fn by_urgency(verdicts: &[VersionVerdict]) -> Vec<&VersionVerdict> {
    let mut sorted: Vec<&VersionVerdict> = verdicts.iter().collect();
    sorted.sort_by_key(|verdict| match verdict.slo.verdict {
        Some(Outcome::Violated) => 0,
        Some(Outcome::Inconclusive) | None => 1,
        Some(Outcome::Satisfied) => 2,
    });
    sorted
}
