//! Command lines and values that a shell, or a merge, makes something else of than was meant.

use crate::support::cli_case::CliCase;
use crate::support::echo_server::EchoServer;

/// The parts of a header without quotes are arguments of their own.
#[test]
fn parts_of_a_header_without_quotes_are_not_printed() {
    let cli = CliCase::new();
    for line in [
        "http://h/ -H Authorization:Bearer hunter2",
        "-H Authorization:Bearer hunter2",
        "-H Authorization:Bearer hunter2=",
        "http://h/ --header Authorization:Bearer --hunter2",
        "--header=Authorization:Bearer hunter2 http://h/",
        "http://h/ -HAuthorization:Bearer hunter2",
        "-HAuthorization:Bearer hunter2",
        "http://h/ -kH X-Key: hunter2",
        "-kH X-Key:Bearer hunter2",
    ] {
        let output = cli.run(["run"].into_iter().chain(line.split(' ')));
        output.expect(2, &["quote"]);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("hunter2"), "{output:#?}");
    }
    // Without a header, and for flags, the mistake is named.
    cli.run(["run", "http://h/", "second"]).expect(2, &["unexpected argument 'second'"]);
    cli.run(["run", "http://h/", "-H", "a: b", "--wings"]).expect(2, &["unexpected argument '--wings'"]);
}

#[test]
fn a_header_has_one_spelling_and_the_flag_is_sent() {
    let (cli, server) = (CliCase::new(), EchoServer::plain());
    let url = server.url();
    cli.write("v.yaml", "http: {headers: {x-version: stable}}\n");
    cli.run(["run", &url, "-n", "1", "-f", "v.yaml", "--set", "http.headers.X-Version=canary"])
        .expect(2, &["`X-Version` and `x-version` are the same name", "hint: give it once"]);
    let with_login = url.replace("http://", "http://u:p@");
    assert_eq!(server.requests(), 0);
    cli.run(["run", &with_login, "-n", "1", "-H", "Authorization: Bearer new"]).exits(0);
    assert_eq!(server.seen()[0].headers["authorization"], "Bearer new");
    let body = ["-d", "{}", "--set", "http.contentType=text/plain"];
    let line = ["run", &url, "-n", "1", "-H", "X-Prefix: a:", "-H", "content-type: application/json"];
    cli.run(line.iter().chain(&body)).exits(0);
    let headers = &server.seen()[1].headers;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-prefix"], "a:");
}

#[test]
fn settings_of_versions_that_against_replaces_are_refused() {
    let cli = CliCase::new();
    let versions = "[{name: stable, headers: {Accept: stable}}, {name: canary, headers: {Accept: canary}}]";
    cli.write("v.yaml", &format!("http: {{versionValues: {versions}}}\n"));
    let line = ["run", "http://new/", "--against", "http://old/", "--dry", "-f", "v.yaml"];
    cli.run(line).expect(2, &["http.versionValues[0].headers: would have no effect, because --against replaces"]);
    cli.write("v.yaml", "http: {versionValues: [{name: stable, url: http://a/}, {name: canary}]}\n");
    cli.run(line).exits(0);
}

/// `--dry` prints them.
#[test]
fn redacted_values_outside_of_tasks_are_refused() {
    let cli = CliCase::new();
    let pod = "podTemplate.spec.containers[0]";
    let environment = format!("{pod}.name=iter8,{pod}.env[0].name=API_TOKEN,{pod}.env[0].value=abcdefgh");
    let printed = cli.run(["run", "http://127.0.0.1:1/", "--set", &environment, "--dry"]).exits(0).stdout.clone();
    assert!(printed.contains("[hidden]") && !printed.contains("abcdefgh"), "{printed}");
    cli.write("printed.yaml", &printed);
    let expected = ["podTemplate.spec.containers[0].env[0].value: contains a redacted secret", "hint: set it again"];
    for command in [["validate"].as_slice(), &["run"], &["k", "launch", "--dry"]] {
        cli.run(command.iter().chain(&["-f", "printed.yaml"])).expect(2, &expected);
    }
}

/// A custom metrics template may be named like a load, and has units of its own.
#[test]
fn a_unit_on_a_metric_that_no_load_has_measured_is_refused() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    cli.run(["run", &url, "-n", "5", "--slo", "errors = 0"]).exits(0);
    let assess = |limit: &str| cli.run(["assess", "--set", &format!("assess.SLOs.upper.{limit}")]);
    assess("http/latency-p99=60s").exits(0);
    assess("http-prom/latency-p99=60ms").expect(
        2,
        &[
            "assess.SLOs.upper.http-prom/latency-p99: the unit of `http-prom/latency-p99` is not known",
            "hint: write a plain number",
        ],
    );
}
