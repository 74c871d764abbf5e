//! Rollouts in steps that pause, are aborted, are disturbed by others, or whose run is killed.

use serde_json::{Value, json};

use super::faults::user;
use super::rollout_case::{R1, R2, R3, RolloutCase};
use super::steps::{SLOW, Stepped};
use crate::kubernetes::cluster_case::Running;
use crate::support::kubernetes::{KServe, Model, Outcome};
use crate::support::prometheus::Prometheus;

/// Starts a rollout that pauses after its first step, and waits for the pause.
#[track_caller]
fn paused() -> Option<(Stepped, Running)> {
    let rollout = Stepped::new(Model::new("good"))?.steps("10:pause,50");
    let running = pause(&rollout);
    Some((rollout, running))
}

#[track_caller]
fn pause(rollout: &Stepped) -> Running {
    rollout.start(&[], "paused: the step at 10 % has passed, and waits for approval")
}

fn percent(rollout: &Stepped) -> Value {
    rollout.case.service()["spec"]["predictor"]["canaryTrafficPercent"].clone()
}

#[test]
fn a_paused_rollout_is_resumed_by_a_person() {
    let Some((rollout, running)) = paused() else { return };
    rollout.case.wait_for_traffic(&[(R2, 10), (R1, 90)]);
    let resumed = rollout.case.rollout(&["resume", "iris"]);
    assert_eq!(resumed.exits(0).stdout, "resumed the rollout of iris\n");
    running.end().expect(0, &["was promoted (10 → 50 → 100 %)"]);
    rollout
        .case
        .rollout(&["resume", "iris"])
        .expect(2, &["no rollout of iris is in progress", "hint: `iter8 k rollout run` starts one"]);
}

#[test]
fn a_rollout_is_aborted_by_a_person() {
    let Some((rollout, running)) = paused() else { return };
    let aborted = rollout.case.rollout(&["abort", "iris"]);
    assert_eq!(aborted.exits(0).stdout, "the rollout of iris has ended: rolled back\n");
    let run = running.end();
    assert_eq!(run.exits(5).stdout, "inconclusive  slos: iris-predictor-00002 was rolled back: aborted\n");
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
}

#[test]
fn an_abort_ends_a_running_analysis() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let rollout = rollout.set("http.numRequests=null").set("http.duration=10m");
    let running = rollout.start(&[], "[2/3] http");
    rollout.case.rollout(&["resume", "iris"]).expect(2, &["the rollout of iris is not paused: it is progressing"]);
    rollout.case.rollout(&["abort", "iris"]).exits(0);
    running.end().expect(5, &["was rolled back: aborted"]);
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    let report = rollout.case.case.cli.run(["report", "-o", "json"]);
    let report: Value = serde_json::from_str(&report.exits(0).stdout).unwrap();
    assert_eq!(report["summary"]["outcome"], "inconclusive", "{report:#}");
}

#[test]
fn a_second_rollout_of_the_same_service_is_refused() {
    let Some((rollout, _running)) = paused() else { return };
    let second = rollout.run(&["--runDir", "second"]);
    second.expect(4, &["error: InferenceService iris is in another rollout, by ", ", paused, last seen at "]);
    assert_eq!(percent(&rollout), 10);
}

#[test]
fn an_outside_edit_of_the_percent_stops_the_rollout() {
    let Some((rollout, running)) = paused() else { return };
    rollout.case.patch("argocd", &json!({"canaryTrafficPercent": 60}));
    rollout.case.rollout(&["resume", "iris"]).exits(0);
    let stopped = "the percent was changed by someone else: it is 60; expected 10";
    running.end().expect(3, &[stopped, "the rollout of iris-predictor-00002 was stopped"]);
    assert_eq!(percent(&rollout), 60, "the edit stays");
    assert_eq!(rollout.record()["phase"], "stopped");
}

#[test]
fn a_candidate_that_was_replaced_loses_its_traffic() {
    let Some((rollout, running)) = paused() else { return };
    rollout.case.replace_model(3);
    rollout.case.wait_for_traffic(&[(R3, 10), (R1, 90)]);
    rollout.case.rollout(&["resume", "iris"]).exits(0);
    running.end().expect(3, &["was rolled back", &format!("the candidate {R2} was replaced by {R3}")]);
    rollout.case.wait_for_traffic(&[(R3, 0), (R1, 100)]);
}

#[test]
fn a_deletion_stops_the_rollout() {
    let Some((rollout, running)) = paused() else { return };
    rollout.case.case.cluster.kubectl_ok(&["delete", "isvc", "iris", "-n", &rollout.case.case.namespace]);
    rollout.case.rollout(&["resume", "iris"]).exits(0);
    running.end().expect(3, &["InferenceService iris does not exist", "was stopped"]);
}

#[test]
fn a_killed_run_is_taken_up_at_its_step() {
    let Some((rollout, running)) = paused() else { return };
    drop(running);
    let running = rollout.start(&[], "continuing the rollout of InferenceService iris: paused, step 1 of 2");
    assert_eq!(rollout.record()["phase"], "paused");
    rollout.case.rollout(&["resume", "iris"]).exits(0);
    running.end().expect(0, &["was promoted (10 → 50 → 100 %)"]);
}

/// The run is killed, so nobody takes the command.
#[test]
fn a_rollout_whose_run_was_killed_is_aborted_from_here() {
    let Some((rollout, running)) = paused() else { return };
    drop(running);
    let resumed = rollout.case.rollout(&["resume", "iris"]);
    resumed
        .expect(4, &["the rollout of iris is paused, but its run does not respond", "or `iter8 k rollout abort iris`"]);
    let aborted = rollout.case.rollout(&["abort", "iris"]);
    aborted.expect(0, &["does not respond; rolling back from here"]);
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    // The experiment runs again: what was aborted does not continue.
    rollout.run(&[]).expect(5, &["was rolled back: aborted"]);
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
}

/// Its run was killed between the last change of the document and the release of its claim.
#[test]
fn an_abort_of_a_promoted_rollout_leaves_the_traffic() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let rollout = rollout.steps("50");
    rollout.run(&[]).exits(0);
    let (cluster, namespace) = (rollout.case.case.cluster, rollout.case.case.namespace.clone());
    let claim = r#"{"spec": {"holderIdentity": "another run"}}"#;
    let lease = "iter8-rollout-isvc-iris";
    cluster.kubectl_ok(&["patch", "lease", lease, "-n", &namespace, "--type=merge", "-p", claim]);
    let aborted = rollout.case.rollout(&["abort", "iris"]);
    assert_eq!(aborted.exits(4).stdout, "the rollout of iris has ended: promoted\n");
    rollout.case.wait_for_traffic(&[(R2, 100)]);
    assert_eq!(cluster.get("leases", &namespace, lease)["spec"].get("holderIdentity"), None, "the claim is released");
    rollout.case.rollout(&["abort", "iris"]).expect(2, &["no rollout of iris is in progress"]);
}

/// KServe leaves the service alone, so the candidate would keep its traffic.
#[test]
fn a_rollback_that_is_refused_is_loud_and_is_tried_again() {
    let Some((rollout, running)) = paused() else { return };
    let annotate = |value: &str| {
        let mark = format!("serving.kserve.io/disable-auto-update{value}");
        let namespace = &rollout.case.case.namespace;
        rollout.case.case.cluster.kubectl_ok(&["annotate", "isvc", "iris", "-n", namespace, &mark]);
    };
    annotate("=true");
    let aborted = rollout.case.rollout(&["abort", "iris", "--timeout", "5s"]);
    aborted.expect(4, &["the rollout of iris did not end within 5s", "hint: `iter8 k rollout status iris` shows"]);
    running.end().expect(4, &["rolling back: aborted", "KServe does not act on changes", "hint: "]);
    assert_eq!(rollout.record()["phase"], "rollingBack");
    annotate("-");
    rollout.run(&[]).expect(5, &["was rolled back: aborted"]);
    assert_eq!(percent(&rollout), 0);
}

#[test]
fn rules_over_several_loops_are_refused() {
    let cli = crate::support::cli_case::CliCase::new();
    let flags =
        ["--set", "tasks={rollout,http,assess},rollout.isvc=iris,rollout.steps={10},http.url=http://127.0.0.1:1/"];
    let slo = ["--set", "assess.SLOs.upper.http/error-rate=0,assess.failureLimit=1"];
    let run = cli.run(["run"].into_iter().chain(flags).chain(slo));
    run.expect(2, &["assess: `consecutive` and `failureLimit` cannot be combined with a rollout"]);
}

#[test]
fn a_candidate_that_never_gets_ready_is_rolled_back() {
    let Some(case) = RolloutCase::with_stable() else { return };
    case.decide(R2, Outcome::Starting);
    case.apply(2, Some(0));
    case.wait_for_revision(R2);
    let rollout = Stepped::of(case, Model::new("late")).set("rollout.timeout=2s");
    let run = rollout.run(&[]);
    run.expect(
        3,
        &["did not reach the requested traffic within 2s", &format!("revision {R2} is not ready"), "was rolled back"],
    );
    assert_eq!(percent(&rollout), 0);
    assert_eq!(rollout.record()["phase"], "rolledBack");
}

#[test]
fn a_split_that_never_takes_effect_is_rolled_back() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let rollout = rollout.set("rollout.timeout=2s");
    rollout.case.hold_knative();
    rollout.run(&[]).expect(3, &[&format!("revision {R2} gets 0 % of the traffic; expected 10 %"), "was rolled back"]);
    assert_eq!(percent(&rollout), 0);
}

#[test]
fn a_violated_step_pauses_or_ends_the_rollout_if_asked_to() {
    let Some(rollout) = Stepped::new(Model::new("slow").latency(SLOW)) else { return };
    let rollout = rollout.steps("50,75");
    rollout.run(&["--on-failure", "none"]).expect(1, &["the rollout of iris-predictor-00002 was stopped: at 50 %"]);
    assert_eq!(percent(&rollout), 50, "the traffic stays");
    let running = rollout.start(&["--on-failure", "pause", "--runDir", "again"], "paused: at 50 %");
    rollout.case.rollout(&["abort", "iris"]).exits(0);
    running.end().expect(1, &["was rolled back: aborted"]);
}

#[test]
fn an_inconclusive_step_is_extended_and_then_held() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    // Nobody listens there.
    rollout.case.case.cli.write("p.tpl", "{\"url\": \"http://127.0.0.1:1\", \"method\": \"GET\", \"metrics\": [{\"name\": \"m\", \"type\": \"gauge\", \"jqExpression\": \".x\"}]}");
    let settings = [
        "custommetrics.templates.gone=p.tpl",
        "assess.SLOs.upper.gone/m=1",
        "rollout.maxExtensions=2",
        "rollout.pauseTimeout=1s",
    ];
    let rollout = settings.into_iter().fold(rollout, Stepped::set);
    let run = rollout.run(&["--on-inconclusive", "extend", "--analysis", "http,custommetrics,assess"]);
    run.expect(5, &["the rollout of iris-predictor-00002 is paused at 10 %", "inconclusive at 10 %"]);
    assert_eq!(rollout.record()["steps"][0]["analyses"], 3);
    assert_eq!(percent(&rollout), 10);
}

#[test]
fn a_step_with_too_few_requests_holds_and_says_how_many_are_missing() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let rollout = rollout.set("assess.minSamples=50").set("rollout.pauseTimeout=1s");
    rollout
        .run(&[])
        .expect(5, &["is paused at 10 %", "http/latency-p90 rests on 20 of at least 50 samples: 30 are missing"]);
    assert_eq!(percent(&rollout), 10);
}

/// The candidate's requests, as Prometheus counts them by the name of the revision, which the query takes from the rollout.
#[test]
fn a_step_without_its_provider_holds() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let Some(prometheus) = Prometheus::start(&[rollout.gateway.address]) else { return };
    let query = "sum(revision_app_request_count{revision_name=\"{{ .rollout.candidate }}\"})";
    let values = json!({
        "tasks": ["http", "custommetrics", "assess"],
        "custommetrics": {"prometheus": {"url": prometheus.url(), "queries": {"requests": {"query": query}}}},
        "assess": {"SLOs": {"lower": {"prometheus/requests": 1}}},
    });
    rollout.case.case.cli.write("provider.yaml", &values.to_string());
    let rollout = rollout.steps("10:pause,50").set("http.numRequests=60").set("rollout.interval=1s");
    let flags = ["-f", "provider.yaml", "--analysis", "http,custommetrics,assess"];
    prometheus.wait_until("up", |value| value == Some(1.0));
    let running = rollout.start(&flags, "paused: the step at 10 % has passed");
    drop(prometheus);
    rollout.case.rollout(&["resume", "iris"]).exits(0);
    rollout.case.wait(|status| status["components"]["predictor"]["traffic"][0]["percent"] == 50);
    let lease = |lease: &Value| lease["metadata"]["annotations"]["iter8.tools/rollout-phase"] == "paused";
    rollout.case.case.cluster.wait_for("leases", &rollout.case.case.namespace, "iter8-rollout-isvc-iris", lease);
    rollout.case.rollout(&["abort", "iris"]).exits(0);
    running.end().expect(5, &["inconclusive at 50 %", "prometheus/requests", "was rolled back: aborted"]);
}

#[test]
fn a_rollback_that_is_forbidden_is_loud() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let rollout = rollout.steps("10:pause,50");
    let (cluster, namespace) = (rollout.case.case.cluster, rollout.case.case.namespace.clone());
    let leases = "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list, watch, patch, create]}";
    let rollout = rollout.with_case(|case| user(case, "[list, watch, patch]", leases));
    let running = pause(&rollout);
    let patch = r#"[{"op": "replace", "path": "/rules/0/verbs", "value": ["list", "watch"]}]"#;
    cluster.kubectl_ok(&["patch", "role", "ci", "-n", &namespace, "--type=json", "-p", patch]);
    rollout.case.rollout(&["abort", "iris", "--timeout", "1s"]).expect(4, &["did not end within 1s"]);
    let run = running.end();
    run.expect(4, &["rolling back: aborted", "cannot patch inferenceservices.serving.kserve.io/iris", "hint: "]);
    assert_eq!(rollout.record()["phase"], "rollingBack", "a later run goes on");
}

#[test]
fn a_restart_of_the_api_server_does_not_end_the_rollout() {
    let Some(kserve) = KServe::own() else { return };
    let kserve: &'static KServe = Box::leak(Box::new(kserve));
    let rollout = Stepped::of(RolloutCase::of(kserve).stable().candidate(0), Model::new("good"));
    rollout.case.hold_knative();
    let running = rollout.start(&[], "expected 10 %");
    kserve.cluster.stop_api_server();
    kserve.cluster.start_api_server();
    rollout.case.release_knative();
    running.end().expect(0, &["was promoted (10 → 25 → 50 → 100 %)"]);
    kserve.stop();
}
