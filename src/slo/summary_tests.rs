//! Tests of the line that ends a run.

use super::*;
use crate::model::load::LoadRecord;
use crate::model::missing::NoDataPolicy;
use crate::model::objectives::{Objectives, RelativeLimits};
use crate::slo::assess::assess;
use crate::slo::judge::judge_objectives;

fn golden(text: &str) -> Experiment {
    serde_saphyr::from_str(text).unwrap()
}

fn passing() -> Experiment {
    golden(include_str!("../../testdata/results/passing.yaml"))
}

fn insights(experiment: &mut Experiment) -> &mut Insights {
    experiment.result.as_mut().unwrap().insights.as_mut().unwrap()
}

/// The line of `passing.yaml` after a change of its insights, assessed again.
fn reassessed(change: impl FnOnce(&mut Insights)) -> String {
    let mut experiment = passing();
    let insights = insights(&mut experiment);
    change(insights);
    let again = assess(insights, insights.slos.as_ref().unwrap());
    (insights.slos_satisfied, insights.verdicts) = (Some(again.satisfied), again.verdicts);
    overall_verdict(&experiment).to_string()
}

#[test]
fn the_line_counts_slos_and_says_by_how_much_they_are_violated() {
    assert_eq!(overall_verdict(&passing()).to_string(), "SLOs: 3 of 3 satisfied");
    let two = golden(include_str!("../../testdata/results/two-versions.yaml"));
    assert_eq!(
        overall_verdict(&two).to_string(),
        "SLOs: 3 of 3 violated (v2: http/error-count 3 > 0; v2: http/latency-mean 87.31 ms > 50 ms; and 1 more)"
    );
    let lower = reassessed(|insights| {
        let slos = insights.slos.as_mut().unwrap();
        slos.lower = std::mem::take(&mut slos.upper);
        slos.lower.truncate(1);
        slos.lower[0].limit.0 = 1e6;
    });
    let metric = passing().result.unwrap().insights.unwrap().slos.unwrap().upper[0].metric.to_string();
    assert!(lower.starts_with(&format!("SLOs: 1 of 1 violated ({metric} ")) && lower.contains(" < 1000000"), "{lower}");
}

#[test]
fn violations_come_before_inconclusive_verdicts() {
    let missed = LoadRecord { requested_rate: Some(100.0), achieved_rate: 48.0, ..LoadRecord::default() };
    let line = reassessed(|insights| insights.load = vec![[("http".to_owned(), missed.clone())].into()]);
    assert!(line.starts_with("SLOs: 3 of 3 inconclusive (http/"), "{line}");
    assert!(line.contains(": the load achieved 48 of 100 requests/s"), "{line}");
    let both = reassessed(|insights| {
        let slos = insights.slos.as_mut().unwrap();
        slos.upper[0].metric = "other/errors".into();
        slos.upper.truncate(2);
        slos.lower.clear();
        slos.upper[1].limit.0 = -1.0;
    });
    let (counts, reasons) = both.split_once('(').unwrap();
    assert_eq!(counts, "SLOs: 1 of 2 violated, 1 inconclusive ");
    let (first, second) = reasons.split_once("; ").unwrap();
    assert!(first.contains(" > -1") && second.starts_with("other/errors: no data: "), "{both}");
}

#[test]
fn a_pass_without_data_is_said_to_be_one() {
    let mut experiment = passing();
    insights(&mut experiment).verdicts[0].no_data = Some(NoDataPolicy::Pass);
    let line = overall_verdict(&experiment).to_string();
    assert_eq!(line, "SLOs: 3 of 3 satisfied (1 of 3 verdicts without data, by the `noData` policy)");
}

#[test]
fn a_run_that_assessed_nothing_has_no_verdict() {
    let line = |experiment: &Experiment| {
        let verdict = overall_verdict(experiment);
        assert_eq!(verdict.outcome, None, "{verdict}");
        verdict.to_string()
    };
    let failed = golden(include_str!("../../testdata/results/failed-task.yaml"));
    assert_eq!(line(&failed), "SLOs: not assessed (http failed)");
    let interrupted = golden(include_str!("../../testdata/results/interrupted.yaml"));
    assert_eq!(line(&interrupted), "SLOs: not assessed (interrupted)");
    assert_eq!(OverallVerdict::interrupted().to_string(), line(&interrupted));
    let mut skipped = passing();
    insights(&mut skipped).verdicts.clear();
    let assess = skipped.result.as_mut().unwrap().tasks.iter_mut().find(|record| record.task == "assess");
    assess.unwrap().status = TaskStatus::Skipped;
    assert_eq!(line(&skipped), "SLOs: not assessed (assess was skipped)");
    // A damaged document does not pass.
    let mut partial = passing();
    insights(&mut partial).verdicts.pop();
    assert_eq!(line(&partial), "SLOs: not assessed (some verdicts are missing)");
    let mut none = passing();
    none.spec.retain(|task| task.name() != "assess");
    insights(&mut none).slos = None;
    assert_eq!(line(&none), "SLOs: none defined");
}

#[test]
fn comparisons_with_version_0_are_counted_with_the_other_slos() {
    let mut experiment = golden(include_str!("../../testdata/results/two-versions.yaml"));
    let insights = insights(&mut experiment);
    let relative = RelativeLimits { upper: vec![insights.slos.as_ref().unwrap().upper[1].clone()] };
    let mut objectives = Objectives { relative, ..Objectives::default() };
    objectives.relative.upper[0].limit.0 = 1.1;
    let again = judge_objectives(insights, &objectives);
    insights.slos = Some(again.limits);
    (insights.relative, insights.slos_satisfied, insights.verdicts) =
        (Some(again.relative), Some(again.satisfied), again.verdicts);
    let line = overall_verdict(&experiment).to_string();
    assert!(line.starts_with("SLOs: 1 of 1 violated (v2: http/latency-mean is 6.30 times that of v1 ("), "{line}");
}
