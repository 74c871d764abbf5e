//! Changes right after a new model was applied, before KServe has made its revision.

use super::rollout_case::{R1, R2, RolloutCase};

/// Waits until times in whole seconds are later than those of the last status: the API server records no finer ones.
fn next_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn the_revision_of_a_new_model_is_waited_for() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.hold_knative();
    next_second();
    case.apply(2, Some(0));
    let set =
        case.start(&["set", "iris", "--percent", "20"], "KServe has not acted on the last change of the spec yet");
    case.release_knative();
    assert_eq!(set.end().exits(0).stdout, format!("iris: 20 % to {R2} (candidate), 80 % to {R1} (stable)\n"));
}

#[test]
fn a_revision_that_never_comes_is_not_waited_for_long() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.hold_knative();
    next_second();
    case.apply(2, Some(0));
    let set = case.rollout(&["set", "iris", "--percent", "20"]);
    set.expect(
        2,
        &[&format!("there is no candidate: revision {R1} is the newest and has already had all the traffic")],
    );
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 0);
}
