//! SLOs of earlier loops and tasks, whose verdicts a document keeps.

use crate::model::insights::Insights;
use crate::model::objectives::{Objectives, RelativeLimits};
use crate::model::slo::{Slo, SloLimits};
use crate::values::input::InputError;

/// Rejects SLOs that differ from those of earlier loops or tasks, whose verdicts would not apply to them.
pub(super) fn same_limits(insights: &Insights, objectives: &Objectives) -> Result<(), InputError> {
    let Objectives { limits, relative, .. } = objectives;
    let no_relative = RelativeLimits::default();
    let earlier_relative = insights.relative.as_ref().unwrap_or(&no_relative);
    let is_first = insights.slos.is_none() && insights.relative.is_none();
    let is_same = || {
        insights.slos.as_ref().is_none_or(|earlier| sorted(earlier) == sorted(limits))
            && pairs(&earlier_relative.upper) == pairs(&relative.upper)
    };
    if is_first || is_same() {
        return Ok(());
    }
    let message =
        "these SLOs differ from those that the document was assessed on; they must not change between loops or tasks";
    let hint = "run without --reuseResult to start over, and keep all SLOs in one assess task";
    Err(InputError::new("with.SLOs", message).with_hint(hint))
}

/// Normalizes the order of SLOs and the spelling of metrics.
fn sorted(limits: &SloLimits) -> [Vec<(String, f64)>; 2] {
    [&limits.upper, &limits.lower].map(|slos| pairs(slos))
}

fn pairs(slos: &[Slo]) -> Vec<(String, f64)> {
    let mut pairs: Vec<(String, f64)> = slos.iter().map(|slo| (slo.metric.to_string(), slo.limit.0)).collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    pairs
}
