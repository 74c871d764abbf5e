//! Loads, as looks at their verdicts need to know them.

use super::job::Load;
use super::until_verdict::Target;
use crate::load::plan::LoadPlan;

/// Describes loads that run so many times as long as their values ask for.
pub(super) fn targets<'a, L: Load + 'a>(loads: impl IntoIterator<Item = &'a L>, times: f64) -> Vec<Target> {
    let target = |load: &L| {
        let plan = load.plan();
        let plan = LoadPlan { pacer: plan.pacer.lengthened(times), ..plan };
        Target::new(load.provider(), load.version(), load.attribution(), &plan)
    };
    loads.into_iter().map(target).collect()
}
