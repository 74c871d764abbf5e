//! TLS errors outside loads: of providers, downloads and notifications. Each names the next step, with settings that the request has.

use std::net::SocketAddr;

use crate::custommetrics::trial::{FIRST, Trial, template};
use crate::support::authority::Authority;
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::echo_server::EchoServer;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A server with one TLS problem for clients that trust `trusted`.
struct Broken {
    problem: &'static str,
    address: SocketAddr,
    trusted: String,
}

fn broken() -> Vec<Broken> {
    let (servers, clients) = (Authority::new(), Authority::new());
    let serve = |config| MisbehavingServer::secure(config, |_| Reply::ok("ok")).address;
    let showing = |name: &str, year| {
        let (certificate, key) = servers.issue_until(name, year);
        serve(Authority::showing(&certificate, &key, None))
    };
    let of = |problem, address, authority: &Authority| Broken { problem, address, trusted: authority.pem.clone() };
    vec![
        of("expired", showing("127.0.0.1", 2020), &servers),
        of("name", showing("127.0.0.2", 4000), &servers),
        of("untrusted", showing("127.0.0.1", 4000), &clients),
        of("client certificate", serve(servers.server(Some(&clients))), &servers),
        of("no TLS", EchoServer::plain().address, &servers),
    ]
}

#[test]
fn a_provider_names_the_next_step_once() {
    let steps = [
        ("expired", "renew the server's certificate, check the clock of this machine, or skip verification with"),
        ("name", "use a name in the server's certificate as the host of the URL, or skip verification with"),
        ("untrusted", "set `custommetrics.providers.p.ca` to the CA that issued the server's certificate"),
        (
            "client certificate",
            "set `custommetrics.providers.p.cert` and `custommetrics.providers.p.key` to a client certificate",
        ),
        ("no TLS", "check the port; for a server without TLS, set a URL with `http://`"),
    ];
    for Broken { problem, address, trusted } in broken() {
        let (_, step) = steps.iter().find(|(name, _)| *name == problem).unwrap();
        let metrics = [("one", FIRST), ("two", FIRST)];
        let trial = Trial::with_template("p.tpl", &template(&format!("https://{address}/"), &metrics))
            .set("assess.SLOs.upper.p/one=5,assess.SLOs.upper.p/two=5,custommetrics.providers.p.ca=ca.pem");
        trial.cli.write("ca.pem", &trusted);
        let output = trial.run_with(&["--record", "recording"]);
        output.expect(0, &[&format!("p: {step}")]);
        assert_eq!(output.stderr.matches(step).count(), 1, "{problem}: {output:#?}");
        // A replay says the same.
        let replay = trial.run_with(&["--replay", "recording", "--runDir", "."]);
        replay.expect(0, &[&format!("p: {step}")]);
    }
}

/// Runs with these values and variables.
fn run(cli: &CliCase, trusted: &str, args: &[&str]) -> CliOutput {
    cli.write("trusted.pem", trusted);
    let mut command = cli.command();
    command.env("SSL_CERT_FILE", cli.path("trusted.pem")).env_remove("SSL_CERT_DIR").arg("run").args(args);
    CliOutput::run(&mut command, &cli.path(""))
}

#[test]
fn a_download_names_the_next_step() {
    let steps = [
        ("expired", "hint: renew the server's certificate, or check the clock of this machine"),
        ("name", "hint: use a name in the server's certificate as the host of the URL"),
        (
            "untrusted",
            "hint: set the environment variable `SSL_CERT_FILE` to the CA that issued the server's certificate",
        ),
        ("client certificate", "hint: use a URL that requires no client certificate"),
        ("no TLS", "hint: check the port; for a server without TLS, set a URL with `http://`"),
    ];
    let cli = CliCase::new();
    for Broken { problem, address, trusted } in broken() {
        let (_, step) = steps.iter().find(|(name, _)| *name == problem).unwrap();
        run(&cli, &trusted, &["-f", &format!("https://{address}/values.yaml")]).expect(4, &[step]);
    }
    // The hint is right: with the server's authority, the download works.
    let authority = Authority::new();
    let server = MisbehavingServer::secure(authority.server(None), |_| Reply::ok("tasks: [run]\nrun: 'true'\n"));
    run(&cli, &authority.pem, &["-f", &format!("https://{}/values.yaml", server.address)]).exits(0);
}

#[test]
fn every_download_and_notification_names_the_next_step() {
    let _transcript = transcript!();
    let (authority, other) = (Authority::new(), Authority::new());
    let server = MisbehavingServer::secure(authority.server(None), |_| Reply::ok("ok"));
    let url = format!("https://{}/x", server.address);
    let gone = "http://127.0.0.1:9/";
    for (sets, code) in [
        (format!("tasks={{custommetrics}},custommetrics.templates.p={url}.tpl"), 3),
        (format!("tasks={{http}},http.url={gone},http.payloadURL={url}"), 3),
        (format!("tasks={{grpc}},grpc.host=127.0.0.1:9,grpc.call=a.B/C,grpc.protoURL={url}.proto"), 3),
        (format!("tasks={{slack}},slack.url={url},slack.softFailure=false"), 3),
        (format!("tasks={{slack}},slack.url={url}"), 0),
        (format!("tasks={{slack}},slack.url={gone},slack.softFailure=false,slack.payloadTemplateURL={url}.tpl"), 3),
    ] {
        let cli = CliCase::new();
        let output = run(&cli, &other.pem, &["--set", &sets]);
        output.snapshot(code);
        assert!(output.stderr.contains("set the environment variable `SSL_CERT_FILE` to the CA"), "{output:#?}");
    }
}
