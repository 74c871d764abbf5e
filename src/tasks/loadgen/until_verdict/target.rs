//! A load, as looks need to know it.

use std::time::Duration;

use crate::load::attribution::Attribution;
use crate::load::plan::LoadPlan;

/// A load that may end with its verdict.
#[derive(Clone, Debug)]
pub(in crate::tasks::loadgen) struct Target {
    /// Provider of its metrics.
    pub(super) provider: String,
    /// Indices of the versions that respond; one, unless responses are attributed.
    pub(super) versions: Vec<usize>,
    pub(super) is_attributed: bool,
    /// Longest duration; `None` if only the number of requests ends it.
    pub(super) duration: Option<Duration>,
    /// True if its rate changes.
    pub(super) has_stages: bool,
    /// Timeout of its requests.
    pub(super) timeout: Duration,
}

impl Target {
    /// Describes the load of a version or, with an attribution, of several.
    pub(in crate::tasks::loadgen) fn new(
        provider: &str,
        version: usize,
        attribution: Option<&Attribution>,
        plan: &LoadPlan,
    ) -> Self {
        Self {
            provider: provider.to_owned(),
            versions: attribution.map_or_else(|| vec![version], |known| (0..known.versions.len()).collect()),
            is_attributed: attribution.is_some(),
            duration: plan.pacer.ends(),
            has_stages: plan.pacer.stages().is_some(),
            timeout: plan.timeout,
        }
    }
}
