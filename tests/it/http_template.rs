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
    let cli = CliCase::new();
    cli.write("rows.csv", "name,age\nAnn,7\nBob,8\n");
    cli.write(
        "values.yaml",
        &format!(
            "tasks: [http]\nhttp:\n  url: '{}items/{{{{requestNumber}}}}'\n  rows: rows.csv\n  numRequests: 500\n  qps: max\n  \
             connections: 7\n  headers: {{x-tag: '{{{{requestNumber}}}}-{{{{row.age}}}}'}}\n  \
             payloadStr: '{{\"name\": \"{{{{row.name}}}}\"}}'\n",
            server.url()
        ),
    );
    let output = cli.run(["run", "-f", "values.yaml"]);
    output.exits(0);
    let document = cli.read("experiment.yaml");
    assert!(document.contains("200: 500"), "{document}");
    assert_eq!(server.requests(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_probably_not_meant_are_noted() {
    let _transcript = transcript!();
    let server = EchoServer::plain();
    let cli = CliCase::new();
    cli.write("rows.csv", "n\nplain\n\"a \"\"b\"\" & c\"\n");
    let rows = |url: &str, payload: &str| {
        format!(
            "tasks: [http]\nhttp:\n  url: '{url}'\n  rows: rows.csv\n  numRequests: 4\n  qps: max\n  \
             contentType: application/json\n  payloadStr: '{payload}'\n"
        )
    };
    let url = "http://127.0.0.1:1/";
    cli.write("quoted.yaml", &rows(url, "{\"n\": \"{{row.n}}\"}"));
    cli.run(["validate", "-f", "quoted.yaml"]).snapshot(0);
    cli.write("json.yaml", &rows(&format!("{}?n={{{{urlencode row.n}}}}", server.url()), "{\"n\": {{json row.n}}}"));
    cli.run(["validate", "-f", "json.yaml"]).exits(0);
    let output = cli.run(["run", "-f", "json.yaml"]);
    output.exits(0);
    assert!(!output.stderr.contains("not valid JSON"), "{output:#?}");
    let seen = server.seen();
    let last = seen.iter().find(|seen| seen.uri.query() == Some("n=a%20%22b%22%20%26%20c")).unwrap();
    assert_eq!(last.body, &br#"{"n": "a \"b\" & c"}"#[..]);
    for values in
        ["http.url=http://127.0.0.1:1/?id={{uuid}}", "http.url=http://127.0.0.1:1/,http.payloadStr=a {{row.x}}"]
    {
        cli.run(["validate", "--set", "tasks={http}", "--set", values]).snapshot(0);
    }
    for more in ["http.template=false", "http.template=true"] {
        let values = format!("http.url=http://127.0.0.1:1/?id={{{{uuid}}}},{more}");
        let output = cli.run(["validate", "--set", "tasks={http}", "--set", &values]);
        assert_eq!(output.exits(0).stderr, "", "{output:#?}");
    }
    let values = format!("http.url={}?id={{{{uuid}}}},http.numRequests=2,http.qps=max", server.url());
    cli.run(["run", "--set", "tasks={http}", "--set", &values]).exits(0);
    assert!(cli.read("experiment.yaml").contains("`{{uuid}}` in `url` is sent literally"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_can_have_their_own_credentials() {
    let server = EchoServer::plain();
    let cli = CliCase::new();
    cli.write("rows.csv", "token\nhunter1\nhunter2\n");
    let values = format!("http.url=http://{}/,http.rows=rows.csv,http.numRequests=4,http.qps=max", server.address);
    let header = "http.headers.Authorization=Bearer {{row.token}}";
    cli.run(["run", "--set", "tasks={http}", "--set", &values, "--set", header]).exits(0);
    let seen = server.seen();
    let tokens: BTreeSet<&str> = seen.iter().map(|seen| seen.headers["authorization"].to_str().unwrap()).collect();
    assert_eq!(tokens, BTreeSet::from(["Bearer hunter1", "Bearer hunter2"]));
    assert!(!cli.read("experiment.yaml").contains("hunter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_numbers_are_consecutive_over_http2() {
    let server = EchoServer::plain();
    let cli = CliCase::new();
    let url =
        format!("http.url=http://{}/{{{{requestNumber}}}}?id={{{{uuid}}}}&n={{{{randomInt 3 5}}}}", server.address);
    let output = cli.run([
        "run",
        "--set",
        "tasks={http}",
        "--set",
        &url,
        "--set",
        "http.template=true,http.http2=true,http.streams=4,http.connections=2,http.qps=400,http.numRequests=14",
    ]);
    output.exits(0);
    let seen = server.seen();
    let numbers: BTreeSet<&str> = seen.iter().map(|seen| seen.uri.path()).collect();
    assert_eq!(numbers, (0..14).map(|n| format!("/{n}")).collect::<Vec<_>>().iter().map(String::as_str).collect());
    let queries: BTreeSet<&str> = seen.iter().filter_map(|seen| seen.uri.query()).collect();
    assert_eq!(queries.len(), 14, "{queries:?}");
    assert!(queries.iter().all(|query| query.ends_with("&n=3") || query.ends_with("&n=4")), "{queries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_templates_and_token_files_are_not() {
    let server = EchoServer::plain();
    let cli = CliCase::new();
    cli.write("rows.csv", "token\nabc\n");
    cli.write("token", "{{row.token}}");
    let url = format!("http.url=http://{}/", server.address);
    for (field, expected) in [
        ("http.headers.authorization=Bearer x-{{row.token}}", "Bearer x-abc"),
        ("http.bearerToken.file=token", "Bearer {{row.token}}"),
    ] {
        let load = "tasks={http},http.rows=rows.csv,http.numRequests=1";
        cli.run(["run", "--set", load, "--set", &url, "--set-string", field]).exits(0);
        assert_eq!(server.seen().last().unwrap().headers["authorization"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn braces_are_sent_verbatim_without_template() {
    let server = EchoServer::plain();
    let cli = CliCase::new();
    let url = format!("http.url=http://{}/", server.address);
    let payload = "http.payloadStr=hello {{requestNumber}} {{> x}}";
    let output = cli.run(["run", "--set", "tasks={http},http.numRequests=1", "--set", &url, "--set-string", payload]);
    output.exits(0);
    assert_eq!(server.seen()[0].body, "hello {{requestNumber}} {{> x}}");
}

#[test]
fn bad_templates_are_rejected_before_the_load() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("rows.csv", "name\nAnn\n");
    cli.write("odd.csv", "name\nAnn,7\n");
    cli.write("gaps.csv", "name\nA B\n");
    cli.write("rows.txt", "");
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
        let output = cli.run(["run", "--set", "tasks={http},http.url=http://127.0.0.1:1/", "--set", values]);
        output.snapshot(2);
        assert!(!output.stderr.contains("hunter2"), "{output:#?}");
    }
}
