//! Mistakes that people make in their first minutes, each with the next step.

use std::net::TcpListener;

use crate::support::cli_case::CliCase;
use crate::support::echo_server::EchoServer;
use crate::support::transcript::transcript;

#[test]
fn first_mistakes_have_a_next_step() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let snapshot = |arguments: &[&str]| {
        cli.run(arguments).snapshot(2);
    };
    snapshot(&["run", "--url", "http://h/"]);
    // What a shell makes of unquoted braces.
    snapshot(&["run", "--set", "tasks=http", "tasks=assess"]);
    snapshot(&["run", "--set", "tasks=ready", "tasks=http", "tasks=assess"]);
    snapshot(&["run", "http://h/", "--set", "http.qsp=5"]);
    snapshot(&["run", "http://h/", "--set", "http.wings=2,feathers=5"]);
    snapshot(&["run", "http://h/", "--set", "assess.SLOs.upper.http/error-rate=60ms"]);
    snapshot(&["run", "--set", "tasks={notify}"]);
    cli.write("values.yaml", "tasks: [http]\nhttp: {url: http://h/}\n");
    snapshot(&["validate", "values.yaml"]);
    snapshot(&["report", "values.yaml"]);
}

#[test]
fn a_limit_with_a_unit_is_accepted() {
    let cli = CliCase::new();
    let values = "assess.SLOs.upper.http/latency-p99=60ms,assess.SLOs.upper.http/error-rate=0.1%";
    cli.run(["validate", "--set", "tasks={http,assess},http.url=http://h/", "--set", values]).exits(0);
}

#[test]
fn services_that_cannot_be_reached_have_a_next_step() {
    let cli = CliCase::new();
    let run = |url: &str, expected: &[&str]| {
        cli.run(["run", url, "-n", "4", "--qps", "max"]).expect(3, expected);
    };
    let plain = EchoServer::plain().url().replacen("http:", "https:", 1);
    run(
        &plain,
        &[
            "the server does not speak TLS on this port ×4\n  hint: check the port; for a server without TLS, set a URL with `http://`\n",
        ],
    );
    run(
        "http://no-such-host.invalid/",
        &["all failed: no such host: no-such-host.invalid ×4\n  hint: check the host name\n"],
    );
}

#[test]
fn a_port_that_is_taken_is_said_to_be() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = CliCase::new().run(["demo", "--serve", "--port", &port]);
    output.expect(4, &["caused by: another program uses this port\n  hint: choose another port with --port\n"]);
}

#[test]
fn help_is_a_command_and_conditions_can_be_completed() {
    let cli = CliCase::new();
    let (command, flag) = (cli.run(["help", "k", "assert"]), cli.run(["k", "assert", "--help"]));
    command.exits(0);
    assert_eq!(command.stdout, flag.stdout);
    assert!(flag.stdout.contains("[possible values: completed, nofailure, slos]"), "{}", flag.stdout);
    assert!(cli.run(["completion", "bash"]).stdout.contains("completed nofailure slos"));
}
