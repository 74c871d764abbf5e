//! The pacer as a whole, for every kind of arrival.

use std::time::Duration;

use proptest::prelude::*;

use super::stages::{Stage, Stages};
use super::*;

fn constant(rate: f64, bound: Bound) -> Pacer {
    Pacer::new(Arrival::Constant { rate }, bound)
}

fn poisson(rate: f64, bound: Bound) -> Pacer {
    Pacer::new(Arrival::Poisson { rate }, bound)
}

fn stages(from: f64, list: &[(u64, f64)]) -> Stages {
    let list: Vec<Stage> =
        list.iter().map(|(ms, rate)| Stage { duration: Duration::from_millis(*ms), rate: *rate }).collect();
    Stages::new(from, &list).unwrap()
}

/// Any schedule with at most some thousand slots.
fn any_pacer() -> impl Strategy<Value = Pacer> {
    let bound = || {
        prop_oneof![
            (0_u64..400).prop_map(Bound::Count),
            (0_u64..3_000).prop_map(|ms| Bound::Duration(Duration::from_millis(ms)))
        ]
    };
    let rate = || 0.1_f64..1e3;
    let ramps = prop::collection::vec((0_u64..800, prop_oneof![Just(0.0), 0.0_f64..500.0]), 1..6);
    let spacing = || prop_oneof![Just(Spacing::Uniform), Just(Spacing::Poisson)];
    let staged = (0.0_f64..500.0, ramps, spacing(), bound()).prop_filter_map(
        "has no requests",
        |(from, list, spacing, bound)| {
            let list: Vec<_> =
                list.into_iter().map(|(ms, rate)| Stage { duration: Duration::from_millis(ms), rate }).collect();
            let stages = Arc::new(Stages::new(from, &list).ok()?);
            Some(Pacer::new(Arrival::Staged { stages, spacing }, bound))
        },
    );
    prop_oneof![
        (rate(), bound()).prop_map(|(rate, bound)| constant(rate, bound)),
        (rate(), bound()).prop_map(|(rate, bound)| poisson(rate, bound)),
        staged
    ]
}

/// Due times of all slots.
fn dues(pacer: &Pacer) -> Vec<Duration> {
    let mut cursor = pacer.cursor();
    (0..).map_while(|k| cursor.due(k)).collect()
}

/// Runs a schedule on a simulated clock that jumps by the given steps. Returns send time and due time of each request.
fn simulate(pacer: &Pacer, jumps: &[u64]) -> Vec<(Duration, Duration)> {
    let mut cursor = pacer.cursor();
    let mut now = Duration::ZERO;
    let mut sent = Vec::new();
    let mut jumps = jumps.iter().cycle();
    loop {
        match cursor.decide(now, sent.len() as u64) {
            Step::SendNow { intended } => sent.push((now, intended)),
            Step::Wait { until } => {
                assert!(until > now, "a wait that ends in the past never ends");
                now = until.max(now + Duration::from_nanos(*jumps.next().unwrap_or(&0)));
            }
            Step::Stop => return sent,
        }
    }
}

proptest! {
    #[test]
    fn a_constant_rate_is_never_early_never_exceeded_and_exact(
        rate in 0.1_f64..1e6, count in 0_u64..400, jumps in prop::collection::vec(0_u64..5_000_000_000, 1..8)
    ) {
        let sent = simulate(&constant(rate, Bound::Count(count)), &jumps);
        prop_assert_eq!(sent.len() as u64, count);
        for (k, (now, intended)) in sent.iter().enumerate() {
            prop_assert!(now >= intended);
            let exact = k as f64 / rate;
            prop_assert!((intended.as_secs_f64() - exact).abs() <= 2e-9 + exact * 1e-12);
        }
    }

    #[test]
    fn no_arrival_is_early_or_superfluous_and_every_one_is_sent(
        pacer in any_pacer(), jumps in prop::collection::vec(0_u64..500_000_000, 1..8)
    ) {
        let sent = simulate(&pacer, &jumps);
        let dues = dues(&pacer);
        prop_assert_eq!(sent.iter().map(|(_, due)| *due).collect::<Vec<_>>(), dues.clone());
        prop_assert!(sent.iter().all(|(now, due)| now >= due));
        prop_assert!(dues.is_sorted());
        prop_assert!(pacer.total().is_none_or(|total| total == dues.len() as u64));
        if let (Some(end), Some(last)) = (pacer.ends(), dues.last()) {
            prop_assert!(*last <= end);
        }
    }

    #[test]
    fn a_duration_holds_the_slots_that_are_due_before_its_end(rate in 0.1_f64..1e4, millis in 0_u64..3_000) {
        let end = Duration::from_millis(millis);
        let pacer = constant(rate, Bound::Duration(end));
        let total = pacer.total().unwrap();
        let mut unbounded = constant(rate, Bound::Count(u64::MAX)).cursor();
        prop_assert!(total == 0 || unbounded.due(total - 1).unwrap() < end);
        prop_assert!(unbounded.due(total).unwrap() >= end);
        prop_assert!(total as f64 <= end.as_secs_f64() * rate + 1.0);
    }

    #[test]
    fn due_by_counts_what_decide_would_send(pacer in any_pacer(), nanos in 0_u64..3_000_000_000) {
        let now = Duration::from_nanos(nanos);
        let due = pacer.cursor().due_by(now);
        let mut cursor = pacer.cursor();
        let is_sent = due == 0 || matches!(cursor.decide(now, due - 1), Step::SendNow { .. });
        let is_next_sent = matches!(cursor.decide(now, due), Step::SendNow { .. });
        prop_assert!(is_sent && !is_next_sent, "{} slots", due);
    }

    #[test]
    fn a_backlog_drains_after_the_end(pacer in any_pacer()) {
        let late = Duration::from_secs(1_000_000);
        let mut cursor = pacer.cursor();
        let mut sent = 0;
        while let Step::SendNow { .. } = cursor.decide(late, sent) { sent += 1; }
        prop_assert_eq!(sent, dues(&pacer).len() as u64);
        prop_assert_eq!(cursor.decide(late, sent), Step::Stop);
        prop_assert_eq!(cursor.due_by(late), sent);
    }

    #[test]
    fn cursors_agree_whatever_the_previous_calls(pacer in any_pacer(), calls in prop::collection::vec((0_u64..600, 0_u64..3_000), 1..20)) {
        let dues = dues(&pacer);
        let mut cursor = pacer.cursor();
        for (k, ms) in calls {
            let due = dues.get(k as usize).copied();
            prop_assert_eq!(cursor.peek(k), due);
            prop_assert_eq!(cursor.due(k), due);
            let now = Duration::from_millis(ms);
            prop_assert_eq!(cursor.due_by(now), dues.iter().filter(|due| **due <= now).count() as u64);
        }
    }

    #[test]
    fn each_stage_has_the_requests_of_its_area(
        from in 0.0_f64..2e3, list in prop::collection::vec((1_u64..3_000, 0.0_f64..2e3), 1..8)
    ) {
        let dues = dues(&Pacer::staged(stages(from, &list), Spacing::Uniform));
        let (mut start, mut rate) = (Duration::ZERO, from);
        for (ms, to) in list {
            let length = Duration::from_millis(ms);
            let count = dues.iter().filter(|due| *due >= &start && *due < &(start + length)).count();
            let area = (rate + to) / 2.0 * length.as_secs_f64();
            prop_assert!((count as f64 - area).abs() <= 1.0 + 1e-6, "{count} requests, not {area}");
            (start, rate) = (start + length, to);
        }
    }

    #[test]
    fn planned_requests_are_those_that_were_due(pacer in any_pacer(), ms in 1_u64..4_000) {
        let dues = dues(&pacer);
        let whole = pacer.cursor().planned(None).unwrap();
        prop_assert_eq!(whole.slots, dues.len() as u64);
        prop_assert!(whole.rate.is_finite() && dues.last().is_none_or(|last| *last <= whole.span));
        let stop = Duration::from_millis(ms);
        let stopped = pacer.cursor().planned(Some(stop)).unwrap();
        prop_assert_eq!(stopped.slots, dues.iter().filter(|due| **due <= stop).count() as u64);
    }
}

/// Any schedule, including those at maximum rate.
fn any_schedule() -> impl Strategy<Value = Pacer> {
    let bound = prop_oneof![
        (0_u64..400).prop_map(Bound::Count),
        (0_u64..3_000).prop_map(|ms| Bound::Duration(Duration::from_millis(ms)))
    ];
    prop_oneof![4 => any_pacer(), 1 => bound.prop_map(|bound| Pacer::new(Arrival::Max, bound))]
}

fn shares(pacer: &Pacer, count: usize) -> Vec<Pacer> {
    (0..count).map(|index| pacer.clone().share(Share::new(index, count).unwrap())).collect()
}

proptest! {
    #[test]
    fn the_shares_of_a_schedule_have_its_slots_when_they_are_due_there(pacer in any_pacer(), count in 1_usize..12) {
        let whole = dues(&pacer);
        let mut all = Vec::new();
        for share in shares(&pacer, count) {
            let slots = dues(&share);
            prop_assert!(share.total().is_none_or(|total| total == slots.len() as u64));
            for (k, due) in slots.iter().enumerate() {
                prop_assert_eq!(whole.get(share.number(k as u64) as usize), Some(due));
                prop_assert_eq!(share.cursor().peek(k as u64), Some(*due));
            }
            all.extend(slots);
        }
        all.sort_unstable();
        prop_assert_eq!(all, whole);
    }

    #[test]
    fn a_share_is_a_schedule_like_any_other(pacer in any_pacer(), count in 1_usize..6, jumps in prop::collection::vec(0_u64..500_000_000, 1..8)) {
        for share in shares(&pacer, count) {
            let dues = dues(&share);
            let sent = simulate(&share, &jumps);
            prop_assert_eq!(sent.iter().map(|(_, due)| *due).collect::<Vec<_>>(), dues.clone());
            for now in [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(9)] {
                prop_assert_eq!(share.cursor().due_by(now), dues.iter().filter(|due| **due <= now).count() as u64);
            }
        }
    }

    #[test]
    fn plans_of_shares_add_up_to_the_plan_of_the_whole(pacer in any_schedule(), count in 1_usize..12, ms in 0_u64..4_000) {
        for stopped in [None, Some(Duration::from_millis(ms))] {
            let whole = pacer.cursor().planned(stopped);
            let parts: Vec<_> = shares(&pacer, count).iter().map(|share| share.cursor().planned(stopped)).collect();
            let Some(whole) = whole else {
                prop_assert!(parts.iter().all(Option::is_none));
                continue;
            };
            let parts: Vec<Planned> = parts.into_iter().flatten().collect();
            prop_assert_eq!(parts.iter().map(|part| part.slots).sum::<u64>(), whole.slots);
            prop_assert!(parts.iter().all(|part| part.span == whole.span && part.whole_rate == whole.rate));
            let rate = parts.iter().map(|part| part.rate).sum::<f64>();
            prop_assert!((rate - whole.rate).abs() <= 1e-9 * whole.rate, "{rate} of {whole:?}");
        }
    }

    #[test]
    fn shares_of_the_maximum_rate_split_a_number_and_keep_a_duration(bound in 0_u64..400, count in 1_usize..12) {
        let elapsed = Duration::from_millis(bound);
        let mut sent = 0;
        for share in shares(&Pacer::new(Arrival::Max, Bound::Count(bound)), count) {
            let mut cursor = share.cursor();
            let slots = (0..).take_while(|k| cursor.decide(elapsed, *k) != Step::Stop).count() as u64;
            prop_assert_eq!(share.total(), Some(slots));
            prop_assert!(slots.abs_diff(bound / count as u64) <= 1);
            sent += slots;
        }
        prop_assert_eq!(sent, bound);
        for share in shares(&Pacer::new(Arrival::Max, Bound::Duration(elapsed)), count) {
            prop_assert_eq!((share.total(), share.ends()), (None, Some(elapsed)));
            prop_assert_eq!(share.cursor().decide(elapsed, 0), Step::Stop);
        }
    }
}

#[test]
fn a_schedule_has_a_planned_duration() {
    let seconds = Duration::from_secs;
    assert_eq!(constant(50.0, Bound::Count(100)).length(), Some(seconds(2)));
    assert_eq!(poisson(50.0, Bound::Count(100)).length(), Some(seconds(2)));
    assert_eq!(constant(50.0, Bound::Duration(seconds(3))).length(), Some(seconds(3)));
    assert_eq!(Pacer::new(Arrival::Max, Bound::Duration(seconds(3))).length(), Some(seconds(3)));
    assert_eq!(Pacer::new(Arrival::Max, Bound::Count(100)).length(), None);
    assert_eq!(Pacer::staged(stages(0.0, &[(4_000, 10.0)]), Spacing::Uniform).length(), Some(seconds(4)));
    // A share takes as long as the whole.
    let share = constant(50.0, Bound::Count(100)).share(Share::new(3, 8).unwrap());
    assert_eq!((share.length(), share.total()), (Some(seconds(2)), Some(13)));
}

#[test]
fn random_arrivals_have_the_gaps_of_a_poisson_process() {
    let rate = 1_000.0;
    let dues = dues(&poisson(rate, Bound::Count(100_000)));
    let gaps: Vec<f64> = dues.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * rate).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    assert!((mean - 1.0).abs() < 0.013 && (variance - 1.0).abs() < 0.036, "mean {mean}, variance {variance}");
    // In a Poisson process the counts in equal times have a variance as large as their mean.
    let counts: Vec<f64> =
        (0..900).map(|slice| dues.iter().filter(|due| due.as_millis() / 100 == slice).count() as f64).collect();
    let mean = counts.iter().sum::<f64>() / 900.0;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 900.0;
    assert!((mean - 100.0).abs() < 1.4 && (variance / mean - 1.0).abs() < 0.19, "mean {mean}, variance {variance}");
}

#[test]
fn random_arrivals_follow_the_stages() {
    let ramps = stages(0.0, &[(10_000, 2_000.0), (5_000, 0.0), (5_000, 0.0), (10_000, 1_000.0)]);
    let dues = dues(&Pacer::staged(ramps, Spacing::Poisson));
    let count = |from, to| dues.iter().filter(|due| (from..to).contains(&due.as_secs())).count() as f64;
    for (from, to, expected) in
        [(0, 10, 10_000.0), (10, 15, 5_000.0), (15, 20, 0.0), (20, 30, 5_000.0), (5, 10, 7_500.0)]
    {
        let actual = count(from, to);
        assert!(
            (actual - expected).abs() <= 4.0 * f64::sqrt(expected),
            "{actual} in {from} s to {to} s, not {expected}"
        );
    }
}

#[test]
fn the_random_sequence_is_the_same_in_every_run() {
    let micros: Vec<u128> = dues(&poisson(100.0, Bound::Count(4))).iter().map(Duration::as_micros).collect();
    assert_eq!(micros, [12_635, 27_356, 37_337, 61_908]);
}

#[test]
fn millions_of_slots_stay_in_place() {
    let ramps = stages(0.0, &[(3_600_000, 1e6), (3_600_000, 0.0)]);
    let pacer = Pacer::staged(ramps, Spacing::Uniform);
    assert_eq!(pacer.total(), Some(3_600_000_000));
    let mut cursor = pacer.cursor();
    assert_eq!(cursor.due(1_800_000_000), Some(Duration::from_secs(3600)));
    // One before the end: √(2·1 / (10⁶/3600)) seconds.
    let left = Duration::from_secs(7200) - cursor.due(3_600_000_000 - 1).unwrap();
    assert!((left.as_secs_f64() - 0.084_852_813_7).abs() < 1e-9, "{left:?}");
    assert_eq!(cursor.due_by(Duration::from_secs(3600)), 1_800_000_001);
}

#[test]
fn the_maximum_rate_is_bounded_by_count_or_time() {
    let mut counted = Pacer::new(Arrival::Max, Bound::Count(3)).cursor();
    let now = Duration::from_secs(9);
    assert_eq!(counted.decide(now, 2), Step::SendNow { intended: now });
    assert_eq!(counted.decide(now, 3), Step::Stop);
    let mut timed = Pacer::new(Arrival::Max, Bound::Duration(now)).cursor();
    assert_eq!(timed.decide(now, 2), Step::Stop);
    assert_eq!(timed.decide(Duration::ZERO, u64::MAX), Step::SendNow { intended: Duration::ZERO });
    assert_eq!(timed.planned(None), None);
}

#[test]
fn absurd_schedules_neither_panic_nor_hang() {
    for rate in [f64::MIN_POSITIVE, 1e-9, 1e300, f64::MAX] {
        for bound in [Bound::Count(u64::MAX), Bound::Duration(Duration::MAX), Bound::Duration(Duration::ZERO)] {
            let pacer = constant(rate, bound);
            let mut cursor = pacer.cursor();
            let _ = (pacer.total(), pacer.ends(), cursor.due_by(Duration::MAX), cursor.decide(Duration::ZERO, 1));
            let _ = (cursor.planned(None), cursor.planned(Some(Duration::ZERO)));
            let pacer = poisson(rate, bound);
            let mut cursor = pacer.cursor();
            let second = Duration::from_millis(100);
            let _ = (pacer.total(), pacer.ends(), cursor.due_by(second), cursor.decide(second, 1));
        }
    }
    assert_eq!(constant(f64::NAN, Bound::Count(1)).rate(), None);
    assert_eq!(poisson(-1.0, Bound::Count(1)).rate(), None);
    assert_eq!(poisson(1e9, Bound::Count(1)).rate(), Some(MAX_RATE));
}

#[test]
fn the_planned_rate_of_a_poisson_schedule_is_that_of_its_slots() {
    let planned = poisson(100.0, Bound::Count(50)).cursor().planned(None).unwrap();
    assert_eq!(planned.slots, 50);
    assert_eq!(planned.span, poisson(100.0, Bound::Count(51)).cursor().due(50).unwrap());
    assert_eq!(planned.rate, 50.0 / planned.span.as_secs_f64());
    let timed = poisson(100.0, Bound::Duration(Duration::from_secs(2))).cursor().planned(None).unwrap();
    assert_eq!((timed.span, timed.rate), (Duration::from_secs(2), timed.slots as f64 / 2.0));
}
