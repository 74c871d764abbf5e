//! A target of a rollout in steps.

use std::time::Duration;

use super::error::TrafficError;
use crate::ports::BoxFuture;
use crate::rollout::change::Change;

/// Kind of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// An InferenceService, with its revisions or its canary.
    Service,
    /// A routemap with two versions.
    Routemap,
    /// An LLMInferenceService, in a group of two.
    Llm,
}

impl TargetKind {
    /// All kinds.
    pub(crate) const ALL: [Self; 3] = [Self::Service, Self::Routemap, Self::Llm];

    /// Returns the value of the task `rollout` that names a target of this kind.
    pub(crate) fn value(self) -> &'static str {
        match self {
            Self::Service => "isvc",
            Self::Routemap => "routemap",
            Self::Llm => "llmisvc",
        }
    }

    /// Returns the start of the name of the Lease that claims a target of this kind.
    pub(crate) fn lease_prefix(self) -> &'static str {
        match self {
            Self::Service => "iter8-rollout-isvc-",
            Self::Routemap => "iter8-rollout-routemap-",
            Self::Llm => "iter8-rollout-llmisvc-",
        }
    }
}

/// Receives each reason to wait.
pub(crate) type Say<'a> = &'a mut (dyn FnMut(&str) + Send);

/// Something whose traffic is split between a stable version and a candidate.
pub(crate) trait Target: Send + Sync {
    /// Describes it for people: `InferenceService iris`.
    fn describe(&self) -> String;

    /// Names it as the command line does: `iris`, `routemap/wisdom`.
    fn argument(&self) -> String;

    /// Reads its versions, and the percent that its spec requests for the candidate.
    fn observe(&self) -> BoxFuture<'_, Result<Observed, TrafficError>>;

    /// Makes a change, and waits until the cluster shows it. With `expected`, nothing is sent unless the target is still as
    /// expected: the error is then [`Lost`](super::error::TrafficErrorKind::Lost).
    fn change<'a>(
        &'a self,
        change: Change,
        expected: Option<&'a Expected>,
        timeout: Duration,
        say: Say<'a>,
    ) -> BoxFuture<'a, Result<(), TrafficError>>;
}

/// State of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Unique id of the object; changes if it is deleted and created again.
    pub(crate) uid: String,
    /// Version that has had all the traffic.
    pub(crate) stable: Option<String>,
    /// Version that a rollout would promote; `None` if there is none.
    pub(crate) candidate: Option<String>,
    /// Percent for the candidate that the spec requests; `None` if it requests none.
    pub(crate) percent: Option<i64>,
}

/// State in which a rollout left its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Unique id of the object.
    pub(crate) uid: String,
    /// Candidate of the rollout; `None` if any will do.
    pub(crate) candidate: Option<String>,
    /// Percents that the spec may request: the last one that was set, and the one to set, in case it was set by a run that was killed.
    pub(crate) percents: Vec<Option<i64>>,
}

impl Expected {
    /// Returns the difference between a target and its expected state; `None` if there is none.
    pub(crate) fn difference(&self, observed: &Observed) -> Option<String> {
        if observed.uid != self.uid {
            return Some("it was deleted and created again".to_owned());
        }
        if let Some(candidate) = &self.candidate
            && observed.candidate.as_ref() != Some(candidate)
        {
            return Some(match &observed.candidate {
                Some(other) => format!("the candidate {candidate} was replaced by {other}"),
                None => format!("{candidate} is no longer a candidate"),
            });
        }
        if !self.percents.contains(&observed.percent) {
            let shown = |percent: Option<i64>| percent.map_or("absent".to_owned(), |percent| percent.to_string());
            let last = self.percents.first().copied().flatten();
            return Some(format!(
                "the percent was changed by someone else: it is {}; expected {}",
                shown(observed.percent),
                shown(last)
            ));
        }
        None
    }
}
