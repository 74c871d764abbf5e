//! Tests of the distribution of slots over workers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::load::pacing::stages::{Stage, Stages};
use crate::load::pacing::{Arrival, Bound};
use crate::model::load::Spacing;

fn shared(pacer: Pacer, start: Instant, workers: usize) -> Vec<Dispatcher> {
    let queues = Arc::new(SlotQueues::new(pacer, start, workers));
    (0..workers).map(|worker| Dispatcher::new(Arc::clone(&queues), worker)).collect()
}

fn dispatchers(rate: f64, count: u64, workers: usize) -> Vec<Dispatcher> {
    shared(Pacer::new(Arrival::Constant { rate }, Bound::Count(count)), Instant::now(), workers)
}

fn dues(dispatcher: &Dispatcher, now: Instant) -> Vec<u128> {
    let mut dues = Vec::new();
    while let Claim::Taken(slot) = dispatcher.claim(now, now) {
        dues.push((slot.due.unwrap() - dispatcher.queues.start()).as_millis());
    }
    dues
}

/// One schedule of each kind with a rate, of half a second.
fn schedules() -> Vec<Pacer> {
    let end = Duration::from_millis(500);
    let half = end / 2;
    let stages =
        || Stages::new(0.0, &[Stage { duration: half, rate: 8e3 }, Stage { duration: half, rate: 0.0 }]).unwrap();
    vec![
        Pacer::new(Arrival::Constant { rate: 4e3 }, Bound::Duration(end)),
        Pacer::new(Arrival::Constant { rate: 4e3 }, Bound::Count(1_999)),
        Pacer::new(Arrival::Poisson { rate: 4e3 }, Bound::Duration(end)),
        Pacer::new(Arrival::Poisson { rate: 4e3 }, Bound::Count(1_999)),
        Pacer::staged(stages(), Spacing::Uniform),
        Pacer::staged(stages(), Spacing::Poisson),
    ]
}

/// Returns all slots of a schedule and their due times from the start.
fn all_slots(pacer: &Pacer) -> Vec<(u64, Duration)> {
    let mut cursor = pacer.cursor();
    (0..).map_while(|k| Some((k, cursor.due(k)?))).collect()
}

#[test]
fn the_oldest_due_slot_of_any_queue_is_taken_first() {
    let dispatchers = dispatchers(1000.0, 7, 3);
    let now = dispatchers[0].queues.start() + Duration::from_millis(4);
    assert_eq!(dues(&dispatchers[1], now), [0, 1, 2, 3, 4]);
    assert_eq!(dispatchers[0].claim(now, now), Claim::NotDue);
    assert_eq!(dues(&dispatchers[0], now + Duration::from_secs(1)), [5, 6]);
    assert_eq!(dispatchers[0].claim(now + Duration::from_secs(1), now + Duration::from_secs(1)), Claim::Over);
    assert_eq!(dispatchers[0].queues.taken(), 7);
}

#[test]
fn nothing_is_due_before_the_start() {
    let pacer = Pacer::new(Arrival::Constant { rate: 1000.0 }, Bound::Count(7));
    let now = Instant::now();
    let start = now + Duration::from_millis(2);
    let dispatchers = shared(pacer, start, 3);
    assert_eq!(dispatchers[0].claim(now, now), Claim::NotDue);
    assert!(!dispatchers[0].is_behind(now));
    assert_eq!(dispatchers[0].next_due(now), Some(start));
    assert_eq!(dispatchers[2].next_due(now), Some(start + Duration::from_millis(2)));
    assert_eq!(
        dispatchers[0].claim(start, start),
        Claim::Taken(Slot { number: 0, due: Some(start), ready: Some(start) })
    );
}

#[test]
fn at_maximum_rate_a_worker_takes_its_own_slots_first_and_then_what_others_left() {
    let dispatchers = shared(Pacer::new(Arrival::Max, Bound::Count(7)), Instant::now(), 3);
    let mut numbers = Vec::new();
    while let Claim::Taken(slot) = dispatchers[1].claim(Instant::now(), Instant::now()) {
        assert_eq!(slot.due, None);
        numbers.push(slot.number);
    }
    assert_eq!(numbers, [1, 4, 2, 5, 0, 3, 6]);
    assert_eq!(dispatchers[1].claim(Instant::now(), Instant::now()), Claim::Over);
}

#[test]
fn the_next_due_slot_skips_those_that_are_due_already() {
    let dispatchers = dispatchers(1000.0, 7, 3);
    let at = |ms| dispatchers[0].queues.start() + Duration::from_millis(ms);
    assert_eq!(dispatchers[1].next_due(at(0)), Some(at(1)));
    assert_eq!(dispatchers[1].next_due(at(1)), Some(at(4)));
    assert_eq!(dispatchers[0].next_due(at(4)), Some(at(6)));
    assert_eq!(dispatchers[1].next_due(at(4)), None);
    assert!(dispatchers[0].is_behind(at(4)));
}

#[test]
fn all_workers_wake_for_the_slots_of_a_retired_worker() {
    let dispatchers = dispatchers(1000.0, 7, 3);
    let at = |ms| dispatchers[0].queues.start() + Duration::from_millis(ms);
    assert_eq!(dispatchers[1].next_due(at(4)), None);
    dispatchers[0].retire();
    assert_eq!([0, 4, 5].map(|ms| dispatchers[1].next_due(at(ms))), [Some(at(1)), Some(at(5)), Some(at(6))]);
    assert_eq!(dispatchers[1].next_due(at(6)), None);
}

#[test]
fn a_worker_is_behind_while_a_slot_of_any_queue_waits() {
    let dispatchers = dispatchers(1000.0, 7, 3);
    let now = dispatchers[0].queues.start();
    assert!(dispatchers.iter().all(|dispatcher| dispatcher.is_behind(now)), "slot 0 is due");
    assert!(matches!(dispatchers[2].claim(now, now), Claim::Taken(_)));
    assert!(dispatchers.iter().all(|dispatcher| !dispatcher.is_behind(now)));
}

#[test]
fn closed_queues_give_nothing() {
    let dispatchers = dispatchers(1000.0, 7, 1);
    dispatchers[0].queues.close();
    assert_eq!(dispatchers[0].claim(Instant::now(), Instant::now()), Claim::Over);
}

#[test]
fn a_slot_is_ready_once_it_is_due_and_a_connection_is_free() {
    // A slot every millisecond. Published: how long connections of the first and second worker are idle.
    let ready = |idle: [Option<u64>; 2], now: u64, since: u64| {
        let dispatchers = dispatchers(1000.0, 1000, 2);
        let at = |ms| dispatchers[0].queues.start() + Duration::from_millis(ms);
        for (dispatcher, since) in dispatchers.iter().zip(idle) {
            dispatcher.publish_idle(since.map(at));
        }
        let claim = |now| match dispatchers[0].claim(at(now), at(since)) {
            Claim::Taken(slot) => (slot.ready.unwrap() - at(0)).as_millis(),
            other => panic!("{other:?}"),
        };
        [claim(now), claim(now)]
    };
    assert_eq!(ready([None, None], 50, 50), [50, 50], "all were busy");
    assert_eq!(ready([None, None], 50, 30), [30, 30], "this one was free before");
    assert_eq!(ready([None, Some(20)], 50, 50), [20, 20], "one of another worker was idle");
    assert_eq!(ready([Some(0), None], 50, 50), [0, 1], "one of this worker was idle all the time");
}

#[test]
fn slots_that_were_due_while_this_process_slept_are_its_own_delay() {
    let dispatchers = dispatchers(1000.0, 1000, 1);
    let at = |ms| dispatchers[0].queues.start() + Duration::from_millis(ms);
    let claim = |now: u64, since: u64| match dispatchers[0].claim(at(now), at(since)) {
        Claim::Taken(slot) => [slot.due, slot.ready].map(|time| (time.unwrap() - at(0)).as_millis()),
        other => panic!("{other:?}"),
    };
    // The only connection was free from 0 on, and the process slept until 4: that delays four slots.
    assert_eq!(claim(4, 0), [0, 0]);
    assert_eq!([claim(5, 5), claim(6, 6), claim(7, 7)], [[1, 1], [2, 2], [3, 3]]);
    // Those that were due later wait for the connection.
    assert_eq!([claim(8, 8), claim(9, 9), claim(20, 20)], [[4, 8], [5, 9], [6, 20]]);
}

proptest! {
    #[test]
    fn every_slot_is_taken_once_and_never_early(
        which in 0_usize..6, workers in 1_usize..5, turns in prop::collection::vec((0_usize..5, 0_u64..3_000_000, 1_usize..40), 1..60)
    ) {
        let pacer = schedules().swap_remove(which);
        let slots = all_slots(&pacer);
        let start = Instant::now();
        let dispatchers = shared(pacer, start, workers);
        let (mut now, mut taken) = (start, Vec::new());
        let last = (0, 10_000_000_000, usize::MAX);
        for (worker, nanos, tries) in turns.into_iter().chain([last]) {
            let dispatcher = &dispatchers[worker % workers];
            now += Duration::from_nanos(nanos);
            for _ in 0..tries {
                match dispatcher.claim(now, now) {
                    Claim::Taken(slot) => {
                        prop_assert!(slot.due.unwrap() <= now);
                        taken.push((slot.number, slot.due.unwrap() - start));
                    }
                    Claim::NotDue | Claim::Over => break,
                }
            }
            // The next due time agrees with the schedule.
            let queue = |(k, _): &&(u64, Duration)| *k % workers as u64 == (worker % workers) as u64;
            let next = slots.iter().filter(queue).find(|(_, due)| start + *due > now);
            prop_assert_eq!(dispatcher.next_due(now), next.map(|(_, due)| start + *due));
            let is_left = |(k, due): &(u64, Duration)| start + *due <= now && *k >= taken.len() as u64;
            prop_assert_eq!(dispatcher.is_behind(now), slots.iter().any(is_left));
        }
        prop_assert_eq!(taken, slots);
    }
}

#[test]
fn slots_that_were_due_before_an_early_end_are_still_taken() {
    let rate = Arrival::Constant { rate: 10.0 };
    let second = Duration::from_secs(1);
    for (arrival, expected) in [(rate, 10), (Arrival::Max, 0)] {
        let start = Instant::now() - 2 * second;
        let queues = Arc::new(SlotQueues::new(Pacer::new(arrival, Bound::Duration(9 * second)), start, 2));
        let dispatcher = Dispatcher::new(Arc::clone(&queues), 1);
        queues.end_at(start + second);
        // A later end changes nothing.
        queues.end_at(start + 2 * second);
        let now = start + 2 * second;
        let taken = std::iter::from_fn(|| match dispatcher.claim(now, now) {
            Claim::Taken(slot) => Some(slot),
            Claim::NotDue | Claim::Over => None,
        });
        assert_eq!(taken.count(), expected);
        assert_eq!(dispatcher.claim(now, now), Claim::Over);
    }
}

#[test]
fn every_slot_is_taken_once_by_workers_on_threads_of_their_own() {
    for pacer in schedules() {
        let slots = all_slots(&pacer);
        // All but the last part of the schedule is in the past: workers compete for a backlog, then wait for slots.
        let start = Instant::now() - Duration::from_millis(480);
        let queues = Arc::new(SlotQueues::new(pacer, start, 4));
        let work = |worker| {
            let dispatcher = Dispatcher::new(Arc::clone(&queues), worker);
            let mut taken = Vec::new();
            loop {
                match dispatcher.claim(Instant::now(), Instant::now()) {
                    Claim::Taken(slot) => taken.push((slot.number, slot.due.unwrap() - start)),
                    Claim::NotDue => std::thread::yield_now(),
                    Claim::Over => return taken,
                }
            }
        };
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|worker| scope.spawn(move || work(worker))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(taken.len(), slots.len());
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), slots.into_iter().collect());
    }
}
