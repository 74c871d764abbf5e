//! `iter8 run URL …` on the whole program: flags that stand for values.

use sample_model::{SampleConfig, SampleService};
use serde_json::Value;

use crate::experiment::Fixture;
use crate::support::authority::Authority;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::echo_server::{EchoOptions, EchoServer};
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::transcript::transcript;

fn run(cli: &CliCase, arguments: &[&str]) -> CliOutput {
    cli.run(["run"].iter().chain(arguments))
}

fn last(text: &str) -> &str {
    text.lines().next_back().unwrap_or_default()
}

#[test]
fn one_line_loads_judges_asserts_and_reports() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let arguments = [
        &url,
        "-n",
        "40",
        "-q",
        "400",
        "--slo",
        "p99 < 10s",
        "--slo",
        "error-rate <= 0.1%",
        "--assert",
        "--report",
        "report.html",
        "--report",
        "report.md",
        "--junit",
        "slo.xml",
    ];
    let output = run(&cli, &arguments);
    output.expect(0, &["\nwrote report.html, report.md, slo.xml\nSLOs: 2 of 2 satisfied\n"]);
    let expected = "ok      completed: all 2 tasks are done\nok      nofailure: no task failed\nok      slos: all 2 SLOs are satisfied\n";
    assert_eq!(output.stdout, expected);
    assert!(cli.read("report.html").contains("<html") && cli.read("report.md").contains("http/latency-p99"));
    let junit = cli.read("slo.xml");
    assert!(
        junit.contains("<testsuites") && junit.contains("tests=\"2\"") && junit.contains("failures=\"0\""),
        "{junit}"
    );
    // A violated SLO is reported, too.
    let violated = run(&cli, &[&url, "-n", "20", "-q", "--assert", "--slo", "requests <= 1", "--junit", "slo.xml"]);
    violated.exits(1);
    assert_eq!(violated.stderr, "SLOs: 1 of 1 violated (http/request-count 20 > 1)\n");
    assert!(cli.read("slo.xml").contains("failures=\"1\""));
}

/// A run that cannot measure its SLOs sends no request.
#[test]
fn an_undecided_or_unmeasured_slo_never_passes() {
    let cli = CliCase::new();
    let server = MisbehavingServer::responds(200, "");
    let url = server.url();
    let undecided = ["--set", "assess.confidence=0.95", "-n", "20", "--slo", "error-rate <= 0.1%", "--assert", "-q"];
    run(&cli, &[&[url.as_str()], undecided.as_slice()].concat()).exits(5);
    let sent = server.requests();
    for refused in [
        ["--slo", "http-x/latency-p99 < 60ms"],
        ["--slo", "p95 <= +10%"],
        ["--slo", "grpc/latency/p99 < 5"],
        ["--set", "tasks={http}"],
        // Endpoints and versions of other values would be loaded instead.
        ["--set", "http.endpoints.home.url=http://127.0.0.1:1/"],
        ["--set", "http.versionValues[0].url=http://127.0.0.1:1/"],
        ["--report", "experiment.yaml"],
        ["--junit", "values.yml"],
        // The second report would replace the first.
        ["--report=same.xml", "--junit=./same.xml"],
    ] {
        run(&cli, &[url.as_str(), "--slo", "errors = 0", "--assert", refused[0], refused[1]]).exits(2);
    }
    run(&cli, &[&url, "--report", "none/report.html"]).exits(4);
    // A failure after the load, of which the test results would say nothing.
    run(&cli, &[&url, "--assert", "--junit", "slo.xml"]).expect(2, &["the experiment has no SLOs"]);
    let both = format!("tasks={{http,grpc,assess}},http.url={url},grpc.host=127.0.0.1:1,grpc.call=a.B/C");
    run(&cli, &["--set", &both, "--slo", "p99 < 5ms"]).expect(2, &["lists `http` and `grpc`"]);
    run(&cli, &["--grpc", "a:1", "a.B/C", "--grpc", "b:1", "a.B/C"]).exits(2);
    // The units of a template's metrics are its own, even if it is named like a load.
    cli.write("template.tpl", "url: http://127.0.0.1:1/\nprovider: http-app\nmethod: GET\nmetrics: []\n");
    let template = "tasks={custommetrics,assess},custommetrics.templates.http-app=template.tpl";
    for limit in [["--slo", "http-app/latency-p99 < 60ms"], ["--set", "assess.SLOs.upper.http-app/latency-p99=60ms"]] {
        let output = run(&cli, &[&["--set", template], limit.as_slice()].concat());
        output.expect(2, &["the unit of `http-app/latency-p99` is not known before the run"]);
    }
    assert_eq!(server.requests(), sent);
}

/// Values that a line makes.
fn dry(cli: &CliCase, line: &str) -> String {
    let output = run(cli, &line.split_whitespace().chain(["--dry"]).collect::<Vec<_>>());
    assert_eq!(output.code, Some(0), "{line}: {output:#?}");
    output.stdout
}

/// The spec that values make.
fn spec(values: &str) -> Value {
    let values = iter8::model::codec::value_from_yaml(values).unwrap();
    serde_json::to_value(iter8::app::resolve::spec_from_values(&values).unwrap().spec).unwrap()
}

#[test]
fn flags_stand_for_values() {
    let cli = CliCase::new();
    cli.write("values.yaml", "tasks: [http, assess]\nhttp: {url: http://b/, numRequests: 7, payloadFile: f}\nassess: {SLOs: {upper: {http/error-count: 5}}}\n");
    // Iter8 reads both spellings.
    cli.write("capitals.yaml", &cli.read("values.yaml").replace("upper", "Upper"));
    let http = "--set tasks={http} --set http.url=http://a/";
    let grpc = "--set tasks={grpc} --set grpc.host=h:9,grpc.call=a.B/C";
    let cases = [
        ("http://a/", http.to_owned()),
        (
            "http://a/ -n 50 -c 8 -m put -k",
            format!("{http},http.numRequests=50,http.connections=8,http.method=put,http.insecureSkipVerify=true"),
        ),
        ("http://a/ -z 30s -q 0.5 -D f", format!("{http},http.duration=30s,http.qps=0.5,http.payloadFile=f")),
        (
            "http://a/ --qps max -d x -H Accept:b -H Host:d:e",
            format!("{http},http.qps=max,http.payloadStr=x,http.headers.Accept=b,http.headers.Host=d:e"),
        ),
        (
            "http://a/ --slo p99<60ms",
            format!("{http} --set tasks={{http,assess}},assess.SLOs.upper.http/latency-p99=60ms"),
        ),
        (
            "http://a/ --set assess.SLOs.upper.http/error-count=0",
            format!("{http} --set tasks={{http,assess}},assess.SLOs.upper.http/error-count=0"),
        ),
        (
            "http://a/ --against http://b/ --slo p95<=+10% --slo error-rate<=+0.5pp",
            format!(
                "{http} --set http.versionValues[0].url=http://b/,http.versionValues[0].name=baseline \
                 --set http.versionValues[1].url=http://a/,http.versionValues[1].name=candidate --set tasks={{http,assess}} \
                 --set assess.relative.upper.http/latency-p95=1.1,assess.relative.upper.http/error-rate=0.005"
            ),
        ),
        (
            "--grpc h:9 a.B/C -n 5 -c 2 -q 9 -H user-agent:v -d x -k --proto p --slo p99<=5ms --slo mean<4",
            format!(
                "{grpc},grpc.total=5,grpc.concurrency=2,grpc.qps=9,grpc.metadata.user-agent=v,grpc.data=x,grpc.skipTLS=true,grpc.proto=p \
                 --set tasks={{grpc,assess}} \
                 --set assess.SLOs.upper.grpc/latency/p99=5,assess.SLOs.upper.grpc/latency/mean=4"
            ),
        ),
        (
            "--grpc h:9 a.B/C --against g:9 -z 5s -D f",
            format!(
                "{grpc},grpc.duration=5s,grpc.duration-stop=wait,grpc.data-file=f,grpc.versionValues[0].host=g:9,grpc.versionValues[0].name=baseline \
                 --set grpc.versionValues[1].host=h:9,grpc.versionValues[1].name=candidate"
            ),
        ),
        // They override other values, and unset what would take precedence or conflict.
        (
            "http://a/ -f values.yaml --set http.url=http://c/ -z 5s -d x --slo errors=0",
            format!(
                "{http},http.duration=5s,http.payloadStr=x --set tasks={{http,assess}},assess.SLOs.upper.http/error-count=0"
            ),
        ),
        ("-f values.yaml -n 3", "-f values.yaml --set http.numRequests=3".to_owned()),
        // Headers are the same in capitals, and the URL is the target.
        (
            "http://a/ --set http.headers.accept=stable,http.unixSocket=/s -H Accept:canary",
            format!("{http},http.headers.Accept=canary"),
        ),
        (
            "-f capitals.yaml --slo p99<60ms --slo requests>=9",
            "-f values.yaml --set assess.SLOs.upper.http/latency-p99=60ms,assess.SLOs.lower.http/request-count=9"
                .to_owned(),
        ),
        (
            "http://a/ --slo errors<1",
            format!("{http} --set tasks={{http,assess}},assess.SLOs.upper.http/error-count=0"),
        ),
    ];
    stand_for(&cli, &cases);
    assert!(!cli.path("experiment.yaml").exists());
}

#[test]
fn flags_imply_values_that_nothing_else_sets() {
    let cli = CliCase::new();
    cli.write("body.json", " [{\"a\": 1}]\n");
    let http = "--set tasks={http} --set http.url=http://a/";
    let grpc = "--set tasks={grpc} --set grpc.host=h:9,grpc.call=a.B/C";
    let cases = [
        (
            "--grpc h:9 a.B/C -z 5s --set grpc.duration-stop=close",
            format!("{grpc},grpc.duration=5s,grpc.duration-stop=close"),
        ),
        // A file's own default stays.
        ("-z 5s --set tasks={grpc},grpc.host=h:9,grpc.call=a.B/C", format!("{grpc},grpc.duration=5s")),
        // JSON is sent as JSON, unless a content type is given.
        (
            r#"http://a/ -d {"a":1}"#,
            format!(r#"{http},http.contentType=application/json --set-json http.payloadStr="{{\"a\":1}}""#),
        ),
        ("http://a/ -D body.json", format!("{http},http.contentType=application/json,http.payloadFile=body.json")),
        ("http://a/ -d 5", format!("{http} --set-string http.payloadStr=5")),
        ("http://a/ -d {a}", format!(r#"{http} --set-json http.payloadStr="{{a}}""#)),
        (
            "http://a/ -D body.json -H content-type:text/plain",
            format!("{http},http.payloadFile=body.json,http.headers.content-type=text/plain"),
        ),
        (
            "http://a/ -D body.json --set http.versionValues[0].headers.Content-Type=a/b",
            format!("{http},http.payloadFile=body.json,http.versionValues[0].headers.Content-Type=a/b"),
        ),
        (
            "http://a/ -D body.json --set http.contentType=a/b",
            format!("{http},http.payloadFile=body.json,http.contentType=a/b"),
        ),
        ("--grpc h:9 a.B/C -D body.json", format!("{grpc},grpc.data-file=body.json")),
    ];
    stand_for(&cli, &cases);
}

/// Compares the specs of flags and values, and reads what is printed.
fn stand_for(cli: &CliCase, cases: &[(&str, String)]) {
    for (flags, values) in cases {
        let printed = dry(cli, flags);
        assert_eq!(spec(&printed), spec(&dry(cli, values)), "{flags}");
        cli.write("printed.yaml", &printed);
        assert_eq!(dry(cli, "-f printed.yaml"), printed, "{flags}");
    }
}

#[test]
fn printed_values_run_the_same_experiment() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let load = ["--against", &url, "-n", "6", "-q", "max", "-H", "Accept: text/html", "-d", "no: 1e3\n\u{202e}'"];
    let slos =
        ["--slo", "p99 < 10s", "--slo", "error-rate <= +0.5pp", "--set", "assess.confidence=0.9,http.timeout=5s"];
    let line = [&[url.as_str()], load.as_slice(), slos.as_slice()].concat();
    let spec = |arguments: &[&str]| {
        run(&cli, &[arguments, &["-q"]].concat()).exits(0);
        cli.document()["spec"].clone()
    };
    let expected = spec(&line);
    let printed = run(&cli, &[line.as_slice(), &["--dry"]].concat()).exits(0).stdout.clone();
    assert!(printed.starts_with("tasks:\n") && !printed.contains("[hidden]"), "{printed}");
    cli.write("printed.yaml", &printed);
    assert_eq!(spec(&["-f", "printed.yaml"]), expected);
}

#[test]
fn hidden_values_are_named_and_must_be_set_again() {
    let (cli, server) = (CliCase::new(), EchoServer::plain());
    let secret = ["-H", "X-User: hunter2", "-H", "Accept: text/html", "--set", "http.headers.Authorization=hunter2"];
    let url = server.url();
    let line = [&[url.as_str(), "-n", "1"], secret.as_slice(), &["--dry"]].concat();
    let printed = run(&cli, &line).exits(0).stdout.clone();
    let comment = "# Hidden, because they may be secret; set them again to run this: http.headers.Authorization, http.headers.X-User\ntasks:\n";
    assert!(printed.starts_with(comment) && !printed.contains("hunter2"), "{printed}");
    cli.write("printed.yaml", &printed);
    let next = "`[hidden]`\n  hint: set it again, such as with -H or --set, or let a file or an environment variable provide it\n";
    let expected = ["http.headers.Authorization: contains a redacted secret, ", next];
    run(&cli, &["-f", "printed.yaml"]).expect(2, &expected);
    assert_eq!(server.requests(), 0);
    run(&cli, &[&["-f", "printed.yaml"], &secret[..2], &secret[4..]].concat()).exits(0);
    assert_eq!(server.seen()[0].headers["x-user"], "hunter2");
    // The spec of a document, too.
    let spec = "spec:\n- {task: http, with: {url: http://h/, headers: {X-User: hunter2, Accept: text/html}}}\n";
    cli.write("experiment.yaml", spec);
    let printed = run(&cli, &["--dry"]).exits(0).stdout.clone();
    assert!(printed.contains("X-User: '[hidden]'") || printed.contains("X-User: \"[hidden]\""), "{printed}");
    assert!(printed.contains("Accept: text/html") && !printed.contains("hunter2"), "{printed}");
}

/// A run without values may be one whose URL is an unset variable.
#[test]
fn a_run_without_a_url_says_so_or_names_what_it_repeats() {
    let (cli, server) = (CliCase::new(), EchoServer::plain());
    let missing = "no URL: nothing to load\n  hint: load a URL with `iter8 run http://HOST/ ";
    run(&cli, &["-n", "5"]).expect(2, &[missing]);
    run(&cli, &["--slo", "errors = 0", "--assert"]).expect(2, &[missing]);
    run(&cli, &["--assert"])
        .expect(2, &["nothing to run: no URL, no values, and no experiment document at experiment.yaml"]);
    run(&cli, &["", "-n", "5"]).expect(2, &["URL: the URL is empty"]);
    let url = server.url().replace("http://", "http://u:hunter2@");
    run(&cli, &[&format!("{url}a?token=hunter2"), "--against", &url, "-n", "2", "--slo", "errors = 0"]).exits(0);
    cli.write(
        "experiment.yaml",
        &format!("spec:\n- task: http\n  with: {{url: '{url}a?token=hunter2', numRequests: 2}}\n- run: echo hunter2\n"),
    );
    let address = server.url().replace("http://", "").replace('/', "");
    let line =
        |again| format!("running experiment.yaml{again}: http http://[hidden]@{address}/a?token=[hidden], run\n");
    for again in ["", " again"] {
        let output = run(&cli, &["--assert", "completed"]);
        assert_eq!(output.stderr.lines().next().map(|line| format!("{line}\n")), Some(line(again)), "{output:#?}");
    }
    assert!(!run(&cli, &["-q"]).stderr.contains("running"));
}

#[test]
fn a_verdict_that_does_not_decide_the_exit_code_says_so() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let line = [url.as_str(), "-n", "3", "--slo", "requests <= 1"];
    let output = run(&cli, &line);
    output.expect(0, &["\nexit code 0: with --assert, it would be 1\nSLOs: 1 of 1 violated"]);
    let undecided = [url.as_str(), "-n", "3", "--slo", "error-rate <= 1%", "--set", "assess.confidence=0.95"];
    run(&cli, &undecided).expect(0, &["\nexit code 0: with --assert, it would be 5\nSLOs: 1 of 1 inconclusive"]);
    let satisfied = [url.as_str(), "-n", "3", "--slo", "errors <= 1"];
    for (line, more, code) in [(&line, "-q", 0), (&line, "--assert", 1), (&satisfied, "--summary", 0)] {
        let output = run(&cli, &[line.as_slice(), &[more]].concat());
        output.exits(code);
        assert!(!output.stderr.contains("exit code"), "{output:#?}");
    }
}

#[test]
fn flags_of_other_programs_have_a_tip() {
    let cli = CliCase::new();
    for (line, tip) in [
        (&["run", "http://h/", "-X", "POST"] as &[&str], "the HTTP method is -m: -m POST"),
        (&["run", "http://h/", "--concurrency=5"], "the number of connections is -c: -c 50"),
        (&["run", "http://h/", "--vus", "5"], "the number of connections is -c: -c 50"),
        (&["run", "http://h/", "-t", "5"], "threads need no setting"),
        (
            &["run", "http://h/", "--confidence", "0.95"],
            "write the confidence as a value: --set assess.confidence=0.95",
        ),
        (&["assess", "--slo", "p99 < 5ms"], "write SLOs as values: --set assess.SLOs.upper.http/latency-p99=60ms"),
        (&["assert", "--slo", "p99 < 5ms"], "judge other SLOs with `iter8 assess`"),
        (&["http://u:hunter2@h/"], "load a URL with `run`: iter8 run http://HOST/"),
        (&["http://u:hunter2@h/", "--slo", "errors = 0"], "load a URL with `run`: iter8 run http://HOST/"),
    ] {
        let output = cli.run(line);
        output.expect(2, &[&format!("\n\n  tip: {tip}")]);
        assert!(output.stderr.matches("tip:").count() == 1 && !output.stderr.contains("hunter2"), "{output:#?}");
    }
    // These flags mean something else to other commands.
    assert!(!cli.run(["report", "-X", "POST"]).stderr.contains("-m POST"));
}

#[test]
fn hints_name_flags() {
    let (cli, plain) = (CliCase::new(), EchoServer::plain().address.to_string());
    let tls = EchoServer::start(EchoOptions { tls: Some(Authority::new().server(None)), ..EchoOptions::default() });
    let tls = tls.address.to_string();
    run(&cli, &["--grpc", &plain, "a.B/C", "-k"])
        .expect(3, &["for a server without TLS, leave out what turns it on: -k, "]);
    run(&cli, &["--grpc", &tls, "a.B/C"]).expect(3, &["whether it uses TLS: -k (`grpc.skipTLS=true`)"]);
    run(&cli, &[&format!("https://{tls}/")])
        .expect(3, &["or skip verification with -k (`http.insecureSkipVerify=true`)"]);
    run(&cli, &["http://127.0.0.1:1/"]).expect(3, &["--set http.allowInitialErrors=true measures anyway"]);
}

#[test]
fn a_debug_log_has_sources_of_values_and_times() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    cli.write("values.yaml", "http: {timeout: 5s}\n");
    let values = ["-f", "values.yaml", "--set", "http.headers.X-Api-Key=hunter2,http.qps=max"];
    let output =
        run(&cli, &[&[url.as_str(), "-n", "4", "-H", "X-User: hunter2", "-l", "debug"], values.as_slice()].concat());
    let lines = [
        "DEBUG values of values.yaml\n",
        "DEBUG --set sets http.headers.X-Api-Key, http.qps\n",
        "DEBUG URL sets http.unixSocket, http.url\n",
        "DEBUG --header sets http.headers.X-User\n",
        "DEBUG http: 4 requests over 4 connections in ",
        "DEBUG saved experiment.yaml (",
    ];
    output.expect(0, &lines);
    assert!(!output.stderr.contains("hunter2"), "{output:#?}");
}

#[test]
fn secrets_of_flags_are_not_printed() {
    let cli = CliCase::new();
    let secret =
        ["http://u:hunter2@h.invalid/?token=hunter2", "-H", "X-Api-Key: Bearer hunter2", "-H", "Cookie: s=hunter2"];
    let lines: [&[&str]; 12] = [
        &["--dry"],
        &["http://u:hunter2@second/"],
        &["--against", "u:hunter2@h"],
        &["-H", "hunter2"],
        &["-H", "Authorization: hunter2"],
        &["--slo", "p99 ~ http://u:hunter2@h"],
        &["-H", "X-Key:", "hunter2"],
        &["--against", "https//u:hunter2@h/"],
        &["--against", "http:/u:hunter2@h/"],
        &["--against", "u:hunter2@h/?next=http://x"],
        &["--against", "h:8080?token=hunter2"],
        &["-n", "1", "-q"],
    ];
    for line in lines {
        let output = run(&cli, &[secret.as_slice(), line].concat());
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("hunter2"), "{output:#?}");
    }
    assert!(!cli.read("experiment.yaml").contains("hunter2"));
}

#[test]
fn mistakes_in_flags_are_named_together() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let snapshot = |arguments: &[&str]| {
        run(&cli, arguments).snapshot(2);
    };
    snapshot(&["localhost:8080", "--slo", "p99 ~ 5", "--slo", "eror-rate <= 1%", "-H", "x", "-d", "30s"]);
    snapshot(&["values.yaml"]);
    snapshot(&["ftp://h/"]);
    snapshot(&["http://h/", "--qps", "fast", "-n", "few", "--slo", "p99 < 5ms"]);
    snapshot(&["http://h/", "-n", "5", "-z", "5s"]);
    snapshot(&["-H", "Authorization:", "Bearer", "http://h/"]);
    snapshot(&["http://h/", "--qps", "0", "-d", "@body.json"]);
    snapshot(&["http://h/", "--set", "http.endpoints.home.duration=9s", "-z", "5s"]);
    snapshot(&["http://h/", "--report", "report.docx"]);
    snapshot(&["http://h/", "--slo", "qps >= 95"]);
    snapshot(&["-c", "load-test-http", "--set", "tasks={http},http.url=http://h/"]);
    snapshot(&["--assert", "localhost:8080", "--slo", "errors = 0"]);
    snapshot(&["http://h/", "--assert"]);
    snapshot(&["--set", "tasks={http}", "http://h/", "--slo", "p99 < 5ms"]);
    snapshot(&["http://h/", "--slo", "p99 < 60m", "--slo", "error-rate <= 1", "--slo", "errors <= 1%"]);
    let slos = [
        "",
        "< 60ms",
        "p99",
        "p99 60ms",
        "p99 is 60ms",
        "p99 = 60ms",
        "p99 <=",
        "p99 <= fast",
        "p99 <= 60 parsecs",
        "p99 <= 1%",
        "error-rate <= 60ms",
        "app/foo <= 60ms",
        "p99 <= +5",
        "p99 >= +10%",
        "p99 <= +10%",
        "latency <= 60ms",
        "p101 < 5ms",
        "http/latency-p101 < 5ms",
        "a/b/c < 5",
        "p99 < 60ms < 80ms",
        "mean < 60ms",
        "http/latency-mean <= 50",
    ];
    let all: Vec<&str> = slos.iter().flat_map(|slo| ["--slo", *slo]).collect();
    snapshot(&[&["http://h/"], all.as_slice()].concat());
}

#[test]
fn the_verdict_line_compares_the_candidate_with_the_baseline() {
    let fixture = Fixture::start();
    let (good, bad) = (fixture.url(0), fixture.url(1));
    let cli = CliCase::new();
    let load =
        ["-d", r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#, "-n", "50", "--qps", "50", "-c", "16", "-q", "--assert"];
    let slower = run(&cli, &[&[&bad, "--against", &good, "--slo", "p50 <= +10%"], load.as_slice()].concat());
    slower.exits(1);
    let verdict = last(&slower.stderr);
    assert!(verdict.starts_with("SLOs: 1 of 1 violated (candidate: http/latency-p50 is "), "{verdict}");
    let (_, difference) = verdict.rsplit_once("; candidate against baseline: p50 × ").unwrap();
    assert!(difference.contains(", p99 ") && difference.contains(", error rate +"), "{verdict}");
    let quicker = run(&cli, &[&[&good, "--against", &bad, "--slo", "p50 <= +10%"], load.as_slice()].concat());
    quicker.exits(0);
    assert!(last(&quicker.stderr).contains("; candidate against baseline: p50 −9"), "{quicker:#?}");
    // Without SLOs, too.
    let plain = run(&cli, &[&good, "--against", &bad, "-n", "5", "-q", "9", "-q"]);
    assert!(last(&plain.stderr).starts_with("SLOs: none defined; candidate against baseline: "), "{plain:#?}");
}

#[test]
fn one_line_loads_a_grpc_service() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service: SampleService = runtime.block_on(sample_model::start(SampleConfig::demo())).unwrap();
    let address = service.versions[0].addr.to_string();
    let cli = CliCase::new();
    let arguments =
        ["--grpc", &address, "grpc.health.v1.Health/Check", "-n", "20", "-q", "200", "--slo", "p99 < 10s", "--assert"];
    run(&cli, &arguments).expect(0, &["\nSLOs: 1 of 1 satisfied\n"]);
    let value = &cli.document()["spec"][0]["with"]["call"];
    assert_eq!(value, &Value::from("grpc.health.v1.Health/Check"));
    runtime.block_on(service.shutdown());
}

#[test]
fn a_summary_has_a_few_lines() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let output =
        run(&cli, &[&url, "-n", "40", "-q", "400", "--slo", "mean < 10s", "--slo", "requests <= 5", "--summary", "-q"]);
    output.exits(0);
    let lines: Vec<&str> = output.stdout.lines().collect();
    let verdict = "SLOs: 1 of 2 violated (http/request-count 40 > 5)";
    assert_eq!((lines[0], output.stderr.trim_end()), (verdict, verdict));
    assert_eq!(lines[1], format!("http: {url}"));
    assert!(
        lines[2].starts_with("  rate        400/s requested, ") && lines[2].contains("/s achieved, in "),
        "{lines:?}"
    );
    assert!(lines[3].starts_with("  latency     p50 ") && lines[3].contains(" ms, p99 "), "{lines:?}");
    assert_eq!(lines[4..6], ["  errors      0 of 40 (0 %)", "violated      http/request-count 40 > 5"]);
    assert!(
        lines[6].starts_with("satisfied     http/latency-mean ") && lines[6].ends_with(" ms <= 10000 ms"),
        "{lines:?}"
    );
    assert_eq!(cli.run(["report", "-o", "summary"]).stdout, output.stdout);
}

#[test]
fn settings_and_percentiles_without_effect_are_said() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let values = format!("tasks={{http,assess}},http.url={url},http.numRequests=9,http.duration=9s,http.qps=max");
    let output = run(&cli, &["--set", &values, "--slo", "p99 < 10s"]);
    output.expect(
        0,
        &[
            "http: `duration` has no effect, because `numRequests` ends the load; remove one of them\n",
            "http/latency-p99: with 9 samples, this percentile is just the maximum; at least 100 are needed\n",
        ],
    );
}
