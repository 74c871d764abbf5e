use super::testing::{TestLoad, assess, insights, objectives, upper, verdict};
use crate::metrics::histogram::{self, HIGHEST};
use crate::metrics::series::halved;
use crate::model::counts::Counts;
use crate::model::duration::GoDuration;
use crate::model::insights::{HistogramBucket, Insights};
use crate::model::load::{Decision, LoadRecord, Shards, Stopped, VersionFrom};
use crate::model::loops::{LoopOutcome, LoopRecord};
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::series::Series;
use crate::model::slo::{Bound, DependenceSource, Method, Outcome, Verdict};
use crate::slo::loops::{ThisLoop, with_other_spec};
use Outcome::{Inconclusive, Satisfied, Violated};

const P95: &str = "http/latency-p95";
const RATE: &str = "http/error-rate";

/// Half a minute of 50 requests per second, one of which is slow in every third.
fn good() -> TestLoad {
    TestLoad::with_slow(30, 50, 60_000, |at| u64::from(at % 3 == 0))
}

/// As [`good`], with six slow ones in every second.
fn bad() -> TestLoad {
    TestLoad::with_slow(30, 50, 60_000, |at| 6 + at as u64 % 2)
}

fn record(insights: &mut Insights, version: usize) -> &mut LoadRecord {
    insights.load[version].get_mut("http").unwrap()
}

fn series(insights: &mut Insights, version: usize) -> &mut Series {
    record(insights, version).series.as_mut().unwrap()
}

/// Every number of a verdict is one that a document can hold.
fn assert_finite(verdict: &Verdict) {
    let json = serde_json::to_string(verdict).unwrap();
    let read: Verdict = serde_json::from_str(&json).unwrap();
    assert_eq!(&read, verdict, "{json}");
}

#[test]
fn a_percentile_whose_upper_end_is_within_the_limit_is_satisfied() {
    let verdict = upper(&good(), P95, 50.0);
    assert_eq!(
        (verdict.verdict, verdict.method, verdict.confidence),
        (Satisfied, Some(Method::Percentile), Some(0.95))
    );
    assert_eq!(
        verdict.reason,
        "http/latency-p95 is at most 10.01 msec (95 % sure; 1,500 requests, worth 1,407 independent ones), within the limit of 50 msec"
    );
    let [lower, end] = verdict.interval.unwrap();
    assert!(lower.unwrap() <= verdict.value.unwrap() && end.unwrap() <= 50.0);
    assert_eq!((verdict.dependence.unwrap().from, verdict.needs), (DependenceSource::Blocks, None));
}

#[test]
fn a_percentile_whose_lower_end_is_above_the_limit_is_violated() {
    let verdict = upper(&bad(), P95, 50.0);
    assert_eq!(verdict.verdict, Violated, "{}", verdict.reason);
    assert!(verdict.reason.starts_with("http/latency-p95 is at least 60 msec "), "{}", verdict.reason);
    assert!(verdict.reason.ends_with("above the limit of 50 msec"), "{}", verdict.reason);
    assert_finite(&verdict);
}

#[test]
fn a_percentile_between_is_inconclusive_and_says_how_many_more_requests_would_tell() {
    let load = TestLoad::with_slow(30, 50, 60_000, |at| 2 + u64::from(at % 4 == 0));
    let verdict = upper(&load, P95, 50.0);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
    let needs = verdict.needs.unwrap();
    assert!(needs.requests > 1_000 && (needs.seconds.unwrap() - needs.requests as f64 / 50.0).abs() < 0.11);
    assert!(verdict.reason.contains("; the limit of 50 msec lies between: about "), "{}", verdict.reason);
    assert!(verdict.reason.ends_with(" would tell"), "{}", verdict.reason);
    assert_finite(&verdict);
}

#[test]
fn too_few_requests_leave_the_upper_end_open() {
    let load = TestLoad::with_slow(3, 10, 60_000, |_| 0);
    let verdict = upper(&load, "http/latency-p99", 50.0);
    assert_eq!((verdict.verdict, verdict.interval.unwrap()[1]), (Inconclusive, None));
    assert!(verdict.needs.unwrap().requests >= 270, "{:?}", verdict.needs);
    assert!(verdict.reason.contains("too little to say at most how much: about"), "{}", verdict.reason);
    assert_finite(&verdict);
}

#[test]
fn requests_that_are_slow_together_are_worth_fewer() {
    // The same number of slow requests, spread evenly and all in one second.
    let spread = upper(&TestLoad::with_slow(30, 50, 60_000, |_| 1), P95, 50.0);
    let clustered = upper(&TestLoad::with_slow(30, 50, 60_000, |at| if at == 7 { 30 } else { 0 }), P95, 50.0);
    assert_eq!([spread.verdict, clustered.verdict], [Satisfied, Inconclusive], "{}", clustered.reason);
    assert!(clustered.effective_samples.unwrap() < spread.effective_samples.unwrap() / 10.0);
}

#[test]
fn one_interval_decides_nothing() {
    let load = TestLoad::with_slow(1, 5_000, 60_000, |_| 0);
    for metric in [P95, RATE, "http/latency-mean", "http/service-time/p95"] {
        let verdict = upper(&load, metric, 50.0);
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{metric}");
        assert!(verdict.reason.ends_with("does not show how requests depend on each other"), "{}", verdict.reason);
    }
    let verdict = upper(&TestLoad::with_slow(2, 5_000, 60_000, |_| 0), P95, 50.0);
    assert_eq!(verdict.dependence.unwrap().df, 1.0);
}

#[test]
fn stalls_are_intervals_too() {
    // Nothing for ten seconds, then all that has waited.
    let load = TestLoad::with_slow(30, 50, 60_000, |_| 0);
    let mut stalled = load.clone();
    for at in 10..20 {
        stalled.intervals[at].0.clear();
    }
    stalled.intervals[20].0 = vec![60_000; 60];
    let verdict = upper(&stalled, P95, 50.0);
    assert_eq!(verdict.verdict, Inconclusive, "{}", verdict.reason);
}

#[test]
fn a_limit_that_was_not_counted_is_bounded_by_its_cell() {
    let mut load = good();
    load.limits = vec![50.0];
    // 60 msec are in the cell from 60 to 60.031 msec.
    let outcomes = [59.99, 60.01, 61.0].map(|limit| {
        let mut slow = bad();
        slow.limits = load.limits.clone();
        upper(&slow, P95, limit).verdict
    });
    assert_eq!(outcomes, [Violated, Inconclusive, Satisfied]);
    let exact = TestLoad { limits: vec![60.01], ..bad() };
    assert_eq!(upper(&exact, P95, 60.01).verdict, Satisfied);
}

#[test]
fn documents_without_columns_are_judged_as_independent() {
    let mut insights = insights(&[good()]);
    (series(&mut insights, 0).over, series(&mut insights, 0).sum) = (Vec::new(), Vec::new());
    let limits = [(P95, 50.0), ("http/latency-mean", 50.0)];
    for verdict in assess(&insights, &objectives(&limits, &[], &[])).verdicts {
        assert_eq!(verdict.dependence.unwrap().from, DependenceSource::None);
        assert!(verdict.reason.contains("1,500 requests, independence assumed"), "{}", verdict.reason);
        assert_eq!(verdict.verdict, Satisfied);
    }
}

#[test]
fn other_distributions_take_the_dependence_of_the_latency() {
    let verdict = upper(&good(), "http/service-time/p95", 50.0);
    assert_eq!((verdict.verdict, verdict.dependence.unwrap().from), (Satisfied, DependenceSource::Latency));
    let mean = upper(&good(), "http/service-time/mean", 50.0);
    assert_eq!((mean.verdict, mean.dependence.unwrap().from), (Satisfied, DependenceSource::Latency));
}

#[test]
fn lower_limits_are_the_mirror_image() {
    let lower = |load: &TestLoad, metric: &str, limit: f64| {
        verdict(&insights(std::slice::from_ref(load)), &objectives(&[], &[(metric, limit)], &[]))
    };
    assert_eq!(lower(&good(), "http/latency-p50", 5.0).verdict, Satisfied);
    assert_eq!(lower(&good(), "http/latency-p50", 50.0).verdict, Violated);
    assert_eq!(lower(&good(), P95, 55.0).verdict, Violated);
    assert_eq!(lower(&bad(), P95, 55.0).verdict, Satisfied);
    assert_eq!(lower(&good(), "http/latency-mean", 5.0).verdict, Satisfied);
    assert_eq!(lower(&good(), "http/latency-mean", 15.0).verdict, Violated);
    let errors = TestLoad::with_errors(30, 50, |_| 5);
    assert_eq!([0.05, 0.1, 0.2].map(|limit| lower(&errors, RATE, limit).verdict), [Satisfied, Inconclusive, Violated]);
}

#[test]
fn an_error_rate_is_judged_by_its_limits() {
    let judged = |errors: fn(usize) -> u64, limit: f64| {
        let verdict = upper(&TestLoad::with_errors(60, 50, errors), RATE, limit);
        assert_finite(&verdict);
        (verdict.verdict, verdict.reason)
    };
    let (outcome, reason) = judged(|_| 0, 0.01);
    assert_eq!(outcome, Satisfied);
    assert_eq!(
        reason,
        "http/error-rate is at most 0.10 % (95 % sure; 3,000 requests, worth 2,908 independent ones), within the limit of 1 %; errors taken as independent: fewer than 20 were seen"
    );
    let (outcome, reason) = judged(|at| u64::from(at % 2 == 0), 0.01);
    assert_eq!(outcome, Inconclusive);
    assert!(reason.starts_with("http/error-rate is 1 %, between "), "{reason}");
    let (outcome, reason) = judged(|_| 2, 0.01);
    assert_eq!(outcome, Violated);
    assert!(reason.ends_with("above the limit of 1 %"), "{reason}");
    // A few errors, each in a second of its own.
    let (outcome, reason) = judged(|at| u64::from(at % 6 == 0), 0.01);
    assert_eq!(outcome, Satisfied);
    assert!(reason.ends_with("errors taken as independent: fewer than 20 were seen"), "{reason}");
}

#[test]
fn a_limit_of_zero_is_violated_by_one_error_and_never_satisfied() {
    let none = upper(&TestLoad::with_errors(30, 50, |_| 0), RATE, 0.0);
    assert_eq!((none.verdict, none.needs), (Inconclusive, None));
    assert!(none.reason.contains("; no number of requests shows that there are no errors"), "{}", none.reason);
    let one = upper(&TestLoad::with_errors(30, 50, |at| u64::from(at == 3)), RATE, 0.0);
    assert_eq!(one.verdict, Violated, "{}", one.reason);
    let all = upper(&TestLoad::with_errors(30, 50, |_| 50), RATE, 1.0);
    assert_eq!((all.verdict, all.interval.unwrap()[1]), (Satisfied, Some(1.0)));
    assert_eq!(upper(&TestLoad::with_errors(30, 50, |_| 50), RATE, 0.9).verdict, Violated);
}

#[test]
fn a_mean_is_judged_by_its_interval() {
    let at = |limit| upper(&good(), "http/latency-mean", limit);
    assert_eq!([12.0, 10.5, 9.0].map(|limit| at(limit).verdict), [Satisfied, Inconclusive, Violated]);
    let verdict = at(10.35);
    assert_eq!((verdict.method, verdict.verdict), (Some(Method::Mean), Inconclusive), "{}", verdict.reason);
    assert!(verdict.needs.unwrap().requests > 0);
    assert_finite(&verdict);
}

#[test]
fn equal_values_do_not_show_how_far_others_may_be() {
    let load = TestLoad::with_slow(30, 50, 60_000, |_| 0);
    let mean = upper(&load, "http/latency-mean", 50.0);
    // The cell of 10 ms has a width, and its middle no spread.
    assert_ne!(mean.verdict, Violated, "{}", mean.reason);
    assert_eq!(upper(&load, P95, 50.0).verdict, Satisfied);
}

#[test]
fn counts_are_what_they_are() {
    let verdict = upper(&TestLoad::with_errors(30, 50, |at| u64::from(at == 0)), "http/error-count", 1.0);
    assert_eq!((verdict.verdict, verdict.method), (Satisfied, Some(Method::Point)));
    assert_eq!(verdict.reason, "http/error-count is 1, within the limit of 1");
}

#[test]
fn an_extreme_is_certain_on_one_side_only() {
    for metric in ["http/latency-max", "http/latency/max", "http/latency-p100", "http/latency/p100"] {
        let within = upper(&good(), metric, 100.0);
        assert_eq!((within.verdict, within.interval.unwrap()[1]), (Inconclusive, None), "{metric}");
        assert!(within.reason.contains("no number of samples excludes a larger one"), "{}", within.reason);
        assert_eq!(upper(&good(), metric, 50.0).verdict, Violated, "{metric}");
    }
    for metric in ["http/latency/min", "http/latency-p0"] {
        assert_eq!(upper(&good(), metric, 50.0).verdict, Satisfied, "{metric}");
        assert_eq!(upper(&good(), metric, 5.0).verdict, Inconclusive, "{metric}");
    }
}

#[test]
fn a_metric_without_an_interval_is_judged_by_its_value_unless_objectives_are_strict() {
    let mut objectives = objectives(&[("http/latency-stddev", 50.0)], &[], &[]);
    let document = insights(&[good()]);
    let point = verdict(&document, &objectives);
    assert_eq!((point.verdict, point.method), (Satisfied, Some(Method::Point)));
    assert!(point.reason.ends_with("; a deviation has no interval"), "{}", point.reason);
    objectives.confidence.as_mut().unwrap().is_strict = true;
    let strict = verdict(&document, &objectives);
    assert_eq!(strict.verdict, Inconclusive);
    assert!(strict.reason.ends_with("and `strict` needs an interval"), "{}", strict.reason);
}

#[test]
fn latencies_of_an_hour_may_have_been_longer() {
    let load = TestLoad::with_slow(30, 50, HIGHEST * 2, |_| 50);
    let verdict = upper(&load, P95, 2.0 * 3_600_000.0);
    assert_ne!(verdict.verdict, Satisfied, "{}", verdict.reason);
    assert_eq!(verdict.interval.unwrap()[1], None);
    assert_eq!(upper(&load, P95, 50.0).verdict, Violated);
}

#[test]
fn doubts_about_the_load_come_first() {
    let mut document = insights(&[good()]);
    record(&mut document, 0).requested_rate = Some(100.0);
    let verdict = verdict(&document, &objectives(&[(P95, 50.0)], &[], &[]));
    assert_eq!((verdict.verdict, verdict.interval, verdict.method), (Inconclusive, None, None));
    assert!(verdict.reason.starts_with("the load achieved 50 of 100 requests/s"), "{}", verdict.reason);
}

#[test]
fn edited_columns_decide_nothing() {
    type Edit = fn(&mut Series);
    let edits: [(&str, Edit); 5] = [
        (RATE, |series| series.errors.truncate(3)),
        (RATE, |series| series.errors[0] = 1_000_000),
        (P95, |series| series.over[0].counts.push(0)),
        (P95, |series| series.over[0].counts[0] = u64::MAX),
        ("http/latency-mean", |series| series.sum.truncate(1)),
    ];
    for (metric, edit) in edits {
        let mut document = insights(&[good()]);
        edit(series(&mut document, 0));
        let verdict = verdict(&document, &objectives(&[(metric, 50.0)], &[], &[]));
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{metric}");
        assert!(verdict.reason.contains("of the load's series in the document does not fit"), "{}", verdict.reason);
    }
    // More errors than requests, and a rate that is not that of the counts.
    let mut document = insights(&[good()]);
    record(&mut document, 0).counts.errors = u64::MAX;
    let verdict = verdict(&document, &objectives(&[(RATE, 0.5)], &[], &[]));
    assert_eq!(verdict.interval, None, "{}", verdict.reason);
}

#[test]
fn halved_series_never_give_the_opposite_verdict() {
    for load in [good(), bad(), TestLoad::with_errors(30, 50, |at| u64::from(at % 2 == 0))] {
        for (metric, limit) in [(P95, 50.0), (RATE, 0.01), ("http/latency-mean", 12.0)] {
            let mut document = insights(std::slice::from_ref(&load));
            let objectives = objectives(&[(metric, limit)], &[], &[]);
            let mut outcomes = vec![verdict(&document, &objectives).verdict];
            for _ in 0..2 {
                let half = halved(series(&mut document, 0));
                *series(&mut document, 0) = half;
                outcomes.push(verdict(&document, &objectives).verdict);
            }
            assert!(!(outcomes.contains(&Satisfied) && outcomes.contains(&Violated)), "{metric}: {outcomes:?}");
        }
    }
}

#[test]
fn a_billion_requests_are_judged() {
    let mut document = insights(&[TestLoad::with_errors(30, 50, |_| 0)]);
    let load = record(&mut document, 0);
    load.counts.requests = 1_000_000_000;
    load.series.as_mut().unwrap().requests = vec![100_000_000, 900_000_000 / 29];
    load.series.as_mut().unwrap().requests.resize(30, 900_000_000 / 29);
    load.series.as_mut().unwrap().requests[29] += 900_000_000 % 29;
    let verdict = verdict(&document, &objectives(&[(RATE, 1e-6)], &[], &[]));
    assert_eq!((verdict.verdict, verdict.effective_samples), (Satisfied, Some(1e7)), "{}", verdict.reason);
}

#[test]
fn a_drifting_load_was_not_steady() {
    let load = TestLoad::with_slow(40, 50, 60_000, |at| at as u64 / 8);
    let verdict = upper(&load, P95, 50.0);
    assert!(verdict.reason.ends_with("during the run: it was not steady"), "{}", verdict.reason);
    assert!(verdict.reason.contains("the share over 50 msec went from "), "{}", verdict.reason);
}

#[test]
fn of_many_objectives_one_looks_violated_by_chance() {
    let limits = |others: usize| {
        let others = (0..others).map(|at| ("http/latency-p50", 40.0 + at as f64));
        [(P95, 50.0)].into_iter().chain(others).collect::<Vec<(&str, f64)>>()
    };
    let judged = |load: &TestLoad, others: usize| {
        let objectives = objectives(&limits(others), &[], &[]);
        assess(&insights(std::slice::from_ref(load)), &objectives).verdicts.remove(0)
    };
    // Somewhere between surely within the limit and clearly above it, a violation is sure alone, and not among ten.
    let held = (0..=60).find_map(|more| {
        let load = TestLoad::with_slow(60, 50, 60_000, |at| 2 + u64::from(at * 7 % 60 < more));
        let (alone, among) = (judged(&load, 0), judged(&load, 9));
        (alone.verdict == Violated && among.verdict == Inconclusive).then_some(among.reason)
    });
    let reason = held.unwrap();
    assert!(
        reason.ends_with("alone it would be violated, but of 10 objectives one in 20 looks violated by chance"),
        "{reason}"
    );
    // A clear violation stands among many.
    assert_eq!(judged(&bad(), 9).verdict, Violated);
}

#[test]
fn comparisons_have_no_row_in_the_matrix_of_iter8() {
    let assessment = assess(&insights(&[good(), bad()]), &objectives(&[(RATE, 0.1)], &[], &[(P95, 1.1)]));
    assert_eq!((assessment.satisfied.upper, assessment.verdicts.len()), (vec![vec![true, true]], 3));
}

#[test]
fn two_versions_in_the_same_seconds_are_compared_interval_by_interval() {
    let relative = |candidate: TestLoad, metric: &str, limit: f64| {
        let verdict = verdict(&insights(&[good(), candidate]), &objectives(&[], &[], &[(metric, limit)]));
        assert_finite(&verdict);
        assert_eq!((verdict.version, verdict.reference), (1, Some(0)));
        verdict
    };
    let same = relative(good(), "http/latency-p95", 1.10);
    assert_eq!((same.verdict, same.method, same.value), (Satisfied, Some(Method::Ratio), Some(1.0)), "{}", same.reason);
    assert!(
        same.reason.starts_with("http/latency-p95 is at most 1.00 times that of version 0 (95 % sure; 3,000 requests"),
        "{}",
        same.reason
    );
    let slower = relative(bad(), "http/latency-p95", 1.10);
    assert_eq!(slower.verdict, Violated, "{}", slower.reason);
    let mean = relative(good(), "http/latency-mean", 1.10);
    assert_eq!(mean.verdict, Inconclusive, "{}", mean.reason);
    let mean = relative(bad(), "http/latency-mean", 1.10);
    assert_eq!(mean.verdict, Violated, "{}", mean.reason);
    let rate = relative(TestLoad::with_errors(30, 50, |_| 0), RATE, 0.01);
    assert_eq!((rate.verdict, rate.method), (Satisfied, Some(Method::Difference)), "{}", rate.reason);
    assert!(rate.reason.starts_with("http/error-rate differs by at most +"), "{}", rate.reason);
    let rate = relative(TestLoad::with_errors(30, 50, |_| 3), RATE, 0.01);
    assert_eq!(rate.verdict, Violated, "{}", rate.reason);
    let open = relative(TestLoad::with_errors(30, 50, |at| u64::from(at % 2 == 0)), RATE, 0.012);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
    assert!(open.needs.unwrap().requests > 0 && open.reason.ends_with("would tell"), "{}", open.reason);
}

#[test]
fn versions_that_ran_one_after_another_are_compared_with_a_note() {
    let mut document = insights(&[good(), bad()]);
    record(&mut document, 1).start = Some(chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(40));
    record(&mut document, 1).pairs.clear();
    for (metric, limit) in [(P95, 1.10), ("http/latency-mean", 1.10), (RATE, 0.01)] {
        let verdict = verdict(&document, &objectives(&[], &[], &[(metric, limit)]));
        assert!(verdict.interval.is_some(), "{}", verdict.reason);
        let note = "; measured one after another: what changed in between counts as difference";
        assert!(verdict.reason.ends_with(note), "{}", verdict.reason);
    }
}

#[test]
fn a_relative_limit_without_a_candidate_has_an_open_verdict() {
    let verdict = verdict(&insights(&[good()]), &objectives(&[], &[], &[(P95, 1.1)]));
    assert_eq!((verdict.verdict, verdict.version, verdict.reference), (Inconclusive, 1, Some(0)));
    assert_eq!(verdict.reason, "no candidate was measured: there is only version 0");
}

#[test]
fn a_baseline_of_zero_has_no_ratio() {
    let mut document = insights(&[good(), good()]);
    document.non_hist_metric_values[0].insert("http/latency-mean".to_owned(), vec![0.0]);
    let verdict = verdict(&document, &objectives(&[], &[], &[("http/latency-mean", 1.1)]));
    assert_eq!((verdict.verdict, verdict.value), (Inconclusive, None));
    assert_eq!(verdict.reason, "there is no ratio to version 0, whose value is 0");
}

#[test]
fn an_invalid_load_of_either_version_leaves_a_comparison_open() {
    for version in [0, 1] {
        let mut document = insights(&[good(), good()]);
        record(&mut document, version).requested_rate = Some(100.0);
        let verdict = verdict(&document, &objectives(&[], &[], &[(P95, 1.1)]));
        assert_eq!(verdict.verdict, Inconclusive);
        assert!(verdict.reason.starts_with(&format!("of version {version}: the load achieved")), "{}", verdict.reason);
    }
}

#[test]
fn without_a_confidence_the_ratio_decides() {
    let mut objectives = objectives(&[], &[], &[(P95, 1.1), (RATE, 0.0)]);
    objectives.confidence = None;
    let [ratio, rate] = <[Verdict; 2]>::try_from(assess(&insights(&[good(), bad()]), &objectives).verdicts).unwrap();
    assert_eq!((ratio.verdict, rate.verdict, ratio.confidence, ratio.interval), (Violated, Satisfied, None, None));
    assert_eq!(
        ratio.reason,
        "http/latency-p95 is 6.00 times that of version 0 (60.03 msec against 10.01 msec), above the limit of 1.10 times"
    );
    assert_eq!(rate.reason, "http/error-rate differs from that of version 0 by 0 (0 against 0), within the limit of 0");
}

#[test]
fn a_load_that_ended_with_its_verdict_keeps_it() {
    let decision = |verdict, k| Decision {
        metric: P95.into(),
        bound: Bound::Upper,
        limit: 50.0,
        reference: None,
        verdict,
        n: 1_500,
        k,
        deff: 1.1,
        df: 29.0,
    };
    let document = |load: TestLoad, decisions: Vec<Decision>| {
        let mut document = insights(&[load]);
        let at = GoDuration(std::time::Duration::from_secs(30));
        record(&mut document, 0).stopped = Some(Stopped { at, confidence: 0.95, decisions });
        document
    };
    let limits = objectives(&[(P95, 50.0)], &[], &[]);
    let kept = verdict(&document(good(), vec![decision(Satisfied, 10)]), &limits);
    assert_eq!((kept.verdict, kept.method, kept.confidence), (Satisfied, Some(Method::AlwaysValid), Some(0.975)));
    assert!(kept.reason.contains(", decided after 30s (97.5 % sure; "), "{}", kept.reason);
    assert!(kept.interval.unwrap()[1].unwrap() <= 50.0);
    let kept = verdict(&document(bad(), vec![decision(Violated, 200)]), &limits);
    assert_eq!((kept.verdict, kept.method), (Violated, Some(Method::AlwaysValid)), "{}", kept.reason);
    // A decision that its counts do not show was edited.
    let edited = verdict(&document(bad(), vec![decision(Satisfied, 100)]), &limits);
    assert_eq!((edited.verdict, edited.method), (Violated, Some(Method::Percentile)), "{}", edited.reason);
    // Another objective is judged at half of the error.
    let other = verdict(&document(good(), vec![decision(Satisfied, 10)]), &objectives(&[(RATE, 0.01)], &[], &[]));
    assert_eq!((other.method, other.confidence), (Some(Method::Binomial), Some(0.975)));
    assert!(other.reason.contains("the load ended with the verdict on other objectives"), "{}", other.reason);
}

#[test]
fn a_load_that_no_look_ended_has_half_of_the_error_left() {
    let mut document = insights(&[good()]);
    record(&mut document, 0).until_verdict = true;
    let limits = objectives(&[(P95, 50.0), (RATE, 0.01)], &[], &[]);
    let verdicts = assess(&document, &limits).verdicts;
    assert_eq!(verdicts.iter().map(|verdict| verdict.confidence).collect::<Vec<_>>(), [Some(0.975); 2]);
}

#[test]
fn a_comparison_that_ended_its_loads_is_kept() {
    let document = |candidate: TestLoad, metric: &str, limit, verdict, deff| {
        let mut document = insights(&[good(), candidate]);
        let at = GoDuration(std::time::Duration::from_secs(30));
        let (metric, bound, reference) = (metric.into(), Bound::Upper, Some(0));
        let decision = Decision { metric, bound, limit, reference, verdict, n: 3_000, k: 40, deff, df: 29.0 };
        for version in [0, 1] {
            let decisions = if version == 1 { vec![decision.clone()] } else { Vec::new() };
            record(&mut document, version).stopped = Some(Stopped { at, confidence: 0.975, decisions });
        }
        document
    };
    let clean = || TestLoad::with_errors(30, 50, |_| 0);
    let cases = [
        (document(good(), P95, 1.1, Satisfied, 1.5), (P95, 1.1), Satisfied),
        (document(bad(), P95, 1.1, Violated, 1.5), (P95, 1.1), Violated),
        (document(clean(), RATE, 0.02, Satisfied, 1.5), (RATE, 0.02), Satisfied),
    ];
    for (document, limit, outcome) in cases {
        let kept = verdict(&document, &objectives(&[], &[], &[limit]));
        assert_eq!((kept.verdict, kept.method), (outcome, Some(Method::AlwaysValid)), "{}", kept.reason);
        assert_eq!(kept.confidence, Some(0.975));
        assert!(kept.reason.contains(", decided after 30s (97.5 % sure; 3,000 requests"), "{}", kept.reason);
        assert_finite(&kept);
    }
    // One that the samples do not show was edited.
    for deff in [f64::NAN, 0.0, 1e-9, -1.0] {
        let edited = verdict(&document(good(), P95, 1.1, Satisfied, deff), &objectives(&[], &[], &[(P95, 1.1)]));
        assert_eq!(edited.method, Some(Method::Ratio), "{deff}: {}", edited.reason);
    }
    let edited = verdict(&document(bad(), P95, 1.1, Satisfied, 1.5), &objectives(&[], &[], &[(P95, 1.1)]));
    assert_eq!((edited.verdict, edited.method), (Violated, Some(Method::Ratio)), "{}", edited.reason);
    // Another limit is judged at half of the error, and says why.
    let other = verdict(&document(good(), P95, 1.1, Satisfied, 1.5), &objectives(&[], &[], &[(P95, 1.2)]));
    assert_eq!((other.method, other.confidence), (Some(Method::Ratio), Some(0.975)));
    assert!(other.reason.contains("the load ended with the verdict on other objectives"), "{}", other.reason);
}

#[test]
fn metrics_of_other_providers_have_half_of_the_error_left_too() {
    let with = |stopped: Option<Stopped>| {
        let mut document = insights(&[good(), good()]);
        for version in [0, 1] {
            let load = record(&mut document, version);
            (load.until_verdict, load.stopped) = (true, stopped.clone());
            for (name, value) in [("error-count", 1.0), ("request-count", 2_000.0), ("error-rate", 0.000_5)] {
                document.non_hist_metric_values[version].insert(format!("p/{name}"), vec![value]);
                let kind = if name == "error-rate" { MetricType::Gauge } else { MetricType::Counter };
                let meta = MetricMeta { description: String::new(), units: None, kind };
                document.metrics_info.insert(format!("p/{name}"), meta);
            }
        }
        assess(&document, &objectives(&[("p/error-rate", 0.01)], &[], &[("p/error-rate", 0.02)])).verdicts
    };
    for verdict in with(None) {
        assert_eq!(verdict.confidence, Some(0.975), "{}", verdict.reason);
    }
    let at = GoDuration(std::time::Duration::from_secs(30));
    for verdict in with(Some(Stopped { at, confidence: 0.975, decisions: Vec::new() })) {
        assert_eq!(verdict.confidence, Some(0.975), "{}", verdict.reason);
        assert!(verdict.reason.contains("so this one is judged at 97.5"), "{}", verdict.reason);
    }
}

#[test]
fn values_just_below_a_fractional_lower_limit_are_counted() {
    // All take 10,000 µs, which is below 10.0005 msec.
    let below = verdict(&insights(&[good()]), &objectives(&[], &[(P95, 10.000_5)], &[]));
    assert_ne!(below.verdict, Satisfied, "{}", below.reason);
}

#[test]
fn requests_of_unknown_origin_count_against_a_version() {
    let unknown = TestLoad::with_slow(30, 1, 60_000, |_| 1);
    let mut document = insights(&[good(), unknown]);
    (document.num_versions, document.unknown_version) = (1, Some(1));
    let whole = LoadRecord::default().counts;
    record(&mut document, 0).version_from = Some(VersionFrom { counts: whole, ..VersionFrom::default() });
    record(&mut document, 0).version_from.as_mut().unwrap().counts.requests = 1_530;
    let limits = objectives(&[(P95, 50.0)], &[], &[]);
    let with = verdict(&document, &limits);
    // 40 of 1,530 are within the limit of 5 %, and not surely.
    assert_eq!(with.verdict, Satisfied, "{}", with.reason);
    // 30 of 1,500 are surely within the limit, and 62 of 1,532 are within it, but not surely.
    let mut close = insights(&[TestLoad::with_slow(30, 50, 60_000, |_| 1), TestLoad::with_slow(32, 1, 60_000, |_| 1)]);
    (close.num_versions, close.unknown_version) = (1, Some(1));
    let whole = VersionFrom { counts: Counts { requests: 1_532, ..Counts::default() }, ..VersionFrom::default() };
    record(&mut close, 0).version_from = Some(whole);
    let harmed = verdict(&close, &limits);
    assert_eq!(harmed.verdict, Inconclusive, "{}", harmed.reason);
    assert!(harmed.reason.contains("requests of unknown origin may be its own"), "{}", harmed.reason);
    document.load[1].get_mut("http").unwrap().counts.errors = 20;
    let errors = verdict(&document, &objectives(&[(RATE, 0.01)], &[], &[]));
    assert_eq!(errors.verdict, Inconclusive, "{}", errors.reason);
}

#[test]
fn hostile_documents_are_judged_without_panics() {
    let mut document = insights(&[good(), bad()]);
    let numbers = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e308];
    let all = [P95, RATE, "http/latency-mean", "http/latency-p99", "http/latency/p50", "http/latency-max"];
    for number in numbers {
        for list in &mut document.non_hist_metric_values {
            list.values_mut().for_each(|values| *values = vec![number]);
        }
        for load in document.load.iter_mut().flat_map(|loads| loads.values_mut()) {
            load.pairs.iter_mut().for_each(|pair| (pair.deff, pair.df) = (number, number));
            let series = load.series.as_mut().unwrap();
            series.over.iter_mut().for_each(|over| over.limit = number);
        }
        let upper = all.map(|metric| (metric, number));
        let relative = [P95, RATE, "http/latency-mean"].map(|metric| (metric, number));
        for verdict in assess(&document, &objectives(&upper, &upper, &relative)).verdicts {
            if verdict.limit.is_finite() && verdict.value.is_none_or(f64::is_finite) {
                assert_finite(&verdict);
            }
        }
    }
    document.histograms.iter_mut().for_each(|histograms| {
        histograms.insert("http/latency".to_owned(), histogram::encode(&histogram::new()).unwrap());
    });
    assess(&document, &objectives(&[(P95, 1.0)], &[], &[(P95, 1.0)]));
}

#[test]
fn counts_of_another_load_than_the_series_decide_nothing() {
    for (requests, errors) in [(1_000_000, 0), (1_500, 3)] {
        let mut document = insights(&[TestLoad::with_errors(30, 50, |_| 0)]);
        let load = record(&mut document, 0);
        (load.counts.requests, load.counts.errors) = (requests, errors);
        let rate = errors as f64 / requests as f64;
        document.non_hist_metric_values[0].insert(RATE.to_owned(), vec![rate]);
        let verdict = verdict(&document, &objectives(&[(RATE, 0.01)], &[], &[]));
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{}", verdict.reason);
        assert!(verdict.reason.ends_with("of the load's series in the document does not fit its requests"));
    }
}

#[test]
fn pods_that_did_not_count_the_same_limits_decide_only_the_error_rate() {
    let mut document = insights(&[good(), good()]);
    for version in [0, 1] {
        record(&mut document, version).shards = Some(Shards { count: 2, ..Shards::default() });
        record(&mut document, version).pairs.clear();
        (series(&mut document, version).over, series(&mut document, version).sum) = (Vec::new(), Vec::new());
    }
    let limits = [(P95, 50.0), ("http/latency-mean", 50.0), ("http/service-time/p95", 50.0)];
    let relative = [("http/latency-p90", 2.0), ("http/latency-mean", 2.0)];
    for verdict in assess(&document, &objectives(&limits, &[], &relative)).verdicts {
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{}", verdict.reason);
        let reason = "; the pods did not count the same limits, so how requests depend on each other is unknown";
        assert!(verdict.reason.ends_with(reason), "{}", verdict.reason);
    }
    let rate = &assess(&document, &objectives(&[(RATE, 0.01)], &[], &[])).verdicts[0];
    assert_eq!(rate.verdict, Satisfied, "{}", rate.reason);
}

#[test]
fn intervals_of_pods_that_started_late_decide_nothing() {
    let mut document = insights(&[good(), good()]);
    record(&mut document, 0).shards = Some(Shards { count: 2, late: vec![1], ..Shards::default() });
    let limits = [(P95, 50.0), ("http/latency-mean", 50.0), (RATE, 0.01)];
    let relative = [(P95, 2.0), ("http/latency-mean", 2.0), (RATE, 0.01)];
    let verdicts = assess(&document, &objectives(&limits, &[], &relative)).verdicts;
    for verdict in verdicts.iter().filter(|verdict| verdict.version == 0 || verdict.reference.is_some()) {
        assert_eq!((verdict.verdict, verdict.interval), (Inconclusive, None), "{}", verdict.reason);
        assert!(verdict.reason.contains("; pod 1 started after the others: "), "{}", verdict.reason);
    }
}

/// A document of a provider without a load.
fn provider(values: &[(&str, MetricType, &[f64])]) -> Insights {
    let mut document = Insights { num_versions: 1, ..Insights::default() };
    let meta = |kind| MetricMeta { description: String::new(), units: None, kind };
    document.metrics_info = values.iter().map(|(name, kind, _)| (format!("p/{name}"), meta(*kind))).collect();
    let lists = values.iter().filter(|(_, kind, _)| *kind != MetricType::Summary);
    document.non_hist_metric_values = vec![lists.map(|(name, _, list)| (format!("p/{name}"), list.to_vec())).collect()];
    let summaries = values.iter().filter(|(_, kind, _)| *kind == MetricType::Summary);
    document.summary_metric_values =
        vec![summaries.map(|(name, _, list)| (format!("p/{name}"), list.to_vec())).collect()];
    document
}

fn of_provider(document: &Insights, metric: &str, limit: f64) -> Verdict {
    let verdict = verdict(document, &objectives(&[(metric, limit)], &[], &[]));
    assert_finite(&verdict);
    verdict
}

#[test]
fn a_rate_of_a_provider_with_its_counts_has_an_interval() {
    use MetricType::{Counter, Gauge};
    let with = |errors: f64, requests: f64| {
        provider(&[
            ("error-rate", Gauge, &[errors / requests]),
            ("error-count", Counter, &[errors]),
            ("request-count", Counter, &[requests]),
        ])
    };
    let good = of_provider(&with(1.0, 2_000.0), "p/error-rate", 0.01);
    assert_eq!((good.verdict, good.method), (Satisfied, Some(Method::Binomial)), "{}", good.reason);
    assert!(good.reason.contains("2,000 requests, independence assumed"), "{}", good.reason);
    assert_eq!(of_provider(&with(60.0, 2_000.0), "p/error-rate", 0.01).verdict, Violated);
    assert_eq!(of_provider(&with(0.0, 100.0), "p/error-rate", 0.01).verdict, Inconclusive);
    // Increases that a provider extrapolated are no counts.
    let extrapolated = of_provider(&with(1.4, 2_000.0), "p/error-rate", 0.01);
    assert_eq!((extrapolated.method, extrapolated.interval), (Some(Method::Point), None));
    // Counts of another window are not those of the rate.
    let mut other = with(1.0, 2_000.0);
    other.non_hist_metric_values[0].insert("p/error-rate".to_owned(), vec![0.009]);
    assert_eq!(of_provider(&other, "p/error-rate", 0.01).method, Some(Method::Point));
}

#[test]
fn without_errors_only_the_request_count_is_that_of_the_rate() {
    use MetricType::{Counter, Gauge, Sample};
    let judged = |total: &str, errors: f64| {
        let rate = [errors / 2_000.0];
        let values: [(&str, MetricType, &[f64]); 3] =
            [("error-rate", Gauge, &rate), ("error-count", Counter, &[errors]), (total, Counter, &[2_000.0])];
        of_provider(&provider(&values), "p/error-rate", 0.01).method
    };
    for total in ["count", "total"] {
        assert_eq!([0.0, 1.0].map(|errors| judged(total, errors)), [Some(Method::Point), Some(Method::Binomial)]);
    }
    assert_eq!(judged("request-count", 0.0), Some(Method::Binomial));
    let steps: [(&str, MetricType, &[f64]); 3] =
        [("error-rate", Gauge, &[0.0]), ("error-count", Sample, &[0.0; 30]), ("total", Sample, &[100.0; 30])];
    assert_eq!(of_provider(&provider(&steps), "p/error-rate", 0.01).method, Some(Method::Point));
}

#[test]
fn the_aggregation_says_which_extreme_it_is() {
    // Samples of a metric whose name ends like the other extreme.
    let samples: Vec<f64> = (1..=50).map(f64::from).collect();
    let document =
        provider(&[("latency-min", MetricType::Sample, &samples), ("speed-p0", MetricType::Sample, &samples)]);
    for metric in ["p/latency-min/max", "p/speed-p0/p100"] {
        let highest = of_provider(&document, metric, 60.0);
        assert_eq!(highest.verdict, Inconclusive, "{}", highest.reason);
        assert!(highest.reason.contains("no number of samples excludes a larger one"), "{}", highest.reason);
    }
    assert_eq!(of_provider(&document, "p/latency-min/min", 60.0).verdict, Satisfied);
}

#[test]
fn loops_of_another_spec_do_not_show_how_a_number_varies() {
    let values: Vec<f64> = (0..14).map(|at| if at < 4 { 0.9 } else { 0.3 + 0.02 * f64::from(at % 3) }).collect();
    let mut document = provider(&[("x", MetricType::Gauge, &values)]);
    let record = |number: u64, spec: &str| LoopRecord {
        number,
        spec: Some(spec.to_owned()),
        outcomes: vec![LoopOutcome::Satisfied],
        ..LoopRecord::default()
    };
    let of_loops = |first: u64| {
        (1..=14).map(|number| record(number, if number < first { "a" } else { "b" })).collect::<Vec<LoopRecord>>()
    };
    document.loops = of_loops(5);
    let ten = of_provider(&document, "p/x", 0.5);
    assert!(ten.reason.contains("; the mean of 10 loops is between 0.3"), "{}", ten.reason);
    document.loops = of_loops(6);
    let nine = of_provider(&document, "p/x", 0.5);
    assert_eq!((nine.method, nine.interval), (Some(Method::Point), None), "{}", nine.reason);
    // A running loop has no record yet.
    document.loops = of_loops(5);
    let running = |spec: &str| ThisLoop { number: 15, spec: Some(spec.to_owned()), ..ThisLoop::default() };
    assert_eq!(with_other_spec(&document, &running("b")), None);
    let changed = with_other_spec(&document, &running("c")).unwrap();
    assert_eq!(of_provider(&changed, "p/x", 0.5).method, Some(Method::Point));
}

#[test]
fn counts_per_step_show_their_dependence() {
    use MetricType::{Gauge, Sample};
    let with = |errors: &[f64]| {
        provider(&[
            ("error-rate", Gauge, &[errors.iter().sum::<f64>() / 3_000.0]),
            ("error-count", Sample, errors),
            ("request-count", Sample, &[100.0; 30]),
        ])
    };
    let mut burst = [0.0; 30];
    burst[4] = 30.0;
    let (spread, burst) =
        (of_provider(&with(&[1.0; 30]), "p/error-rate", 0.02), of_provider(&with(&burst), "p/error-rate", 0.02));
    assert_eq!([spread.verdict, burst.verdict], [Satisfied, Inconclusive], "{}", burst.reason);
    assert_eq!(burst.dependence.unwrap().from, DependenceSource::Blocks);
}

#[test]
fn samples_and_summaries_have_intervals_of_their_own() {
    use MetricType::{Sample, Summary};
    let samples: Vec<f64> = (0..100).map(|at| f64::from(at * 37 % 100)).collect();
    let document = provider(&[("x", Sample, &samples), ("y", Summary, &[100.0, 5_000.0, 1.0, 99.0, 260_000.0])]);
    assert_eq!(
        [90.0, 50.0, 20.0].map(|limit| of_provider(&document, "p/x/p50", limit).verdict),
        [Satisfied, Inconclusive, Violated]
    );
    assert_eq!(
        [60.0, 50.0, 40.0].map(|limit| of_provider(&document, "p/x/mean", limit).verdict),
        [Satisfied, Inconclusive, Violated]
    );
    assert_eq!(
        [60.0, 50.0, 40.0].map(|limit| of_provider(&document, "p/y/mean", limit).verdict),
        [Satisfied, Inconclusive, Violated]
    );
    assert_eq!(of_provider(&provider(&[("x", Sample, &[1.0])]), "p/x/p50", 5.0).verdict, Inconclusive);
    let equal = of_provider(&provider(&[("x", Sample, &[1.0; 9])]), "p/x/mean", 5.0);
    assert_eq!(equal.verdict, Inconclusive, "{}", equal.reason);
}

#[test]
fn a_single_number_does_not_show_how_sure_it_is_but_ten_loops_do() {
    use MetricType::Gauge;
    let one = of_provider(&provider(&[("x", Gauge, &[0.4])]), "p/x", 0.5);
    assert_eq!((one.verdict, one.method, one.interval), (Satisfied, Some(Method::Point), None));
    assert_eq!(one.reason, "p/x is 0.40, within the limit of 0.50; a single number does not show how sure it is");
    let loops: Vec<f64> = (0..12).map(|at| 0.3 + 0.02 * f64::from(at % 3)).collect();
    let many = of_provider(&provider(&[("x", Gauge, &loops)]), "p/x", 0.5);
    assert_eq!((many.verdict, many.method), (Satisfied, Some(Method::Mean)), "{}", many.reason);
    assert!(many.reason.contains("; the mean of 12 loops is between 0.31 and 0.33"), "{}", many.reason);
}

#[test]
fn a_bucket_that_holds_the_limit_leaves_it_open() {
    let bucket = |lower: f64, upper: f64, count: u64| HistogramBucket { lower, upper, count };
    let mut document = provider(&[]);
    let meta = MetricMeta { description: String::new(), units: None, kind: MetricType::Histogram };
    document.metrics_info = [("p/x".to_owned(), meta)].into();
    document.hist_metric_values = vec![
        [("p/x".to_owned(), vec![bucket(0.0, 10.0, 900), bucket(10.0, 50.0, 90), bucket(50.0, 100.0, 10)])].into(),
    ];
    let judged = |limit| of_provider(&document, "p/x/p95", limit);
    assert_eq!([9.0, 50.0, 100.0].map(|limit| judged(limit).verdict), [Violated, Satisfied, Satisfied]);
    let open = judged(30.0);
    assert_eq!(open.verdict, Inconclusive, "{}", open.reason);
    assert!(open.reason.ends_with("a bucket that ends at the limit would be counted exactly"), "{}", open.reason);
}
