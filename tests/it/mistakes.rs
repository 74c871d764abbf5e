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
      http/eror-rate: 5%
      http-v1.2/latncy-p99: 60
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
            "values.yaml:13: assess.SLOs.upper.http/eror-rate: no load measures ",
            "values.yaml:14: assess.SLOs.upper.http-v1.2/latncy-p99: nothing measures ",
            "values.yaml:15: runner: ",
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
fn a_launch_is_refused_if_its_connections_need_more_memory_than_the_pods_have() {
    let cli = CliCase::new();
    let launch = |more: &[&str]| {
        let values = ["tasks={http}", "runner=job", "http.url=https://shop/"];
        let sets = values.iter().chain(more).flat_map(|value| ["--set", *value]);
        cli.run(["k", "launch", "--dry"].into_iter().chain(sets))
    };
    launch(&["http.connections=5000"]).exits(0);
    let refused = launch(&["http.connections=10000"]);
    let cause = "resources.limits.memory: `128Mi` is too little for these loads; expected at least `185Mi`\n";
    refused.expect(2, &[cause, "hint: set `resources.limits.memory=185Mi`, or use fewer `connections`\n"]);
    launch(&["http.connections=10000", "resources.limits.memory=185Mi"]).exits(0);
    launch(&["http.connections=10000", "http.url=http://shop/"]).exits(0);
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
    let expected = "error: the values are not valid\n  caused by: http.numrequests: unknown field `numrequests`\n  \
                    hint: did you mean `numRequests`? `iter8 explain http` lists all names\n";
    assert_eq!(output.stderr, expected);
}

#[test]
fn many_mistakes_are_truncated() {
    let keys: Vec<_> = (0..25).map(|index| format!("wrong{index}=1")).collect();
    let output =
        CliCase::new().run(["run", "--set", &format!("tasks={{http}},http.url=http://127.0.0.1:1,{}", keys.join(","))]);
    assert_eq!(causes(&output.stderr).len(), 20, "{}", output.stderr);
    assert!(output.stderr.ends_with("\n  and 5 more\n"), "{}", output.stderr);
}

/// Two mistakes in the SLOs: a provider and a metric that nothing measures.
const UNMEASURED: &str = "\
tasks: [http, assess]
http:
  url: http://127.0.0.1:1
  endpoints:
    get: {}
    post: {}
assess:
  SLOs:
    upper:
      http-get/latency-p99: 60
      http-get/latencyp99: 60
      http/latency-p99: 60
    lower:
      http-post/latency: 1
";

#[test]
fn slos_that_nothing_measures_are_refused_before_the_run() {
    let cli = CliCase::new();
    cli.write("values.yaml", UNMEASURED);
    for command in [&["run"][..], &["run", "--dry"], &["validate"], &["k", "launch", "--dry"]] {
        let output = cli.run(command.iter().chain(&["-f", "values.yaml"]));
        let nearest = "hint: did you mean `http-get/latency-p99`? `http-get` measures error-count, ";
        output
            .expect(2, &["error: the values are not valid\n", nearest, "? measured providers: http-get, http-post\n"]);
        let expected = [
            "values.yaml:11: assess.SLOs.upper.http-get/latencyp99: nothing measures `http-get/latencyp99`",
            "values.yaml:12: assess.SLOs.upper.http/latency-p99: nothing measures `http/latency-p99`: no task measures provider `http`",
            "values.yaml:14: assess.SLOs.lower.http-post/latency: `http-post/latency` has many values: name an aggregation, such as \
             `http-post/latency/mean` or `http-post/latency/p99`",
        ];
        assert_eq!(causes(&output.stderr), expected, "{command:?}: {}", output.stderr);
    }
    assert!(!cli.path("experiment.yaml").exists());
}

#[test]
fn slos_need_their_tasks_before_assess() {
    let refused = |values: &[&str], expected: &str| {
        let cli = CliCase::new();
        let flags = values.iter().flat_map(|value| ["--set", value]);
        let output = cli.run(["validate"].into_iter().chain(flags));
        let error = format!("caused by: {expected}");
        output.expect(2, &[&error]);
    };
    let http = "http.url=http://127.0.0.1:1";
    refused(
        &["tasks={assess,http}", http, "assess.SLOs.upper.http/error-count=0"],
        "assess.SLOs.upper.http/error-count: `http/error-count` is measured only by a later task\n  hint: list the tasks that measure before `assess`",
    );
    refused(
        &["tasks={assess}", "assess.SLOs.upper.http/error-count=0"],
        "assess.SLOs.upper.http/error-count: nothing measures `http/error-count`\n  hint: list a task that measures it",
    );
    let grpc = "grpc.host=127.0.0.1:1,grpc.call=a.B/C";
    refused(
        &["tasks={grpc,assess}", grpc, "assess.SLOs.upper.grpc/latency-mean=5"],
        "assess.SLOs.upper.grpc/latency-mean: nothing measures `grpc/latency-mean`\n  hint: did you mean `grpc/latency/mean`?",
    );
    let istio = "custommetrics.templates.istio=builtin:istio-prom,custommetrics.values.labels.destination_workload=shop,custommetrics.values.latencyPercentiles={50}";
    refused(
        &["tasks={custommetrics,assess}", istio, "assess.SLOs.upper.istio/latency-p90=5"],
        "assess.SLOs.upper.istio/latency-p90: nothing measures `istio/latency-p90`",
    );
    let query = "custommetrics.prometheus.url=http://p,custommetrics.prometheus.queries.cost.query=up";
    refused(
        &["tasks={custommetrics,assess}", query, "assess.SLOs.upper.prometheus/cost/p99=5"],
        "assess.SLOs.upper.prometheus/cost/p99: `prometheus/cost` is a single number: leave out `/p99`",
    );
}

#[test]
fn rewards_that_nothing_measures_are_refused_before_the_run() {
    let cli = CliCase::new();
    let values = "tasks: [http, assess]
http: {url: 'http://127.0.0.1:1'}
assess:
  SLOs: {upper: {http/error-rate: 0}}
  rewards:
    max: [http/error-rate, prom/conversions]
    min:
    - http/latency-mean
    - http/latencymean
";
    cli.write("values.yaml", values);
    for command in [&["run"][..], &["run", "--dry"], &["validate"], &["k", "launch", "--dry"]] {
        let output = cli.run(command.iter().chain(&["-f", "values.yaml"]));
        output.expect(2, &["hint: did you mean `http/latency/mean`? `http` measures error-count, "]);
        let expected = [
            "values.yaml:6: assess.rewards.max[1]: nothing measures `prom/conversions`: no task measures provider `prom`",
            "values.yaml:9: assess.rewards.min[1]: nothing measures `http/latencymean`",
        ];
        assert_eq!(causes(&output.stderr), expected, "{command:?}: {}", output.stderr);
    }
    let later = ["tasks={http,assess,grpc}", "http.url=http://127.0.0.1:1", "grpc.host=127.0.0.1:1,grpc.call=a.B/C"];
    let rewarded = ["assess.SLOs.upper.http/error-rate=0", "assess.rewards.min={grpc/latency/mean}"];
    let output =
        cli.run(["validate"].into_iter().chain(later.iter().chain(&rewarded).flat_map(|value| ["--set", value])));
    output.expect(
        2,
        &["assess.rewards.min[0]: `grpc/latency/mean` is measured only by a later task\n  hint: list the tasks"],
    );
    // Templates that are read during the run may measure anything.
    let unknown = ["custommetrics.templates.mine=http://127.0.0.1:1/x.tpl", "assess.rewards.max={mine/anything}"];
    let fixed = ["tasks={custommetrics,assess}", "assess.SLOs.upper.mine/cost=1"];
    cli.run(["validate"].into_iter().chain(fixed.iter().chain(&unknown).flat_map(|value| ["--set", value]))).exits(0);
}

#[test]
fn rewards_of_an_existing_document_that_nothing_measures_are_a_warning() {
    let cli = CliCase::new();
    let spec = "spec:
- run: 'true'
- task: assess
  with:
    relative:
      upper: []
    rewards:
      max: [http/error-rate]
";
    cli.write("experiment.yaml", spec);
    let warning = "experiment.yaml:8: spec[1].with.rewards.max[0]: nothing measures `http/error-rate`: no best version will be \
                   named (list a task that measures it";
    cli.run(["validate"]).expect(0, &[warning]);
}

#[test]
fn nothing_is_claimed_about_metrics_that_are_not_known_before_the_run() {
    let accepted = |cli: &CliCase, values: &[&str]| {
        let flags = values.iter().flat_map(|value| ["--set", value]);
        cli.run(["validate"].into_iter().chain(flags)).exits(0);
    };
    let cli = CliCase::new();
    let slo = "assess.SLOs.upper.mine/anything=5";
    accepted(&cli, &["tasks={custommetrics,assess}", "custommetrics.templates.mine=http://127.0.0.1:1/x.tpl", slo]);
    // The name depends on the time.
    let metric = "- name: m{{ now | unixEpoch }}\n  type: gauge\n  jqExpression: .\n";
    cli.write("mine.tpl", &format!("url: http://127.0.0.1:1\nprovider: mine\nmethod: GET\nmetrics:\n{metric}"));
    accepted(&cli, &["tasks={custommetrics,assess}", "custommetrics.templates.mine=mine.tpl", slo]);
    let usual =
        ["http/service-time-p97", "http/connect/max", "http/latency-p99\\.99", "http/latency/p1", "http/error-rate"];
    let slos = usual.map(|name| format!("assess.SLOs.upper.{name}=5"));
    let mut values = vec!["tasks={http,assess}", "http.url=http://127.0.0.1:1", "http.if=Result.NumLoops > 1"];
    values.extend(slos.iter().map(String::as_str));
    accepted(&cli, &values);
}

#[test]
fn slos_of_an_existing_document_that_nothing_measures_are_a_warning() {
    let cli = CliCase::new();
    let spec = "spec:\n- run: 'true'\n- task: assess\n  with:\n    SLOs:\n      upper:\n      - metric: http/error-count\n        limit: 0\n";
    cli.write("experiment.yaml", spec);
    let warning = "experiment.yaml:7: spec[1].with.SLOs.upper[0].metric: nothing measures `http/error-count`: the verdict will be \
                   inconclusive (list a task that measures it";
    cli.run(["validate"]).expect(0, &[warning]);
    cli.run(["run", "--dry"]).expect(0, &[warning]);
    cli.run(["run"]).expect(0, &[warning, "\nSLOs: 1 of 1 inconclusive (http/error-count: no data: "]);
}
