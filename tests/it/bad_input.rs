//! Bad input, on the whole program: each case has its exit code, an empty standard output, and an error that names file, path and
//! value, what was expected, and the next step.

use std::process::{Command, Stdio};

use crate::support::cli_case::{CliCase, CliOutput, ITER8};
use crate::support::files;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

const HTTP: [&str; 3] = ["run", "--set", "tasks={http}"];

/// Runs the values `sets` with the `http` task.
fn http(sets: &[&str]) -> CliOutput {
    let cli = CliCase::new();
    let mut args = HTTP.to_vec();
    for set in sets {
        args.extend(["--set", set]);
    }
    let output = cli.run(args);
    assert_eq!(output.stdout, "");
    output
}

#[test]
fn a_missing_values_file_is_named() {
    let _transcript = transcript!();
    let output = CliCase::new().run(["run", "-f", "nope.yaml"]);
    output.snapshot(2);
    assert_eq!(output.stdout, "");
}

#[test]
fn a_missing_document_has_a_hint() {
    let _transcript = transcript!();
    for command in ["run", "report"] {
        CliCase::new().run([command]).snapshot(2);
    }
    CliCase::new().run(["assert", "-c", "completed", "--runDir", "elsewhere"]).snapshot(2);
}

#[test]
fn yaml_errors_have_line_and_column() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("values.yaml", "tasks: [http]\nhttp:\n  url: [1, 2\n  qps: 3\n");
    cli.run(["run", "-f", "values.yaml"]).snapshot(2);
    cli.write("experiment.yaml", "spec:\n- task: http\n  with: {a: b\n");
    cli.run(["run"]).snapshot(2);
}

#[test]
fn a_second_document_is_not_ignored() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let assess = "assess: {SLOs: {upper: {http/error-count: 0}}}\n";
    cli.write(
        "values.yaml",
        &format!("tasks: [http]\nhttp: {{url: 'http://127.0.0.1:9'}}\n---\ntasks: [http, assess]\n{assess}"),
    );
    cli.run(["run", "-f", "values.yaml"]).snapshot(2);
    let passing = files::text(&files::root().join("testdata/results/passing.yaml"));
    let violated = passing.replace("satisfied", "violated");
    for rest in [violated.as_str(), "garbage: ["] {
        cli.write("experiment.yaml", &format!("{passing}\n---\n{rest}\n"));
        cli.run(["assert", "-c", "slos"]).snapshot(2);
        assert_eq!((cli.run(["run"]).code, cli.run(["report"]).code), (Some(2), Some(2)));
    }
    cli.write("p.tpl", "url: http://127.0.0.1:9/\nmetrics: []\n---\nurl: http://127.0.0.1:9/\nmetrics: [{name: a}]\n");
    cli.write("experiment.yaml", "spec:\n- task: custommetrics\n  with: {templates: {p: p.tpl}}\n");
    cli.run(["run"]).snapshot(2);
    // Nothing but markers and comments is no document.
    cli.write("experiment.yaml", &format!("---\n{passing}\n...\n---\n# end\n"));
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
}

#[test]
fn an_unknown_task_has_a_suggestion() {
    let _transcript = transcript!();
    let output = CliCase::new().run(["run", "--set", "tasks={htp}"]);
    output.snapshot(2);
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- task: asess\n");
    cli.run(["run"]).snapshot(2);
    CliCase::new().run(["run", "--set", "tasks={abnmetrics}"]).snapshot(2);
}

#[test]
fn an_unknown_field_has_a_suggestion() {
    let _transcript = transcript!();
    http(&["http.url=http://127.0.0.1:1", "http.numrequests=1"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "htp.qps=1"]).snapshot(2);
    http(&["http.endpoints.get.url=http://127.0.0.1:1", "http.endpoints.get.qsp=1"]).snapshot(2);
}

#[test]
fn a_negative_number_of_requests_is_rejected() {
    let _transcript = transcript!();
    http(&["http.url=http://127.0.0.1:1", "http.numRequests=-3"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "http.numRequests=0"]).snapshot(2);
}

#[test]
fn a_rate_must_be_a_number() {
    let _transcript = transcript!();
    http(&["http.url=http://127.0.0.1:1", "http.qps=abc"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "http.duration=5"]).snapshot(2);
}

#[test]
fn a_load_needs_a_target() {
    let _transcript = transcript!();
    http(&["http.qps=5"]).snapshot(2);
}

#[test]
fn a_url_needs_a_host() {
    let _transcript = transcript!();
    http(&["http.url=http://"]).snapshot(2);
    http(&["http.url=ftp://example.com/"]).snapshot(2);
}

#[test]
fn tasks_must_be_a_list() {
    let _transcript = transcript!();
    CliCase::new().run(["run", "--set", "tasks=http"]).snapshot(2);
    CliCase::new().run(["run", "--set", "http.url=http://x"]).snapshot(2);
    CliCase::new().run(["run", "--set", "a[0=1"]).snapshot(2);
}

#[test]
fn a_bad_condition_is_rejected_before_the_run() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.run(["run", "--set", "tasks={run}", "--set", "run.script=echo ran", "--set", "run.if=SLO()"]).snapshot(2);
    cli.write("experiment.yaml", "spec:\n- run: echo ran >ran\n- run: echo\n  if: SLOs() &&\n");
    cli.run(["run"]).snapshot(2);
    assert!(!cli.path("ran").exists());
}

#[test]
fn a_refused_connection_fails_the_task() {
    let _transcript = transcript!();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cli = CliCase::new();
    let url = format!("http.url=http://{closed}/");
    let output = cli.run([
        "run",
        "--set",
        "tasks={http,assess}",
        "--set",
        &url,
        "--set",
        "assess.SLOs.upper.http/error-count=0",
    ]);
    output.snapshot(3);
    let document = cli.document();
    assert_eq!(document["result"]["failure"], true);
    assert_eq!(document["result"]["tasks"][0]["status"], "failed");
    // A failed load is a result, which is judged.
    assert_eq!(document["result"]["tasks"][1]["status"], "done");
    assert_eq!(cli.run(["assert", "-c", "nofailure", "-t", "30s"]).code, Some(1));
}

#[test]
fn a_proxy_of_the_environment_is_used_if_asked_for_and_hinted_at() {
    let proxy = MisbehavingServer::responds(200, "from the proxy");
    let run = |values: &str, variable: &str, value: &str| {
        let cli = CliCase::new();
        let values = format!("http.url=http://shop.invalid/,http.numRequests=4,http.qps=max,{values}");
        let mut command = cli.command();
        command.args(HTTP).args(["--set", &values]).env(variable, value);
        CliOutput::run(&mut command, &cli.path(""))
    };
    let address = proxy.address.to_string();
    run("http.proxy=env", "http_proxy", &address).exits(0);
    assert_eq!(proxy.requests(), 4);
    let hint = "; `HTTP_PROXY` is set, but loads use it only with `proxy: env`\n";
    run("http.method=GET", "HTTP_PROXY", &address).expect(3, &[hint]);
    run("http.proxy=env", "ALL_PROXY", "socks5://u:hunter2@p:1").expect(
        2,
        &["http.proxy: `ALL_PROXY` is a SOCKS proxy; only HTTP proxies are supported: `http://HOST:PORT`, or "],
    );
    run("http.proxy=env", "ALL_PROXY", "ftp://u:hunter2@p:1")
        .expect(2, &["http.proxy: `ALL_PROXY` is not the URL of an HTTP proxy; expected `http://HOST:PORT`\n"]);
    assert_eq!(proxy.requests(), 4);
}

#[test]
fn a_truncated_response_is_reported() {
    let _transcript = transcript!();
    let server = MisbehavingServer::closes_mid_response();
    http(&[&format!("http.url={}", server.url()), "http.qps=max"]).snapshot(3);
}

#[test]
fn a_server_that_never_responds_times_out() {
    let _transcript = transcript!();
    let server = MisbehavingServer::never_responds();
    http(&[&format!("http.url={}", server.url()), "http.timeout=200ms", "http.qps=max", "http.numRequests=4"])
        .snapshot(3);
}

#[test]
fn a_missing_payload_is_never_sent() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(404, "no such page");
    let url = server.url();
    http(&[&format!("http.url={url}"), &format!("http.payloadURL={url}")]).snapshot(3);
    http(&[&format!("http.url={url}"), "http.payloadFile=nope.json"]).snapshot(2);
}

#[test]
fn an_earlier_script_may_write_the_payload() {
    let server = MisbehavingServer::scripted(|request| Reply::ok(&request.body));
    let (cli, url) = (CliCase::new(), format!("http.url={}", server.url()));
    let run = |script: &str| {
        let script = format!("run={script}");
        cli.run([
            "run",
            "--set",
            "tasks={run,http}",
            "--set",
            &script,
            "--set",
            &url,
            "--set",
            "http.payloadFile=p.dat,http.numRequests=1",
        ])
    };
    // If it does not, nothing is sent either.
    run("true").expect(3, &["payloadFile: cannot read `p.dat`: no such file"]);
    assert_eq!(server.requests(), 0);
    run("printf hi > p.dat").exits(0);
    assert!(server.seen().iter().all(|request| request.body == "hi"));
}

#[test]
fn a_payload_file_must_not_be_a_directory() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "");
    let cli = CliCase::new();
    std::fs::create_dir(cli.path("body")).unwrap();
    let url = format!("http.url={}", server.url());
    cli.run(["run", "--set", "tasks={http}", "--set", &url, "--set", "http.payloadFile=body"]).snapshot(2);
    assert_eq!(server.connections(), 0);
}

#[test]
fn every_command_rejects_a_newer_schema() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let text = "spec:\n- run: 'true'\nresult:\n  schemaVersion: 99\n";
    cli.write("experiment.yaml", text);
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        cli.run(args).snapshot(2);
    }
    assert_eq!(cli.read("experiment.yaml"), text);
}

#[test]
fn an_empty_document_is_rejected_and_kept() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "");
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        cli.run(args).snapshot(2);
    }
    cli.write("experiment.yaml", "spec: []\n");
    cli.run(["run"]).snapshot(2);
}

#[test]
fn a_document_that_is_not_utf_8_is_bad_input() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    std::fs::write(cli.path("experiment.yaml"), b"spec:\n- run: '\xff'\n").unwrap();
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        cli.run(args).snapshot(2);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_document_of_a_run() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    assert!(Command::new("mkfifo").arg(cli.path("experiment.yaml")).status().unwrap().success());
    for args in [&["run"][..], &["run", "--set", "tasks={run},run=exit"], &["report"], &["assert", "-c", "completed"]] {
        cli.run(args).snapshot(4);
    }
}

#[cfg(unix)]
#[test]
fn values_may_be_read_from_a_stream() {
    let cli = CliCase::new();
    cli.write("values.yaml", "tasks: [run]\nrun: 'true'\n");
    let mut command = Command::new("sh");
    command.args(["-c", "cat values.yaml | \"$0\" run --dry -f /dev/stdin", ITER8]).current_dir(cli.path(""));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("tasks:\n- run\nrun: "), "{output:?}");
}

#[test]
fn a_document_may_be_read_from_a_pipe_by_name() {
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\nresult: {numLoops: 7}\n");
    let script = format!("{} report -o json <(cat experiment.yaml)", ITER8);
    let output = CliOutput::run(Command::new("bash").arg("-c").arg(script).current_dir(cli.path("")), &cli.path(""));
    output.exits(0);
    assert!(output.stdout.starts_with('{'), "{output:#?}");
}

#[cfg(unix)]
#[test]
fn a_document_that_changed_during_the_run_is_not_overwritten() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let path = cli.path("experiment.yaml");
    cli.write("experiment.yaml", &format!("spec:\n- run: echo '# Edited.' >> {}\n", path.display()));
    cli.run(["run"]).snapshot(4);
    assert!(cli.read("experiment.yaml").ends_with("# Edited.\n"));
}

#[cfg(unix)]
#[test]
fn too_few_files_are_an_error_before_anything_starts() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    for (limit, code) in [("-n 6", 4), ("-Sn 6", 0)] {
        let script = format!("ulimit {limit}; exec {} version --short", ITER8);
        let mut shell = Command::new("bash");
        let output = CliOutput::run(shell.arg("-c").arg(script).current_dir(cli.path("")), &cli.path(""));
        output.exits(code);
        if code != 0 {
            output.snapshot(code);
        }
    }
}

#[test]
fn an_unwritable_directory_is_found_before_the_load() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "");
    let cli = CliCase::new();
    let url = format!("http.url={}", server.url());
    let run = ["run", "--set", "tasks={http}", "--set", &url, "--runDir"];
    cli.write("file", "");
    cli.run(run.iter().copied().chain(["file/directory"])).snapshot(4);
    std::fs::create_dir_all(cli.path("taken/experiment.yaml")).unwrap();
    cli.run(run.iter().copied().chain(["taken"])).snapshot(4);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_full_disk_keeps_the_previous_document() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let old = "spec:\n- run: 'true'\nresult:\n  numLoops: 7\n";
    cli.write("experiment.yaml", old);
    // A limit on the size of files stands in for the full disk: the write fails in the same place, without a file system of its own.
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {} run", ITER8);
    let mut shell = Command::new("bash");
    let output = CliOutput::run(shell.arg("-c").arg(script).current_dir(cli.path("")), &cli.path(""));
    output.snapshot(4);
    assert_eq!(cli.read("experiment.yaml"), old);
    assert_eq!(std::fs::read_dir(cli.path("")).unwrap().count(), 1, "a temporary file was left");
}

#[test]
fn a_full_disk_on_standard_output_is_an_error() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    CliOutput::run(cli.command().arg("report").stdout(full).stderr(Stdio::piped()), &cli.path("")).snapshot(4);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let script = format!("set -o pipefail; {} report -o html | head -c 1 >/dev/null", ITER8);
    let mut shell = Command::new("bash");
    let output = CliOutput::run(shell.arg("-c").arg(script).current_dir(cli.path("")), &cli.path(""));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

#[test]
fn assert_waits_for_a_running_experiment() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let running = "spec:\n- run: 'true'\n- run: 'true'\nresult:\n  schemaVersion: 1\n  numLoops: 1\n  numCompletedTasks: 1\n  \
                   tasks:\n  - task: run\n    status: done\n  - task: run\n    status: running\n";
    cli.write("experiment.yaml", running);
    let started = std::time::Instant::now();
    let output = cli.run(["assert", "-c", "completed", "--timeout", "700ms"]);
    assert!(started.elapsed() >= std::time::Duration::from_millis(700));
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.contains("FAILED  completed: 1 of 2 tasks"), "{output:#?}");
    cli.run(["assert", "-c", "finished"]).snapshot(2);
}

#[test]
fn an_unwritable_output_file_is_an_error() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n");
    cli.run(["report", "--outputFile", "no/report.txt"]).snapshot(4);
    cli.run(["report", "-o", "pdf"]).snapshot(2);
}
