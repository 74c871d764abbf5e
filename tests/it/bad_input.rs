//! Bad input, on the whole program: each case has its exit code, an empty standard output, and an error that names file, path and
//! value, what was expected, and the next step.

use std::process::Stdio;

use crate::support::cli::Bench;
use crate::support::scripted::Scripted;

const HTTP: [&str; 3] = ["run", "--set", "tasks={http}"];

/// Runs the values `sets` with the `http` task.
fn http(sets: &[&str]) -> crate::support::cli::Said {
    let bench = Bench::new();
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
    let said = Bench::new().run(["run", "-f", "nope.yaml"]);
    said.expect(2, &["error: cannot read the values file nope.yaml", "No such file"]);
    assert_eq!(said.stdout, "");
}

#[test]
fn a_missing_document_is_named_with_the_way_to_make_one() {
    for command in ["run", "report"] {
        Bench::new().run([command]).expect(2, &["error: there is no experiment document at experiment.yaml", "hint: "]);
    }
    Bench::new()
        .run(["assert", "-c", "completed", "--runDir", "elsewhere"])
        .expect(2, &["there is no experiment document at elsewhere/experiment.yaml"]);
}

#[test]
fn unreadable_yaml_is_told_with_line_and_column() {
    let bench = Bench::new();
    bench.write("values.yaml", "tasks: [http]\nhttp:\n  url: [1, 2\n  qps: 3\n");
    bench.run(["run", "-f", "values.yaml"]).expect(2, &["values.yaml", "line ", "column "]);
    bench.write("experiment.yaml", "spec:\n- task: http\n  with: {a: b\n");
    bench.run(["run"]).expect(2, &["experiment.yaml is not valid", "line ", "column "]);
}

#[test]
fn an_unknown_task_is_told_with_the_tasks_there_are_and_the_nearest() {
    let said = Bench::new().run(["run", "--set", "tasks={htp}"]);
    said.expect(
        2,
        &[
            "tasks[0]: unknown task `htp`; known tasks: ready, http, grpc, custommetrics, assess, run, slack, github",
            "hint: did you mean `http`?",
        ],
    );
    let bench = Bench::new();
    bench.write("experiment.yaml", "spec:\n- task: asess\n");
    bench.run(["run"]).expect(2, &["spec[0]: unknown task `asess`", "did you mean `assess`?"]);
    Bench::new().run(["run", "--set", "tasks={abnmetrics}"]).expect(2, &["does not have the task `abnmetrics`"]);
}

#[test]
fn an_unknown_field_is_told_with_its_path_and_the_nearest() {
    http(&["http.url=http://127.0.0.1:1", "http.numrequests=1"])
        .expect(2, &["http.numrequests: unknown field `numrequests`", "hint: did you mean `numRequests`?"]);
    http(&["http.url=http://127.0.0.1:1", "htp.qps=1"]).expect(2, &["unknown value `htp`", "did you mean `http`?"]);
    http(&["http.endpoints.get.url=http://127.0.0.1:1", "http.endpoints.get.qsp=1"])
        .expect(2, &["http.endpoints.get.qsp: unknown field `qsp`", "did you mean `qps`?"]);
}

#[test]
fn a_negative_number_of_requests_is_refused() {
    http(&["http.url=http://127.0.0.1:1", "http.numRequests=-3"]).expect(2, &["http.numRequests", "-3"]);
    http(&["http.url=http://127.0.0.1:1", "http.numRequests=0"]).expect(2, &["http.numRequests", "0"]);
}

#[test]
fn a_rate_that_is_no_number_is_refused() {
    http(&["http.url=http://127.0.0.1:1", "http.qps=abc"]).expect(2, &["http.qps", "abc", "max"]);
    http(&["http.url=http://127.0.0.1:1", "http.qps=0"]).expect(2, &["http.qps"]);
    http(&["http.url=http://127.0.0.1:1", "http.duration=5"]).expect(2, &["http.duration", "`5` is not a duration"]);
}

#[test]
fn a_load_without_target_is_refused() {
    http(&["http.qps=5"]).expect(2, &["http", "url", "endpoints"]);
}

#[test]
fn a_url_without_host_is_refused() {
    http(&["http.url=http://"]).expect(2, &["http.url", "http://"]);
    http(&["http.url=localhost:8080"]).expect(2, &["http.url", "localhost:8080"]);
    http(&["http.url=ftp://example.com/"]).expect(2, &["http.url", "ftp"]);
}

#[test]
fn tasks_that_are_no_list_are_refused() {
    Bench::new()
        .run(["run", "--set", "tasks=http"])
        .expect(2, &["tasks: `\"http\"` is not a list", "hint: list the tasks"]);
    Bench::new().run(["run", "--set", "http.url=http://x"]).expect(2, &["tasks: no tasks are given"]);
    Bench::new().run(["run", "--set", "a[0=1"]).expect(2, &["--set", "a[0=1"]);
}

#[test]
fn a_condition_that_can_not_be_read_is_refused_before_anything_runs() {
    let bench = Bench::new();
    bench
        .run(["run", "--set", "tasks={run}", "--set", "run.script=echo ran", "--set", "run.if=SLO()"])
        .expect(2, &["run.if", "SLO"]);
    bench.write("experiment.yaml", "spec:\n- run: echo ran >ran\n- run: echo\n  if: SLOs() &&\n");
    bench.run(["run"]).expect(2, &["spec[1].if"]);
    assert!(!bench.path("ran").exists());
}

#[test]
fn a_port_that_refuses_fails_the_task_with_the_cause() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bench = Bench::new();
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
    said.expect(3, &["error: task 1 of 2 (`http`) failed", "caused by: ", "refused"]);
    let document = bench.document();
    assert_eq!(document["result"]["failure"], true);
    assert_eq!(document["result"]["tasks"][0]["status"], "failed");
    assert_eq!(document["result"]["tasks"][1]["status"], "planned");
    assert_eq!(bench.run(["assert", "-c", "nofailure", "-t", "30s"]).code, Some(1));
}

#[test]
fn a_server_that_closes_in_the_middle_of_an_answer_is_told_as_such() {
    let server = Scripted::closes_mid_answer();
    http(&[&format!("http.url={}", server.url()), "http.qps=max"]).expect(3, &["failed", "closed"]);
}

#[test]
fn a_server_that_never_answers_ends_in_a_time_out() {
    let server = Scripted::never_answers();
    http(&[&format!("http.url={}", server.url()), "http.timeout=200ms", "http.qps=max", "http.numRequests=4"])
        .expect(3, &["failed", "time-out"]);
}

#[test]
fn a_payload_that_is_not_there_is_never_sent() {
    let server = Scripted::answers("404 Not Found", "no such page");
    let url = server.url();
    http(&[&format!("http.url={url}"), &format!("http.payloadURL={url}")]).expect(3, &["404", "payloadURL"]);
    http(&[&format!("http.url={url}"), "http.payloadFile=nope.json"]).expect(2, &["http", "payloadFile", "nope.json"]);
}

#[test]
fn a_payload_file_that_is_a_directory_is_refused_before_the_load() {
    let server = Scripted::answers("200 OK", "");
    let bench = Bench::new();
    std::fs::create_dir(bench.path("body")).unwrap();
    let url = format!("http.url={}", server.url());
    bench
        .run(["run", "--set", "tasks={http}", "--set", &url, "--set", "http.payloadFile=body"])
        .expect(2, &["body", "directory"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_document_of_a_newer_schema_is_refused_by_every_command() {
    let bench = Bench::new();
    let text = "spec:\n- run: 'true'\nresult:\n  schemaVersion: 99\n";
    bench.write("experiment.yaml", text);
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        bench.run(args).expect(2, &["experiment.yaml", "99", "newer"]);
    }
    assert_eq!(bench.read("experiment.yaml"), text);
}

#[test]
fn an_empty_document_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.write("experiment.yaml", "");
    for args in [&["run"][..], &["report"], &["assert", "-c", "completed"], &["validate"]] {
        bench.run(args).expect(2, &["experiment.yaml", "empty"]);
    }
    bench.write("experiment.yaml", "spec: []\n");
    bench.run(["run"]).expect(2, &["spec: there are no tasks"]);
}

#[test]
fn a_directory_that_can_not_be_written_is_found_before_the_load_starts() {
    let server = Scripted::answers("200 OK", "");
    let bench = Bench::new();
    let url = format!("http.url={}", server.url());
    let run = ["run", "--set", "tasks={http}", "--set", &url, "--runDir"];
    let missing = bench.run(run.iter().copied().chain(["no/such/directory"]));
    missing.expect(4, &["cannot write no/such/directory/experiment.yaml", "No such file or directory"]);
    std::fs::create_dir_all(bench.path("taken/experiment.yaml")).unwrap();
    bench.run(run.iter().copied().chain(["taken"])).expect(4, &["cannot write taken/experiment.yaml", "directory"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_full_disk_is_told_and_the_old_document_stays() {
    let bench = Bench::new();
    let old = "spec:\n- run: 'true'\nresult:\n  numLoops: 7\n";
    bench.write("experiment.yaml", old);
    // A limit on the size of files stands in for the full disk: the write fails in the same place, without a file system of its own.
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {} run", crate::support::cli::ITER8);
    let output = std::process::Command::new("bash").arg("-c").arg(script).current_dir(bench.path("")).output().unwrap();
    let said = crate::support::cli::Said::of(output, &bench.path(""));
    said.expect(4, &["cannot write experiment.yaml", "File too large"]);
    assert_eq!(bench.read("experiment.yaml"), old);
    assert_eq!(std::fs::read_dir(bench.path("")).unwrap().count(), 1, "a temporary file was left");
}

#[test]
fn a_full_disk_on_standard_output_is_an_error() {
    let bench = Bench::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = bench.command().arg("report").stdout(full).stderr(Stdio::piped()).output().unwrap();
    crate::support::cli::Said::of(output, &bench.path(""))
        .expect(4, &["cannot write to standard output", "No space left"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let script = format!("set -o pipefail; {} report -o html | head -c 1 >/dev/null", crate::support::cli::ITER8);
    let output = std::process::Command::new("bash").arg("-c").arg(script).current_dir(bench.path("")).output().unwrap();
    let said = crate::support::cli::Said::of(output, &bench.path(""));
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_assert_on_a_running_document_waits_and_then_says_where_it_stands() {
    let bench = Bench::new();
    let running = "spec:\n- run: 'true'\n- run: 'true'\nresult:\n  schemaVersion: 1\n  numLoops: 1\n  numCompletedTasks: 1\n  \
                   tasks:\n  - task: run\n    status: done\n  - task: run\n    status: running\n";
    bench.write("experiment.yaml", running);
    let started = std::time::Instant::now();
    let said = bench.run(["assert", "-c", "completed", "--timeout", "700ms"]);
    assert!(started.elapsed() >= std::time::Duration::from_millis(700));
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("FAILED  completed: 1 of 2 tasks"), "{said:#?}");
    bench.run(["assert", "-c", "finished"]).expect(2, &["finished", "completed, nofailure or slos"]);
}

#[test]
fn an_output_file_that_can_not_be_written_is_told() {
    let bench = Bench::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    bench.run(["report", "--outputFile", "no/report.txt"]).expect(4, &["cannot write no/report.txt"]);
    bench.run(["report", "-o", "pdf"]).expect(2, &["pdf", "text, html, json"]);
}
