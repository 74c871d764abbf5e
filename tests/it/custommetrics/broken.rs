//! Unusable responses: each leaves its metric without a value, with the reason, and never counts as an absent metric.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::trial::{FIRST, Trial, number, template, vector};
use crate::support::authority::Authority;
use crate::support::cli_case::CliOutput;
use crate::support::misbehaving_server::{MisbehavingServer, Reply, response};
use crate::support::transcript::transcript;

/// A case: the name of the metric, the response of the provider, the expression, and the reason.
type Case = (&'static str, fn() -> Reply, &'static str, &'static str);

const HTML: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";

/// Response of a JSON API.
fn json(body: &str) -> Reply {
    Reply::ok(body)
}

const CASES: &[Case] = &[
    // Statuses.
    (
        "s400",
        || Reply::plain(400, r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#),
        FIRST,
        "the provider responded with 400: bad_data: parse error",
    ),
    (
        "s401",
        || Reply::plain(401, r#"{"message":"who are you?"}"#),
        FIRST,
        "the provider responded with 401 (unauthorized): who are you?; check the credentials",
    ),
    // Iter8 takes the value.
    ("s401-with-a-value", || Reply::plain(401, &vector(&["1"])), FIRST, "responded with 401 (unauthorized)"),
    ("s403", || Reply::plain(403, "not yours"), FIRST, "responded with 403 (forbidden): not yours"),
    (
        "s422",
        || Reply::plain(422, r#"{"status":"error","errorType":"execution","error":"many-to-many matching"}"#),
        FIRST,
        "the provider responded with 422: execution: many-to-many matching",
    ),
    ("s418", || Reply::plain(418, ""), FIRST, "the provider responded with 418"),
    ("s500", || Reply::plain(500, HTML), FIRST, "the provider responded with 500"),
    ("s503", || Reply::plain(503, "starting"), FIRST, "the provider responded with 503: starting"),
    // A wrong path, too, is a 404.
    (
        "s404",
        || Reply::plain(404, r#"{"message":"no such page"}"#),
        FIRST,
        "the provider responded with 404 (not found): no such page; check the URL",
    ),
    // Prometheus's expression on another format.
    ("other-json", || json(r#"{"message":"no route"}"#), FIRST, "the response is not in Prometheus's format; it is"),
    ("s204", || Reply::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), FIRST, "; it is empty"),
    ("s302", || Reply::plain(302, ""), FIRST, "302"),
    // Bodies.
    ("html", || Reply::with(200, "content-type: text/html\r\n", HTML), FIRST, "the response is not JSON"),
    ("empty", || json(""), FIRST, "; it is empty"),
    ("half", || json(r#"{"status":"success","data":{"resultType":"vector","res"#), FIRST, "the response is not JSON"),
    ("deep", || json(&"[".repeat(300_000)), FIRST, "the response is not JSON"),
    (
        "binary",
        || Reply::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\x1f\x8b\xff\x00".to_vec()),
        FIRST,
        "the response is not JSON",
    ),
    (
        "error",
        || json(r#"{"status":"error","errorType":"internal","error":"out of memory"}"#),
        FIRST,
        "the provider reports an error: internal: out of memory",
    ),
    (
        "escapes",
        || json(r#"{"status":"error","errorType":"internal","error":"\u001b[31mred\u0007"}"#),
        FIRST,
        "reports an error: internal: ",
    ),
    // Connections.
    (
        "truncated",
        || Reply::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":".to_vec()),
        FIRST,
        "cannot query the provider: ",
    ),
    ("closed", || Reply::SendAndClose(Vec::new()), FIRST, "cannot query the provider: "),
    ("no-http", || Reply::SendAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), FIRST, "cannot query the provider: "),
    ("flood", || Reply::Flood(100 << 20), FIRST, "the response is larger than 4194304 bytes"),
    (
        "announced",
        || Reply::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n".to_vec()),
        FIRST,
        "the response is larger than 4194304 bytes",
    ),
    // Values.
    ("infinite", || number("+Inf"), FIRST, "the value is +Inf"),
    ("infinite-rest", || json(r#"{"v":"-Infinity"}"#), ".v", "the value is -Inf"),
    ("too-large", || json(r#"{"v":1e999}"#), ".v", "the response is not JSON (number out of range"),
    ("several", || Reply::ok(&vector(&["1", "2"])), FIRST, "the query returns 2 series, expected one number"),
    ("text", || number("fast"), FIRST, "fast"),
    (
        "histogram",
        || {
            json(
                r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}}"#,
            )
        },
        FIRST,
        "a series is a native histogram, not a number",
    ),
    (
        "no-value",
        || json(r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#),
        ".data.result[0].value[1]",
        "a series has no `value`",
    ),
    (
        "several-ranges",
        || json(r#"{"status":"success","data":{"resultType":"matrix","result":[{"values":[]},{"values":[]}]}}"#),
        ".data.result[0].value[1]",
        "the query returns 2 series",
    ),
    // Expressions.
    ("jq-text", || json(r#"{"v":"quick"}"#), ".v", "the jqExpression yields the string `quick`, expected a number"),
    ("jq-two", || json(r#"{"v":[1,2]}"#), ".v[]", "the jqExpression yields "),
    ("jq-object", || json(r#"{"v":{"w":1}}"#), ".v", "expected one number"),
    ("jq-true", || json(r#"{"v":true}"#), ".v", "expected one number"),
    ("jq-fails", || json(r#"{"v":5}"#), ".v.w.x", "the jqExpression `.v.w.x` fails: "),
    ("jq-endless", || json("{}"), "[limit(100000000; repeat(1))] | length", "| length` fails: "),
    ("jq-recursing", || json("{}"), "def f: 1 + f; f", "the jqExpression `def f: 1 + f; f` fails: "),
];

/// Answers the query `good`, and each case by its name.
fn misbehaving() -> MisbehavingServer {
    MisbehavingServer::scripted(|request| {
        let query = request.param("query");
        CASES.iter().find(|case| case.0 == query).map_or_else(|| number("1"), |case| case.1())
    })
}

#[test]
fn an_unusable_response_never_passes() {
    let server = misbehaving();
    for policy in ["pass", "zero"] {
        // The endless expression is slow, so it runs under one policy only.
        let cases = CASES.iter().filter(|case| policy == "pass" || case.0 != "jq-endless");
        let metrics = cases.clone().map(|case| (case.0, case.2));
        let metrics: Vec<(&str, &str)> = [("good", FIRST)].into_iter().chain(metrics).collect();
        let trial = Trial::of(&server, &metrics)
            .set(format!("custommetrics.noData={policy}"))
            .set("custommetrics.providers.p.retries=0,custommetrics.providers.p.timeout=20s");
        let output = trial.run();
        output.exits(0);
        assert!(!output.stderr.contains(['\u{1b}', '\u{7}']), "{output:#?}");
        let outcome = trial.outcome();
        for (name, _, _, expected) in cases {
            let metric = format!("p/{name}");
            let reason = outcome.seen(0, &metric)["noData"].as_str().unwrap();
            let printed = reason.replace('\u{1b}', r"\u{1b}").replace('\u{7}', r"\u{7}");
            assert!(output.stderr.contains(&format!("  {metric}: no value: {printed}\n")), "{metric}: {reason}");
            outcome.expect_no_value(0, &metric, expected);
            assert!(outcome.seen(0, &metric)["policy"].is_null(), "{policy}: {name}");
            assert_eq!(outcome.verdict(0, &metric)["verdict"], "inconclusive", "{policy}: {name}");
        }
        assert_eq!(outcome.value(0, "p/good"), Some(1.0));
        assert_eq!(outcome.verdict(0, "p/good")["verdict"], "satisfied");
        let message = trial.expect_slos(1);
        let (bad, all) = (metrics.len() - 1, metrics.len());
        assert!(message.contains(&format!("{bad} of {all} SLOs not satisfied")), "{message}");
        trial.expect_intact();
    }
}

/// A wrong prefix, a port without a server and a server that never responds are mistakes, and not a metric without data.
#[test]
fn an_unreachable_provider_is_neither_passed_nor_zeroed() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| match request.path.as_str() {
        "/api/v1/query" => Reply::Silence,
        _ => Reply::plain(404, "404 page not found"),
    });
    let dead = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let wrong = format!("{}wrong", server.url());
    for (url, kind, timeout) in
        [(wrong, "status", "30s"), (dead, "transport", "30s"), (server.url(), "timeout", "700ms")]
    {
        for policy in ["pass", "zero"] {
            let trial = Trial::bare()
                .set(format!("custommetrics.prometheus.url={url},custommetrics.prometheus.queries.errors.query=up"))
                .set(format!(
                    "custommetrics.providers.prometheus.timeout={timeout},custommetrics.providers.prometheus.retries=0"
                ))
                .set("assess.SLOs.upper.prometheus/errors=0")
                .set(format!("custommetrics.noData={policy}"));
            trial.run().exits(0);
            trial.outcome().expect_no_value(0, "prometheus/errors", "");
            assert_eq!(trial.outcome().seen(0, "prometheus/errors")["missing"], serde_json::json!({"error": kind}));
            trial.expect_slos(1);
            // The policy of the provider overrides the task's, and a metric's that of the provider.
            let trial = trial.set("custommetrics.onError=fail,custommetrics.providers.prometheus.onError=inconclusive");
            trial.run().snapshot(0);
            assert_eq!(trial.outcome().verdict(0, "prometheus/errors")["onError"], "inconclusive");
            trial.expect_slos(5);
            let trial = trial.set("custommetrics.prometheus.queries.errors.onError=fail");
            trial.run().snapshot(0);
            assert_eq!(trial.outcome().verdict(0, "prometheus/errors")["verdict"], "violated");
            trial.expect_slos(1);
        }
    }
}

/// Maximum memory of the program, in bytes: 32 MiB of responses, and as much for connections and its own.
#[cfg(target_os = "linux")]
const MEMORY: u64 = 64 << 20;

#[test]
fn a_timeout_is_not_absence() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| match (request.param("query"), request.repeat) {
        ("late", 0) => Reply::plain(503, "starting, token=hunter2"),
        ("breaks", 0) => Reply::SendAndClose(Vec::new()),
        ("drips", _) => {
            Reply::DripForever(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec(), Duration::from_secs(1))
        }
        ("late" | "breaks" | "silent", _) => Reply::Silence,
        _ => number("1"),
    });
    let trial = Trial::of(&server, &[("late", FIRST), ("breaks", FIRST), ("silent", FIRST), ("drips", FIRST)])
        .set("custommetrics.noData=pass,custommetrics.providers.p.timeout=2s");
    let output = trial.run();
    output.snapshot(0);
    assert!(!output.stderr.contains("hunter2"), "{output:#?}");
    let outcome = trial.outcome();
    outcome.expect_no_value(0, "p/late", "the provider responded with 503: starting");
    outcome.expect_no_value(0, "p/late", "; the retry got no complete response within 2s");
    outcome.expect_no_value(0, "p/breaks", "cannot query the provider: ");
    for (name, status) in [("late", Some(503)), ("breaks", None)] {
        let seen = outcome.seen(0, &format!("p/{name}"));
        assert_eq!((seen["attempts"].as_u64(), seen["status"].as_u64()), (Some(2), status), "{name}");
        assert!(seen["policy"].is_null(), "{name}: {seen}");
    }
    for name in ["p/silent", "p/drips"] {
        outcome.expect_no_value(0, name, "no complete response from the provider within 2s");
        assert_eq!(outcome.seen(0, name)["missing"], serde_json::json!({"error": "timeout"}));
    }
    trial.expect_slos(1);
}

/// The more responses are in flight, the smaller the limit of each.
#[cfg(target_os = "linux")]
#[test]
fn responses_in_flight_share_a_memory_bound() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|_| Reply::Flood(100 << 20));
    let names: Vec<String> = (0..32).map(|at| format!("m{at}")).collect();
    let metrics: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), FIRST)).collect();
    for concurrency in [8, 32] {
        let trial = Trial::of(&server, &metrics).set(format!("custommetrics.concurrency={concurrency}"));
        let mut command = trial.command(&[]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let peak = peak_memory(&mut child);
        let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &trial.cli.path(""));
        output.snapshot(0);
        assert!(peak < MEMORY, "{concurrency}: {} MiB", peak >> 20);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_flood_is_aborted_at_the_response_limit() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| match request.param("query") {
        "good" => number("1"),
        _ => Reply::Flood(100 << 20),
    });
    let trial = Trial::of(&server, &[("good", FIRST), ("a", FIRST), ("b", FIRST)]).set("custommetrics.concurrency=1");
    let mut command = trial.command(&[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // One attempt per metric: a response that is too large is not requested again.
    server.wait_for_requests(3);
    let peak = peak_memory(&mut child);
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &trial.cli.path(""));
    output.snapshot(0);
    // Only a few buffers were in flight when the connection closed.
    assert!(server.flooded() < 2 * (32 << 20), "{} MiB were taken", server.flooded() >> 20);
    assert_eq!(trial.outcome().seen(0, "p/a")["attempts"], 1);
}

/// Filters that try to build large values in few steps.
#[cfg(target_os = "linux")]
#[test]
fn expressions_are_stopped_before_their_values_take_much_memory() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|_| number("1"));
    let trial = Trial::of(
        &server,
        &[
            ("doubled-array", r#"["x", "y"] | until(length > 9e9; . + .)"#),
            ("doubled-string", r#""xx" | until(length > 9e9; . + .)"#),
            ("repeated", r#"[range(1e9) | "x" * 4000000]"#),
            ("exploded", r#""x" * 4000000 | explode"#),
            ("split", r#""x" * 4000000 / """#),
        ],
    )
    .set("custommetrics.concurrency=1");
    let mut command = trial.command(&[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let peak = peak_memory(&mut child);
    let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &trial.cli.path(""));
    output.snapshot(0);
    // The values that an expression may build, beside the program.
    assert!(peak < MEMORY + (40 << 20), "{} MiB", peak >> 20);
}

/// Waits for a child to end and returns its peak memory in bytes, without the pages of its file.
#[cfg(target_os = "linux")]
fn peak_memory(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10)
        };
        // An exited process has no memory statistics. Pages of the program's file do not count: they grow with the code.
        if let (Some(highest), Some(file)) = (bytes("VmHWM:"), bytes("RssFile:")) {
            peak = peak.max(highest.saturating_sub(file));
        }
        if child.try_wait().unwrap().is_some() {
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn failed_queries_are_retried() {
    let server = MisbehavingServer::scripted(|request| match (request.param("query"), request.repeat) {
        ("recovers", 0) => Reply::plain(503, "starting"),
        ("breaks", 0) => Reply::SendAndClose(Vec::new()),
        ("limited", 0) => Reply::with(429, "retry-after: 1\r\n", "slow down"),
        ("patient", _) => Reply::with(429, "retry-after: 3600\r\n", "slow down"),
        ("down", _) => Reply::plain(502, ""),
        ("refused", _) => Reply::plain(401, ""),
        _ => number("1"),
    });
    let names = ["recovers", "breaks", "limited", "patient", "down", "refused"];
    let trial = Trial::of(&server, &names.map(|name| (name, FIRST)))
        .set("custommetrics.providers.p.retries=2,custommetrics.noData=pass");
    let started = Instant::now();
    trial.run().exits(0);
    let outcome = trial.outcome();
    for (name, attempts, status) in [
        ("recovers", 2, 200),
        ("breaks", 2, 200),
        ("limited", 2, 200),
        ("patient", 1, 429),
        ("down", 3, 502),
        ("refused", 1, 401),
    ] {
        let seen = outcome.seen(0, &format!("p/{name}"));
        assert_eq!((seen["attempts"].as_u64(), seen["status"].as_u64()), (Some(attempts), Some(status)), "{name}");
        assert_eq!(seen["noData"].is_null(), status == 200, "{name}: {seen}");
    }
    // The requested second is waited for; the hour is not.
    assert!(started.elapsed() > Duration::from_secs(1) && started.elapsed() < Duration::from_secs(20));
    outcome.expect_no_value(0, "p/patient", "the provider responded with 429: slow down");
    trial.expect_slos(1);
}

#[test]
fn an_unreachable_provider_does_not_affect_others() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let trial = Trial::of(&server, &[("good", FIRST)]);
    trial.cli.write("dead.tpl", &template(&format!("http://{gone}/"), &[("m", FIRST)]));
    let trial = trial
        .set("custommetrics.templates.dead=dead.tpl,custommetrics.providers.dead.retries=1,custommetrics.noData=pass")
        .set("assess.SLOs.upper.dead/m=5");
    trial.run().snapshot(0);
    let outcome = trial.outcome();
    outcome.expect_no_value(0, "dead/m", "onnection refused");
    assert_eq!((outcome.seen(0, "dead/m")["attempts"].as_u64(), outcome.value(0, "p/good")), (Some(2), Some(1.0)));
    trial.expect_slos(1);
    trial.expect_intact();
}

#[test]
fn an_unreachable_proxy_is_named() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let trial = Trial::of(&server, &[("good", FIRST)]).set("custommetrics.providers.p.retries=0");
    let mut command = trial.command(&[]);
    let output = CliOutput::run(command.env("HTTP_PROXY", format!("http://user:hunter2@{gone}")), &trial.cli.path(""));
    output.snapshot(0);
    assert!(!output.stderr.contains("hunter2"), "{output:#?}");
    assert_eq!(server.connections(), 0);
    trial.outcome().expect_no_value(0, "p/good", "refused");
    trial.expect_slos(1);
}

#[test]
fn a_server_with_an_untrusted_certificate_is_not_queried() {
    let _transcript = transcript!();
    let (authority, other) = (Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(authority.server(None), |_| number("1"));
    let url = format!("https://{}/", server.address);
    let trial = Trial::with_template("p.tpl", &template(&url, &[("good", FIRST)]))
        .set("assess.SLOs.upper.p/good=5,custommetrics.noData=pass,custommetrics.providers.p.ca=ca.pem");
    trial.cli.write("ca.pem", &other.pem);
    trial.cli.write("token", "hunter2");
    let trial = trial.set("custommetrics.providers.p.bearerToken.file=token");
    trial.run().snapshot(0);
    let outcome = trial.outcome();
    outcome.expect_no_value(0, "p/good", "invalid peer certificate: ");
    // Another attempt would end the same way.
    assert_eq!(outcome.seen(0, "p/good")["attempts"], 1);
    assert_eq!(server.received(), "");
    trial.expect_slos(1);
    trial.cli.write("ca.pem", &authority.pem);
    trial.run().exits(0);
    assert_eq!(trial.outcome().value(0, "p/good"), Some(1.0));
    trial.expect_slos(0);
}

#[test]
fn a_ca_as_server_and_a_server_without_tls_are_named() {
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let ca = MisbehavingServer::secure(Authority::showing(&certificate, &key, None), |_| number("1"));
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let without_tls = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in plain.incoming() {
            let mut stream = stream.unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 2048]);
            let _ = std::io::Write::write_all(&mut stream, &response(400, "", "plain HTTP here"));
        }
    });
    let pem = Authority::new().pem;
    for (address, words) in [
        (ca.address, "an authority's certificate (CA:TRUE), not a server's"),
        (without_tls, "the server does not speak TLS on this port"),
    ] {
        let trial = Trial::with_template("p.tpl", &template(&format!("https://{address}/"), &[("good", FIRST)]))
            .set("assess.SLOs.upper.p/good=5,custommetrics.noData=pass,custommetrics.providers.p.ca=ca.pem");
        trial.cli.write("ca.pem", &pem);
        trial.run().exits(0);
        trial.outcome().expect_no_value(0, "p/good", words);
        let seen = trial.outcome();
        let seen = seen.seen(0, "p/good");
        assert!(!seen["noData"].as_str().unwrap().contains("OtherError"), "{seen}");
        assert_eq!(seen["attempts"], 1);
    }
}

#[test]
fn a_token_is_not_sent_to_a_redirect_target() {
    let _transcript = transcript!();
    let other = MisbehavingServer::always(number("1"));
    let place = other.url();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {place}api/v1/query?query=good\r\n");
        let server = MisbehavingServer::scripted(move |_| Reply::with(status, &location, ""));
        for method in ["GET", "POST"] {
            let text = template(&server.url(), &[("good", FIRST)]);
            let trial = Trial::with_template("p.tpl", &format!("method: {method}\n{text}"))
                .set("assess.SLOs.upper.p/good=5,custommetrics.noData=pass")
                .set("custommetrics.providers.p.bearerToken.file=token");
            trial.cli.write("token", "hunter2");
            trial.run().snapshot(0);
            let outcome = trial.outcome();
            outcome.expect_no_value(0, "p/good", "redirects to another host");
            assert_eq!(outcome.seen(0, "p/good")["attempts"], 1);
            trial.expect_slos(1);
        }
        assert!(server.received().contains("Bearer hunter2"), "the provider itself was not sent the token");
    }
    assert_eq!((other.connections(), other.received()), (0, String::new()));
}

#[test]
fn a_redirect_within_the_provider_keeps_the_token() {
    let server = MisbehavingServer::scripted(|request| match request.path.as_str() {
        "/api/v1/query" => Reply::with(307, "location: /select/api/v1/query?query=good\r\n", ""),
        _ => number("1"),
    });
    let trial = Trial::of(&server, &[("good", FIRST)]).set("custommetrics.providers.p.bearerToken.file=token");
    trial.cli.write("token", "hunter2");
    trial.run().exits(0);
    assert_eq!(trial.outcome().value(0, "p/good"), Some(1.0));
    let requests = server.seen();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.header("authorization") == Some("Bearer hunter2")), "{requests:?}");
}

#[test]
fn a_signal_during_a_query_keeps_earlier_measurements() {
    let _transcript = transcript!();
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = MisbehavingServer::scripted(|request| match request.param("query") {
            "good" => super::trial::number("1"),
            _ => Reply::Silence,
        });
        let trial = Trial::of(&server, &[("good", FIRST), ("hangs", FIRST)]).set("custommetrics.concurrency=1");
        let mut command = trial.command(&[]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        server.wait_for_requests(2);
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, number).unwrap();
        let output = CliOutput::of(&command, child.wait_with_output().unwrap(), &trial.cli.path(""));
        output.snapshot(code);
        let outcome = trial.outcome();
        assert_eq!(outcome.value(0, "p/good"), Some(1.0));
        let reason = "the run was interrupted before the provider responded";
        assert_eq!(outcome.seen(0, "p/hangs")["noData"], reason);
        assert_eq!(outcome.0["interrupted"], true);
        assert_eq!(outcome.0["tasks"][0]["status"], "interrupted");
        assert_eq!(outcome.0["tasks"][1]["status"], "planned");
        trial.expect_slos(1);
        trial.expect_intact();
    }
}
