//! Tests of series: merging is lossless for any number of workers and pods, any length of the load and any pauses.

use std::time::Duration;

use proptest::prelude::*;

use super::super::timeline::MAX_INTERVALS;
use super::*;
use crate::model::series::{Over, Series};
use crate::model::shard::TimelineShard;

/// End of a request in ms from the start, its latency in µs, and true if it failed.
type Request = (u64, u64, bool);

/// Limits of 15 µs and 5 ms.
fn limits() -> WatchedLimits {
    WatchedLimits::new([0.015, 5.0])
}

/// Returns the series of a load with these requests, distributed over workers.
fn shared(requests: &[Request], workers: usize) -> (Arc<SharedSeries>, Instant) {
    let start = Instant::now();
    let shared = Arc::new(SharedSeries::new(start, Some(limits())));
    let mut recorders: Vec<_> = (0..workers).map(|_| SeriesRecorder::new(Arc::clone(&shared))).collect();
    for (at, (ended, micros, is_error)) in requests.iter().enumerate() {
        let ended = start + Duration::from_millis(*ended);
        recorders[at % workers].record(ended, *micros, *is_error, true);
    }
    recorders.iter_mut().for_each(SeriesRecorder::flush);
    (shared, start)
}

fn series(requests: &[Request], workers: usize, end_ms: u64, most: usize) -> Series {
    let (shared, start) = shared(requests, workers);
    shared.timeline(start + Duration::from_millis(end_ms)).series(most).unwrap()
}

#[test]
fn a_stall_gives_intervals_of_zero_requests() {
    let before = (0..2_000).map(|ms| (ms, 1_000, false));
    // Five seconds without a response; then all waiting requests end at once.
    let after = (0..5_000).map(|n| (7_200, 5_000_000 - 1_000 * n, false));
    let requests: Vec<Request> = before.chain(after).collect();
    let result = series(&requests, 2, 8_000, 240);
    assert_eq!(result.requests, [1_000, 1_000, 0, 0, 0, 0, 0, 5_000]);
    assert_eq!(result.p99[..3], [Some(1.0), Some(1.0), None]);
    let (p50, p99) = (result.p50[7].unwrap(), result.p99[7].unwrap());
    assert!((p50 / 2_500.0 - 1.0).abs() < 0.01 && (p99 / 4_950.0 - 1.0).abs() < 0.01, "{p50} {p99}");
}

#[test]
fn a_load_that_ends_in_a_stall_shows_it() {
    assert_eq!(series(&[(10, 1, false)], 1, 4_000, 240).requests, [1, 0, 0, 0]);
}

#[test]
fn requests_count_in_the_interval_in_which_they_end() {
    let start = Instant::now();
    let shared = Arc::new(SharedSeries::new(start, None));
    let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
    let at = |ms| start + Duration::from_millis(ms);
    recorder.record(at(999), 100, false, true);
    recorder.record(at(1_000), 9_999_999, true, false);
    // Out of order, as responses of one connection may be.
    recorder.record(at(500), 200, true, true);
    assert_eq!(shared.timeline(at(1_900)).series(240).unwrap().requests, [1, 1], "the last one is not flushed yet");
    recorder.flush();
    recorder.flush();
    let result = shared.timeline(at(1_900)).series(240).unwrap();
    assert_eq!((result.requests, result.errors), (vec![2, 1], vec![1, 1]));
    assert_eq!((result.p50, result.p99), (vec![Some(0.1), None], vec![Some(0.2), None]));
}

#[test]
fn the_last_interval_has_a_length_and_a_short_rest_is_no_interval() {
    let requests: Vec<Request> = (0..2_700).map(|ms| (ms, 100, false)).collect();
    let result = series(&requests, 1, 2_700, 240);
    assert_eq!(result.requests, [1_000, 1_000, 700]);
    assert_eq!(result.last.unwrap().to_string(), "700ms");
    let requests: Vec<Request> = (0..2_001).map(|ms| (ms, 100, false)).collect();
    let result = series(&requests, 1, 2_001, 240);
    assert_eq!(result.requests, [1_000, 1_001]);
    assert_eq!(result.last.unwrap().to_string(), "1.001s");
    let result = series(&[(120, 100, false)], 1, 120, 240);
    assert_eq!((result.requests, result.last.unwrap().to_string()), (vec![1], "120ms".to_owned()));
    let (shared, start) = shared(&[(120, 100, false)], 1);
    let result = shared.timeline(start + Duration::from_nanos(120_499_999)).series(240).unwrap();
    assert_eq!(result.last.unwrap().to_string(), "120ms", "to the millisecond");
    assert_eq!(series(&[(0, 0, false)], 1, 0, 240).requests, [1], "a load without length is tolerated");
    assert_eq!(series(&requests, 1, 2_000, 240).last, None, "so is an end before the last request");
}

#[test]
fn a_load_without_requests_has_no_series() {
    let (shared, start) = shared(&[], 3);
    assert_eq!(shared.timeline(start + Duration::from_secs(9)).series(240), None);
}

#[test]
fn instants_far_from_the_load_are_tolerated() {
    let start = Instant::now() + Duration::from_secs(60);
    let shared = Arc::new(SharedSeries::new(start, None));
    let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
    recorder.record(start - Duration::from_secs(30), u64::MAX, false, true);
    recorder.record(start - Duration::from_secs(40), 0, false, true);
    recorder.record(start + Duration::from_secs(1 << 33), 1, false, true);
    recorder.flush();
    let result = shared.timeline(start).series(240).unwrap();
    assert_eq!((result.requests.iter().sum::<u64>(), result.requests[0]), (3, 2));
    assert!(result.requests.len() <= 240);
}

#[test]
fn ten_days_take_240_intervals_at_most() {
    let (shared, start) = shared(&[(0, 1, false)], 1);
    let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
    for minute in 0..14_400 {
        recorder.record(start + Duration::from_secs(60 * minute), 1_000 + minute, false, true);
    }
    recorder.flush();
    assert!(shared.intervals.lock().list.len() <= MAX_INTERVALS);
    let end = start + Duration::from_secs(864_000);
    let result = shared.timeline(end).series(100).unwrap();
    assert_eq!(result.requests.iter().sum::<u64>(), 14_401);
    assert!((51..=100).contains(&result.requests.len()), "{}", result.requests.len());
}

#[test]
fn a_copy_of_a_running_load_shares_its_intervals_and_does_not_change() {
    let (shared, start) = shared(&[(500, 1_000, false), (1_500, 2_000, false)], 1);
    let copy = shared.until(2);
    let is_shared = |at: usize| Arc::ptr_eq(&copy.intervals.list[at], &shared.intervals.lock().list[at]);
    assert!(is_shared(0) && is_shared(1));
    let points = copy.points(240).unwrap();
    assert!(Arc::ptr_eq(&points.list[0], &copy.intervals.list[0]), "a series copies nothing either");
    let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
    recorder.record(start + Duration::from_millis(1_600), 3_000, true, true);
    recorder.flush();
    assert!(is_shared(0) && !is_shared(1));
    assert_eq!((copy.series(240).unwrap().requests, copy.requests()), (vec![1, 1], 2));
    assert_eq!(shared.until(2).series(240).unwrap().requests, [1, 2]);
}

#[test]
fn an_impossible_timeline_is_rejected() {
    let (shared, start) = shared(&[(0, 1_000, false)], 1);
    let good = shared.timeline(start + Duration::from_secs(1)).shard().unwrap();
    let refused = |change: fn(&mut TimelineShard)| {
        let mut shard = good.clone();
        change(&mut shard);
        Timeline::from_shard(&shard).unwrap_err().to_string()
    };
    let long = refused(|shard| shard.intervals.resize_with(241, Default::default));
    assert_eq!(long, "its 241 intervals of 2^0 s exceed those of any load");
    assert!(refused(|shard| shard.doublings = 64).starts_with("its 1 intervals of 2^64 s"));
    let damaged = refused(|shard| shard.intervals[0].latency.as_mut().unwrap().data.truncate(20));
    assert!(damaged.starts_with("the histogram is "), "{damaged}");
}

#[test]
fn latencies_are_added_up_and_those_over_a_limit_counted_exactly() {
    let start = Instant::now();
    let shared = Arc::new(SharedSeries::new(start, Some(limits())));
    let mut recorders = [(); 2].map(|()| SeriesRecorder::new(Arc::clone(&shared)));
    let at = |ms| start + Duration::from_millis(ms);
    for (worker, ended, micros, is_timed) in [
        (0, 100, 15, true),
        (1, 200, 16, true),
        (0, 300, 5_000, true),
        (1, 1_100, 5_001, true),
        // Refused connections have no latency.
        (0, 1_200, 9_000_000, false),
    ] {
        recorders[worker].record(at(ended), micros, !is_timed, is_timed);
    }
    recorders.iter_mut().for_each(SeriesRecorder::flush);
    let result = shared.timeline(at(2_000)).series(240).unwrap();
    assert_eq!((result.requests, result.timed, result.sum), (vec![3, 2], vec![3, 1], vec![5_031, 5_001]));
    let columns: Vec<_> = result.over.iter().map(|over| (over.limit, over.percentile, &over.counts[..])).collect();
    let expected: [(f64, Option<f64>, &[u64]); 5] = [
        (0.015, None, &[2, 1]),
        (5.0, None, &[0, 1]),
        (0.016, Some(50.0), &[1, 1]),
        // 5,000 and 5,001 µs are in one cell of two digits, which ends at 5,023 µs.
        (5.023, Some(90.0), &[0, 0]),
        (5.023, Some(99.0), &[0, 0]),
    ];
    assert_eq!(columns, expected);
}

#[test]
fn requests_over_the_middle_between_the_median_and_a_limit_are_counted_if_it_is_above_p90() {
    let start = Instant::now();
    let shared = Arc::new(SharedSeries::new(start, Some(limits())));
    let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
    for request in 0..100 {
        let micros = if request % 25 == 3 { 1_000 } else { 10 };
        recorder.record(start + Duration::from_millis(request * 20), micros, false, true);
    }
    recorder.flush();
    let over = shared.timeline(start + Duration::from_secs(2)).series(240).unwrap().over;
    // √(10 · 15) and √(10 · 5,000) µs.
    let middle = |limit| Over { limit, percentile: Some(96.0), counts: vec![2, 2] };
    assert_eq!(over[5..], [middle(0.012), middle(0.223)]);
}

#[test]
fn a_load_without_limits_has_no_counts_and_one_whose_requests_all_have_latencies_counts_those_once() {
    let start = Instant::now();
    let series = |limits| {
        let shared = Arc::new(SharedSeries::new(start, limits));
        let mut recorder = SeriesRecorder::new(Arc::clone(&shared));
        recorder.record(start, 7, false, true);
        recorder.flush();
        shared.timeline(start).series(240).unwrap()
    };
    let without = series(None);
    assert_eq!((without.timed.len(), without.sum.len(), without.over.len()), (0, 0, 0));
    let sums = series(Some(WatchedLimits::default()));
    assert_eq!((sums.timed.len(), sums.sum, sums.over.len()), (0, vec![7], 3));
}

#[test]
fn counts_that_only_some_pods_have_are_dropped() {
    let part = |micros| {
        let (shared, start) = shared(&[(0, micros, false)], 1);
        shared.timeline(start + Duration::from_secs(1))
    };
    let (first, second) = (part(7), part(9_000));
    let edited = |change: fn(&mut TimelineShard)| {
        let mut shard = second.shard().unwrap();
        change(&mut shard);
        Timeline::from_shard(&shard).unwrap()
    };
    let earlier = edited(|shard| {
        shard.limits = None;
        shard.intervals.iter_mut().for_each(|it| (it.timed, it.sum, it.over) = Default::default());
    });
    let unsorted = edited(|shard| shard.limits = Some(vec![9, 3]));
    let others = edited(|shard| shard.limits = Some(vec![3, 9]));
    for odd in [&earlier, &unsorted, &others] {
        for parts in [[&first, odd, &second], [odd, &first, &second], [&first, &second, odd]] {
            let mut merged = Timeline::default();
            parts.iter().for_each(|part| merged.merge(part));
            let series = merged.series(240).unwrap();
            assert_eq!((series.requests, series.sum.len(), series.over.len()), (vec![3], 0, 0));
        }
    }
    // A pod without requests counted all of them.
    let mut merged = Timeline::default();
    [&first, &Timeline::default(), &second].iter().for_each(|part| merged.merge(part));
    let series = merged.series(240).unwrap();
    assert_eq!((series.sum, &series.over[1].counts), (vec![9_007], &vec![1]));
}

#[test]
fn without_latencies_over_time_the_exact_counts_stay() {
    let (shared, start) = shared(&[(0, 9_000, false), (1, 7, false), (1_500, 7, false)], 1);
    let mut shard = shared.timeline(start + Duration::from_secs(1)).shard().unwrap();
    shard.intervals[0].latency = None;
    let series = Timeline::from_shard(&shard).unwrap().series(240).unwrap();
    assert_eq!((series.sum, series.over.len(), &series.over[0].counts), (vec![9_007, 7], 2, &vec![1, 0]));
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    // Many with equal ends and latencies, and some without.
    let ended = prop_oneof![0_u64..3_000, 0_u64..400_000];
    let micros = prop_oneof![1_u64..20, 1_u64..20_000_000];
    let request = (ended, micros, any::<bool>());
    prop::collection::vec(request, 1..200).prop_map(|mut requests| {
        requests.sort_unstable();
        requests
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn series_of_workers_merge_to_the_series_of_one_worker(requests in requests(), workers in 1_usize..5, most in 1_usize..300) {
        prop_assert_eq!(series(&requests, workers, 400_000, most), series(&requests, 1, 400_000, most));
    }

    #[test]
    fn timelines_of_pods_merge_to_the_timeline_of_one_pod(requests in requests(), pods in 1_usize..5, most in 1_usize..300) {
        let end = Duration::from_millis(400_000);
        let mut merged = Timeline::default();
        for pod in 0..pods {
            let part: Vec<Request> = requests.iter().copied().skip(pod).step_by(pods).collect();
            // Each has its own start, and intervals as long as its own load needs.
            let (shared, start) = shared(&part, 2);
            let text = serde_json::to_string(&shared.timeline(start + end).shard().unwrap()).unwrap();
            let handed = Timeline::from_shard(&serde_json::from_str(&text).unwrap()).unwrap();
            prop_assert_eq!(&handed, &shared.timeline(start + end));
            merged.merge(&handed);
        }
        prop_assert_eq!(merged.series(most).unwrap(), series(&requests, 1, 400_000, most));
    }

    #[test]
    fn longer_intervals_keep_totals_and_percentiles_of_all(requests in requests(), most in 1_usize..300) {
        let result = series(&requests, 2, 400_000, most);
        prop_assert!(result.requests.len() <= most);
        prop_assert_eq!(result.requests.iter().sum::<u64>(), requests.len() as u64);
        prop_assert_eq!(result.errors.iter().sum::<u64>(), requests.iter().filter(|r| r.2).count() as u64);
        let sum = |column: &[u64]| column.iter().sum::<u64>();
        prop_assert_eq!(sum(&result.sum), requests.iter().map(|r| r.1).sum::<u64>());
        prop_assert!(result.timed.is_empty() && (5..=7).contains(&result.over.len()));
        for (over, micros) in result.over.iter().zip(limits().micros()) {
            prop_assert_eq!(sum(&over.counts), requests.iter().filter(|r| r.1 > *micros).count() as u64);
        }
        for over in &result.over[2..] {
            let share = 1.0 - over.percentile.unwrap() / 100.0;
            prop_assert!(sum(&over.counts) as f64 <= share * requests.len() as f64 + 1e-9);
        }
        for over in &result.over {
            prop_assert!(over.counts.iter().zip(&result.requests).all(|(over, requests)| over <= requests));
            prop_assert_eq!(over.counts.len(), result.requests.len());
        }
        let length = result.interval.0.as_millis() as u64;
        for (at, p99) in result.p99.iter().enumerate() {
            let is_last = at + 1 == result.requests.len();
            let here = requests.iter().filter(|r| r.0 / length == at as u64 || (is_last && r.0 / length > at as u64));
            let mut latencies: Vec<u64> = here.map(|r| r.1).collect();
            latencies.sort_unstable();
            prop_assert_eq!(latencies.len() as u64, result.requests[at]);
            let rank = (0.99 * latencies.len() as f64).ceil() as usize;
            match p99 {
                Some(p99) => {
                    let exact = latencies[rank.max(1) - 1] as f64 / 1000.0;
                    prop_assert!((p99 - exact).abs() <= 0.01 * exact + 0.001, "{p99} for {exact}");
                }
                None => prop_assert!(latencies.is_empty()),
            }
        }
    }
}
