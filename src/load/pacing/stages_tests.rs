//! Ramps against the integral of their rates.

use super::*;
use proptest::prelude::*;

fn stages(from: f64, list: &[(f64, f64)]) -> Stages {
    let list: Vec<Stage> =
        list.iter().map(|(seconds, rate)| Stage { duration: Duration::from_secs_f64(*seconds), rate: *rate }).collect();
    Stages::new(from, &list).unwrap()
}

fn seconds(stages: &Stages, due: f64) -> f64 {
    stages.time_of(due).unwrap().as_secs_f64()
}

/// Any schedule: stages that rise, fall, stay, jump and rest.
fn any_stages() -> impl Strategy<Value = Stages> {
    let rate = || prop_oneof![Just(0.0), Just(100.0), 0.01_f64..5_000.0];
    let time = prop_oneof![Just(0_u64), 1_u64..20_000];
    (rate(), prop::collection::vec((time, rate()), 1..12)).prop_filter_map("has no requests", |(from, list)| {
        let list: Vec<_> =
            list.into_iter().map(|(ms, rate)| Stage { duration: Duration::from_millis(ms), rate }).collect();
        Stages::new(from, &list).ok()
    })
}

proptest! {
    #[test]
    fn due_times_never_fall_and_lie_within_the_stages(stages in any_stages(), parts in 2_u32..500) {
        let mut last = Duration::ZERO;
        for part in 0..parts {
            let due = stages.total() * f64::from(part) / f64::from(parts);
            let time = stages.time_of(due).unwrap();
            prop_assert!(time + Duration::from_nanos(1) >= last && time <= stages.duration(), "{time:?} after {last:?}");
            last = time;
        }
        prop_assert_eq!(stages.time_of(stages.total()), None);
    }

    #[test]
    fn as_many_are_due_at_a_due_time_as_were_requested(stages in any_stages(), share in 0.0_f64..1.0) {
        let due = stages.total() * share;
        let time = stages.time_of(due).unwrap();
        // A nanosecond at 5000/s is 5e-6 requests.
        prop_assert!((stages.due_by(time) - due).abs() < 1e-5 + due * 1e-12, "{} at {time:?}", stages.due_by(time));
    }

    #[test]
    fn the_closed_form_is_the_integral_of_the_rate(stages in any_stages(), share in 0.0_f64..1.0) {
        let end = stages.duration().as_secs_f64() * share;
        // The midpoint rule is exact for a rate that is linear between the edges.
        let mut edges: Vec<f64> = stages.ramps.iter().map(|ramp| ramp.start.as_secs_f64()).filter(|at| *at < end).collect();
        edges.push(end);
        let rate = |at: f64| {
            let ramp = stages.ramps.iter().rfind(|ramp| ramp.start.as_secs_f64() <= at).unwrap();
            ramp.from + (ramp.to - ramp.from) * (at - ramp.start.as_secs_f64()) / ramp.length
        };
        let integral: f64 = edges.windows(2).map(|pair| rate((pair[0] + pair[1]) / 2.0) * (pair[1] - pair[0])).sum();
        let due = stages.due_by(Duration::from_secs_f64(end));
        prop_assert!((due - integral).abs() < 1e-4 + integral * 1e-9, "{due} is not {integral}");
    }
}

#[test]
fn a_ramp_from_zero_sends_by_the_square_of_time() {
    let ramp = stages(0.0, &[(10.0, 100.0)]);
    assert_eq!(ramp.total(), 500.0);
    for due in [0.0, 5.0, 125.0, 320.0, 499.0] {
        assert!((seconds(&ramp, due) - (due / 5.0_f64).sqrt()).abs() < 2e-9);
    }
}

#[test]
fn a_ramp_to_zero_is_the_mirror_of_one_from_zero() {
    let (up, down) = (stages(0.0, &[(3600.0, 1e6)]), stages(1e6, &[(3600.0, 0.0)]));
    assert_eq!((up.total(), down.total()), (1.8e9, 1.8e9));
    for due in [1.0, 2.0, 1e3, 9e8, 1.8e9 - 1.0] {
        let mirrored = 3600.0 - seconds(&up, up.total() - due);
        assert!((seconds(&down, due) - mirrored).abs() < 2e-9, "{due}");
    }
}

#[test]
fn nothing_is_due_while_the_rate_is_zero() {
    let rests = stages(0.0, &[(10.0, 0.0), (0.0, 50.0), (2.0, 50.0), (0.0, 0.0), (60.0, 0.0), (10.0, 20.0)]);
    assert_eq!(seconds(&rests, 0.0), 10.0);
    assert_eq!(seconds(&rests, 99.0), 11.98);
    // The 100 requests of the flat stage are over; the next one waits for the rate to rise again.
    assert_eq!(seconds(&rests, 100.0), 72.0);
    assert_eq!(rests.due_by(Duration::from_secs(40)), 100.0);
    assert_eq!(rests.total(), 200.0);
}

#[test]
fn sums_of_decimal_fractions_are_whole() {
    let mut list = vec![(0.1, 0.3); 10];
    list.extend([(0.0, 10.0), (0.27, 10.0)]);
    assert_eq!(stages(0.3, &list).total(), 3.0);
}

#[test]
fn invalid_stages_are_rejected_with_the_reason() {
    let stage = |seconds, rate| Stage { duration: Duration::from_secs(seconds), rate };
    let reason = |from, list: &[Stage]| Stages::new(from, list).unwrap_err().to_string();
    assert_eq!(reason(0.0, &[]), "has 0 stages; expected 1 to 100");
    assert_eq!(reason(0.0, &[stage(1, 1.0); 101]), "has 101 stages; expected 1 to 100");
    assert_eq!(reason(0.0, &[stage(0, 1.0)]), "takes 0s in total; expected more than 0s and at most 24h0m0s");
    assert_eq!(
        reason(0.0, &[stage(86_400, 1.0), stage(1, 1.0)]),
        "takes 24h0m1s in total; expected more than 0s and at most 24h0m0s"
    );
    assert_eq!(reason(0.0, &[stage(5, 0.0)]), "has no requests: every rate is 0");
    for rate in [-1.0, 2e6, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            Stages::new(0.0, &[stage(1, 1.0), stage(1, rate)]),
            Err(StagesError::Rate { stage: Some(1), .. })
        ));
    }
    assert_eq!(reason(2e6, &[stage(5, 0.0)]), "2000000 is not a valid rate; expected 0 to 1000000");
}

#[test]
fn stages_are_displayed_in_one_short_line() {
    let short = stages(0.0, &[(30.0, 100.0), (60.0, 100.0), (0.0, 2.5), (1.5, 0.0)]);
    assert_eq!(short.to_string(), "from 0/s: 100/s in 30s, 100/s in 1m0s, 2.50/s in 0s, 0/s in 1.5s");
    let long = stages(1.0, &[(1.0, 1.0); 100]);
    assert!(long.to_string().ends_with("1/s in 1s, 1/s in 1s and 95 more, 1m40s in total"), "{long}");
}
