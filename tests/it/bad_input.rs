//! Bad input, on the whole program: each case has its exit code, an empty standard output, and an error that names file, path and
//! value, what was expected, and the next step.

use std::process::{Command, Stdio};

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::transcript::transcript;

const HTTP: [&str; 3] = ["run", "--set", "tasks={http}"];

/// Runs the values `sets` with the `http` task.
fn http(sets: &[&str]) -> CliOutput {
    let bench = CliCase::new();
    let mut args = HTTP.to_vec();
    for set in sets {
        args.extend(["--set", set]);
    }
    let said = bench.run(args);
    assert_eq!(said.stdout, "");
    said
}

#[test]
fn a_missing_values_file_is_named() {
    let _transcript = transcript!();
    let said = CliCase::new().run(["run", "-f", "nope.yaml"]);
    said.snapshot(2);
    assert_eq!(said.stdout, "");
}

#[test]
fn a_missing_document_is_named_with_the_way_to_make_one() {
    let _transcript = transcript!();
    for command in ["run", "report"] {
        CliCase::new().run([command]).snapshot(2);
    }
    CliCase::new().run(["assert", "-c", "completed", "--runDir", "elsewhere"]).snapshot(2);
}

#[test]
fn unreadable_yaml_is_told_with_line_and_column() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.write("values.yaml", "tasks: [http]\nhttp:\n  url: [1, 2\n  qps: 3\n");
    bench.run(["run", "-f", "values.yaml"]).snapshot(2);
    bench.write("experiment.yaml", "spec:\n- task: http\n  with: {a: b\n");
    bench.run(["run"]).snapshot(2);
}

#[test]
fn an_unknown_task_is_told_with_the_tasks_there_are_and_the_nearest() {
    let _transcript = transcript!();
    let said = CliCase::new().run(["run", "--set", "tasks={htp}"]);
    said.snapshot(2);
    let bench = CliCase::new();
    bench.write("experiment.yaml", "spec:\n- task: asess\n");
    bench.run(["run"]).snapshot(2);
    CliCase::new().run(["run", "--set", "tasks={abnmetrics}"]).snapshot(2);
}

#[test]
fn an_unknown_field_is_told_with_its_path_and_the_nearest() {
    let _transcript = transcript!();
    http(&["http.url=http://127.0.0.1:1", "http.numrequests=1"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "htp.qps=1"]).snapshot(2);
    http(&["http.endpoints.get.url=http://127.0.0.1:1", "http.endpoints.get.qsp=1"]).snapshot(2);
}

#[test]
fn a_negative_number_of_requests_is_refused() {
    let _transcript = transcript!();
    http(&["http.url=http://127.0.0.1:1", "http.numRequests=-3"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "http.numRequests=0"]).snapshot(2);
}

#[test]
fn a_rate_that_is_no_number_is_refused() {
    let _transcript = transcript!();
    http(&["http.url=http://127.0.0.1:1", "http.qps=abc"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "http.qps=0"]).snapshot(2);
    http(&["http.url=http://127.0.0.1:1", "http.duration=5"]).snapshot(2);
}

#[test]
fn a_load_without_target_is_refused() {
    let _transcript = transcript!();
    http(&["http.qps=5"]).snapshot(2);
}

#[test]
fn a_url_without_host_is_refused() {
    let _transcript = transcript!();
    http(&["http.url=http://"]).snapshot(2);
    http(&["http.url=localhost:8080"]).snapshot(2);
    http(&["http.url=ftp://example.com/"]).snapshot(2);
}

#[test]
fn tasks_that_are_no_list_are_refused() {
    let _transcript = transcript!();
    CliCase::new().run(["run", "--set", "tasks=http"]).snapshot(2);
    CliCase::new().run(["run", "--set", "http.url=http://x"]).snapshot(2);
    CliCase::new().run(["run", "--set", "a[0=1"]).snapshot(2);
}

#[test]
fn a_condition_that_can_not_be_read_is_refused_before_anything_runs() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.run(["run", "--set", "tasks={run}", "--set", "run.script=echo ran", "--set", "run.if=SLO()"]).snapshot(2);
    bench.write("experiment.yaml", "spec:\n- run: echo ran >ran\n- run: echo\n  if: SLOs() &&\n");
    bench.run(["run"]).snapshot(2);
    assert!(!bench.path("ran").exists());
}

#[test]
fn a_port_that_refuses_fails_the_task_with_the_cause() {
    let _transcript = transcript!();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bench = CliCase::new();
    let url = format!("http.url=http://{closed}/");
    let said = bench.run([
        "run",
        "--set",
        "tasks={http,assess}",
        "--set",
        &url,
        "--set",
        "assess.SLOs.upper.http/error-count=0",
    ]);
    said.snapshot(3);
    let document = bench.document();
    assert_eq!(document["result"]["failure"], true);
    assert_eq!(document["result"]["tasks"][0]["status"], "failed");
    assert_eq!(document["result"]["tasks"][1]["status"], "planned");
    assert_eq!(bench.run(["assert", "-c", "nofailure", "-t", "30s"]).code, Some(1));
}

#[test]
fn a_server_that_closes_in_the_middle_of_an_answer_is_told_as_such() {
    let _transcript = transcript!();
    let server = MisbehavingServer::closes_mid_response();
    http(&[&format!("http.url={}", server.url()), "http.qps=max"]).snapshot(3);
}

#[test]
fn a_server_that_never_answers_ends_in_a_time_out() {
    let _transcript = transcript!();
    let server = MisbehavingServer::never_responds();
    http(&[&format!("http.url={}", server.url()), "http.timeout=200ms", "http.qps=max", "http.numRequests=4"])
        .snapshot(3);
}

#[test]
fn a_payload_that_is_not_there_is_never_sent() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(404, "no such page");
    let url = server.url();
    http(&[&format!("http.url={url}"), &format!("http.payloadURL={url}")]).snapshot(3);
    http(&[&format!("http.url={url}"), "http.payloadFile=nope.json"]).snapshot(2);
}

#[test]
fn a_payload_file_that_is_a_directory_is_refused_before_the_load() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "");
    let bench = CliCase::new();
    std::fs::create_dir(bench.path("body")).unwrap();
    let url = format!("http.url={}", server.url());
    bench.run(["run", "--set", "tasks={http}", "--set", &url, "--set", "http.payloadFile=body"]).snapshot(2);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_document_of_a_newer_schema_is_refused_by_every_command() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let text = "spec:\n- run: 'true'\nresult:\n  schemaVersion: 99\n";
    bench.write("experiment.yaml", text);
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        bench.run(args).snapshot(2);
    }
    assert_eq!(bench.read("experiment.yaml"), text);
}

#[test]
fn an_empty_document_is_refused_and_left_alone() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.write("experiment.yaml", "");
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        bench.run(args).snapshot(2);
    }
    bench.write("experiment.yaml", "spec: []\n");
    bench.run(["run"]).snapshot(2);
}

#[test]
fn a_directory_that_can_not_be_written_is_found_before_the_load_starts() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "");
    let bench = CliCase::new();
    let url = format!("http.url={}", server.url());
    let run = ["run", "--set", "tasks={http}", "--set", &url, "--runDir"];
    let missing = bench.run(run.iter().copied().chain(["no/such/directory"]));
    missing.snapshot(4);
    std::fs::create_dir_all(bench.path("taken/experiment.yaml")).unwrap();
    bench.run(run.iter().copied().chain(["taken"])).snapshot(4);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_full_disk_is_told_and_the_old_document_stays() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let old = "spec:\n- run: 'true'\nresult:\n  numLoops: 7\n";
    bench.write("experiment.yaml", old);
    // A limit on the size of files stands in for the full disk: the write fails in the same place, without a file system of its own.
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {} run", crate::support::cli_case::ITER8);
    let mut shell = Command::new("bash");
    let said = CliOutput::run(shell.arg("-c").arg(script).current_dir(bench.path("")), &bench.path(""));
    said.snapshot(4);
    assert_eq!(bench.read("experiment.yaml"), old);
    assert_eq!(std::fs::read_dir(bench.path("")).unwrap().count(), 1, "a temporary file was left");
}

#[test]
fn a_full_disk_on_standard_output_is_an_error() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    CliOutput::run(bench.command().arg("report").stdout(full).stderr(Stdio::piped()), &bench.path("")).snapshot(4);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = CliCase::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let script = format!("set -o pipefail; {} report -o html | head -c 1 >/dev/null", crate::support::cli_case::ITER8);
    let mut shell = Command::new("bash");
    let said = CliOutput::run(shell.arg("-c").arg(script).current_dir(bench.path("")), &bench.path(""));
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_assert_on_a_running_document_waits_and_then_says_where_it_stands() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let running = "spec:\n- run: 'true'\n- run: 'true'\nresult:\n  schemaVersion: 1\n  numLoops: 1\n  numCompletedTasks: 1\n  \
                   tasks:\n  - task: run\n    status: done\n  - task: run\n    status: running\n";
    bench.write("experiment.yaml", running);
    let started = std::time::Instant::now();
    let said = bench.run(["assert", "-c", "completed", "--timeout", "700ms"]);
    assert!(started.elapsed() >= std::time::Duration::from_millis(700));
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("FAILED  completed: 1 of 2 tasks"), "{said:#?}");
    bench.run(["assert", "-c", "finished"]).snapshot(2);
}

#[test]
fn an_output_file_that_can_not_be_written_is_told() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    bench.run(["report", "--outputFile", "no/report.txt"]).snapshot(4);
    bench.run(["report", "-o", "pdf"]).snapshot(2);
}
