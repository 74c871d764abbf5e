use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A candidate and its own clocks.
struct Candidate {
    election: Election,
    now: Moment,
}

impl Candidate {
    fn new(name: &str) -> Self {
        let mut settings = LeaseSettings::new("iter8", "controller", name);
        settings.identity = name.to_owned();
        let now = Moment { instant: Instant::now(), time: chrono::DateTime::UNIX_EPOCH };
        Self { election: Election::new(settings, 0, now.instant), now }
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
    }

    fn wait_until_due(&mut self) {
        self.wait(self.election.due().duration_since(self.now.instant));
    }

    fn observe(&mut self, lease: Option<&Lease>) -> Action {
        self.election.observed(self.now, lease.cloned());
        self.election.action(self.now)
    }

    fn write(&mut self, result: WriteResult) -> Option<u64> {
        self.election.written(self.now, self.now, result);
        self.election.term().map(|term| term.number)
    }

    /// Acquires or renews the Lease.
    fn hold(&mut self) -> Lease {
        let (Action::Create(lease) | Action::Update(lease)) = self.election.action(self.now) else {
            panic!("the Lease must be read first");
        };
        self.write(WriteResult::Stored(lease.clone()));
        *lease
    }

    fn is_leader(&self) -> bool {
        self.election.term().is_some_and(|term| !self.now.has_reached(term.deadline))
    }
}

fn leader(name: &str) -> (Candidate, Lease) {
    let mut candidate = Candidate::new(name);
    assert!(matches!(candidate.election.action(candidate.now), Action::Read));
    candidate.election.observed(candidate.now, None);
    let lease = candidate.hold();
    assert!(candidate.is_leader());
    (candidate, lease)
}

fn spec(lease: &Lease) -> &LeaseSpec {
    lease.spec.as_ref().unwrap()
}

#[test]
fn a_missing_lease_is_created_and_then_renewed_without_reading() {
    let (mut a, created) = leader("a");
    a.wait_until_due();
    let Action::Update(renewed) = a.election.action(a.now) else { panic!("no renewal") };
    assert_eq!(spec(&renewed).acquire_time, spec(&created).acquire_time);
    assert!(spec(&renewed).renew_time > spec(&created).renew_time);
    assert_eq!(spec(&renewed).lease_duration_seconds, Some(9));
    assert_eq!(spec(&renewed).lease_transitions, Some(0));
}

#[test]
fn a_lease_that_does_not_change_is_taken_after_its_duration() {
    let (_, lease) = leader("a");
    let mut b = Candidate::new("b");
    let start = b.now.instant;
    while let Action::Read = b.observe(Some(&lease)) {
        b.wait_until_due();
    }
    assert_eq!(b.now.instant.duration_since(start), 9 * SECOND);
    let taken = b.hold();
    assert_eq!(spec(&taken).lease_transitions, Some(1));
    assert!(b.is_leader());
}

#[test]
fn a_lease_that_changes_is_not_taken() {
    let (mut a, _) = leader("a");
    let mut b = Candidate::new("b");
    for _ in 0..100 {
        a.wait(5 * SECOND);
        let lease = a.hold();
        b.wait(8 * SECOND);
        assert!(matches!(b.observe(Some(&lease)), Action::Read));
    }
}

#[test]
fn renewals_are_seen_even_if_the_clock_stands_still() {
    let (mut a, first) = leader("a");
    let second = a.hold();
    assert_ne!(spec(&first), spec(&second));
}

#[test]
fn a_lease_without_holder_is_taken_immediately() {
    let (mut a, _) = leader("a");
    let released = a.election.released(a.now).unwrap();
    assert!(!a.is_leader());
    let mut b = Candidate::new("b");
    assert!(matches!(b.observe(Some(&released)), Action::Update(_)));
    assert!(b.election.released(b.now).is_none(), "a standby has nothing to release");
}

#[test]
fn a_deleted_lease_does_not_stop_its_holder() {
    let (_, lease) = leader("a");
    let mut b = Candidate::new("b");
    b.observe(Some(&lease));
    b.wait(5 * SECOND);
    assert!(matches!(b.observe(None), Action::Read));
    b.wait(4 * SECOND);
    assert!(matches!(b.observe(None), Action::Create(_)));
}

#[test]
fn a_term_ends_at_the_deadline_by_either_clock() {
    let by_instant = |start: Moment| Moment { instant: start.instant + 6 * SECOND, ..start };
    let by_wall_clock = |start: Moment| Moment { time: start.time + chrono::TimeDelta::seconds(6), ..start };
    let ends: [&dyn Fn(Moment) -> Moment; 2] = [&by_instant, &by_wall_clock];
    for end in ends {
        let (mut a, _) = leader("a");
        a.now = end(a.now);
        assert!(!a.is_leader());
        assert!(matches!(a.election.action(a.now), Action::Update(_)), "it may still renew");
        assert!(a.election.term().is_none());
    }
}

#[test]
fn a_term_counts_from_before_the_renewal_was_sent() {
    let (mut a, lease) = leader("a");
    let sent = a.now;
    a.wait(5 * SECOND);
    a.election.written(sent, a.now, WriteResult::Stored(Box::new(lease.clone())));
    assert!(a.is_leader());
    a.wait(SECOND);
    assert!(!a.is_leader());
    a.election.written(sent, a.now, WriteResult::Stored(Box::new(lease)));
    assert!(a.election.term().is_none(), "the response came too late");
}

#[test]
fn a_conflict_ends_the_term_immediately() {
    let (mut a, _) = leader("a");
    assert_eq!(a.write(WriteResult::Conflict), None);
    assert_eq!(a.election.due(), a.now.instant);
    assert!(matches!(a.election.action(a.now), Action::Read));
}

#[test]
fn an_unknown_result_is_read_first_and_keeps_the_term() {
    let (mut a, lease) = leader("a");
    assert_eq!(a.write(WriteResult::Unknown), Some(1));
    assert!(a.election.needs_confirmation());
    assert!(matches!(a.election.action(a.now), Action::Read));
    assert!(matches!(a.observe(Some(&lease)), Action::Update(_)));
    assert_eq!(a.election.term().map(|term| term.number), Some(1));
}

#[test]
fn a_foreign_holder_ends_the_term() {
    let (mut a, _) = leader("a");
    a.write(WriteResult::Unknown);
    let (_, other) = leader("b");
    assert!(matches!(a.observe(Some(&other)), Action::Read));
    assert!(a.election.term().is_none());
}

#[test]
fn terms_are_numbered() {
    let (mut a, lease) = leader("a");
    a.wait(7 * SECOND);
    assert_eq!(a.write(WriteResult::Stored(Box::new(lease))), Some(2));
}
