//! Loads of a task that run at the same time.

use super::job::Load;

/// Loads that run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tasks) enum Concurrency {
    /// One load at a time.
    Sequential,
    /// All versions of an endpoint. If they were measured one after the other, a change of the service's other load would be mistaken
    /// for a difference between versions.
    Versions,
    /// All loads.
    All,
}

impl Concurrency {
    /// Returns the concurrency for the value of `parallel`.
    pub(super) fn of(parallel: Option<bool>) -> Self {
        match parallel {
            Some(false) => Self::Sequential,
            None => Self::Versions,
            Some(true) => Self::All,
        }
    }

    /// Splits loads into groups that run one after the other; each keeps the order of its loads.
    pub(super) fn groups<L: Load>(self, loads: &[L]) -> Vec<Vec<&L>> {
        let mut groups: Vec<Vec<&L>> = Vec::new();
        for load in loads {
            let joined = groups.iter_mut().find(|group| match self {
                Self::Sequential => false,
                Self::Versions => group.iter().all(|other| other.provider() == load.provider()),
                Self::All => true,
            });
            match joined {
                Some(group) => group.push(load),
                None => groups.push(vec![load]),
            }
        }
        groups
    }
}
