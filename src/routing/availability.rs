//! Availability of a version: all its resources exist, are not being deleted and satisfy their conditions.
//!
//! Judged as by `kubectl wait` and Iter8, with two differences for KServe:
//!
//! - `observedGeneration` of an InferenceService is that of one of its children (kserve/kserve#6081), so it says nothing about the
//!   InferenceService and is not used.
//! - `Ready` turns `Unknown` when a new revision starts although the old one serves (kserve/kserve#5443). With a hold time, a version that was
//!   seen to lose a condition to `Unknown` stays available for that time. `False` takes effect immediately.
//!
//! A third difference concerns all types: while the status of an available version is behind its generation, the version stays available
//! for five seconds, or for the hold time if that is longer. Otherwise each scaling of a Deployment would move its traffic for a moment.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::config::{Condition as Wanted, ResourceType};
use super::observed::{Condition, Observed};

/// Time for a controller to observe a change of a spec, during which an available version stays available: each scaling of a Deployment
/// makes a new generation.
const STATUS_LAG: Duration = Duration::from_secs(5);

/// Group of KServe's resource types.
const KSERVE: &str = "serving.kserve.io";

/// Availability of a version, or of one of its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Available.
    Available,
    /// Available although it has problems; they count from this time on.
    Held(DateTime<Utc>),
    /// Not available.
    Unavailable,
}

/// Reason why a resource is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It does not exist, or it is not watched.
    Missing,
    /// It has a deletion timestamp.
    BeingDeleted,
    /// It has no such condition.
    NoCondition(Box<str>),
    /// A condition has another status than the wanted one.
    Condition {
        /// Type of the condition.
        name: Box<str>,
        /// Its status.
        status: Box<str>,
        /// Time of the last change of the status.
        since: Option<DateTime<Utc>>,
    },
    /// The status is about an earlier generation.
    NotObserved {
        /// Generation of the object.
        generation: i64,
        /// Generation that the status is about.
        observed: i64,
    },
}

impl Reason {
    /// Returns the name of the reason, for metrics and Events.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::BeingDeleted => "BeingDeleted",
            Self::NoCondition(_) => "NoCondition",
            Self::Condition { .. } => "Condition",
            Self::NotObserved { .. } => "NotObserved",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("does not exist, or does not have the label `iter8.tools/watch: \"true\"`"),
            Self::BeingDeleted => f.write_str("is being deleted"),
            Self::NoCondition(name) => write!(f, "has no condition `{name}` yet"),
            Self::Condition { name, status, since } => {
                write!(f, "condition `{name}` is `{status}`")?;
                match since {
                    Some(since) => write!(f, " since {}", since.to_rfc3339_opts(SecondsFormat::Secs, true)),
                    None => Ok(()),
                }
            }
            Self::NotObserved { generation, observed } => {
                write!(f, "status is stale: observed generation {observed}, current generation {generation}")
            }
        }
    }
}

impl Availability {
    /// Combines the availability of two resources of a version.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unavailable, _) | (_, Self::Unavailable) => Self::Unavailable,
            (Self::Held(a), Self::Held(b)) => Self::Held(a.min(b)),
            (Self::Held(until), _) | (_, Self::Held(until)) => Self::Held(until),
            (Self::Available, Self::Available) => Self::Available,
        }
    }
}

/// Judges a resource; `None` if it was not observed. The reason is given unless it is plainly available.
pub(super) fn availability(
    object: Option<&Observed>,
    kind: &ResourceType,
    hold_time: Duration,
    now: DateTime<Utc>,
) -> (Availability, Option<Reason>) {
    let unavailable = |reason| (Availability::Unavailable, Some(reason));
    let Some(object) = object else { return unavailable(Reason::Missing) };
    if object.is_being_deleted {
        return unavailable(Reason::BeingDeleted);
    }
    let mut result = (Availability::Available, None);
    for wanted in &kind.conditions {
        let Some(condition) = object.condition(&wanted.name) else {
            return unavailable(Reason::NoCondition(wanted.name.clone()));
        };
        let (reason, until) = if !is_satisfied(condition, wanted) {
            let (name, status) = (condition.name.clone(), condition.status.clone());
            let reason = Reason::Condition { name, status, since: condition.since };
            (reason, held_until(condition.lost_at, hold_time, now))
        } else if let Some(stale) = stale(object, condition.observed_generation, kind) {
            (stale, held_until(object.behind_since, hold_time.max(STATUS_LAG), now))
        } else {
            continue;
        };
        let Some(until) = until else { return unavailable(reason) };
        result = (result.0.and(Availability::Held(until)), Some(reason));
    }
    match stale(object, None, kind).filter(|_| kind.conditions.is_empty()) {
        Some(stale) => match held_until(object.behind_since, hold_time.max(STATUS_LAG), now) {
            Some(until) => (Availability::Held(until), Some(stale)),
            None => unavailable(stale),
        },
        None => result,
    }
}

fn is_satisfied(condition: &Condition, wanted: &Wanted) -> bool {
    condition.status.eq_ignore_ascii_case(&wanted.status)
}

/// Checks for a status of an earlier generation. The `observedGeneration` of a condition is more precise than that of the status.
fn stale(object: &Observed, of_condition: Option<i64>, kind: &ResourceType) -> Option<Reason> {
    if kind.resource.group == KSERVE {
        return None;
    }
    let generation = object.generation?;
    let observed = of_condition.or(object.observed_generation)?;
    (observed < generation).then_some(Reason::NotObserved { generation, observed })
}

/// Returns the end of the hold time since a loss; `None` if there was none, or if it is over.
fn held_until(lost_at: Option<DateTime<Utc>>, hold_time: Duration, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let lost_at = lost_at?;
    let until = lost_at.checked_add_signed(TimeDelta::from_std(hold_time).ok()?)?;
    (now < until).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_as_available_as_its_least_available_resource() {
        use Availability::{Available, Held, Unavailable};
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        for (a, b, both) in [
            (Available, Available, Available),
            (Available, Held(at(5)), Held(at(5))),
            (Held(at(5)), Held(at(3)), Held(at(3))),
            (Held(at(5)), Unavailable, Unavailable),
            (Available, Unavailable, Unavailable),
        ] {
            assert_eq!(a.clone().and(b.clone()), both);
            assert_eq!(b.and(a), both);
        }
    }
}
