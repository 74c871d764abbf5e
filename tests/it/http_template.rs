//! Requests of the `http` task that differ: templates and rows, through the program.

use std::collections::BTreeSet;

use crate::support::cli_case::CliCase;
use crate::support::echo_server::EchoServer;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_its_own_number_and_row() {
    let server = MisbehavingServer::scripted(|request| {
        let number = request.head.split(' ').nth(1).and_then(|path| path.strip_prefix("/items/")).unwrap_or("none");
        let row = request.body.clone();
        let tag = request.head.lines().find(|line| line.starts_with("x-tag")).unwrap_or_default();
        let expected = |n: u64| {
            let name = ["Ann", "Bob"][(n % 2) as usize];
            (format!("{{\"name\": \"{name}\"}}"), format!("x-tag: {n}-{}", ["7", "8"][(n % 2) as usize]))
        };
        match number.parse().map(expected) {
            Ok(expected) if expected == (row, tag.to_owned()) => Reply::ok("ok"),
            _ => Reply::with(500, "", "wrong"),
        }
    });
    let bench = CliCase::new();
    bench.write("rows.csv", "name,age\nAnn,7\nBob,8\n");
    bench.write(
        "values.yaml",
        &format!(
            "tasks: [http]\nhttp:\n  url: '{}items/{{{{requestNumber}}}}'\n  rows: rows.csv\n  numRequests: 500\n  qps: max\n  \
             connections: 7\n  headers: {{x-tag: '{{{{requestNumber}}}}-{{{{row.age}}}}'}}\n  \
             payloadStr: '{{\"name\": \"{{{{row.name}}}}\"}}'\n",
            server.url()
        ),
    );
    let said = bench.run(["run", "-f", "values.yaml"]);
    said.exits(0);
    let document = bench.read("experiment.yaml");
    assert!(document.contains("200: 500"), "{document}");
    assert_eq!(server.requests(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_may_bring_its_own_credentials() {
    let server = EchoServer::plain();
    let bench = CliCase::new();
    bench.write("rows.csv", "token\nhunter1\nhunter2\n");
    let values = format!("http.url=http://{}/,http.rows=rows.csv,http.numRequests=4,http.qps=max", server.address);
    let header = "http.headers.Authorization=Bearer {{row.token}}";
    bench.run(["run", "--set", "tasks={http}", "--set", &values, "--set", header]).exits(0);
    let seen = server.seen();
    let tokens: BTreeSet<&str> = seen.iter().map(|seen| seen.headers["authorization"].to_str().unwrap()).collect();
    assert_eq!(tokens, BTreeSet::from(["Bearer hunter1", "Bearer hunter2"]));
    assert!(!bench.read("experiment.yaml").contains("hunter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_and_a_rate_number_requests_just_the_same() {
    let server = EchoServer::plain();
    let bench = CliCase::new();
    let url =
        format!("http.url=http://{}/{{{{requestNumber}}}}?id={{{{uuid}}}}&n={{{{randomInt 3 5}}}}", server.address);
    let said = bench.run([
        "run",
        "--set",
        "tasks={http}",
        "--set",
        &url,
        "--set",
        "http.template=true,http.http2=true,http.streams=4,http.connections=2,http.qps=400,http.numRequests=14",
    ]);
    said.exits(0);
    let seen = server.seen();
    let numbers: BTreeSet<&str> = seen.iter().map(|seen| seen.uri.path()).collect();
    assert_eq!(numbers, (0..14).map(|n| format!("/{n}")).collect::<Vec<_>>().iter().map(String::as_str).collect());
    let queries: BTreeSet<&str> = seen.iter().filter_map(|seen| seen.uri.query()).collect();
    assert_eq!(queries.len(), 14, "{queries:?}");
    assert!(queries.iter().all(|query| query.ends_with("&n=3") || query.ends_with("&n=4")), "{queries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_differ_from_request_to_request_and_one_from_a_file_is_sent_as_it_is() {
    let server = EchoServer::plain();
    let bench = CliCase::new();
    bench.write("rows.csv", "token\nabc\n");
    bench.write("token", "{{row.token}}");
    let url = format!("http.url=http://{}/", server.address);
    for (field, expected) in [
        ("http.headers.authorization=Bearer x-{{row.token}}", "Bearer x-abc"),
        ("http.bearerToken.file=token", "Bearer {{row.token}}"),
    ] {
        let load = "tasks={http},http.rows=rows.csv,http.numRequests=1";
        bench.run(["run", "--set", load, "--set", &url, "--set-string", field]).exits(0);
        assert_eq!(server.seen().last().unwrap().headers["authorization"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn braces_are_sent_as_they_are_where_no_template_was_asked_for() {
    let server = EchoServer::plain();
    let bench = CliCase::new();
    let url = format!("http.url=http://{}/", server.address);
    let payload = "http.payloadStr=hello {{requestNumber}} {{> x}}";
    let said = bench.run(["run", "--set", "tasks={http},http.numRequests=1", "--set", &url, "--set-string", payload]);
    said.exits(0);
    assert_eq!(server.seen()[0].body, "hello {{requestNumber}} {{> x}}");
}

#[test]
fn templates_that_can_not_work_are_refused_before_anything_is_sent() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.write("rows.csv", "name\nAnn\n");
    bench.write("odd.csv", "name\nAnn,7\n");
    bench.write("gaps.csv", "name\nA B\n");
    bench.write("rows.txt", "");
    for values in [
        "http.template=true,http.payloadStr=x {{nothing}}",
        "http.rows=rows.csv,http.headers.a=x {{row.age}}",
        "http.rows=none.csv",
        "http.rows=odd.csv",
        "http.rows=rows.txt",
        "http.rows=rows.csv,http.template=false",
        "http.rows=rows.csv,http.url=http://u:hunter2@{{row.name}}/",
        "http.rows=gaps.csv,http.url=http://u:hunter2@{{row.name}}/",
        "http.template=true,http.payloadStr=x {{#each x}}",
        "http.template=true,http.payloadStr=x {{> x}}",
        "http.http2=true,http.streams=1000,http.connections=101",
    ] {
        let said = bench.run(["run", "--set", "tasks={http},http.url=http://127.0.0.1:1/", "--set", values]);
        said.snapshot(2);
        assert!(!said.stderr.contains("hunter2"), "{said:#?}");
    }
}
