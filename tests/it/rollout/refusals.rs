//! Changes that KServe would accept, but that would have no effect or a different one.

use serde_json::json;

use super::rollout_case::{R1, R2, RolloutCase, manifest};
use crate::support::kubernetes::Outcome;
use crate::support::transcript::transcript;

#[test]
fn a_percent_on_the_first_revision_is_refused() {
    let Some(case) = RolloutCase::new() else { return };
    let _transcript = transcript!();
    case.decide(R1, Outcome::Starting);
    case.apply(1, Some(20));
    case.wait_for_revision(R1);
    case.rollout(&["set", "iris", "--percent", "30"]).snapshot(2);
    case.rollout(&["promote", "iris"]).snapshot(2);
    case.decide(R1, Outcome::Ready);
    case.wait(|status| status["components"]["predictor"]["latestRolledoutRevision"] == R1);
    // KServe splits the traffic between one revision and itself.
    case.wait_for_traffic(&[(R1, 20), (R1, 80)]);
    case.rollout(&["set", "iris", "--percent", "30"]).snapshot(2);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 20);
}

#[test]
fn a_percent_without_a_candidate_is_refused() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let _transcript = transcript!();
    case.rollout(&["promote", "iris"]).exits(0);
    case.rollout(&["set", "iris", "--percent", "30"]).snapshot(2);
    assert_eq!(case.traffic(), [(R2.to_owned(), 100)]);
}

#[test]
fn a_rollback_without_an_older_revision_is_refused() {
    let Some(case) = RolloutCase::with_stable() else { return };
    let _transcript = transcript!();
    case.rollout(&["rollback", "iris"]).snapshot(2);
}

#[test]
fn a_candidate_that_never_was_ready_is_not_promoted() {
    let Some(case) = RolloutCase::with_failed_candidate() else { return };
    let _transcript = transcript!();
    case.rollout(&["promote", "iris"]).snapshot(2);
    assert_eq!(case.service()["spec"]["predictor"]["canaryTrafficPercent"], 20);
}

#[test]
fn standard_mode_is_refused() {
    let Some(case) = RolloutCase::new() else { return };
    let _transcript = transcript!();
    let mode = json!({"serving.kserve.io/deploymentMode": "Standard"});
    case.case.cluster.apply_in(&case.case.namespace, &manifest(1, None, &mode));
    case.wait(|status| status["deploymentMode"] == "Standard");
    for args in
        [&["set", "iris", "--percent", "20"][..], &["promote", "iris"], &["rollback", "iris"], &["tags", "iris", "on"]]
    {
        case.rollout(args).snapshot(2);
    }
    assert_eq!(case.service()["metadata"]["generation"], 1);
}

#[test]
fn services_that_kserve_leaves_alone_are_refused() {
    let Some(case) = RolloutCase::with_candidate(20) else { return };
    let _transcript = transcript!();
    let annotation = "serving.kserve.io/disable-auto-update=true";
    case.case.cluster.kubectl_ok(&["annotate", "isvc", "iris", "-n", &case.case.namespace, annotation]);
    case.rollout(&["promote", "iris"]).snapshot(2);
}

#[test]
fn percents_outside_of_0_to_100_are_refused() {
    let Some(case) = RolloutCase::new() else { return };
    for percent in ["101", "-1", "20%"] {
        let set = case.rollout(&["set", "iris", &format!("--percent={percent}")]);
        set.expect(2, &[&format!("invalid value '{percent}' for '--percent <PERCENT>'")]);
    }
}

#[test]
fn a_rollout_in_steps_is_neither_recorded_nor_replayed() {
    let cli = crate::support::cli_case::CliCase::new();
    let flags =
        ["--set", "tasks={rollout,http,assess},rollout.isvc=iris,rollout.steps={10},http.url=http://127.0.0.1:1/"];
    let slo = ["--set", "assess.SLOs.upper.http/error-rate=0", "--record", "recording"];
    let run = cli.run(["run"].into_iter().chain(flags).chain(slo));
    run.expect(
        2,
        &["error: a rollout cannot be recorded, replayed or shared between pods", "hint: run it without --record"],
    );
}

#[test]
fn flags_of_a_rollout_override_values() {
    let cli = crate::support::cli_case::CliCase::new();
    let rollout = |flags: &[&str]| {
        let command = ["k", "rollout", "run", "iris", "--steps", "10", "-n", "models", "--dry"];
        let values = ["--set", "http.url=http://h/,ready.service=iris,assess.SLOs.upper.http/error-rate=0"];
        let spec = cli.run(command.iter().chain(&values).chain(flags)).exits(0).stdout.clone();
        spec.lines().filter_map(|line| Some(line.strip_prefix("- task: ")?.to_owned())).collect::<Vec<_>>()
    };
    // The tasks of the values analyze the steps, unless `--analysis` names others.
    assert_eq!(rollout(&["--set", "tasks={http,assess}"]), ["rollout", "http", "assess"]);
    let listed = ["--set", "tasks={ready,rollout,run,assess}", "--analysis", "http,assess"];
    assert_eq!(rollout(&listed), ["ready", "rollout", "http", "assess"]);
    let listed = ["--set", "tasks={rollout},rollout.analysis={run},rollout.isvc=other", "--analysis", "http,assess"];
    assert_eq!(rollout(&listed), ["rollout", "http", "assess"]);
}

#[test]
fn values_on_standard_input_are_read_once() {
    let cli = crate::support::cli_case::CliCase::new();
    let values = "tasks: [http, assess]\nhttp: {url: http://h/}\nassess: {SLOs: {upper: {http/error-rate: 0}}}\n";
    let args = ["k", "rollout", "run", "iris", "--steps", "10,50:pause", "-f", "-", "--dry", "-n", "models"];
    let run = cli.run_with_input(args, values);
    for text in ["- task: rollout", "isvc: iris", "pause: true", "- task: http", "url: http://h/", "- task: assess"] {
        assert!(run.exits(0).stdout.contains(text), "{text}: {run:#?}");
    }
}

/// The document of a rollout that a killed run has left at 10 %.
pub fn unfinished() -> String {
    let record = json!({
        "target": "InferenceService iris", "uid": "u", "stable": R1, "candidate": R2, "phase": "progressing", "percent": 10, "step": 0,
        "judgedLoop": 0, "start": "2026-01-01T00:00:00Z", "steps": [{"percent": 10, "analyses": 0}],
    });
    let spec = json!([{"task": "rollout", "with": {"isvc": "iris", "steps": [10]}}]);
    json!({"spec": spec, "result": {"rollout": record}}).to_string()
}

const ROLLOUT: &str = "tasks={rollout,http,assess},rollout.isvc=iris,rollout.steps={20},http.url=http://127.0.0.1:1/,assess.SLOs.upper.http/error-rate=0";

#[test]
fn the_document_of_a_rollout_that_has_not_ended_is_not_replaced() {
    let cli = crate::support::cli_case::CliCase::new();
    cli.write("experiment.yaml", &unfinished());
    for values in [ROLLOUT, "tasks={run},run=true"] {
        cli.run(["run", "--set", values]).expect(
            2,
            &[
                "experiment.yaml contains a rollout of InferenceService iris (progressing), which has not ended",
                "hint: run it again with its own values to continue it, or choose another directory with --runDir",
            ],
        );
        assert_eq!(cli.read("experiment.yaml"), unfinished());
    }
    cli.run(["run", "--set", "tasks={run},run=true", "--runDir", "other"]).exits(0);
}

#[test]
fn a_rollout_does_not_replace_a_document_that_cannot_be_read() {
    let cli = crate::support::cli_case::CliCase::new();
    let damaged = &unfinished()[..100];
    cli.write("experiment.yaml", damaged);
    let run = cli.run(["run", "--set", ROLLOUT]);
    run.expect(2, &["is not valid", "hint: the document may have a rollout that has not ended"]);
    assert_eq!(cli.read("experiment.yaml"), damaged);
    cli.run(["run", "--set", "tasks={run},run=true"]).exits(0);
}

/// The API server accepts the connection, and that is all.
#[test]
fn a_signal_ends_a_command_whose_api_server_does_not_respond() {
    use std::process::Stdio;

    use rustix::process::{Pid, Signal, kill_process};

    use crate::support::cli_case::{CliCase, CliOutput};

    for args in [&["status"][..], &["promote", "--dry"]] {
        let (cli, server) = (CliCase::new(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let url = format!("http://{}", server.local_addr().unwrap());
        let mut command = cli.command();
        command.args(["k", "rollout"]).args(args).args(["iris", "-n", "models", "--kube-apiserver", &url]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _connection = server.accept().unwrap();
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
        CliOutput::of(&command, child.wait_with_output().unwrap(), &cli.path("")).exits(143);
    }
}
