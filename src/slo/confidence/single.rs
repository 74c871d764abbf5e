//! Chooses the method for a verdict on one version.

use super::case::{Case, Values};
use super::finding::Finding;
use super::{certain, mean, percentile, rate, stopped};
use crate::model::metric_name::Aggregation;
use crate::model::slo::Method;
use crate::slo::comparison::is_error_rate;

/// Judges a verdict: by the decision that ended its load, or by the values behind it.
pub(super) fn judge(case: &Case<'_>) -> Finding {
    if let Some(finding) = stopped::kept(case).or_else(|| stopped::refusal(case)) {
        return finding;
    }
    let finding = by_values(case);
    match stopped::note(case) {
        Some(note) => Finding { reason: format!("{}; {note}", finding.reason), ..finding },
        None => finding,
    }
}

fn by_values(case: &Case<'_>) -> Finding {
    if case.is_count() {
        return certain::count(case);
    }
    if case.name.aggregation.is_none() && is_error_rate(case.name) {
        return rate::judge(case);
    }
    let values = case.values();
    let is_of_load = case.load.is_some() && case.distribution().is_some();
    if is_of_load && !matches!(values, Some((_, _, Values::Histogram(_)))) {
        // Without its distribution, a load's own value shows nothing.
        let reason = format!("{}; its distribution is missing, or does not fit it", case.point_reason);
        return Finding::open(Method::Percentile, case.alpha, reason);
    }
    match values {
        Some((_, Aggregation::Count, _)) => certain::count(case),
        Some((_, Aggregation::StdDev, _)) => certain::unknown(case, "a deviation has no interval"),
        Some((_, Aggregation::Min, _)) => certain::extreme(case, false),
        Some((_, Aggregation::Max, _)) => certain::extreme(case, true),
        Some((_, Aggregation::Percentile(p), _)) if p <= 0.0 || p >= 100.0 => certain::extreme(case, p >= 100.0),
        Some((key, Aggregation::Percentile(p), values)) => percentile::judge(case, &key, p, &values),
        Some((key, Aggregation::Mean, values)) => mean::judge(case, &key, &values),
        None => certain::single(case),
    }
}
