//! Traffic that a change should lead to, and the test for it.
//!
//! The test reads revisions and their percents, never `observedGeneration`: KServe copies that from a child (kserve/kserve#6081). The percent
//! of the entry `latestRevision` alone is no proof either: while a candidate fails, the entry stands for the old revision.

use super::service::{Service, Traffic};

/// Traffic that a change should lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Unique id of the InferenceService.
    pub uid: String,
    /// Generation of its spec with the change; earlier states are older than the change.
    pub generation: i64,
    /// Newest revision at the time of the change.
    pub newest: String,
    /// Percent of the newest revision.
    pub percent: u8,
    /// Revision that gets the rest; `None` if there is no rest.
    pub stable: Option<String>,
    /// Value of `spec.predictor.canaryTrafficPercent`; `None` if it is absent.
    pub field: Option<i64>,
}

/// State of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The traffic is as it should be.
    Reached,
    /// The traffic is not there yet; describes the current state.
    Waiting(String),
    /// The goal can no longer be reached: someone else changed the InferenceService.
    Lost(String),
}

impl Goal {
    /// Compares the InferenceService with the goal; `None` if it does not exist.
    pub fn check(&self, service: Option<&Service>) -> Progress {
        match (self.interference(service), service) {
            (Some(reason), _) => Progress::Lost(reason),
            (None, Some(service)) if !self.is_older(service) => match self.differs(service) {
                Some(reason) => Progress::Waiting(reason),
                None => Progress::Reached,
            },
            _ => Progress::Waiting("the change has not been seen yet".to_owned()),
        }
    }

    /// Returns the change by others that makes the goal unreachable, if there is one.
    pub fn interference(&self, service: Option<&Service>) -> Option<String> {
        match service {
            None => Some("it was deleted".to_owned()),
            Some(service) if self.is_older(service) => None,
            Some(service) => self.lost(service),
        }
    }

    /// Returns true for a state from before the change.
    fn is_older(&self, service: &Service) -> bool {
        service.uid == self.uid && service.generation < self.generation
    }

    /// Notes the InferenceService as the API server returned it after the change.
    #[must_use]
    pub fn after(self, patched: &Service) -> Self {
        Self { generation: patched.generation, ..self }
    }

    fn lost(&self, service: &Service) -> Option<String> {
        if service.uid != self.uid {
            return Some("it was deleted and created again".to_owned());
        }
        if let Some(reason) = &service.halted {
            return Some(reason.clone());
        }
        if service.canary_traffic_percent != self.field {
            let shown = |percent: Option<i64>| percent.map_or("absent".to_owned(), |percent| percent.to_string());
            let managers = match service.percent_managers.as_slice() {
                [] => "someone else".to_owned(),
                managers => managers.join(", "),
            };
            let (now, expected) = (shown(service.canary_traffic_percent), shown(self.field));
            return Some(format!(
                "spec.predictor.canaryTrafficPercent was changed by {managers}: it is {now}; expected {expected}"
            ));
        }
        let created = service.latest_created_revision.as_deref().unwrap_or_default();
        if created != self.newest {
            return Some(format!("a newer revision appeared: {created}; expected {}", self.newest));
        }
        // KServe may take an older revision for the stable one (kserve/kserve#1968).
        let rolled = service.latest_rolledout_revision.as_deref().unwrap_or_default();
        match &self.stable {
            Some(stable) if rolled != stable && rolled != self.newest => {
                Some(format!("the stable revision changed to {rolled}; expected {stable}"))
            }
            _ => None,
        }
    }

    fn differs(&self, service: &Service) -> Option<String> {
        let rest = 100 - i64::from(self.percent);
        let wanted = [(Some(&self.newest), i64::from(self.percent)), (self.stable.as_ref(), rest)];
        for (revision, percent) in wanted {
            let Some(revision) = revision else { continue };
            let now = service.percent_of(revision);
            if now != percent {
                let reason = service.unready().map(|reason| format!("; {reason}")).unwrap_or_default();
                return Some(format!("revision {revision} gets {now} % of the traffic; expected {percent} %{reason}"));
            }
        }
        // A revision that becomes ready gets the traffic of these entries.
        let latest: i64 = service.traffic.iter().filter(|entry| entry.latest).map(|entry| entry.percent).sum();
        if latest != i64::from(self.percent) {
            return Some(format!(
                "the latest ready revision gets {latest} % of the traffic; expected {} %",
                self.percent
            ));
        }
        if self.percent > 0 {
            if let Some(reason) = service.unready() {
                return Some(reason);
            }
            let follows = |entry: &Traffic| entry.latest && entry.revision == self.newest;
            if !service.traffic.iter().any(follows) {
                return Some(format!("the traffic does not follow revision {} yet", self.newest));
            }
            if let Some(reason) = service.untrue(&["PredictorReady"]) {
                return Some(reason);
            }
        }
        if let Some(reason) = service.untrue(&["PredictorRouteReady", "RoutesReady"]) {
            return Some(reason);
        }
        let rolled = match &self.stable {
            Some(stable) => stable,
            None => &self.newest,
        };
        let now = service.latest_rolledout_revision.as_deref().unwrap_or("none");
        (now != rolled).then(|| format!("KServe counts {now} as the revision with all the traffic; expected {rolled}"))
    }
}
