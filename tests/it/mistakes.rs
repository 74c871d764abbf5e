//! All mistakes of one input are reported together, each with its file and line.

use crate::support::cli_case::CliCase;

const VALUES: &str = "\
# A comment.
tasks: [http, assess]
http:
  url: http://127.0.0.1:1
  numrequests: 5
  endpoints:
    v1.2:
      qsp: 1
assess:
  SLOs:
    upper:
      http/error-rate: low
runner: jop
";

/// Lines of the error, without labels.
fn causes(stderr: &str) -> Vec<&str> {
    stderr.lines().filter_map(|line| line.trim_start().strip_prefix("caused by: ")).collect()
}

#[test]
fn all_mistakes_are_reported_in_file_order() {
    let cli = CliCase::new();
    cli.write("values.yaml", VALUES);
    let args = ["-f", "values.yaml", "--set", "http.connections=many", "--set", "logLevel=loud"];
    for command in [&["run"][..], &["run", "--dry"], &["validate"], &["k", "launch", "--dry"]] {
        let output = cli.run(command.iter().chain(&args));
        output.expect(2, &["error: the values are not valid\n", "hint: did you mean `numRequests`?"]);
        let found: Vec<_> = causes(&output.stderr).into_iter().map(|cause| cause.split("`").next().unwrap()).collect();
        let expected = [
            "values.yaml:5: http.numrequests: unknown field ",
            "values.yaml:8: http.endpoints.v1.2.qsp: unknown field ",
            "values.yaml:12: assess.SLOs.upper.http/error-rate: ",
            "values.yaml:13: runner: ",
            "--set: http.connections: ",
            "--set: logLevel: ",
        ];
        assert_eq!(found.len(), expected.len(), "{command:?}: {}", output.stderr);
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{command:?}: {found} should start with {expected}");
        }
    }
}

#[test]
fn mistakes_in_a_document_have_lines() {
    let cli = CliCase::new();
    let spec = "spec:\n- task: http\n  with:\n    url: http://127.0.0.1:1\n    qsp: 1\n- task: asess\n";
    cli.write("experiment.yaml", spec);
    for command in [&["run"][..], &["run", "--dry"], &["validate"]] {
        let output = cli.run(command);
        output.expect(2, &["error: experiment.yaml is not valid\n"]);
        let found = causes(&output.stderr);
        assert_eq!(found.len(), 2, "{}", output.stderr);
        assert!(found[0].starts_with("experiment.yaml:5: spec[0].with.qsp: unknown field `qsp`"), "{}", found[0]);
        assert!(found[1].starts_with("experiment.yaml:6: spec[1]: unknown task `asess`"), "{}", found[1]);
    }
}

#[test]
fn mistakes_in_endpoints_whose_names_have_dots_have_lines_and_hide_no_others() {
    let bench = CliCase::new();
    let endpoint = |name: &str| format!("    {name}:\n      insecureSkipVerify: true\n      ca: ca.pem\n");
    let values = "tasks: [http]\nhttp:\n  url: https://127.0.0.1:1\n  endpoints:\n".to_owned();
    bench.write("values.yaml", &(values + &endpoint("v1.1") + &endpoint("v1.2")));
    let said = bench.run(["validate", "-f", "values.yaml"]);
    said.exits(2);
    let found = causes(&said.stderr);
    assert_eq!(found.len(), 2, "{}", said.stderr);
    assert!(found[0].starts_with("values.yaml:7: http.endpoints.v1.1.ca: "), "{}", found[0]);
    assert!(found[1].starts_with("values.yaml:10: http.endpoints.v1.2.ca: "), "{}", found[1]);
}

#[test]
fn a_single_mistake_reads_as_one_cause() {
    let output = CliCase::new().run(["run", "--set", "tasks={http},http.url=http://127.0.0.1:1,http.numrequests=1"]);
    let expected =
        "error: the values are not valid\n  caused by: http.numrequests: unknown field `numrequests`; expected one of ";
    assert!(output.stderr.starts_with(expected), "{}", output.stderr);
    assert!(output.stderr.ends_with("\n  hint: did you mean `numRequests`?\n"), "{}", output.stderr);
}

#[test]
fn many_mistakes_are_truncated() {
    let keys: Vec<_> = (0..25).map(|index| format!("wrong{index}=1")).collect();
    let output =
        CliCase::new().run(["run", "--set", &format!("tasks={{http}},http.url=http://127.0.0.1:1,{}", keys.join(","))]);
    assert_eq!(causes(&output.stderr).len(), 20, "{}", output.stderr);
    assert!(output.stderr.ends_with("\n  and 5 more\n"), "{}", output.stderr);
}
