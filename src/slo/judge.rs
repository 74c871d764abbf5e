//! Verdicts on all objectives: Iter8's rule first, then comparisons with version 0, then the confidence that they need.

use crate::model::contribution::Assessment;
use crate::model::insights::Insights;
use crate::model::objectives::Objectives;
use crate::slo::assess::{assess, matrix};
use crate::slo::{confidence, relative};

/// Judges all objectives by the newest loop alone. Verdicts relative to version 0 follow the others.
///
/// A pure function of the document and the objectives: a saved document can be judged again.
pub(crate) fn judge_objectives(insights: &Insights, objectives: &Objectives) -> Assessment {
    let mut assessment = assess(insights, &objectives.limits);
    assessment.relative = objectives.relative.clone();
    assessment.verdicts.extend(relative::judge_all(insights, &objectives.relative));
    if let Some(confidence) = &objectives.confidence {
        confidence::apply(&mut assessment.verdicts, insights, confidence);
        assessment.satisfied = matrix(&assessment.verdicts);
    }
    assessment
}
