//! Tests of assertions, on the golden documents: Iter8's own (`iter8-*.yaml`) and ours.

use super::*;
use crate::metrics::MetricsView;
use crate::model::codec::experiment_from_yaml;
use crate::model::load::LoadRecord;
use crate::model::metric::Reading;
use crate::model::missing::Missing;
use crate::slo::assess::assess;

/// Lists names and contents of all golden documents.
macro_rules! golden_documents {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../testdata/results/", $name, ".yaml")))),*] };
}

fn golden(name: &str) -> Experiment {
    let documents = golden_documents![
        "iter8-passing",
        "iter8-failing-slo",
        "iter8-failed-task",
        "iter8-grpc-samples",
        "iter8-two-versions",
        "iter8-summary",
        "iter8-multi-loop",
        "iter8-no-slos",
        "passing",
        "two-versions",
        "failed-task",
        "interrupted",
        "running",
    ];
    let (_, text) = documents.into_iter().find(|(known, _)| *known == name).unwrap();
    experiment_from_yaml(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Judges the three conditions, as signs: `+` holds, `-` does not, `?` undecided.
fn signs(experiment: &Experiment) -> String {
    let sign = |condition| {
        let judgement = judge(experiment, condition);
        assert!(!judgement.sentence.is_empty() && !judgement.sentence.ends_with('.'), "{}", judgement.sentence);
        format!("{}{}", if judgement.holds { "+" } else { "-" }, if judgement.decided { "" } else { "?" })
    };
    AssertCondition::ALL.map(sign).join(" ")
}

fn sentence(name: &str, condition: AssertCondition) -> String {
    judge(&golden(name), condition).sentence
}

#[test]
fn conditions_parse_in_any_case_and_unknown_ones_are_rejected() {
    assert_eq!("NoFailure".parse(), Ok(AssertCondition::NoFailure));
    assert_eq!(" slos ".parse(), Ok(AssertCondition::Slos));
    for condition in AssertCondition::ALL {
        assert_eq!(condition.to_string().parse(), Ok(condition));
    }
    let error = "complete".parse::<AssertCondition>().unwrap_err().to_string();
    assert_eq!(
        error,
        "`complete` is not a condition; expected completed, nofailure or slos; did you mean `completed`?"
    );
    let error = "x".parse::<AssertCondition>().unwrap_err().to_string();
    assert_eq!(error, "`x` is not a condition; expected completed, nofailure or slos");
}

#[test]
fn every_golden_document_is_judged_as_its_first_line_says() {
    // completed, nofailure, slos
    let cases = [
        ("iter8-passing", "+ + +"),
        ("iter8-failing-slo", "+ + -"),
        ("iter8-failed-task", "- - -"),
        ("iter8-grpc-samples", "+ + -"),
        ("iter8-two-versions", "+ + -"),
        ("iter8-summary", "+ + -"),
        ("iter8-multi-loop", "+ + +"),
        ("iter8-no-slos", "+ + -"),
        ("passing", "+ + +"),
        ("two-versions", "+ + -"),
        ("failed-task", "- - -"),
        ("interrupted", "- + -"),
        ("running", "-? +? -?"),
    ];
    for (name, expected) in cases {
        assert_eq!(signs(&golden(name)), expected, "{name}");
    }
}

#[test]
fn judgements_give_a_reason() {
    use AssertCondition::{Completed, NoFailure, Slos};
    let cases = [
        ("iter8-passing", Slos, "all 3 SLOs are satisfied"),
        ("iter8-passing", Completed, "all 2 tasks are done"),
        ("iter8-failing-slo", Slos, "1 of 2 SLOs not satisfied: http/latency-mean"),
        ("iter8-failed-task", Completed, "1 of 3 tasks are done; a task failed"),
        ("iter8-failed-task", Slos, "the SLOs are not assessed in this loop: 1 of 3 tasks are done; a task failed"),
        ("iter8-no-slos", Slos, "no SLOs are defined, so none can be satisfied"),
        ("failed-task", NoFailure, "http failed: connect to 127.0.0.1:8080: connection refused"),
        ("failed-task", Slos, "the SLOs are not assessed in this loop: 0 of 2 tasks are done; http failed"),
        ("interrupted", Completed, "the run was interrupted with 0 of 2 tasks done"),
        ("running", Completed, "0 of 2 tasks are done; http is running"),
        ("running", Slos, "the SLOs are not assessed in this loop: 0 of 2 tasks are done; http is running"),
        ("running", NoFailure, "no task has failed so far"),
    ];
    for (name, condition, expected) in cases {
        assert_eq!(sentence(name, condition), expected, "{name} {condition}");
    }
    let two = sentence("two-versions", Slos);
    assert!(
        two.starts_with("3 of 3 SLOs not satisfied: v2: http/error-count is 3, above the limit of 0; v2: http/latency"),
        "{two}"
    );
}

#[test]
fn the_count_of_all_loops_in_early_documents_of_iter8_is_understood() {
    use AssertCondition::{Completed, NoFailure};
    let counted = |count: usize| {
        let mut experiment = golden("iter8-multi-loop");
        experiment.result.as_mut().unwrap().num_completed_tasks = count;
        let sentences = [Completed, NoFailure].map(|condition| judge(&experiment, condition).sentence);
        (signs(&experiment), sentences)
    };
    let all = "all 3 tasks are done, but `numCompletedTasks` is 12, which counts all loops; rejected as in Iter8";
    assert_eq!(counted(12), ("- + +".to_owned(), [all.to_owned(), "no task failed".to_owned()]));
    let some = ["2 of 3 tasks are done", "no task has failed so far"].map(str::to_owned);
    assert_eq!(counted(11), ("-? +? +?".to_owned(), some));
    let too_many = "`numCompletedTasks` is 7, but there are 3 tasks; run the experiment again";
    let mut experiment = golden("iter8-multi-loop");
    let result = experiment.result.as_mut().unwrap();
    (result.num_completed_tasks, result.num_loops) = (7, 2);
    assert_eq!(judge(&experiment, Completed).sentence, too_many);
}

#[test]
fn nothing_is_decided_before_the_start_unless_it_never_can_be() {
    let mut experiment = golden("passing");
    experiment.result = None;
    assert_eq!(signs(&experiment), "-? -? -?");
    experiment.spec.truncate(1);
    // Without an assess task no SLO will ever hold.
    assert_eq!(signs(&experiment), "-? -? -");
}

#[test]
fn verdicts_of_this_loop_are_decided_while_later_tasks_run() {
    let mut experiment = golden("two-versions");
    experiment.spec.push(TaskSpec { run: Some("true".into()), ..Default::default() });
    let records = &mut experiment.result.as_mut().unwrap().tasks;
    let planned = TaskRecord { task: "run".into(), status: TaskStatus::Planned, ..records[0].clone() };
    records.push(planned);
    assert_eq!(signs(&experiment), "-? +? -");
}

#[test]
fn slos_are_inconclusive_if_all_that_do_not_hold_have_an_undecided_value() {
    let judged = |change: &dyn Fn(&mut Insights)| {
        let mut experiment = golden("passing");
        let insights = experiment.result.as_mut().unwrap().insights.as_mut().unwrap();
        let load = LoadRecord { requested_rate: Some(100.0), achieved_rate: 50.0, ..LoadRecord::default() };
        insights.load = vec![[("http".to_owned(), load)].into()];
        let again = assess(insights, insights.slos.as_ref().unwrap());
        (insights.slos_satisfied, insights.verdicts) = (Some(again.satisfied), again.verdicts);
        change(insights);
        let judgement = judge(&experiment, AssertCondition::Slos);
        (judgement.holds, judgement.inconclusive)
    };
    assert_eq!(judged(&|_| {}), (false, true));
    // An SLO without a value, a violated one, and one without a verdict are not undecided.
    assert_eq!(judged(&|insights| insights.verdicts[0].value = None), (false, false));
    assert_eq!(judged(&|insights| insights.verdicts[0].verdict = Outcome::Violated), (false, false));
    assert_eq!(judged(&|insights| drop(insights.verdicts.pop())), (false, false));
    assert!(!judge(&golden("passing"), AssertCondition::Slos).inconclusive);
}

#[test]
fn an_interrupted_run_is_never_completed() {
    let mut experiment = golden("passing");
    experiment.result.as_mut().unwrap().interrupted = true;
    assert_eq!(signs(&experiment), "- + +");
}

#[test]
fn slos_with_missing_verdicts_do_not_hold() {
    let mut experiment = golden("iter8-passing");
    let insights = experiment.result.as_mut().unwrap().insights.as_mut().unwrap();
    let whole = insights.clone();
    insights.slos_satisfied.as_mut().unwrap().upper.pop();
    assert_eq!(slos(insights), Err("1 of 3 SLOs not satisfied: http/latency-p99".into()));
    *insights = whole.clone();
    insights.num_versions = 2;
    assert!(slos(insights).unwrap_err().starts_with("3 of 3 SLOs not satisfied"));
    *insights = whole;
    insights.slos_satisfied = None;
    assert_eq!(slos(insights), Err("the SLOs have no verdicts".into()));
    insights.slos = Some(Default::default());
    assert!(slos(insights).unwrap_err().starts_with("no SLOs are defined"));
    assert_eq!(signs(&experiment), "+ + -");
}

#[test]
fn our_verdicts_on_golden_metrics_equal_those_of_the_documents() {
    let names = ["iter8-passing", "iter8-failing-slo", "iter8-grpc-samples", "iter8-two-versions", "iter8-summary"];
    for name in names.into_iter().chain(["iter8-multi-loop", "passing", "two-versions"]) {
        let insights = golden(name).result.unwrap().insights.unwrap();
        let again = assess(&insights, insights.slos.as_ref().unwrap());
        assert_eq!(Some(again.satisfied), insights.slos_satisfied, "{name}");
        if !insights.verdicts.is_empty() {
            assert_eq!(again.verdicts, insights.verdicts, "{name}");
        }
    }
}

#[test]
fn golden_metrics_read_as_by_hand() {
    let cases = [
        ("iter8-grpc-samples", 0, "grpc/latency/mean", 8.0),
        ("iter8-grpc-samples", 0, "grpc/latency/p90", 12.0),
        ("iter8-passing", 0, "http/latency/p50", 10.0 + 10.0 * 39.0 / 112.0),
        ("iter8-summary", 0, "abn/sample_metric/stddev", (16_250.0_f64 / 24.0).sqrt()),
        ("iter8-summary", 1, "abn/sample_metric/max", 99.0),
        ("iter8-multi-loop", 0, "http/latency-p95.0", 48.25),
        ("passing", 0, "http/latency/count", 100.0),
    ];
    for (name, version, metric, expected) in cases {
        let insights = golden(name).result.unwrap().insights.unwrap();
        let Reading::Value(value) = MetricsView::new(&insights, version).resolve(&metric.into()).reading else {
            panic!("{name} {metric}: no data")
        };
        assert!((value - expected).abs() < 1e-9, "{name} {metric}: {value}");
    }
    let insights = golden("iter8-two-versions").result.unwrap().insights.unwrap();
    let reason = "`kserve-prometheus/latency-mean` was not measured for this version".to_owned();
    assert_eq!(
        MetricsView::new(&insights, 1).resolve(&"kserve-prometheus/latency-mean".into()).reading,
        Reading::Missing(Missing::undefined(reason))
    );
}

#[test]
fn an_assessment_after_the_end_of_time_has_no_time() {
    let mut experiment = golden("passing");
    let records = &mut experiment.result.as_mut().unwrap().tasks;
    let assessed = records.iter_mut().find(|record| record.task == "assess").unwrap();
    assessed.start = Some("+262142-12-31T23:59:59Z".parse().unwrap());
    assessed.duration = Some("1h".parse().unwrap());
    assert_eq!(assessed_at(&experiment), None);
}

#[test]
fn many_unsatisfied_verdicts_are_listed_quickly() {
    const COUNT: usize = 50_000;
    let mut experiment = golden("two-versions");
    let insights = experiment.result.as_mut().unwrap().insights.as_mut().unwrap();
    let verdict = Verdict { verdict: Outcome::Violated, ..insights.verdicts[0].clone() };
    insights.verdicts = (0..COUNT).map(|version| Verdict { version, ..verdict.clone() }).collect();
    let name = |at: usize| crate::model::insights::VersionName { version: format!("v{at}"), ..Default::default() };
    insights.version_names = (0..COUNT).map(name).collect();
    insights.num_versions = COUNT;
    let started = std::time::Instant::now();
    let (judged, line) = (judge(&experiment, AssertCondition::Slos), crate::slo::summary::overall_verdict(&experiment));
    assert!(judged.sentence.ends_with("; and 49997 more"), "{}", judged.sentence);
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?} {line}", started.elapsed());
}
