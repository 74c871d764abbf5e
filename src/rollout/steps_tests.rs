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
    Analysis { loop_number: 7, outcome, reason: "because".to_owned() }
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
        let policy = Policy { on_failure, on_inconclusive, max_extensions: 2 };
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
