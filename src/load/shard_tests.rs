//! Tests of shards: merged parts equal the load of one pod.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::cause::Failure;
use super::super::response::Response;
use super::super::series::{SeriesRecorder, SharedSeries};
use super::super::slot_queue::{Claim, Dispatcher, SlotQueues};
use super::super::watched::WatchedLimits;
use super::super::worker_stats::{Timing, WorkerStats};
use super::*;
use crate::load::histograms::HistogramKind;
use crate::load::pacing::{Arrival, Bound};
use crate::metrics::histogram::{Histogram, max_ms, mean_ms, min_ms, percentile_ms, stddev_ms};
use crate::model::shard::Share;

/// Lateness and service time of a request in µs, and its kind of result.
type Request = (u64, u64, u8);

/// Creates a schedule with a request every 10 ms.
fn pacer(requests: &[Request]) -> Pacer {
    Pacer::new(Arrival::Constant { rate: 100.0 }, Bound::Count(requests.len() as u64))
}

/// Returns the outcome of one pod of a load with these requests.
fn measured(requests: &[Request], start: Instant, share: Share) -> LoadOutcome {
    let pacer = pacer(requests).share(share);
    let queues = Arc::new(SlotQueues::new(pacer.clone(), start, 1));
    let dispatcher = Dispatcher::new(Arc::clone(&queues), 0);
    let limits = WatchedLimits::new([0.7, 1_000.0, 3.001]);
    let empty = || Arc::new(SharedSeries::new(start, Some(limits.clone())));
    let (series, of_versions) = (empty(), [empty(), empty(), empty()]);
    let mut stats = WorkerStats::new(true, 3);
    stats.start(SeriesRecorder::new(Arc::clone(&series)), of_versions.iter().cloned().map(SeriesRecorder::new));
    while let Claim::Taken(slot) = dispatcher.claim(start + Duration::from_secs(3600), start) {
        let (late, took, kind) = requests[pacer.number(slot.number) as usize];
        let due = slot.due.unwrap();
        let sent = due + Duration::from_micros(late);
        let ended = sent + Duration::from_micros(took);
        let response = |status, is_error| Response {
            status,
            first: Some(ended),
            ended,
            is_error,
            cause: None,
            version: (took % 3).try_into().ok().filter(|v| *v < 2),
        };
        let result = match kind {
            0 => Ok(response(200, false)),
            1 => Ok(response(503, true)),
            2 => Err(Failure::new(Cause::Timeout, "")),
            _ => Err(Failure::new(Cause::Refused, "nobody there")),
        };
        stats.record(
            Timing { due: Some(due), ready: Some(due + Duration::from_micros(late / 3)), sent, ended },
            &result,
        );
        stats.traffic.add_bytes_sent(7);
        stats.traffic.bytes_received += took;
        stats.traffic.add_messages(1, 2);
    }
    stats.flush();
    let status_messages = [(503, format!("from {}", share.index()))].into();
    let ended = stats.last_ended;
    let timeline = |series: &SharedSeries| ended.map_or_else(Timeline::default, |end| series.timeline(end));
    let mut outcome = LoadOutcome::new(&mut pacer.cursor(), 2, &queues, stats, None, None);
    for (version, series) in outcome.versions.iter_mut().zip(&of_versions) {
        version.timeline = timeline(series);
    }
    LoadOutcome { timeline: timeline(&series), status_messages, ..outcome }
}

/// Returns the parts of all pods, after a round trip through their shards.
fn parts_of(requests: &[Request], start: Instant, count: usize) -> Vec<LoadOutcome> {
    let part = |index| {
        let part = measured(requests, start, Share::new(index, count).unwrap());
        let text = serde_json::to_string(&part.shard().unwrap()).unwrap();
        LoadOutcome::from_shard(&serde_json::from_str(&text).unwrap(), &pacer(requests), start).unwrap()
    };
    (0..count).map(part).collect()
}

fn latency(outcome: &LoadOutcome) -> &Histogram {
    &outcome.histograms[HistogramKind::Latency]
}

/// Everything that can be read of a distribution.
fn readings(histogram: &Histogram) -> Vec<f64> {
    let percentiles = [0.0, 1.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0].map(|p| percentile_ms(histogram, p));
    let rest = [mean_ms(histogram), stddev_ms(histogram), min_ms(histogram), max_ms(histogram), histogram.len() as f64];
    percentiles.into_iter().chain(rest).collect()
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    // Latencies of every size, including more than an hour; sent before the next request is due.
    let took = prop_oneof![1_u64..2_000, 1_u64..3_000_000, 1_u64..4_000_000_000];
    prop::collection::vec((0_u64..5_000, took, 0_u8..4), 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn merged_parts_equal_the_load_of_one_pod(requests in requests(), count in 1_usize..10) {
        let start = Instant::now();
        let whole = measured(&requests, start, Share::WHOLE);
        let merged = LoadOutcome::merged(parts_of(&requests, start, count)).unwrap();
        for kind in HistogramKind::ALL {
            prop_assert_eq!(readings(&whole.histograms[kind]), readings(&merged.histograms[kind]), "{:?}", kind);
        }
        prop_assert_eq!(whole.histograms.encode(), merged.histograms.encode());
        let counts = |outcome: &LoadOutcome| {
            let traffic = outcome.traffic.in_document();
            (outcome.counts, outcome.responses(), traffic, outcome.statuses.clone(), outcome.causes.clone())
        };
        prop_assert_eq!(counts(&merged), counts(&whole));
        prop_assert_eq!(merged.timeline.series(240), whole.timeline.series(240));
        // Exact counts are those of the histogram for a limit on the edge of one of its cells.
        let over = |latencies: &Histogram| latencies.len() - latencies.count_between(0, 3_001);
        if let Some(series) = merged.timeline.series(240) {
            prop_assert_eq!(series.over[1].counts.iter().sum::<u64>(), over(latency(&whole)));
        }
        prop_assert_eq!((merged.duration, merged.started), (whole.duration, whole.started));
        prop_assert_eq!((merged.requested_rate, merged.connections), (whole.requested_rate, 2 * count));
        prop_assert!((merged.achieved_rate / whole.achieved_rate - 1.0).abs() < 1e-9);
        prop_assert_eq!((merged.spacing, merged.interrupted), (whole.spacing, false));
        prop_assert_eq!((merged.versions.len(), &merged.unknown), (3, &whole.unknown));
        for index in 0..3 {
            let (merged, whole) = (merged.of_version(index), whole.of_version(index));
            prop_assert_eq!(counts(&merged), counts(&whole));
            prop_assert_eq!(merged.histograms.encode(), whole.histograms.encode());
            prop_assert_eq!(merged.timeline.series(240), whole.timeline.series(240));
        }
    }
}

#[test]
fn a_missing_part_does_not_change_the_planned_rate() {
    let requests = vec![(0, 1_000, 0); 80];
    let mut parts = parts_of(&requests, Instant::now(), 8);
    assert_eq!(parts.iter().map(|part| part.requested_rate).collect::<Vec<_>>(), [Some(12.5); 8]);
    parts.remove(3);
    let merged = LoadOutcome::merged(parts).unwrap();
    assert_eq!((merged.requested_rate, merged.counts.requests, merged.counts.dropped), (Some(100.0), 70, 0));
    assert!((merged.achieved_rate - 87.5).abs() < 1e-9, "{}", merged.achieved_rate);
    assert!(LoadOutcome::merged(Vec::new()).is_none());
}

#[test]
fn a_pod_without_requests_adds_nothing_and_an_interrupted_one_marks_the_load() {
    let requests = vec![(0, 1_000, 0); 3];
    let start = Instant::now();
    let mut parts = parts_of(&requests, start, 5);
    assert_eq!(parts.iter().map(|part| part.counts.requests).collect::<Vec<_>>(), [1, 1, 1, 0, 0]);
    assert_eq!(parts[4].shard().unwrap().histograms.len(), 0);
    parts[4].interrupted = true;
    parts[0].status_messages.clear();
    let merged = LoadOutcome::merged(parts).unwrap();
    assert_eq!((merged.counts.requests, merged.interrupted), (3, true));
    assert_eq!(merged.status_messages, [(503, "from 1".to_owned())].into());
    assert_eq!(readings(latency(&merged)), readings(latency(&measured(&requests, start, Share::WHOLE))));
}

#[test]
fn damaged_shards_are_rejected_and_unknown_causes_count_as_other() {
    let start = Instant::now();
    let requests = [(0, 1_000, 0), (0, 1_000, 3)];
    let good = measured(&requests, start, Share::WHOLE).shard().unwrap();
    let read = |shard: &LoadShard| LoadOutcome::from_shard(shard, &pacer(&requests), start);
    let refused = |change: fn(&mut LoadShard)| {
        let mut shard = good.clone();
        change(&mut shard);
        read(&shard).unwrap_err().to_string()
    };
    let damaged = refused(|shard| shard.histograms.get_mut("latency").unwrap().count += 1);
    assert_eq!(damaged, "`latency`: the histogram has 1 values, but states 2");
    assert!(refused(|shard| shard.timeline.doublings = 99).starts_with("`timeline`: its 1 intervals"));
    let mut newer = good.clone();
    newer.causes.insert("melted".to_owned(), CauseCount { count: 4, first: "hot".to_owned(), ..CauseCount::default() });
    newer.causes.insert("other".to_owned(), CauseCount { count: 2, ..CauseCount::default() });
    let causes = read(&newer).unwrap().causes;
    let cause = |cause| (causes[&cause].0, causes[&cause].1.to_string());
    assert_eq!(cause(Cause::Other), (6, "hot".to_owned()));
    assert_eq!(cause(Cause::Refused), (1, "nobody there".to_owned()));
    // Details beyond those that a pod keeps are only counted.
    let listed = DetailCount { detail: "cold".to_owned(), count: 7 };
    newer.causes =
        [("other".to_owned(), CauseCount { count: 10, details: vec![listed], ..CauseCount::default() })].into();
    assert_eq!(read(&newer).unwrap().causes[&Cause::Other].1.to_string(), "cold ×7, others ×3");
}

#[test]
fn a_shard_stays_small_however_long_the_load_is() {
    let start = Instant::now();
    let series = Arc::new(SharedSeries::new(start, Some(WatchedLimits::new((0..32).map(f64::from)))));
    let mut recorder = SeriesRecorder::new(Arc::clone(&series));
    let mut outcome = measured(&[(0, 1_000, 0)], start, Share::WHOLE);
    // Two hours, and in each second latencies from 1 ms to 4 s, in every cell between.
    let micros = (0..600).map(|step| (1e3 * 4e3_f64.powf(f64::from(step) / 600.0)) as u64);
    for second in 0..7_200 {
        for micros in micros.clone() {
            recorder.record(start + Duration::from_secs(second), micros, false, true);
        }
    }
    micros.for_each(|micros| outcome.histograms.get_mut(HistogramKind::Latency).saturating_record(micros));
    recorder.flush();
    outcome.timeline = series.timeline(start + Duration::from_secs(7_200));
    let length = serde_json::to_string(&outcome.shard().unwrap()).unwrap().len();
    assert!(length < 200_000, "{length} bytes");
}

#[test]
fn every_cause_is_parsed_from_its_name() {
    for cause in Cause::ALL {
        assert_eq!(Cause::from_name(cause.name()), cause);
    }
}
