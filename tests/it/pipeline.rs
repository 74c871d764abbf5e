//! The pipeline on the whole program: conditions, loops, failures, signals, and what the document says afterwards.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::cli_case::{CliCase, CliOutput, ITER8};
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::transcript::transcript;

#[test]
fn tasks_run_in_order_and_conditions_skip() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write(
        "experiment.yaml",
        "spec:\n- run: echo one; echo one >>log\n- run: echo two >>log\n  if: not NoFailure()\n- run: echo three >>log\n  if: Result.NumCompletedTasks == 2\n",
    );
    let output = cli.run(["run"]);
    output.snapshot(0);
    assert_eq!(cli.read("log"), "one\nthree\n");
    let document = cli.document();
    let statuses: Vec<_> =
        document["result"]["tasks"].as_array().unwrap().iter().map(|task| task["status"].clone()).collect();
    assert_eq!(statuses, ["done", "skipped", "done"]);
    assert_eq!(document["result"]["numCompletedTasks"], 3);
    assert_eq!(document["result"]["numLoops"], 1);
    assert_eq!(cli.run(["assert", "-c", "completed,nofailure"]).code, Some(0));
}

#[test]
fn slos_fail_without_objectives() {
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n");
    cli.run(["run", "--quiet"]).exits(0);
    let output = cli.run(["assert", "-c", "slos"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.contains("FAILED  slos: "), "{output:#?}");
}

#[test]
fn a_failed_task_stops_the_run() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: exit 7\n- run: touch ran\n");
    cli.run(["run"]).snapshot(3);
    assert!(!cli.path("ran").exists());
    let document = cli.document();
    assert_eq!(document["result"]["failure"], true);
    assert_eq!(document["result"]["tasks"][0]["error"], "the script exited with code 7");
    assert_eq!(document["result"]["tasks"][1]["status"], "planned");
    // Decided: no use in waiting.
    let started = std::time::Instant::now();
    assert_eq!(cli.run(["assert", "-c", "completed", "-c", "nofailure", "--timeout", "60s"]).code, Some(1));
    assert!(started.elapsed().as_secs() < 30);
}

#[test]
fn a_script_is_killed_at_its_timeout() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: sleep 100\n  with: {timeout: 200ms}\n");
    cli.run(["run"]).snapshot(3);
}

#[test]
fn reusing_the_result_adds_a_loop() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n  if: Result.NumLoops == 2\n");
    cli.run(["run"]).snapshot(0);
    cli.run(["run", "--reuseResult"]).snapshot(0);
    assert_eq!(cli.document()["result"]["numLoops"], 2);
    cli.run(["run"]).exits(0);
    assert_eq!(cli.document()["result"]["numLoops"], 1);
    // Another spec's result is not taken for its own.
    cli.run(["run", "--reuseResult", "--set", "tasks={run}", "--set", "run=false"]).snapshot(2);
}

#[test]
fn a_dry_run_prints_the_values_without_secrets_and_runs_nothing() {
    let cli = CliCase::new();
    let output = cli.run([
        "run",
        "--dry",
        "--set",
        "tasks={http,github,run}",
        "--set",
        "http.url=http://user:hunter2@127.0.0.1:1/",
        "--set",
        "http.headers.Authorization=Bearer hunter2",
        "--set",
        "http.headers.Cookie=hunter2",
        "--set",
        "github.owner=o,github.repo=r,github.token=hunter2",
        "--set",
        "run=touch ran\u{202e}",
    ]);
    output.exits(0);
    assert!(output.stdout.starts_with("# Hidden, because"), "{output:#?}");
    assert!(output.stdout.contains(r#"run: "touch ran\U0000202E""#), "{output:#?}");
    assert!(!output.stdout.contains("hunter2"), "{output:#?}");
    assert!(!cli.path("ran").exists() && !cli.path("experiment.yaml").exists());
}

#[test]
fn secrets_in_values_reach_the_server_and_no_file_or_log() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "fine");
    let cli = CliCase::new();
    let url = format!("http.url=http://user:hunter2@{}/", server.address);
    let args = [
        "run",
        "-l",
        "trace",
        "--set",
        "tasks={http,assess}",
        "--set",
        &url,
        "--set",
        "http.headers.X-Api-Key=hunter3",
        "--set",
        "http.numRequests=2",
        "--set",
        "http.qps=max",
        "--set",
        "assess.SLOs.upper.http/error-count=0",
    ];
    let output = cli.run(args);
    output.exits(0);
    assert!(server.received().contains("hunter3"), "the header was not sent");
    for format in ["text", "json", "html"] {
        let report = cli.run(["report", "-o", format]);
        assert!(!report.stdout.contains("hunter"), "{format}");
    }
    for text in [cli.read("experiment.yaml"), output.stderr.clone(), output.stdout.clone()] {
        assert!(!text.contains("hunter"), "{text}");
    }
    // The document alone cannot be run again; the error has the next step.
    cli.run(["run"]).snapshot(2);
    // With the same values it can.
    let quiet = args.iter().copied().filter(|argument| !["-l", "trace"].contains(argument));
    cli.run(quiet.chain(["--reuseResult"])).snapshot(0);
}

#[test]
fn secret_headers_come_from_files_and_the_environment_and_are_sent_unchanged() {
    let server = MisbehavingServer::responds(200, "fine");
    let cli = CliCase::new();
    cli.write("key", "hunter-2\n");
    let url = format!("http.url={}", server.url());
    let args = ["run", "-l", "trace", "--set", "tasks={http,assess}", "--set", &url]
        .into_iter()
        .chain(["--set", "http.numRequests=2,http.qps=max,http.template=true"])
        .chain(["--set-json", "http.headers.X-N=\"{{requestNumber}}\""])
        .chain(["--set", "http.headers.X-File.file=key,http.headers.X-Env.env=KEY"])
        .chain(["--set", "assess.SLOs.upper.http/error-count=0"]);
    let mut command = cli.command();
    command.args(args);
    let output = CliOutput::run(command.env("KEY", "{{hunter-3}}"), &cli.path(""));
    output.exits(0);
    let received = server.received();
    assert!(received.contains("x-file: hunter-2\r\n") && received.contains("x-env: {{hunter-3}}\r\n"), "{received}");
    let document = cli.read("experiment.yaml");
    assert!(document.contains("file: key") && document.contains("env: KEY"), "{document}");
    for text in [document, output.stderr, output.stdout] {
        assert!(!text.contains("hunter"), "{text}");
    }
    // The document has all that the next run needs, except for the secrets themselves.
    let mut command = cli.command();
    CliOutput::run(command.arg("run").env("KEY", "hunter-4"), &cli.path("")).exits(0);
    assert!(server.received().contains("x-env: hunter-4\r\n"));
}

#[test]
fn the_output_of_scripts_is_logged_without_secrets() {
    let server = MisbehavingServer::responds(200, "fine");
    let cli = CliCase::new();
    cli.write("password", "file-hunter\n");
    let url = format!("http.url={}", server.url());
    // Before the task that sends them; in two writes; long; to stderr; in a trace.
    let script = "cat password; echo \"key is $KEY.\"; echo \"literal-hunter\" >&2; printf env-; sleep 0.1; echo hun''ter; \
                  printf '%016382d%s\\n' 0 $KEY; set -x; : curl -H 'Authorization: Bearer other-hunter' http://h/";
    let more =
        ["--set-json", "http.headers.X-Key={\"env\": \"KEY\"}", "--set", "http.headers.X-Api-Key=literal-hunter"];
    for quiet in [false, true] {
        let mut command = cli.command();
        command.args([
            "run",
            "--record",
            if quiet { "quiet" } else { "recorded" },
            "--set",
            "tasks={run,http}",
            "--set",
            &url,
        ]);
        command.args(["--set", "http.numRequests=1,http.bearerToken.file=password"]).args(more);
        command.args(["--set-json", &format!("run={}", serde_json::json!(script))]);
        if quiet {
            command.arg("--quiet");
        }
        let output = CliOutput::run(command.env("KEY", "env-hunter"), &cli.path(""));
        output.exits(0);
        if !quiet {
            assert!(output.stderr.contains("  | key is [hidden].\n"), "{output:#?}");
            assert!(output.stderr.contains("  | [hidden]\n"), "{output:#?}");
            assert!(output.stderr.contains("Authorization: "), "{output:#?}");
        }
        for text in [output.stdout, output.stderr, cli.read("experiment.yaml")] {
            assert!(!text.contains("hunter"), "{text}");
        }
    }
    for entry in std::fs::read_dir(cli.path("recorded").join("loop-1")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hunter"), "{text}");
    }
}

#[test]
fn a_document_that_contradicts_itself_is_not_asserted_and_its_report_says_so() {
    let server = MisbehavingServer::responds(200, "fine");
    let cli = CliCase::new();
    let url = format!("http.url={}", server.url());
    let args = ["run", "-q", "--set", "tasks={http,assess}", "--set", &url];
    let slos = ["--set", "http.numRequests=4,http.qps=max,assess.SLOs.upper.http/error-rate=0.01"];
    cli.run(args.iter().chain(&slos)).exits(0);
    let document = cli.document();
    let all = ["assert", "-c", "completed,nofailure,slos"];
    cli.run(all).exits(0);
    let mut stale = document.clone();
    stale["spec"][1]["with"]["SLOs"]["upper"][0]["limit"] = serde_json::json!(0);
    let mut damaged = document.clone();
    damaged["result"]["insights"]["verdicts"][0]["verdict"] = serde_json::json!("inconclusive");
    let mut partial = document;
    partial["result"]["tasks"] = serde_json::json!([]);
    for (document, contradiction) in [
        (stale, "the SLO http/error-rate <= 0 of the spec was not judged"),
        (damaged, "the verdict on http/error-rate <= 0.01 is inconclusive, but `SLOsSatisfied` says true"),
        (partial, "the spec has 2 tasks, but the result has records of 0"),
    ] {
        cli.write("experiment.yaml", &document.to_string());
        let asserted = cli.run(all);
        asserted.exits(1);
        let line = format!("FAILED  slos: {contradiction}; run the experiment again\n");
        assert!(asserted.stdout.contains(&line), "{asserted:#?}");
        let text = cli.run(["report"]).stdout;
        assert!(text.contains("  Outcome: invalid (the document contradicts itself or its spec)\n"), "{text}");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&text).contains(&format!("Contradiction: {contradiction} ")), "{text}");
        let json: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
        assert_eq!(
            (&json["summary"]["outcome"], &json["summary"]["contradiction"]),
            (&"invalid".into(), &contradiction.into())
        );
        let page = cli.run(["report", "-o", "html"]).stdout;
        assert!(page.contains("The document contradicts itself or its spec"), "{page}");
    }
}

#[test]
fn secrets_of_credentials_are_redacted_in_notes_about_responses() {
    let server = MisbehavingServer::responds(200, r#"{"error": "token hunter-raw expired"}"#);
    let cli = CliCase::new();
    cli.write("password", "hunter-raw");
    for way in ["http.bearerToken.file=password", "http.basicAuth.username=me,http.basicAuth.passwordFile=password"] {
        let url = format!("http.url={}", server.url());
        let args = ["run", "--record", way, "--set", "tasks={http}", "--set", &url, "--set", way].into_iter().chain([
            "--set",
            "http.numRequests=2,http.qps=max,http.allowInitialErrors=true,http.expect.jq=.error.code",
        ]);
        let output = cli.run(args);
        let mut texts = vec![cli.read("experiment.yaml"), output.stdout, output.stderr];
        assert!(texts[0].contains("[hidden]"), "{}", texts[0]);
        for entry in std::fs::read_dir(cli.path(way).join("loop-1")).unwrap() {
            texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        texts.iter().for_each(|text| assert!(!text.contains("hunter"), "{text}"));
    }
}

#[test]
fn a_webhook_in_values_reaches_its_server_and_no_file_or_log() {
    let _transcript = transcript!();
    let server =
        MisbehavingServer::responds(404, "no T0/B0/SECREThook here, nor SECREThook: /services/T0/B0/SECREThook");
    let cli = CliCase::new();
    let url = format!("slack.url=http://{}/services/T0/B0/SECREThook", server.address);
    let args = ["run", "--set", "tasks={slack,run}", "--set", &url, "--set", "run=TOKEN=SECRETrun true"];
    let dry = cli.run(args.iter().copied().chain(["--dry"]));
    dry.exits(0);
    assert!(dry.stdout.contains("/[hidden]") && dry.stdout.contains("TOKEN=[hidden] true"), "{dry:#?}");
    let output = cli.run(args);
    output.snapshot(0);
    assert!(server.received().contains("/services/T0/B0/SECREThook"), "the webhook was not notified");
    let html = cli.run(["report", "-o", "html"]);
    for text in [cli.read("experiment.yaml"), output.stderr, output.stdout, dry.stdout, html.stdout] {
        assert!(!text.contains("SECRET"), "{text}");
    }
}

#[test]
fn a_script_with_a_redacted_secret_is_not_run() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let set = ["--set", "tasks={run}", "--set"];
    cli.run(["run"].into_iter().chain(set).chain(["run=TOKEN=SECRET true"])).exits(0);
    cli.run(["run"]).snapshot(2);
    // A reference to a secret is not redacted.
    cli.run(["run"].into_iter().chain(set).chain(["run=TOKEN=$HOME true"])).exits(0);
    cli.run(["run"]).exits(0);
}

#[test]
fn endpoints_named_like_secrets_can_be_rerun() {
    let server = MisbehavingServer::responds(200, "fine");
    let cli = CliCase::new();
    let url = format!("http.url={}", server.url());
    let set = ["--set", "http.endpoints.tokenize.method=POST", "--set", "http.numRequests=1", "--set", "http.qps=max"];
    cli.run(["run", "--set", "tasks={http}", "--set", &url].into_iter().chain(set)).exits(0);
    cli.run(["run"]).exits(0);
}

/// Starts a long load and waits until the server has seen it.
fn start_load(cli: &CliCase, server: &MisbehavingServer) -> (Command, Child) {
    let url = format!("http.url={}", server.url());
    let mut command = cli.command();
    command.args(["run", "--set", "tasks={http,run}", "--set", &url]);
    command.args(["--set", "http.duration=60s", "--set", "http.qps=200", "--set", "run=touch ran"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for_requests(50);
    (command, child)
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_signal_during_a_load_keeps_its_measurements() {
    let _transcript = transcript!();
    use rustix::process::Signal;
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let (cli, server) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
        let (command, child) = start_load(&cli, &server);
        // `timeout` signals twice.
        signal(&child, number);
        signal(&child, number);
        let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &cli.path(""));
        output.snapshot(code);
        let document = cli.document();
        assert_eq!(document["result"]["interrupted"], true);
        assert_eq!(document["result"]["tasks"][0]["status"], "interrupted");
        assert_eq!(document["result"]["tasks"][1]["status"], "planned");
        let count = &document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"][0];
        // Of the 50 that the server has seen, those under way on the 4 connections are abandoned.
        assert!(count.as_f64().unwrap() >= 46.0, "{count}");
        assert!(!cli.path("ran").exists());
        let output = cli.run(["assert", "-c", "completed", "--timeout", "60s"]);
        assert_eq!(output.code, Some(1));
        assert!(output.stdout.contains("interrupted"), "{output:#?}");
        assert!(cli.run(["report"]).stdout.contains("nterrupted"));
    }
}

#[test]
fn nohup_keeps_a_run_alive() {
    let (cli, server) = (CliCase::new(), MisbehavingServer::responds(200, "fine"));
    let mut command = Command::new("nohup");
    let url = format!("http.url={}", server.url());
    command.arg(ITER8).args(["run", "-q", "--set", "tasks={http}", "--set", "http.numRequests=300"]);
    command.args(["--set", "http.qps=200", "--set", &url]).current_dir(cli.path(""));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for_requests(50);
    signal(&child, rustix::process::Signal::HUP);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(cli.document()["result"]["interrupted"], Value::Null);
}

#[test]
fn a_kill_at_any_moment_leaves_a_document_that_parses() {
    // Many short tasks make many writes; the kill falls somewhere among them.
    let spec: String =
        std::iter::once("spec:\n".to_owned()).chain((0..200).map(|n| format!("- run: ': {n}'\n"))).collect();
    for line in [3, 17, 60] {
        let cli = CliCase::new();
        cli.write("experiment.yaml", &spec);
        let mut child = cli.command().arg("run").stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert_eq!(lines.take(line).count(), line);
        child.kill().unwrap();
        child.wait().unwrap();
        let experiment = iter8::model::codec::experiment_from_yaml(&cli.read("experiment.yaml")).unwrap();
        assert_eq!(experiment.spec.len(), 200);
        assert!(experiment.result.unwrap().num_completed_tasks > 0);
        assert_eq!(cli.run(["assert", "-c", "completed"]).code, Some(1));
    }
}

#[test]
fn a_failed_notification_is_a_note() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "ok");
    let cli = CliCase::new();
    let url = format!("slack.url={}", server.url());
    cli.run(["run", "--set", "tasks={run,slack}", "--set", "run=true", "--set", &url]).exits(0);
    assert!(server.received().contains("\"text\":"), "{}", server.received());
    let failing = MisbehavingServer::responds(500, "broken");
    let url = format!("slack.url={}", failing.url());
    cli.run(["run", "--set", "tasks={slack}", "--set", &url]).snapshot(0);
    cli.run(["run", "--set", "tasks={slack}", "--set", &url, "--set", "slack.softFailure=false"]).snapshot(3);
}

#[test]
fn a_github_notification_is_a_repository_dispatch() {
    let server = MisbehavingServer::responds(204, "");
    let cli = CliCase::new();
    let api = format!("github.apiURL={}", server.url());
    let mut command = cli.command();
    command.env("CI_TOKEN", "hunter2");
    command.args([
        "run",
        "--set",
        "tasks={github}",
        "--set",
        "github.owner=iter8,github.repo=demo,github.tokenEnv=CI_TOKEN",
        "--set",
        &api,
    ]);
    let output = CliOutput::run(&mut command, &cli.path(""));
    output.exits(0);
    let received = server.received();
    assert!(received.starts_with("POST /repos/iter8/demo/dispatches"), "{received}");
    assert!(
        received.contains("\"event_type\":\"iter8\"")
            && received.to_lowercase().contains("authorization: bearer hunter2"),
        "{received}"
    );
    assert!(!cli.read("experiment.yaml").contains("hunter2"));
}

#[test]
fn verdicts_of_an_earlier_loop_do_not_count() {
    let _transcript = transcript!();
    let (good, cli) = (MisbehavingServer::responds(200, "fine"), CliCase::new());
    let spec = |url: &str, condition: &str| {
        format!(
            "spec:\n- task: http\n  with: {{url: '{url}', qps: max, numRequests: 5, allowInitialErrors: true}}\n\
             - run: echo PROMOTED\n  if: SLOs()\n\
             - task: assess\n  if: {condition}\n  with: {{SLOs: {{upper: [{{metric: http/error-count, limit: 0}}]}}}}\n\
             - run: echo ROLLBACK\n  if: not SLOs()\n"
        )
    };
    cli.write("experiment.yaml", &spec(&good.url(), "'true'"));
    let output = cli.run(["run"]);
    assert!(!output.stderr.contains("PROMOTED") && !output.stderr.contains("ROLLBACK"), "{output:#?}");
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
    // The second loop's target fails: nothing may be promoted on the first loop's verdict.
    let bad = MisbehavingServer::responds(404, "gone");
    let document = cli.read("experiment.yaml").replace(&good.url(), &bad.url());
    cli.write("experiment.yaml", &document);
    let output = cli.run(["run", "--reuseResult"]);
    output.snapshot(0);
    assert!(!output.stderr.contains("PROMOTED"), "{output:#?}");
    // A loop whose assess is skipped has no verdict.
    cli.write("experiment.yaml", &spec(&good.url(), "Result.NumLoops == 1"));
    cli.run(["run"]).exits(0);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
    cli.run(["run", "--reuseResult"]).snapshot(0);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
    assert!(cli.document()["result"]["insights"].get("verdicts").is_none());
}

#[test]
fn incompatible_tasks_are_rejected_before_the_load() {
    let _transcript = transcript!();
    let (server, cli) = (MisbehavingServer::responds(200, "fine"), CliCase::new());
    let http = format!("- task: http\n  with: {{url: '{}', qps: max, numRequests: 5}}\n", server.url());
    cli.write("experiment.yaml", &format!("spec:\n{http}{http}"));
    cli.run(["run"]).snapshot(2);
    cli.run(["validate"]).snapshot(2);
    assert_eq!(server.connections(), 0);
    let assess = |limit| {
        format!("- task: assess\n  with: {{SLOs: {{upper: [{{metric: http/error-count, limit: {limit}}}]}}}}\n")
    };
    cli.write("experiment.yaml", &format!("spec:\n{http}{}", assess(0)));
    cli.run(["run"]).exits(0);
    let seen = server.connections();
    let document = cli.read("experiment.yaml").replacen("limit: 0", "limit: 9", 1);
    cli.write("experiment.yaml", &document);
    cli.run(["run", "--reuseResult"]).snapshot(2);
    assert_eq!(server.connections(), seen);
    assert_eq!(cli.read("experiment.yaml"), document);
}

#[test]
fn a_misspelt_key_of_a_task_is_rejected() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let text = "metadata:\n  name: mine\nspec:\n- run: echo PROMOTED\n  iff: SLOs()\n";
    cli.write("experiment.yaml", text);
    for command in ["run", "validate"] {
        let output = cli.run([command]);
        output.snapshot(2);
        assert!(!output.stderr.contains("PROMOTED"));
    }
    assert_eq!(cli.read("experiment.yaml"), text);
    cli.write("experiment.yaml", "metadata:\n  name: mine\nspec:\n- run: 'true'\n");
    cli.run(["run"]).exits(0);
    assert_eq!(cli.document()["metadata"]["name"], "mine");
}

#[test]
fn a_signal_interrupts_a_notification() {
    let _transcript = transcript!();
    let (server, cli) = (MisbehavingServer::never_responds(), CliCase::new());
    let url = format!("slack.url={}", server.url());
    let mut command = cli.command();
    command.args(["run", "--set", "tasks={slack}", "--set", &url, "--set", "slack.softFailure=false"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for_requests(1);
    signal(&child, rustix::process::Signal::TERM);
    let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &cli.path(""));
    output.snapshot(143);
    assert_eq!(cli.document()["result"]["failure"], false);
    assert_eq!(cli.document()["result"]["tasks"][0]["status"], "interrupted");
}

#[test]
fn a_run_says_which_results_it_replaces() {
    let cli = CliCase::new();
    let run = |script: &str, more: &[&str]| {
        let script = format!("run={script}");
        cli.run(["run", "--set", "tasks={run}", "--set", &script].into_iter().chain(more.iter().copied())).stderr
    };
    assert!(!run("true", &[]).contains("replacing"));
    assert!(!run("true", &[]).contains("replacing"), "one loop of the same experiment is no loss");
    assert!(!run("true", &["--reuseResult"]).contains("replacing"));
    let replaced = run("true", &[]);
    assert!(
        replaced.starts_with("replacing experiment.yaml: 2 loops of this experiment (--reuseResult adds"),
        "{replaced}"
    );
    let other = run("false", &[]);
    assert!(other.starts_with("replacing experiment.yaml: 1 loop of another experiment\n"), "{other}");
    assert!(!run("echo", &["--runDir", "new/directory"]).contains("replacing"));
    assert!(cli.path("new/directory/experiment.yaml").exists());
}

#[test]
fn a_second_run_in_the_same_directory_is_refused() {
    let cli = CliCase::new();
    let script = format!("run={ITER8} run --set 'tasks={{run}},run=touch ran' 2> refused; echo $? > code");
    cli.run(["run", "--set", "tasks={run}", "--set-string", &script.replace(',', "\\,")]).exits(0);
    assert_eq!(cli.read("code"), "4\n");
    let refused = "error: another run is active in directory .\n  hint: wait for its end, or choose another directory with --runDir\n";
    assert_eq!(cli.read("refused"), refused);
    assert!(!cli.path("ran").exists());
}

/// A task that was reported as done survives a crash.
#[test]
fn a_task_is_saved_before_it_is_said_to_be_done() {
    let cli = CliCase::new();
    let mut command = cli.command();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n- run: 'true'\n");
    let mut child = command.arg("run").stderr(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(at) = ["[1/2] run: done", "[2/2] run: done"].iter().position(|done| line.starts_with(done)) {
            assert_eq!(cli.document()["result"]["tasks"][at]["status"], "done");
        }
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_new_document_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let cli = CliCase::new();
    cli.run(["run", "--set", "tasks={run},run=true"]).exits(0);
    let mode = std::fs::metadata(cli.path("experiment.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
