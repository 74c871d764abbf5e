//! Rules of the election, without I/O: moments and responses in, the next request and the term out.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::leadership::{Moment, Term};
use super::{LeaseSettings, Ordinal};

/// Random part of a pause, relative to it: keeps standbys from asking at the same time.
const JITTER: f64 = 0.2;

/// Next request.
#[derive(Debug)]
pub(super) enum Action {
    Read,
    Create(Box<Lease>),
    /// Replaces the Lease with this resourceVersion.
    Update(Box<Lease>),
}

/// Result of a create or update.
#[derive(Debug)]
pub(super) enum WriteResult {
    Stored(Box<Lease>),
    /// Another process wrote the Lease. Ours was not written.
    Conflict,
    /// No response, or an error that does not say whether it was written.
    Unknown,
}

/// Knowledge about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Another process held it when it was read; it must be read again.
    Outdated,
    /// A write of ours may have been carried out; it must be read again.
    Unconfirmed,
    /// As it was read or written last, and ours or free: it may be written.
    Current,
}

/// State of one candidate.
pub(super) struct Election {
    settings: LeaseSettings,
    lease: Option<Lease>,
    view: View,
    /// Moment at which the leadership of the last known holder has ended.
    free_at: Instant,
    /// True if a pod without the Lease may lead: at the start, and since access was denied.
    has_lone_leader: bool,
    /// Time at which such a pod has noticed that access was granted.
    joined_at: Instant,
    term: Option<Term>,
    /// Number of the last term.
    terms: u64,
    due: Instant,
}

impl Election {
    /// Returns a candidate whose terms are numbered from `last_term` + 1.
    pub(super) fn new(settings: LeaseSettings, last_term: u64, now: Instant) -> Self {
        Self {
            has_lone_leader: settings.ordinal == Ordinal::Later,
            settings,
            lease: None,
            view: View::Outdated,
            free_at: now,
            joined_at: now,
            term: None,
            terms: last_term,
            due: now,
        }
    }

    /// Returns the time of the next request.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Returns the term of this candidate, which may have passed its deadline.
    pub(super) fn term(&self) -> Option<Term> {
        self.term
    }

    /// Returns the request to send now.
    pub(super) fn action(&mut self, now: Moment) -> Action {
        self.end_passed_term(now);
        match (self.view, &self.lease) {
            (View::Outdated | View::Unconfirmed, _) => Action::Read,
            (View::Current, Some(lease)) => Action::Update(Box::new(self.claim(lease, now))),
            (View::Current, None) => {
                let (name, namespace) = (self.settings.name.clone(), self.settings.namespace.clone());
                let metadata = ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() };
                let mut lease = self.claim(&Lease { metadata, spec: None }, now);
                if let Some(spec) = &mut lease.spec {
                    spec.lease_transitions = Some(0);
                }
                Action::Create(Box::new(lease))
            }
        }
    }

    /// Handles the Lease as it was read; `None` if it does not exist.
    pub(super) fn observed(&mut self, now: Moment, lease: Option<Lease>) {
        self.end_passed_term(now);
        let is_ours = lease.as_ref().is_some_and(|lease| self.is_holder(lease));
        match &lease {
            // A deleted Lease does not stop its holder: the earlier observation still counts.
            None => {}
            Some(lease) if is_ours || holder(lease).is_empty() => self.free_at = now.instant,
            Some(lease) => {
                let is_unchanged = self.lease.as_ref().is_some_and(|known| known.spec == lease.spec);
                if !is_unchanged {
                    self.free_at = now.instant + self.duration_of(lease);
                }
            }
        }
        if !is_ours {
            self.term = None;
        }
        if std::mem::take(&mut self.has_lone_leader) && self.term.is_none() {
            self.joined_at = now.instant + self.settings.duration;
        }
        self.lease = lease;
        let free_at = self.free_at.max(self.joined_at);
        if now.instant >= free_at {
            self.view = View::Current;
            self.due = now.instant;
        } else {
            self.view = View::Outdated;
            self.due = free_at.min(now.instant + self.pause());
        }
    }

    /// Notes that access to the Lease was denied. The first pod of a StatefulSet may lead without it then.
    pub(super) fn denied(&mut self) {
        self.has_lone_leader = self.settings.ordinal == Ordinal::Later;
    }

    /// Handles a read without a result.
    pub(super) fn read_failed(&mut self, sent: Moment, now: Moment) {
        self.end_passed_term(now);
        self.due = (sent.instant + self.pause()).max(now.instant);
    }

    /// Handles the response to a create or update that was sent at `sent`.
    pub(super) fn written(&mut self, sent: Moment, now: Moment, result: WriteResult) {
        self.end_passed_term(now);
        self.due = (sent.instant + self.pause()).max(now.instant);
        match result {
            WriteResult::Stored(lease) => {
                self.lease = Some(*lease);
                self.view = View::Current;
                self.free_at = now.instant;
                self.extend_term(sent);
                // The response may have come too late.
                self.end_passed_term(now);
            }
            WriteResult::Conflict => {
                self.view = View::Outdated;
                if self.term.take().is_some() {
                    // The holder may still be us, if somebody edited other parts of the Lease.
                    self.due = now.instant;
                }
            }
            WriteResult::Unknown => self.view = View::Unconfirmed,
        }
    }

    /// Returns true if the Lease may have been written without our knowledge.
    pub(super) fn needs_confirmation(&self) -> bool {
        self.view == View::Unconfirmed
    }

    /// Returns the Lease without a holder; `None` if another process holds it. To be called when this process has stopped writing.
    pub(super) fn released(&mut self, now: Moment) -> Option<Lease> {
        self.term = None;
        let lease = self.lease.as_ref().filter(|lease| self.is_holder(lease))?;
        let mut released = lease.clone();
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: renew_time(now, lease),
            ..lease.spec.clone().unwrap_or_default()
        };
        released.spec = Some(spec);
        Some(released)
    }

    /// Returns the Lease with this candidate as its holder.
    fn claim(&self, lease: &Lease, now: Moment) -> Lease {
        let previous = lease.spec.clone().unwrap_or_default();
        let renew_time = renew_time(now, lease);
        let (acquire_time, transitions) = if self.is_holder(lease) {
            (previous.acquire_time, previous.lease_transitions)
        } else {
            (renew_time.clone(), Some(previous.lease_transitions.unwrap_or_default().saturating_add(1)))
        };
        let spec = LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.settings.duration.as_secs()).unwrap_or(i32::MAX)),
            renew_time,
            acquire_time,
            lease_transitions: transitions,
            ..previous
        };
        Lease { metadata: lease.metadata.clone(), spec: Some(spec) }
    }

    fn extend_term(&mut self, sent: Moment) {
        if self.term.is_none() {
            self.terms += 1;
        }
        self.term = Some(Term { number: self.terms, deadline: sent.after(self.settings.renew_deadline) });
    }

    fn end_passed_term(&mut self, now: Moment) {
        self.term = self.term.filter(|term| !now.has_reached(term.deadline));
    }

    fn is_holder(&self, lease: &Lease) -> bool {
        holder(lease) == self.settings.identity
    }

    /// Returns the duration that the holder promised, or ours.
    fn duration_of(&self, lease: &Lease) -> Duration {
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        seconds.map_or(self.settings.duration, Duration::from_secs)
    }

    fn pause(&self) -> Duration {
        self.settings.retry.mul_f64(1.0 + JITTER * fastrand::f64())
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

/// Returns the time of the renewal. It differs from the last one even if the clock stands still: standbys must see a change.
fn renew_time(now: Moment, lease: &Lease) -> Option<MicroTime> {
    let last = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    let time = Timestamp::from_microsecond(now.time.timestamp_micros()).ok()?;
    let is_same = last.is_some_and(|last| last.0 == time);
    let step = SignedDuration::from_micros(i64::from(is_same));
    time.checked_add(step).ok().map(MicroTime)
}

#[cfg(test)]
mod tests;
