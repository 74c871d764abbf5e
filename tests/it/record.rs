//! Runs are recorded and replayed without network access: the document is the same except for task durations.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sample_model::SampleConfig;
use serde_json::{Value, json};

use crate::experiment::Fixture;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::prometheus::Prometheus;
use crate::support::runtime::block_on;
use crate::support::transcript::transcript;

/// The document without the durations of its tasks, and without the mark of a replay; everything else must be the same.
fn lasting(cli: &CliCase) -> String {
    let text = cli.read("experiment.yaml").replace("  replayed: true\n", "");
    let tasks = text.find("  tasks:\n").unwrap()..text.find("  insights:\n").unwrap_or(text.len());
    let is_duration = |line: &&str| line.trim_start().starts_with("duration: ");
    let without: String =
        text[tasks.clone()].lines().filter(|line| !is_duration(line)).map(|line| format!("{line}\n")).collect();
    format!("{}{without}{}", &text[..tasks.start], &text[tasks.end..])
}

/// Every file below a directory: its path and content.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            let content = std::fs::read(entry.path()).unwrap();
            found.push((entry.path().display().to_string(), String::from_utf8_lossy(&content).into_owned()));
        }
    }
    found.sort();
    found
}

/// Fails if a text that starts with `SECRET` is in any name or file of the directory.
#[track_caller]
fn assert_no_secret(directory: &Path) {
    let files = files(directory);
    assert!(!files.is_empty());
    for (name, content) in files {
        assert!(!name.contains("SECRET") && !content.contains("SECRET"), "{name}:\n{content}");
        #[cfg(unix)]
        for (path, expected) in [(Path::new(&name), 0o600), (Path::new(&name).parent().unwrap(), 0o700)] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, expected, "{}", path.display());
        }
    }
}

/// The only file whose name starts so.
fn file(cli: &CliCase, directory: &str, start: &str) -> String {
    let names: Vec<_> = std::fs::read_dir(cli.path(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(start))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    format!("{directory}/{}", names[0])
}

fn set(cli: &CliCase, flags: &[&str], values: &[&str]) -> CliOutput {
    let sets = values.iter().flat_map(|value| ["--set", value]);
    cli.run(["run"].into_iter().chain(flags.iter().copied()).chain(sets))
}

#[test]
fn a_replay_needs_no_services() {
    let (cli, hook) = (CliCase::new(), MisbehavingServer::responds(404, "no SECREThook here"));
    cli.write("body.json", r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#);
    let service = Fixture::start();
    let targets = [0, 1].map(|version| format!("http.versionValues[{version}].url={}", service.url(version)));
    let slack = format!("slack.url=http://{}/services/T0/SECREThook", hook.address);
    let run = |flags: &[&str]| {
        let values = [
            "tasks={http,assess,run,slack}",
            &targets[0],
            &targets[1],
            "http.numRequests=40,http.qps=200,http.connections=8",
            "assess.SLOs.upper.http/latency-mean=50",
            "run=echo ran >> log",
            &slack,
        ];
        set(&cli, &[flags, &["--set-file", "http.payloadStr=body.json"]].concat(), &values)
    };
    run(&["--record", "rec"]).expect(0, &["responded with status 404"]);
    let recorded = lasting(&cli);
    assert!(recorded.contains("http/latency-mean") && recorded.contains("histograms"), "{recorded}");
    assert_eq!(hook.connections(), 1);
    drop(service);

    cli.write("experiment.yaml", "");
    run(&["--replay", "rec"]).expect(0, &["not run: using the recorded outcome", "responded with status 404"]);
    assert_eq!(lasting(&cli), recorded);
    assert_eq!(cli.document()["result"]["replayed"], true);
    assert_eq!(cli.read("log"), "ran\n", "a script ran in the replay");
    assert_eq!(hook.connections(), 1, "the replay reached the webhook");

    assert_no_secret(&cli.path("rec"));
    let message = cli.read(&file(&cli, "rec/loop-1", "answer-0001-post-127.0.0.1"));
    assert!(message.contains(r#""url": "http://127.0.0.1:"#) && message.contains("/[hidden]"), "{message}");
    assert!(cli.read("rec/loop-1/task-1-http.json").starts_with("{\n  \"done\": {"));
}

#[test]
fn a_load_is_replayed_only_with_the_recorded_settings() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let service = MisbehavingServer::responds(200, "fine");
    let url = format!("http.url={}", service.url());
    let recorded = ["tasks={http,assess,run}", &url, "http.numRequests=20,http.qps=500,run=true"];
    let slo = |limit: &str| format!("assess.SLOs.upper.http/error-count={limit}");
    let run = |flag: &str, more: &[&str]| set(&cli, &[flag, "rec"], &[&recorded[..], more].concat());
    run("--record", &[&slo("0")]).exits(0);
    let before = cli.read("experiment.yaml");
    let connections = service.connections();
    for (setting, path) in [
        ("http.url=http://127.0.0.1:1/", "`url` is"),
        ("http.method=POST", "`method` is `POST`; recorded: not set"),
        ("http.payloadStr=x", "`payloadStr` is"),
        ("http.headers.a=b", "`headers` is"),
        ("http.numRequests=2", "`numRequests` is `2`; recorded: `20`"),
        ("http.numRequests=null,http.duration=5s", "`duration` is"),
        ("http.qps=501", "`qps` is"),
        ("http.qps=null", "`qps` is not set; recorded: `500`"),
        ("http.connections=1", "`connections` is"),
        ("http.timeout=1ms", "`timeout` is"),
        ("http.versionValues[0].url=http://127.0.0.1:1/", "`versionValues` is"),
        ("run=false", "task 3 (`run`): `run` is `false`; recorded: `true`"),
        ("tasks={http,assess}", "task 3 (`run`) was recorded, but is not in this experiment"),
        ("tasks={http,run}", "task 2 (`run`) was not recorded"),
    ] {
        let output = run("--replay", &[&slo("0"), setting]);
        output.expect(2, &["rec/loop-1 was recorded with other settings: ", path]);
        assert_eq!(cli.read("experiment.yaml"), before, "{setting}");
    }
    run("--replay", &[&slo("0"), "http.numRequests=2,http.connections=1,run=false"]).snapshot(2);
    // The results are judged anew.
    run("--replay", &[&slo("0"), "assess.SLOs.lower.http/request-count=21"]).exits(0);
    cli.run(["assert", "-c", "slos"]).snapshot(1);
    assert_eq!(service.connections(), connections, "the replay reached the service");
}

#[test]
fn replayed_results_are_marked() {
    let cli = CliCase::new();
    let service = MisbehavingServer::responds(200, "fine");
    let url = format!("http.url={}", service.url());
    let values = ["tasks={http,assess}", &url, "http.numRequests=5", "assess.SLOs.upper.http/error-count=0"];
    let is_marked = || {
        let asserted = cli.run(["assert", "-c", "slos"]);
        asserted.exits(0);
        let text = cli.run(["report"]).stdout.contains("Replayed: from a recording");
        let html = cli.run(["report", "-o", "html"]).stdout.contains("replayed from a recording");
        let json: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
        let all = [
            text,
            html,
            json["summary"]["replayed"] == true,
            cli.document()["result"]["replayed"] == true,
            asserted.stderr.contains("these results were replayed from a recording"),
        ];
        assert!(all.iter().all(|marked| *marked == text), "{all:?}");
        text
    };
    set(&cli, &["--record", "rec"], &values).exits(0);
    assert!(!is_marked());
    set(&cli, &["--replay", "rec"], &values).exits(0);
    assert!(is_marked());
    // A loop that is measured does not make the earlier one measured.
    set(&cli, &["--reuseResult"], &values).exits(0);
    assert!(is_marked());
    set(&cli, &[], &values).exits(0);
    assert!(!is_marked());
}

/// A provider that responds to a query by its name, to some of them only in the second attempt.
fn provider(requested: &'static AtomicU64) -> MisbehavingServer {
    let refused = Mutex::new(BTreeSet::new());
    MisbehavingServer::scripted(move |request| {
        requested.fetch_add(1, Ordering::SeqCst);
        let is_first = |name: &'static str| refused.lock().unwrap().insert(name);
        let body = format!("{}{}", request.head, request.body);
        let vector = |value: &str| {
            let body = format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"echo":"SECRET-token"}},"value":[1,"{value}"]}}]}}}}"#
            );
            Reply::with(200, "Date: Fri, 20 Nov 2026 19:00:00 GMT\r\n", &body)
        };
        match () {
            () if body.contains("latency_v1") => vector("12.5"),
            () if body.contains("latency_v2") => vector("75"),
            () if (body.contains("flaky_v1") && is_first("v1")) || (body.contains("flaky_v2") && is_first("v2")) => {
                Reply::with(503, "Retry-After: 0\r\n", "SECRET-token")
            }
            () if body.contains("flaky") => vector("1"),
            () if body.contains("range") => {
                Reply::with(422, "", r#"{"status":"error","errorType":"execution","error":"too many"}"#)
            }
            () if body.contains("broken") => {
                Reply::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec())
            }
            () => Reply::with(200, "", r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#),
        }
    })
}

fn metrics(url: &str, post: bool) -> Value {
    json!({
        "tasks": ["custommetrics", "assess"],
        "custommetrics": {
            "versionValues": [{"v": "v1"}, {"v": "v2"}],
            "prometheus": {"url": url, "post": post, "queries": {
                "latency": {"query": "latency_{{ .v }}[{{ .elapsedTimeSeconds }}s]", "units": "msec"},
                "flaky": {"query": "flaky_{{ .v }}"},
                "absent": {"query": "absent", "noData": "pass"},
                "failing": {"query": "range"},
                "broken": {"query": "broken"},
            }},
            "providers": {"prometheus": {"bearerToken": {"env": "TOKEN"}, "retries": 4, "timeout": "20s"}},
        },
        "assess": {"SLOs": {"upper": {"prometheus/latency": 50, "prometheus/absent": 1, "prometheus/flaky": 2}}},
    })
}

#[test]
fn metrics_are_replayed_by_query_in_any_order() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    for post in [false, true] {
        let provider = provider(&ASKED);
        let cli = CliCase::new();
        cli.write("values.yaml", &metrics(&format!("http://{}", provider.address), post).to_string());
        let run = |flag: &str, token: &str| {
            let mut command = cli.command();
            command.args(["run", "-f", "values.yaml", flag, "rec"]).env("TOKEN", token);
            CliOutput::run(&mut command, &cli.path(""))
        };
        run("--record", "SECRET-token").exits(0);
        let (recorded, requested) = (lasting(&cli), ASKED.load(Ordering::SeqCst));
        for text in ["12.5", "75", "too many", "policy: pass", "attempts: "] {
            assert!(recorded.contains(text), "{text}: {recorded}");
        }
        assert_no_secret(&cli.path("rec"));
        assert!(files(&cli.path("rec")).iter().any(|(_, content)| content.contains(r#""json": {"status":"success""#)));

        cli.write("experiment.yaml", "");
        // The token of the recording is not needed.
        run("--replay", "any").exits(0);
        assert_eq!(lasting(&cli), recorded, "post: {post}");
        assert_eq!(ASKED.load(Ordering::SeqCst), requested, "the replay reached the provider");
    }
}

#[test]
fn an_unrecorded_query_has_no_value() {
    let _transcript = transcript!();
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let provider = provider(&ASKED);
    let cli = CliCase::new();
    let mut values = metrics(&format!("http://{}", provider.address), false);
    let run = |values: &Value, flag: &str| {
        cli.write("values.yaml", &values.to_string());
        let mut command = cli.command();
        command.args(["run", "-f", "values.yaml", flag, "rec"]).env("TOKEN", "SECRET-token");
        CliOutput::run(&mut command, &cli.path(""))
    };
    run(&values, "--record").exits(0);
    values["custommetrics"]["prometheus"]["queries"]["latency"]["query"] = "other".into();
    let output = run(&values, "--replay");
    output.snapshot(0);
    let seen = &cli.document()["result"]["insights"]["observations"][0]["prometheus/latency"];
    let reason = seen["noData"].as_str().unwrap();
    assert!(reason.contains("the recording rec/loop-1 has no response to `GET http://127.0.0.1"), "{reason}");
    // Responses may be edited: JSON stays readable in the file.
    let path = file(&cli, "rec/loop-1", "recording");
    assert!(cli.read(&path).contains(r#""format": "iter8 recording""#));
}

#[test]
fn queries_of_prometheus_are_replayed() {
    let service = block_on(sample_model::start(SampleConfig::default())).unwrap();
    let Some(prometheus) = Prometheus::start(&[service.front]) else { return };
    prometheus.wait_until("count(revision_app_request_count)", |count| count.is_some());
    let cli = CliCase::new();
    let (url, target) = (prometheus.url(), service.versions[0].addr);
    let run = |flag: &str| {
        let values = [
            "tasks={http,custommetrics,assess}",
            &format!("http.url=http://{target}/v1/models/sklearn-iris,http.numRequests=20,http.qps=100"),
            "custommetrics.templates.kserve=builtin:kserve-prometheus",
            &format!("custommetrics.providers.kserve.url={url}"),
            "custommetrics.values.labels.service_name=sklearn-iris-predictor-default",
            "custommetrics.values.latencyPercentiles={50,99.9}",
            "assess.SLOs.upper.kserve/error-count=0,assess.SLOs.upper.http/error-count=0",
        ];
        set(&cli, &[flag, "rec"], &values).exits(0);
        lasting(&cli)
    };
    let recorded = run("--record");
    assert!(recorded.contains("kserve/latency-p99.9") && recorded.contains("increase("), "{recorded}");
    drop(prometheus);
    block_on(service.shutdown());
    assert_eq!(run("--replay"), recorded);
}

#[test]
fn each_loop_is_recorded_separately_including_failures() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: test $(wc -l <log) -lt 2\n");
    cli.write("log", "");
    cli.run(["run", "--record", "rec"]).exits(0);
    let first = lasting(&cli);
    cli.write("log", "1\n2\n");
    cli.run(["run", "--reuseResult", "--record", "rec"]).snapshot(3);
    let second = lasting(&cli);
    assert!(cli.path("rec/loop-1").is_dir() && cli.path("rec/loop-2").is_dir());
    std::fs::remove_file(cli.path("log")).unwrap();

    cli.run(["run", "--replay", "rec"]).exits(0);
    assert_eq!(lasting(&cli), first);
    cli.run(["run", "--reuseResult", "--replay", "rec"]).snapshot(3);
    assert_eq!(lasting(&cli), second);
    cli.run(["run", "--reuseResult", "--replay", "rec"]).snapshot(2);
    assert_eq!(lasting(&cli), second, "a run that did not start changed the document");
}

#[test]
fn values_from_a_url_are_part_of_the_recording() {
    let _transcript = transcript!();
    let server = MisbehavingServer::responds(200, "tasks: [run]\nrun: echo through\n");
    let cli = CliCase::new();
    let url = format!("{}values.yaml", server.url());
    let run =
        |flag: &str, more: &[&str]| cli.run(["run", "-f", &url, flag, "rec"].into_iter().chain(more.iter().copied()));
    // A run that cannot start leaves no recording.
    run("--record", &["--set", "run.bad=1"]).exits(2);
    assert!(!cli.path("rec").exists());
    run("--record", &[]).snapshot(0);
    let requested = server.connections();
    run("--replay", &[]).snapshot(0);
    assert_eq!(server.connections(), requested);
    cli.run(["run", "-f", &format!("{url}?other"), "--replay", "rec"]).snapshot(4);
}

#[test]
fn a_recording_is_never_overwritten() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n");
    cli.run(["run", "--record", "rec"]).exits(0);
    let (before, document) = (files(&cli.path("rec")), cli.read("experiment.yaml"));
    cli.run(["run", "--record", "rec"]).snapshot(2);
    assert_eq!((files(&cli.path("rec")), cli.read("experiment.yaml")), (before, document));
    cli.write("file", "");
    cli.run(["run", "--record", "file"]).snapshot(2);
    cli.run(["run", "--record", "new", "--replay", "rec"]).snapshot(2);
    cli.run(["run", "--record", "new", "--dry"]).snapshot(2);
    assert!(!cli.path("new").exists());
}

#[test]
fn a_failed_recording_does_not_stop_the_run() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: rm -r rec\n- run: echo on\n");
    cli.run(["run", "--record", "rec"]).snapshot(4);
    assert_eq!(cli.document()["result"]["numCompletedTasks"], 2);
}

#[test]
fn a_replay_needs_a_complete_recording_of_this_program() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let hook = MisbehavingServer::responds(200, "fine");
    let slack = format!("slack.url={}", hook.url());
    let values = ["tasks={run,slack}", "run=true", &slack];
    set(&cli, &["--record", "rec"], &values).exits(0);
    set(&cli, &["--replay", "none"], &values).snapshot(2);
    let answered = file(&cli, "rec/loop-1", "answer-0001");
    let damaged = [
        ("rec/loop-1/recording.json", "{\"log\": {\"version\": \"1.2\"}}"),
        (
            "rec/loop-1/recording.json",
            r#"{"format": "har", "version": 1, "iter8Version": "", "loop": 1, "started": "2026-01-02T03:04:05Z"}"#,
        ),
        (
            "rec/loop-1/recording.json",
            r#"{"format": "iter8 recording", "version": 2, "iter8Version": "", "loop": 1, "started": "2026-01-02T03:04:05Z"}"#,
        ),
        (
            "rec/loop-1/recording.json",
            r#"{"format": "iter8 recording", "version": 1, "iter8Version": "", "loop": 1, "started": "2026-01-02T03:04:05Z"}"#,
        ),
        ("rec/loop-1/clock.txt", "2026-01-02T03:04:05Z\n2026-01-0"),
        ("rec/loop-1/task-1-run.json", "{\"done\": "),
        (answered.as_str(), "{\"request\": {\"method\": \"POST\", \"url\": \"\"}}"),
        (answered.as_str(), ""),
    ];
    for (name, content) in damaged {
        let whole = cli.read(name);
        cli.write(name, content);
        set(&cli, &["--replay", "rec"], &values).snapshot(2);
        cli.write(name, &whole);
    }
    for name in ["rec/loop-1/recording.json", "rec/loop-1/clock.txt"] {
        let whole = cli.read(name);
        std::fs::remove_file(cli.path(name)).unwrap();
        set(&cli, &["--replay", "rec"], &values).snapshot(2);
        cli.write(name, &whole);
    }
    // A task that was not recorded fails, with the way on.
    std::fs::remove_file(cli.path("rec/loop-1/task-1-run.json")).unwrap();
    set(&cli, &["--replay", "rec"], &values).snapshot(3);
    assert_eq!(hook.connections(), 1);
}

#[test]
fn waits_take_no_time_in_a_replay() {
    let cli = CliCase::new();
    let server = MisbehavingServer::scripted(|request| match request.number {
        0 => Reply::with(503, "Retry-After: 2\r\n", ""),
        _ => Reply::with(
            200,
            "",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}"#,
        ),
    });
    let url = format!("custommetrics.prometheus.url=http://{}", server.address);
    let values = ["tasks={custommetrics}", &url, "custommetrics.prometheus.queries.up.query=up"];
    set(&cli, &["--record", "rec"], &values).exits(0);
    let recorded = lasting(&cli);
    assert!(recorded.contains("attempts: 2"), "{recorded}");
    let started = std::time::Instant::now();
    set(&cli, &["--replay", "rec"], &values).exits(0);
    assert!(started.elapsed() < Duration::from_millis(1900), "the replay waited");
    assert_eq!(lasting(&cli), recorded);
}

#[test]
fn a_replay_repeats_the_recorded_attempts() {
    // The number of attempts within a timeout depends on time, which does not pass in a replay.
    let cli = CliCase::new();
    let ask = |url: &str, flag: &str, retries: &str| {
        let url = format!("custommetrics.prometheus.url={url}");
        let retries = format!("custommetrics.providers.prometheus.retries={retries}");
        let values = ["tasks={custommetrics}", &url, "custommetrics.prometheus.queries.up.query=up", &retries];
        let directory = if url.contains("busy") { "busy" } else { "refused" };
        set(&cli, &[flag, directory], &values).exits(0);
        let document = cli.document();
        let seen = document["result"]["insights"]["observations"][0]["prometheus/up"].clone();
        (seen["attempts"].clone(), seen["noData"].clone())
    };
    let server = MisbehavingServer::responds(503, "busy");
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, message) in [(format!("{}busy", server.url()), "503"), (format!("http://{refused}"), "refused")] {
        let recorded = ask(&url, "--record", "1");
        assert!(recorded.0 == 2 && recorded.1.as_str().unwrap().contains(message), "{recorded:?}");
        assert_eq!(ask(&url, "--replay", "5"), recorded);
    }
}

/// A provider that gives different responses to equal requests: it rejects some attempts, the first one with a delay.
fn moody_provider() -> MisbehavingServer {
    let turn = AtomicU64::new(0);
    MisbehavingServer::scripted(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        number @ (0 | 1 | 3) => Reply::with(503, &format!("Retry-After: {}\r\n", u64::from(number == 0)), ""),
        number => Reply::with(200, "", &number.to_string()),
    })
}

#[test]
fn equal_requests_replay_their_own_responses() {
    // Equal requests, and requests that differ only in a secret. The first one waits longest, so it is the last to retry.
    for param in ["same", "token"] {
        let provider = moody_provider();
        let cli = CliCase::new();
        let template = json!({
            "url": format!("http://{}/", provider.address), "provider": "json", "method": "GET",
            "metrics": (1..=3).map(|n| json!({
                "name": format!("m{n}"), "type": "gauge", "description": "any", "jqExpression": ".",
                "params": [{"name": param, "value": if param == "token" { format!("SECRET-{n}") } else { "x".into() }}],
            })).collect::<Vec<_>>(),
        });
        cli.write("json.tpl", &template.to_string());
        let run = |flag: &str| {
            let values = ["tasks={custommetrics}", "custommetrics.templates.json=json.tpl"];
            set(&cli, &[flag, "rec"], &values).exits(0);
            lasting(&cli)
        };
        let recorded = run("--record");
        assert!(recorded.contains("attempts: 2") && recorded.contains("attempts: 3"), "{recorded}");
        assert_no_secret(&cli.path("rec"));
        drop(provider);
        assert_eq!(run("--replay"), recorded, "{param}");
    }
}

#[test]
fn requests_of_different_tenants_are_distinct() {
    let _transcript = transcript!();
    let provider = MisbehavingServer::scripted(|_| {
        Reply::with(200, "", r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#)
    });
    let cli = CliCase::new();
    let run = |flag: &str, tenant: &str| {
        let url = format!("custommetrics.prometheus.url=http://{}", provider.address);
        let tenant = format!("custommetrics.providers.prometheus.headers.X-Scope-OrgID={tenant}");
        let values = ["tasks={custommetrics}", &url, "custommetrics.prometheus.queries.up.query=up", &tenant];
        set(&cli, &[flag, "rec"], &values)
    };
    run("--record", "one").exits(0);
    run("--replay", "one").exits(0);
    let output = run("--replay", "two");
    output.snapshot(0);
}

#[test]
fn a_replay_needs_no_token_and_no_password() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let server =
        MisbehavingServer::responds(200, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#);
    cli.write("password", "SECRET-password");
    cli.write("token", "SECRET-token");
    let spec = json!({"spec": [
        {"task": "custommetrics", "with": {
            "prometheus": {"url": server.url(), "queries": {"up": {"query": "up"}}},
            "providers": {"prometheus": {"basicAuth": {"username": "me", "passwordFile": "password"}}},
        }},
        {"task": "notify", "with": {"url": format!("{}hook", server.url()), "tokenFile": "token"}},
    ]});
    cli.write("experiment.yaml", &spec.to_string());
    cli.run(["run", "--record", "rec"]).exits(0);
    let recorded = lasting(&cli);
    assert_no_secret(&cli.path("rec"));
    for name in ["password", "token"] {
        std::fs::remove_file(cli.path(name)).unwrap();
    }
    cli.run(["run", "--replay", "rec"]).exits(0);
    assert_eq!(lasting(&cli), recorded);
    cli.run(["run"]).snapshot(2);
}
