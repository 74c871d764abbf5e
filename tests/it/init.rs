//! `iter8 init`.

use crate::schema::{errors, published};
use crate::support::cli_case::CliCase;
use crate::support::echo_server::EchoServer;
use crate::support::transcript::transcript;

#[test]
fn writes_values_and_their_schema_and_never_replaces_files_by_itself() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.run(["init", "--url", "http://shop:8080/"]).snapshot(0);
    let values = cli.read("values.yaml");
    assert!(values.starts_with("# yaml-language-server: $schema=values.schema.json\n"), "{values}");
    assert!(values.contains("  url: http://shop:8080/\n"), "{values}");
    cli.run(["init", "grpc"]).snapshot(2);
    assert_eq!(cli.read("values.yaml"), values);
    // The schema of another version is replaced.
    cli.write("values.schema.json", "{\"title\": \"Values of an iter8 experiment\"}");
    cli.run(["init", "cronjob", "--output", "job.yaml"]).snapshot(0);
    assert!(cli.read("values.schema.json").contains("\"$defs\""));
    cli.write("values.schema.json", "{}");
    cli.run(["init", "grpc", "--output", "grpc.yaml"]).snapshot(2);
    cli.run(["init", "grpc", "--force"]).snapshot(0);
    assert!(cli.read("values.yaml").contains("grpc:") && cli.read("values.schema.json").contains("\"$defs\""));
    cli.run(["init", "htp"]).snapshot(2);
    cli.run(["init", "--url", "ftp://shop"]).snapshot(2);
    cli.run(["init", "--url", "http://a", "--url", "http://b"]).snapshot(2);
}

#[test]
fn prints_values_without_writing_a_file() {
    let cli = CliCase::new();
    let output = cli.run(["init", "two-versions", "--url", "http://a/", "--output", "-"]);
    assert!(output.exits(0).stdout.contains("url: http://a/\n"), "{output:#?}");
    assert!(output.stderr.is_empty() && !cli.path("values.schema.json").exists(), "{output:#?}");
}

#[test]
fn the_written_values_fit_their_schema_and_run() {
    let cli = CliCase::new();
    cli.run(["init", "--url", &EchoServer::plain().url()]).exits(0);
    cli.run(["validate", "-f", "values.yaml"]).exits(0);
    let values = iter8::model::codec::value_from_yaml(&cli.read("values.yaml")).unwrap();
    assert_eq!(errors(&published("values"), &values), [""; 0]);
    let short = ["--set", "http.duration=500ms", "--set", "assess.SLOs.upper.http/latency-p99=9000"];
    cli.run(["run", "-q", "-f", "values.yaml", "--assert", "slos"].iter().chain(&short)).exits(0);
}
