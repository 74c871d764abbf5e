//! Two electors on one store, in simulated time.

mod simulation;

use std::time::Duration;

use super::LeaseError;
use simulation::{Fault, Process, Simulation};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn of_two_that_start_together_one_leads() {
    let simulation = Simulation::new();
    let (a, b) = (simulation.start("a"), simulation.start("b"));
    simulation.watch(&[&a, &b], 60 * SECOND).await;
    assert_ne!(a.is_leader(), b.is_leader());
    assert_eq!(simulation.transitions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_within_12_s_after_a_crash() {
    let simulation = Simulation::new();
    let a = simulation.start("a");
    simulation.watch(&[&a], 5 * SECOND).await;
    let b = simulation.start("b");
    simulation.watch(&[&a, &b], 5 * SECOND).await;
    assert!(a.is_leader());
    a.crash();
    let gap = simulation.time_until_leader(&[&a, &b], &b).await;
    assert!((8 * SECOND..12 * SECOND).contains(&gap), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_at_its_next_read_after_a_clean_stop() {
    let simulation = Simulation::new();
    let a = simulation.start("a");
    simulation.watch(&[&a], 5 * SECOND).await;
    let b = simulation.start("b");
    simulation.watch(&[&a, &b], 5 * SECOND).await;
    a.stop();
    let gap = simulation.time_until_leader(&[&a, &b], &b).await;
    assert!(gap < 2 * SECOND, "{gap:?}");
    simulation.watch(&[&a, &b], 20 * SECOND).await;
    a.ended().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrong_wall_clocks_do_not_matter() {
    for hours in [-1000, 1000] {
        let simulation = Simulation::new();
        let a = simulation.start("a");
        simulation.watch(&[&a], 5 * SECOND).await;
        let b = simulation.start("b");
        b.move_clock(chrono::TimeDelta::hours(hours));
        simulation.watch(&[&a, &b], 600 * SECOND).await;
        assert!(a.is_leader());
        assert_eq!(simulation.transitions(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_leader_is_replaced_and_knows_it_when_it_wakes() {
    let simulation = Simulation::new();
    let a = simulation.start("a");
    simulation.watch(&[&a], 5 * SECOND).await;
    let b = simulation.start("b");
    simulation.watch(&[&a, &b], 5 * SECOND).await;
    a.stall(true);
    simulation.watch(&[&a, &b], 20 * SECOND).await;
    assert!(b.is_leader());
    a.stall(false);
    simulation.watch(&[&a, &b], 20 * SECOND).await;
    assert!(b.is_leader());
    assert_eq!(simulation.transitions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_its_standby_starts() {
    for fault in [Fault::Refused, Fault::Silent] {
        let simulation = Simulation::new();
        let a = simulation.start("a");
        simulation.watch(&[&a], 5 * SECOND).await;
        let b = simulation.start("b");
        simulation.watch(&[&a, &b], 5 * SECOND).await;
        a.set_fault(fault);
        simulation.watch(&[&a, &b], 7 * SECOND).await;
        assert!(!a.is_leader() && !b.is_leader(), "{fault:?}");
        simulation.watch(&[&a, &b], 8 * SECOND).await;
        assert!(b.is_leader(), "{fault:?}");
        a.set_fault(Fault::None);
        simulation.watch(&[&a, &b], 20 * SECOND).await;
        assert!(b.is_leader(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn short_outages_and_lost_responses_do_not_end_a_term() {
    for fault in [Fault::Refused, Fault::Silent, Fault::ResponseLost] {
        let simulation = Simulation::new();
        let mut a = simulation.start("a");
        simulation.watch(&[&a], 5 * SECOND).await;
        assert!(a.changed().await);
        let b = simulation.start("b");
        for _ in 0..10 {
            a.set_fault(fault);
            simulation.watch(&[&a, &b], 2 * SECOND).await;
            a.set_fault(Fault::None);
            simulation.watch(&[&a, &b], 7 * SECOND).await;
        }
        assert!(!a.has_changed().await, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_leader_returns_after_an_outage_with_a_new_term() {
    let simulation = Simulation::new();
    let mut a = simulation.start("a");
    simulation.watch(&[&a], 5 * SECOND).await;
    assert!(a.changed().await);
    a.set_fault(Fault::Refused);
    assert!(!a.changed().await);
    a.set_fault(Fault::None);
    let gap = simulation.time_until_leader(&[&a], &a).await;
    assert!(gap < 2 * SECOND, "{gap:?}");
    assert!(a.changed().await);
}

#[tokio::test(start_paused = true)]
async fn permanent_403_ends_the_election_and_temporary_403_does_not() {
    let simulation = Simulation::new();
    let a = simulation.start("a");
    a.set_fault(Fault::Forbidden);
    simulation.watch(&[&a], 4 * SECOND).await;
    a.set_fault(Fault::None);
    simulation.watch(&[&a], 4 * SECOND).await;
    assert!(a.is_leader());
    a.set_fault(Fault::Forbidden);
    simulation.watch(&[&a], 10 * SECOND).await;
    assert!(!a.is_leader() && !a.is_over());
    simulation.watch(&[&a], 15 * SECOND).await;
    assert!(matches!(a.ended().await, Err(LeaseError::Forbidden { was_authorized: true, .. })));

    let never_authorized = simulation.start("b");
    never_authorized.set_fault(Fault::Forbidden);
    simulation.watch(&[&never_authorized], 7 * SECOND).await;
    assert!(matches!(never_authorized.ended().await, Err(LeaseError::Forbidden { was_authorized: false, .. })));
}

#[tokio::test(start_paused = true)]
async fn permanent_403_of_writes_ends_the_election_too() {
    let simulation = Simulation::new();
    let a = simulation.start("a-0");
    a.set_fault(Fault::WriteForbidden);
    simulation.watch(&[&a], 30 * SECOND).await;
    assert!(matches!(a.ended().await, Err(LeaseError::Forbidden { was_authorized: true, .. })));
}

#[tokio::test(start_paused = true)]
async fn the_first_pod_leads_without_the_lease_until_access_is_granted() {
    let simulation = Simulation::new();
    let (mut first, second) = (simulation.start_pod("iter8-0"), simulation.start_pod("iter8-1"));
    for process in [&first, &second] {
        process.set_fault(Fault::Forbidden);
    }
    simulation.watch(&[&first, &second], 120 * SECOND).await;
    assert!(first.changed().await && !first.has_changed().await, "its term is not interrupted");
    for process in [&first, &second] {
        process.set_fault(Fault::None);
    }
    simulation.watch(&[&first, &second], 60 * SECOND).await;
    assert!(first.is_leader());
    assert_eq!(simulation.transitions(), 0);
    // It has the Lease now, so the other pod replaces it.
    first.crash();
    let gap = simulation.time_until_leader(&[&first, &second], &second).await;
    assert!(gap < 15 * SECOND, "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_pod_stops_leading_without_the_lease_before_another_pod_takes_it() {
    for milliseconds in (0..60_000).step_by(3_500) {
        let simulation = Simulation::new();
        let (first, second) = (simulation.start_pod("iter8-0"), simulation.start_pod("iter8-1"));
        for process in [&first, &second] {
            process.set_fault(Fault::Forbidden);
        }
        simulation.watch(&[&first, &second], 30 * SECOND + Duration::from_millis(milliseconds)).await;
        assert!(first.is_leader());
        // It does not learn that access is granted, because it is cut off.
        first.set_fault(Fault::Silent);
        second.set_fault(Fault::None);
        let third = simulation.start_pod("iter8-2");
        simulation.watch(&[&first, &second, &third], 60 * SECOND).await;
        assert!(!first.is_leader() && (second.is_leader() || third.is_leader()));
        first.set_fault(Fault::None);
        simulation.watch(&[&first, &second, &third], 60 * SECOND).await;
        assert!(!first.is_leader());
    }
}

/// Sets a random fault of a process.
fn disturb(process: &Process, dice: &mut fastrand::Rng) {
    match dice.u8(..8) {
        0 => process.set_fault(Fault::Refused),
        1 => process.set_fault(Fault::Silent),
        2 => process.set_fault(Fault::ResponseLost),
        3 => process.stall(true),
        4 => process.move_clock(chrono::TimeDelta::seconds(dice.i64(-3600..3600))),
        5 => process.set_latency(Duration::from_millis(dice.u64(1..1900))),
        _ => {
            process.stall(false);
            process.set_fault(Fault::None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_never_two_leaders_whatever_fails() {
    for seed in 0..4 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let simulation = Simulation::new();
        let mut processes = ["0", "1", "2"].map(|name| simulation.start(name));
        // Processes that ended must not lead either.
        let mut ended = Vec::new();
        for number in 0..60 {
            let process = &mut processes[dice.usize(..3)];
            match dice.u8(..10) {
                0 => process.crash(),
                1 => process.stop(),
                _ => disturb(process, &mut dice),
            }
            if process.is_over() {
                ended.push(std::mem::replace(process, simulation.start(&format!("again-{number}"))));
            }
            let all: Vec<&Process> = processes.iter().chain(&ended).collect();
            simulation.watch(&all, Duration::from_millis(dice.u64(1..8000))).await;
        }
        let all: Vec<&Process> = processes.iter().collect();
        for process in &all {
            process.stall(false);
            process.set_fault(Fault::None);
            process.set_latency(Duration::from_millis(1));
        }
        simulation.watch(&all, 15 * SECOND).await;
        assert_eq!(all.iter().filter(|process| process.is_leader()).count(), 1, "seed {seed}");
    }
}
