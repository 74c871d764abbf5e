//! Parts of a look: what it counts, what it keeps, and which loads prove nothing.

use super::*;

/// Result of a look with this verdict.
fn looked(verdict: Outcome) -> Option<Looked> {
    Some(Looked { verdict, n: 500.0, k: 1.0, samples: 500.0, deff: 1.0, df: 9.0, progress: 0.5 })
}

fn verdicts(judge: &Judge) -> Vec<Outcome> {
    judge.state.lock().results.iter().map(|looked| looked.unwrap().verdict).collect()
}

#[test]
fn looks_that_end_late_undo_no_decision() {
    use Outcome::{Inconclusive, Satisfied, Violated};
    let mut objectives = relative_to_first("http/latency-p90", 1.5, Duration::ZERO);
    objectives.limits.upper = vec![slo("http/latency-p95", 50.0), slo("http/error-rate", 0.01)];
    let judge = judge(&[version(0), version(1)], &objectives);
    // Two limits of each version, and the one relative to version 0.
    let begin = |at| {
        assert!(judge.begin(0, state(at, good)).is_none());
        judge.begin(1, state(at, good)).unwrap()
    };
    let (first, second) = (begin(10), begin(11));
    let relative = judge.claims.iter().position(|claim| claim.is_relative).unwrap();
    let results = |of_relative, of_others| {
        let at = |index| looked(if index == relative { of_relative } else { of_others });
        (0..judge.claims.len()).map(at).collect::<Vec<_>>()
    };
    judge.end(&second, results(Satisfied, Inconclusive));
    judge.end(&first, results(Inconclusive, Satisfied));
    let mut expected = vec![Inconclusive; judge.claims.len()];
    expected[relative] = Satisfied;
    assert_eq!(
        verdicts(&judge),
        expected,
        "a decision on a comparison stands, and other limits have their newest result"
    );
    let (third, fourth) = (begin(12), begin(13));
    judge.end(&third, results(Satisfied, Satisfied));
    assert!(judge.decided.is_cancelled());
    judge.end(&fourth, results(Violated, Violated));
    assert_eq!(verdicts(&judge), vec![Satisfied; judge.claims.len()], "the loads have ended");
}

#[test]
fn a_judge_without_objectives_ends_nothing() {
    assert_eq!(stop(&judge(&[version(0)], &objectives(&[("other/m", 1.0)])), |_, at| state(at, good)), None);
}

#[test]
fn a_judge_knows_its_loads_and_all_objectives_of_a_version() {
    let mut objectives = relative_to_first("http/latency-p90", 1.5, Duration::ZERO);
    objectives.limits.upper = vec![slo("http/latency-p95", 50.0), slo("http/error-rate", 0.01)];
    objectives.limits.lower = vec![slo("http/latency-p50", 1.0)];
    let with = |of, seconds| Target { duration: Some(Duration::from_secs(seconds)), ..version(of) };
    let judge = judge(&[with(0, 120), with(1, 60)], &objectives);
    assert_eq!((judge.objectives, judge.duration), (4, 120.0));
    // Half of the timeout: then a request may become an error.
    let timeout = version(0).timeout;
    assert_eq!(judge.loads[0].ages, [LIMIT, u64::try_from(timeout.as_micros()).unwrap() / 2]);
}

#[test]
fn decisions_are_recorded_with_the_confidence_of_the_looks_and_the_version_that_they_are_about() {
    let mut objectives = relative_to_first("http/latency-p90", 1.5, Duration::ZERO);
    objectives.limits.upper = vec![slo("http/latency-p95", 50.0)];
    let judge = judge(&[version(0), version(1)], &objectives);
    assert!(stop(&judge, |_, at| state(at, good)).is_some());
    let record = [("http".to_owned(), LoadRecord::default())].into();
    let mut versions = vec![VersionMetrics { load: record, ..VersionMetrics::default() }; 2];
    judge.complete(1, "http", Some(Duration::from_secs(15)), &mut versions);
    let stopped = versions[1].load["http"].stopped.as_ref().unwrap();
    assert_eq!(stopped.confidence, 0.975);
    assert_eq!(stopped.decisions.iter().map(|decision| decision.reference).collect::<Vec<_>>(), [None, Some(0)]);
    assert_eq!(versions[0].load["http"].stopped, None);
}

#[test]
fn a_look_that_decides_nothing_never_shows_all_of_the_evidence() {
    let judge = judge(&[version(0)], &Objectives { min_samples: 1_000, ..objectives(&[P95]) });
    assert_eq!(stop(&judge, |_, at| state(at.min(19), good)), None);
    assert_eq!(judge.progress(0), "p95 ≤ 50 msec: 99 % of the evidence");
}

#[test]
fn loads_that_are_not_as_asked_prove_nothing() {
    let asked = || state(20, good);
    // 30 of 50 requests per second have ended.
    let waiting = || state(20, |second| (steady(second, 1).into_iter().take(30).collect(), 0));
    let with = |sent| LoadState { sent, ..waiting() };
    let closed = |idle_closed| LoadState { counts: Counts { idle_closed, ..Counts::default() }, ..asked() };
    let cases = [
        ("as asked", asked(), false),
        ("some have not ended", waiting(), false),
        ("4 % were not sent, which is many of those that ended", with(960), true),
        ("10 % were not sent", with(900), true),
        ("few connections closed at once", closed(10), false),
        ("many connections closed at once", closed(11), true),
        ("the load generator was at its limits", LoadState { client_limits: 1, ..asked() }, true),
    ];
    for (why, state, expected) in cases {
        assert_eq!(is_doubtful(&state), expected, "{why}");
    }
}

/// Sums of requests and bad ones, known and possible.
fn counted(target: Target, metric: (&str, f64), state: &LoadState) -> Option<[(f64, f64); 2]> {
    let judge = judge(&[target], &objectives(&[metric]));
    let requests = requests(&judge.claims[0], &judge.loads[0], state, &origins(state))?;
    let sum = |blocks: &[Block]| blocks.iter().fold((0.0, 0.0), |sum, block| (sum.0 + block.n, sum.1 + block.k));
    Some([sum(&requests.known), sum(&requests.possible)])
}

#[test]
fn requests_that_may_be_bad_count_as_such() {
    let failing = |second| (steady(second, 1), 2);
    // Seven are over the limit. Of those, three are so old that they may fail.
    let in_flight = |state| LoadState { older: vec![7, 3], ..state };
    let old = |state| LoadState { older: vec![3], ..state };
    let unknown = |_| (vec![LIMIT * 2, 1_000, 1_000], 2);
    let short = |target: Target| Target { timeout: Duration::from_millis(50), ..target };
    let rate = ("http/error-rate", 0.01);
    let cases = [
        (
            "slow ones in flight are over the limit",
            version(0),
            P95,
            in_flight(state(10, failing)),
            (507.0, 7.0),
            (507.0, 7.0),
        ),
        ("old ones in flight may fail", version(0), rate, old(state(10, failing)), (500.0, 20.0), (503.0, 23.0)),
        (
            "errors may be timeouts that would have been over the limit",
            short(version(0)),
            P95,
            in_flight(state(10, failing)),
            (507.0, 7.0),
            (507.0, 27.0),
        ),
        (
            "slow ones of unknown origin, and those in flight, may be any version's",
            attributed(),
            P95,
            in_flight(with_unknown(10, unknown)),
            (500.0, 0.0),
            (517.0, 17.0),
        ),
        (
            "errors of unknown origin may be timeouts, too",
            short(attributed()),
            P95,
            in_flight(with_unknown(10, unknown)),
            (500.0, 0.0),
            (537.0, 37.0),
        ),
        ("errors of unknown origin", attributed(), rate, old(with_unknown(10, unknown)), (500.0, 0.0), (523.0, 23.0)),
    ];
    for (why, target, metric, state, known, possible) in cases {
        assert_eq!(counted(target, metric, &state), Some([known, possible]), "{why}");
    }
}

#[test]
fn intervals_of_different_lengths_are_joined() {
    let doubled = |at: u64, second: fn(u64) -> (Vec<u64>, u64)| {
        timeline_of(at / 2, 1, move |pair| {
            let [(mut first, a), (second, b)] = [second(pair * 2), second(pair * 2 + 1)];
            first.extend(second);
            (first, a + b)
        })
    };
    let slow = |second: u64| (if second == 9 { vec![LIMIT * 2; 5] } else { Vec::new() }, 0);
    let state =
        LoadState { versions: vec![timeline(10, good), timeline(10, good), doubled(10, slow)], ..state(10, good) };
    let series = origins(&state);
    assert!(series.iter().flatten().all(|series| series.requests.len() == 5), "{series:?}");
    assert_eq!(counted(attributed(), P95, &state), Some([(500.0, 0.0), (505.0, 5.0)]));
}

#[test]
fn a_percentile_needs_exact_counts_and_the_requests_over_p90() {
    let judge = judge(&[version(0)], &objectives(&[P95]));
    let (claim, load, at) = (&judge.claims[0], &judge.loads[0], state(10, good));
    let mut series = origins(&at);
    let lower = |series: &[Option<Series>]| requests(claim, load, &at, series).map(|requests| requests.lower.is_some());
    assert_eq!(lower(&series), Some(true), "the limit is above p90");
    let over = &mut series[0].as_mut().unwrap().over;
    let p90 = over.iter().position(|over| over.percentile == Some(90.0)).unwrap();
    over[p90].limit = 60.0;
    assert_eq!(lower(&series), Some(false), "the limit is below p90");
    let over = &mut series[0].as_mut().unwrap().over;
    over.remove(p90);
    assert_eq!(lower(&series), None);
    let mut series = origins(&at);
    // Counts over a percentile that is the limit come from cells.
    series[0]
        .as_mut()
        .unwrap()
        .over
        .iter_mut()
        .filter(|over| over.limit == 50.0)
        .for_each(|over| over.percentile = Some(99.9));
    assert_eq!(lower(&series), None);
}
