//! Cost of a look for the running load: the time of its workers and of the copy of its series.

use super::super::pacing::{Arrival, Bound};
use super::super::series::{SeriesRecorder, SharedSeries};
use super::super::watched::WatchedLimits;
use super::*;

/// Parallel connections of the worker.
const CONNECTIONS: usize = 256;

/// Intervals of the series: as many as a load keeps.
const SECONDS: u64 = 240;

/// Requests per second.
const RATE: u64 = 500;

/// Publishes that a worker has completed so many seconds, without requests in flight.
fn publish(board: &SecondBoard, worker: usize, seconds: u64, (own_late, idle_closed): (u64, u64)) {
    let mut stats = WorkerStats::new(true, 0);
    (stats.counts.own_late, stats.counts.idle_closed) = (own_late, idle_closed);
    board.publish(worker, seconds, (&[0], &[]), &stats);
}

#[test]
fn requests_in_flight_are_counted_once_they_are_older() {
    let start = Instant::now();
    let of = |secs: Option<u64>| {
        let slot = InFlight::default();
        slot.count_from(secs.map(|secs| start + Duration::from_secs(secs)));
        slot
    };
    let in_flight = [of(Some(0)), of(Some(3)), of(Some(4)), of(None)];
    let ages = [500_000, 1_000_000, 3_000_000, 5_000_000];
    assert_eq!(older(&ages, &in_flight, start + Duration::from_secs(4)), [2, 1, 1, 0]);
}

#[test]
fn a_load_has_completed_the_seconds_of_its_slowest_worker() {
    for seconds in [[3, 5], [5, 3]] {
        let board = SecondBoard::new(2);
        (0..2).for_each(|worker| publish(&board, worker, seconds[worker], (1, 2)));
        let sum = board.sum(1);
        assert_eq!((sum.seconds, sum.own_late, sum.idle_closed), (3, 2, 4));
    }
}

#[test]
fn a_look_counts_requests_that_wait_for_a_connection_and_there_is_none_at_the_end() {
    let pacer = Pacer::new(Arrival::Constant { rate: 100.0 }, Bound::Duration(Duration::from_secs(10)));
    let states = Arc::new(Mutex::new(Vec::new()));
    let pushed = Arc::clone(&states);
    let look =
        Arc::new(move |state: LoadState| pushed.lock().push((state.seconds, state.older, state.due, state.sent)));
    let early_end = EarlyEnd { look, ages: vec![1_000_000, 3_000_000, 60_000_000], decided: CancellationToken::new() };
    let (board, mut looks) = (SecondBoard::new(1), Looks::new(&early_end, &pacer));
    let mut look = |seconds: u64, sent: u64| {
        publish(&board, 0, seconds, (0, 0));
        let due = (seconds * 100, sent);
        looks.look(&board, Duration::from_secs(seconds), due, |_| (Timeline::default(), Vec::new()));
    };
    // The first is due at once, so 501 were due a second before, of which 450 were sent; three seconds before, 301 were due.
    look(6, 450);
    look(6, 450);
    look(9, 590);
    look(10, 1_000);
    let seen = states.lock().clone();
    assert_eq!(seen, [(6, vec![51, 0, 0], Some(600), 450), (9, vec![211, 11, 0], Some(900), 590)]);
}

#[test]
#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#[ignore = "a benchmark: prints the time that a look takes from a load"]
fn time_of_a_look_at_256_connections_and_240_intervals() {
    let start = Instant::now();
    let limits = WatchedLimits::new((1..=8).map(|limit| f64::from(limit) * 10.0));
    let series = Arc::new(SharedSeries::new(start, Some(limits)));
    let mut recorder = SeriesRecorder::new(Arc::clone(&series));
    for request in 0..SECONDS * RATE {
        let ended = start + Duration::from_millis(request * 1000 / RATE);
        recorder.record(ended, 1_000 + request * 7_919 % 97_003, false, true);
    }
    recorder.flush();
    let in_flight: Vec<InFlight> = (0..CONNECTIONS).map(|_| InFlight::default()).collect();
    in_flight.iter().for_each(|slot| slot.count_from(Some(start)));
    let pacer = Pacer::new(Arrival::Constant { rate: RATE as f64 }, Bound::Duration(Duration::from_secs(9_999)));
    let ages: Vec<u64> = (1..=8).map(|limit| limit * 10_000).collect();
    let early_end = EarlyEnd { look: Arc::new(drop), ages: ages.clone(), decided: CancellationToken::new() };
    let (board, mut looks) = (SecondBoard::new(1), Looks::new(&early_end, &pacer));
    let stats = WorkerStats::new(true, 0);
    let mut times: Vec<[Duration; 3]> = (1..=1000)
        .map(|second| {
            let before = Instant::now();
            board.publish(0, second, (&ages, &in_flight), &stats);
            let published = before.elapsed();
            let (mut copied, before) = (Duration::ZERO, Instant::now());
            looks.look(&board, Duration::from_secs(second), (second * RATE, second * RATE), |_| {
                let before = Instant::now();
                let timeline = series.until(SECONDS);
                copied = before.elapsed();
                (timeline, Vec::new())
            });
            [published, copied, before.elapsed()]
        })
        .collect();
    for (at, part) in ["of a worker", "of the series, while workers wait", "of the whole load"].iter().enumerate() {
        times.sort_unstable_by_key(|parts| parts[at]);
        println!("{part}: median {:?}, 99 % within {:?}", times[500][at], times[990][at]);
    }
}
