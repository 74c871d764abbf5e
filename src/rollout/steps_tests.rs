use super::*;
use RolloutPhase::*;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn record(steps: &[(u8, bool)]) -> RolloutRecord {
    let steps =
        steps.iter().map(|(percent, pause)| StepRecord { percent: *percent, pause: *pause, ..StepRecord::default() });
    let record = RolloutRecord {
        target: "InferenceService iris".to_owned(),
        uid: "u".to_owned(),
        stable: "r1".to_owned(),
        candidate: "r2".to_owned(),
        phase: Progressing,
        reason: None,
        percent: Some(0),
        step: 0,
        judged_loop: 0,
        start: NOW,
        end: None,
        steps: steps.collect(),
    };
    reached(&started(&record, NOW), NOW)
}

fn analysis(outcome: Outcome) -> Analysis {
    Analysis { loop_number: 7, outcome, reason: "because".to_owned(), next_load: NextLoad::Same }
}

fn after(record: &RolloutRecord, policy: Policy, outcome: Outcome) -> RolloutRecord {
    judged(record, policy, analysis(outcome), NOW)
}

#[test]
fn a_step_that_passes_leads_to_the_next_one_and_the_last_one_to_the_promotion() {
    let first = after(&record(&[(10, false), (50, false)]), Policy::default(), Outcome::Satisfied);
    assert_eq!((first.phase, first.step, first.judged_loop), (Progressing, 1, 7));
    assert_eq!(first.steps[0].end, Some(NOW));
    let last = after(&reached(&started(&first, NOW), NOW), Policy::default(), Outcome::Satisfied);
    assert_eq!((last.phase, last.step, last.percent), (Promoting, 2, Some(50)));
    let promoted = ended(&last, NOW);
    assert_eq!((promoted.phase, promoted.percent, promoted.end), (Promoted, Some(100), Some(NOW)));
}

#[test]
fn a_gate_lets_the_next_step_start_and_a_hold_repeats_the_analysis() {
    let gate = after(&record(&[(10, true), (50, false)]), Policy::default(), Outcome::Satisfied);
    assert_eq!((gate.phase, gate.step), (Paused, 0));
    assert_eq!((resumed(&gate, NOW).phase, resumed(&gate, NOW).step), (Progressing, 1));
    let hold = after(&record(&[(10, true)]), Policy::default(), Outcome::Inconclusive);
    assert_eq!((hold.phase, hold.reason.as_deref()), (Paused, Some("inconclusive at 10 %: because")));
    assert_eq!((resumed(&hold, NOW).phase, resumed(&hold, NOW).step), (Progressing, 0), "nothing has passed");
}

#[test]
fn a_promotion_that_failed_is_tried_again_after_a_pause() {
    let promoting = after(&record(&[(10, false)]), Policy::default(), Outcome::Satisfied);
    assert_eq!(promoting.phase, Promoting);
    let policy = Policy { on_failure: OnFailure::Pause, ..Policy::default() };
    let paused = failed(promoting, policy, "timeout", NOW);
    assert_eq!((paused.phase, resumed(&paused, NOW).phase), (Paused, Promoting));
}

#[test]
fn nothing_but_a_satisfied_analysis_moves_traffic_to_the_candidate() {
    let reactions = [OnFailure::Rollback, OnFailure::Pause, OnFailure::None];
    let reactions_to_doubt = [OnInconclusive::Hold, OnInconclusive::Extend, OnInconclusive::Rollback];
    for (on_failure, on_inconclusive) in reactions.into_iter().flat_map(|a| reactions_to_doubt.map(|b| (a, b))) {
        let policy = Policy { on_failure, on_inconclusive, max_extensions: 2, ..Policy::default() };
        let violated = after(&record(&[(10, false)]), policy, Outcome::Violated);
        let expected = match on_failure {
            OnFailure::Rollback => RollingBack,
            OnFailure::Pause => Paused,
            OnFailure::None => Stopped,
        };
        assert_eq!((violated.phase, violated.step), (expected, 0), "{policy:?}");
        let mut open = record(&[(10, false)]);
        let phases = [(); 3].map(|()| {
            open = after(&open, policy, Outcome::Inconclusive);
            assert_eq!(open.step, 0, "{policy:?}");
            open.phase
        });
        let expected = match on_inconclusive {
            OnInconclusive::Hold => [Paused; 3],
            OnInconclusive::Extend => [Progressing, Progressing, Paused],
            OnInconclusive::Rollback => [RollingBack; 3],
        };
        assert_eq!(phases, expected, "{policy:?}");
    }
}

#[test]
fn the_percents_of_a_killed_run_are_known() {
    let step = record(&[(10, false), (50, false)]);
    assert_eq!(possible_percents(&step), [Some(10), Some(10)]);
    let next = started(&after(&step, Policy::default(), Outcome::Satisfied), NOW);
    assert_eq!(possible_percents(&next), [Some(10), Some(50)]);
    let back = rolling_back(next.clone(), String::new(), NOW);
    assert_eq!(possible_percents(&back), [Some(10), Some(50), Some(0)]);
    let promoting = after(&reached(&next, NOW), Policy::default(), Outcome::Satisfied);
    assert_eq!(possible_percents(&promoting), [Some(50), Some(100), None]);
}

const EXTEND: Policy = Policy {
    on_failure: OnFailure::Rollback,
    on_inconclusive: OnInconclusive::Extend,
    max_extensions: 3,
    max_load: Duration::from_secs(60),
};

/// An analysis in which 200 requests within `took` seconds were not enough.
fn too_few(times: f64, took: u64) -> Analysis {
    let requests = (200.0 * times) as u64;
    let longer =
        LongerLoad { objective: "http/error-rate".to_owned(), requests, times, took: Duration::from_secs(took) };
    Analysis { next_load: NextLoad::Longer(longer), ..analysis(Outcome::Inconclusive) }
}

/// Requests that the objective of [`too_few`] asked for.
fn asked(requests: u64, times: f64) -> Extension {
    Extension { requests, times, objective: Some("http/error-rate".to_owned()) }
}

#[test]
fn a_repeated_analysis_has_the_requests_that_the_verdicts_need() {
    let first = judged(&record(&[(10, false), (50, false)]), EXTEND, too_few(2.5, 4), NOW);
    assert_eq!((first.phase, first.step, first.times()), (Progressing, 0, 2.5));
    assert_eq!(first.steps[0].extension, Some(asked(500, 2.5)));
    // The second analysis had 2.5 times the load already.
    let second = judged(&first, EXTEND, too_few(2.0, 10), NOW);
    assert_eq!(second.steps[0].extension, Some(asked(400, 5.0)));
    let same = after(&second, EXTEND, Outcome::Inconclusive);
    assert_eq!((same.phase, same.times()), (Progressing, 5.0));
    let passed = after(&same, EXTEND, Outcome::Satisfied);
    assert_eq!((passed.phase, passed.step, passed.times()), (Progressing, 1, 1.0), "each step starts anew");
}

#[test]
fn only_extensions_change_the_load() {
    let hold = Policy { on_inconclusive: OnInconclusive::Hold, ..EXTEND };
    let held = judged(&record(&[(10, false)]), hold, too_few(2.5, 4), NOW);
    assert_eq!((held.phase, held.steps[0].extension.clone()), (Paused, None));
    let last = Policy { max_extensions: 0, ..EXTEND };
    let held = judged(&record(&[(10, false)]), last, too_few(2.5, 4), NOW);
    assert_eq!((held.phase, held.reason.as_deref()), (Paused, Some("inconclusive at 10 %: because")));
    assert_eq!(resumed(&held, NOW).times(), 2.5, "a person who resumes gets enough requests, too");
}

#[test]
fn a_load_is_not_longer_than_allowed() {
    let part = judged(&record(&[(10, false)]), EXTEND, too_few(100.0, 12), NOW);
    assert_eq!((part.phase, part.steps[0].extension.clone()), (Progressing, Some(asked(1_000, 5.0))));
    let full = judged(&part, EXTEND, too_few(20.0, 58), NOW);
    let reason =
        "inconclusive at 10 %: because; not repeated, because http/error-rate needs a load longer than maxLoad, 1m0s";
    assert_eq!((full.phase, full.reason.as_deref()), (Paused, Some(reason)));
    let little = judged(&part, EXTEND, too_few(1.02, 58), NOW);
    assert_eq!(little.phase, Progressing, "a small extension that fits is enough");
}

#[test]
fn a_value_too_close_to_its_limit_waits_for_a_person_at_once() {
    let futile =
        Analysis { next_load: NextLoad::Futile("http/error-rate".to_owned()), ..analysis(Outcome::Inconclusive) };
    let held = judged(&record(&[(10, false)]), EXTEND, futile, NOW);
    let reason = "inconclusive at 10 %: because; not repeated, because http/error-rate is too close to its limit";
    assert_eq!((held.phase, held.reason.as_deref(), held.steps[0].extension.clone()), (Paused, Some(reason), None));
}

#[test]
fn an_edited_extension_is_held_within_bounds() {
    let edited = |times| {
        let mut record = record(&[(10, false)]);
        record.steps[0].extension = Some(asked(1, times));
        let judged = judged(&record, EXTEND, too_few(2.0, 1), NOW);
        assert_eq!(judged.steps[0].extension.as_ref().unwrap().times, judged.times());
        judged.times()
    };
    assert_eq!([-1.0, 0.0, f64::NAN, 1e300].map(edited), [2.0, 2.0, 2.0, 1e6]);
}
