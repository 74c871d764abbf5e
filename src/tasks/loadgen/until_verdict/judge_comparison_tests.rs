//! Looks at loads against version 0.

use super::*;

#[test]
fn a_version_is_compared_with_version_0_at_a_few_looks() {
    let two = [version(0), version(1)];
    let relative = |limit| {
        let mut objectives = objectives(&[]);
        objectives.relative.upper = vec![slo("http/latency-p90", limit)];
        objectives
    };
    let pair =
        |factor: u64| move |load, at| state(at, move |second| (steady(second, if load == 0 { 1 } else { factor }), 0));
    let slower = judge(&two, &relative(1.5));
    let end = stop(&slower, pair(3)).unwrap();
    assert!([10, 15, 23].contains(&end), "{end}");
    assert_eq!((decisions(&slower, 1, 1), decisions(&slower, 0, 0)), (vec![Outcome::Violated], vec![]));
    let same = judge(&two, &relative(1.5));
    let end = stop(&same, pair(1)).unwrap();
    assert!([10, 15, 23].contains(&end), "{end}");
    assert_eq!(decisions(&same, 1, 1), [Outcome::Satisfied]);
    let mut errors = objectives(&[]);
    errors.relative.upper = vec![slo("http/error-rate", 0.01)];
    let errors = judge(&two, &errors);
    let failing = |load, at| state(at, move |second| (steady(second, 1), if load == 0 { 0 } else { 5 + second % 3 }));
    assert!(stop(&errors, failing).is_some());
    assert_eq!(decisions(&errors, 1, 1), [Outcome::Violated]);
}

#[test]
fn bursts_that_may_be_unseen_keep_a_comparison_open() {
    // At 53 s, 40 requests of both have been over p99.
    for (metric, limit, first) in [("http/error-rate", 0.02, None), ("http/latency-p99", 1.5, Some(53))] {
        let judge = |burst| judge(&[version(0), version(1)], &relative_to_first(metric, limit, burst));
        let (without, with) = (judge(Duration::ZERO), judge(Confidence::DEFAULT_BURST));
        assert_eq!(stop(&without, |_, at| state(at, good)), Some(15), "{metric}");
        assert_eq!(decisions(&without, 1, 1), [Outcome::Satisfied]);
        assert_eq!(stop(&with, |_, at| state(at, good)), first, "{metric}");
    }
}

#[test]
fn slow_seconds_keep_the_ratio_of_a_tail_open_while_few_requests_are_in_it() {
    let limit = relative_to_first("http/latency-p99", 1.5, Duration::ZERO);
    // Both have a slow request per second. In one of twenty seconds, half of either one's requests are over p90.
    let with = |slow: bool| {
        move |load: usize, at: u64| {
            let second = move |second: u64| {
                let is_slow = slow && second % 20 == 3 + 4 * load as u64;
                let latency = |request: u64| if is_slow && request.is_multiple_of(2) { 30_000 } else { 10_000 };
                let mut latencies: Vec<u64> = (0..RATE).map(latency).collect();
                latencies[0] = 200_000;
                (latencies, 0)
            };
            state(at, second)
        }
    };
    let (steady, slow) = (judge(&[version(0), version(1)], &limit), judge(&[version(0), version(1)], &limit));
    assert!(stop(&steady, with(false)).is_some_and(|end| end < 40));
    // Until 40 requests of both are over p99, those over p90 say how much they depend on each other.
    assert!(stop(&slow, with(true)).is_none_or(|end| end > 40));
}

#[test]
fn errors_of_unknown_origin_keep_a_comparison_open() {
    for (metric, limit) in [("http/error-rate", 0.02), ("http/latency-p90", 1.5)] {
        let with_unknown = |at: u64, bad: u64| with_unknown(at, move |_| (vec![LIMIT * 2; bad as usize], bad));
        let judge = || judge(&[attributed()], &relative_to_first(metric, limit, Duration::ZERO));
        assert!(stop(&judge(), |_, at| with_unknown(at, 0)).is_some(), "{metric}");
        assert_eq!(stop(&judge(), |_, at| with_unknown(at, 5)), None, "{metric}");
    }
}

#[test]
fn requests_in_flight_for_long_keep_a_comparison_open() {
    for (metric, limit) in [("http/error-rate", 0.02), ("http/latency-p90", 1.5)] {
        let judge = || judge(&[version(0), version(1)], &relative_to_first(metric, limit, Duration::ZERO));
        let with = |stalled: u64| move |load, at| LoadState { older: vec![stalled * load as u64], ..state(at, good) };
        assert!(stop(&judge(), with(0)).is_some(), "{metric}");
        assert_eq!(stop(&judge(), with(500)), None, "{metric}");
    }
}

#[test]
fn versions_with_intervals_of_different_lengths_are_compared_by_the_same_seconds() {
    // Both are slow in the same seconds, and fail in the same ones.
    let second = |second: u64| {
        (steady(second, if second % 6 < 3 { 3 } else { 1 }), if second.is_multiple_of(6) { 10 } else { 0 })
    };
    let longer = |at: u64| {
        let pair = move |pair: u64| {
            let [(first, a), (other, b)] = [second(pair * 2), second(pair * 2 + 1)];
            ([first, other].concat(), a + b)
        };
        LoadState { timeline: timeline_of(at.div_ceil(2), 1, pair), ..state(at, second) }
    };
    for (metric, limit) in [("http/latency-p90", 1.5), ("http/error-rate", 0.02)] {
        for doubled in [0, 1] {
            let judge = judge(&[version(0), version(1)], &relative_to_first(metric, limit, Duration::ZERO));
            let end = stop(&judge, |load, at| if load == doubled { longer(at) } else { state(at, second) });
            assert!(end.is_some_and(|end| end < 40), "{metric} {doubled}: {end:?}");
        }
    }
}

#[test]
fn progress_shows_the_evidence_on_comparisons_before_they_are_decided() {
    let errors = ("http/error-rate", 0.02, "error-rate ≤ 0.02 more: ");
    let slower = ("http/latency-p90", 1.05, "p90 ≤ 1.05 ×: ");
    for (metric, limit, start) in [errors, slower] {
        let judge = judge(&[version(0), version(1)], &relative_to_first(metric, limit, Confidence::DEFAULT_BURST));
        let shown = |at| {
            // Widely spread, so that a ratio is not known at once.
            (0..2).for_each(|load| judge.look(load, state(at, |second| (steady(second, 1 + second % 3), 0))));
            judge.progress(1)
        };
        assert_eq!(shown(9), "");
        let percent = |at| {
            let text = shown(at);
            let percent = text.strip_prefix(start).and_then(|rest| rest.strip_suffix(" % of the evidence"));
            percent.and_then(|percent| percent.parse::<u32>().ok()).unwrap_or_else(|| panic!("{text}"))
        };
        let parts = [10, 15, 23].map(percent);
        assert!(0 < parts[0] && parts.is_sorted() && parts[0] < parts[2] && parts[2] < 100, "{metric}: {parts:?}");
        assert_eq!(judge.progress(0), "", "nothing is compared with itself");
    }
}

#[test]
fn requests_of_unknown_origin_that_came_together_are_worth_fewer() {
    let slow = |count: u64| vec![LIMIT * 2; count as usize];
    let errors = ("http/error-rate", 0.02, 3);
    for (metric, limit, seconds) in [errors, ("http/latency-p90", 1.5, 1)] {
        // The same number of slow errors, three in a second or one in three: as they come, or all in the fourth second.
        let per_second = move |second: u64| if seconds == 1 { 3 } else { u64::from(second.is_multiple_of(seconds)) };
        let spread = move |at: u64| with_unknown(at, move |second| (slow(per_second(second)), per_second(second)));
        let together = move |at: u64| {
            let all: u64 = (0..at).map(per_second).sum();
            with_unknown(at, move |second| if second == 3 { (slow(all), all) } else { (Vec::new(), 0) })
        };
        let judge = || judge(&[attributed()], &relative_to_first(metric, limit, Duration::ZERO));
        assert!(stop(&judge(), |_, at| spread(at)).is_some(), "{metric}");
        assert_eq!(stop(&judge(), |_, at| together(at)), None, "{metric}");
    }
}

#[test]
fn fast_requests_of_unknown_origin_may_be_those_of_version_0() {
    let limit = relative_to_first("http/latency-p90", 1.2, Duration::ZERO);
    let with = |fast: usize| move |_, at| with_unknown(at, move |_| (vec![1_000; fast], 0));
    assert!(stop(&judge(&[attributed()], &limit), with(0)).is_some());
    assert_eq!(stop(&judge(&[attributed()], &limit), with(400)), None);
}

#[test]
fn a_comparison_needs_samples_of_both_versions() {
    let limit = Objectives { min_samples: 600, ..relative_to_first("http/latency-p90", 1.5, Duration::ZERO) };
    let fewer = |of: usize| {
        move |load: usize, at: u64| {
            let count = if load == of { 10 } else { RATE as usize };
            state(at, move |second| (steady(second, 1).into_iter().take(count).collect(), 0))
        }
    };
    assert!(stop(&judge(&[version(0), version(1)], &limit), fewer(2)).is_some());
    for version_with_few in [0, 1] {
        assert_eq!(stop(&judge(&[version(0), version(1)], &limit), fewer(version_with_few)), None);
    }
}

#[test]
fn requests_in_flight_are_slow_ones_that_came_together() {
    // Forty are too many for the look after 15 s: as slow ones, and because they depend on each other.
    let limit = relative_to_first("http/latency-p90", 1.5, Duration::ZERO);
    let two = [version(0), version(1)];
    let apart = |stalled| {
        stop(&judge(&two, &limit), |load, at| LoadState { older: vec![stalled * load as u64], ..state(at, good) })
    };
    let none = |_| (Vec::new(), 0);
    let shared = |stalled| {
        stop(&judge(&[attributed()], &limit), |_, at| LoadState { older: vec![stalled], ..with_unknown(at, none) })
    };
    assert!([apart(0), shared(0)].iter().all(|end| end.is_some_and(|end| end <= 15)));
    assert_eq!([apart(40), shared(40)], [Some(23); 2]);
}

#[test]
fn one_of_several_objectives_needs_more_evidence_to_violate() {
    let with = |objectives| Comparison { alpha: 0.01, objectives, burst: 0.0 };
    assert_eq!([0, 1, 4].map(|objectives| with(objectives).violated()), [0.01, 0.01, 0.0025]);
}
