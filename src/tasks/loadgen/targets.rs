//! Loads, as looks at their verdicts need to know them.

use super::job::Load;
use super::until_verdict::Target;

/// Describes loads.
pub(super) fn targets<'a, L: Load + 'a>(loads: impl IntoIterator<Item = &'a L>) -> Vec<Target> {
    let target = |load: &L| Target::new(load.provider(), load.version(), load.attribution(), &load.plan());
    loads.into_iter().map(target).collect()
}
