//! The values files in `examples/`: each fits the schema, and runs if a local service suffices.

use sample_model::SampleConfig;

use crate::schema::{errors, published};
use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::echo_server::EchoServer;
use crate::support::files;
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::runtime::block_on;

fn examples() -> Vec<(String, String)> {
    files::below(&files::root(), &["examples"], "yaml")
}

/// Runs an example with these addresses in place of its own, and these values.
fn run(cli: &CliCase, name: &str, addresses: &[(&str, &str)], values: &[&str]) -> CliOutput {
    let text = files::text(&files::root().join("examples").join(name));
    let replace = |text: String, (old, new): &(&str, &str)| {
        assert!(text.contains(old), "{name} lacks {old}");
        text.replace(old, new)
    };
    cli.write(name, &addresses.iter().fold(text, replace));
    let values = values.iter().flat_map(|value| ["--set", value]);
    cli.run(["run", "-q", "-f", name, "--assert", "completed,nofailure,slos"].into_iter().chain(values))
}

#[test]
fn every_example_is_valid_and_listed() {
    let (cli, schema) = (CliCase::new(), published("values"));
    let readme = files::text(&files::root().join("examples/README.md"));
    let init = cli.run(["init", "--help"]).exits(0).stdout.clone();
    for (path, text) in examples() {
        let name = path.strip_prefix("examples/").unwrap();
        let hint = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap_or_default();
        assert!(files::root().join("examples").join(hint).is_file(), "{path}: {hint}");
        assert!(readme.contains(&format!("[{name}]({name})")), "examples/README.md lacks {name}");
        assert!(init.contains(name.trim_end_matches(".yaml")), "{name}: {init}");
        let values = iter8::model::codec::value_from_yaml(&text).unwrap();
        assert_eq!(errors(&schema, &values), [""; 0], "{path}");
        cli.write(name, &text);
        cli.run(["validate", "-f", name]).exits(0);
    }
}

#[test]
fn the_http_example_runs() {
    let url = EchoServer::plain().url();
    let addresses = [("http://localhost:8080/", url.as_str())];
    let values = ["http.duration=500ms", "assess.SLOs.upper.http/latency-p99=9000"];
    run(&CliCase::new(), "http.yaml", &addresses, &values).exits(0);
}

#[test]
fn the_grpc_example_runs() {
    let service = block_on(sample_model::start(SampleConfig::default())).unwrap();
    let host = service.front.to_string();
    let values = ["grpc.duration=500ms", "assess.SLOs.upper.grpc/latency/p99=9000"];
    run(&CliCase::new(), "grpc.yaml", &[("localhost:8080", &host)], &values).exits(0);
}

#[test]
fn the_example_of_two_versions_compares_them() {
    let cli = CliCase::new();
    let [one, two] = [EchoServer::plain(), EchoServer::plain()].map(|server| server.url());
    let addresses = [("http://localhost:8081/", one.as_str()), ("http://localhost:8082/", two.as_str())];
    let values = [
        "http.duration=1s",
        "assess.SLOs.upper.http/latency-p99=9000",
        // Both are the same server, on a busy machine.
        "assess.relative.upper.http/latency-p50=1000",
    ];
    run(&cli, "two-versions.yaml", &addresses, &values).exits(0);
    let names = cli.document()["result"]["insights"]["versionNames"].clone();
    assert_eq!((&names[0]["version"], &names[1]["version"]), (&"v1".into(), &"v2".into()));
}

#[test]
fn the_example_of_a_confidence_ends_early() {
    let cli = CliCase::new();
    let url = EchoServer::plain().url();
    run(&cli, "confidence.yaml", &[("http://localhost:8080/", &url)], &["assess.SLOs.upper.http/latency-p90=9000"])
        .exits(0);
    assert!(cli.read("experiment.yaml").contains("stopped:"));
}

#[test]
fn the_prometheus_example_runs() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0,"0.001"]}]}}"#;
    let server = MisbehavingServer::responds(200, body);
    let url = server.url();
    run(&CliCase::new(), "prometheus.yaml", &[("http://localhost:9090", url.trim_end_matches('/'))], &[]).exits(0);
}

#[test]
fn the_cronjob_example_makes_a_cronjob() {
    let cli = CliCase::new();
    let text = files::text(&files::root().join("examples/cronjob.yaml"));
    cli.write("cronjob.yaml", &text);
    let output = cli.run(["k", "launch", "--dry", "--outputFile", "-", "-f", "cronjob.yaml"]);
    assert!(output.exits(0).stdout.contains("kind: CronJob"), "{output:#?}");
}
