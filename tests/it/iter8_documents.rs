//! Documents of Iter8 v0.13.0 and v0.13.18 (`testdata/iter8`) can be reported and asserted, and run again with and without their result.
//! Only the ports of their services differ.

use sample_model::{SampleConfig, SampleService};
use serde_json::Value;

use crate::support::cli_case::CliCase;
use crate::support::files;
use crate::support::misbehaving_server::{MisbehavingServer, Reply, Request};

/// Address of the HTTP services in the documents, and that of the gRPC service.
const HTTP: &str = "127.0.0.1:29180";
const GRPC: &str = "127.0.0.1:29181";

/// Provider template of one metric.
const SIMPLE: &str = r#"url: {{ .url }}
provider: p
method: GET
metrics:
- name: count
  type: counter
  params: [{name: query, value: '{{ .version }}'}]
  jqExpression: .data.result[0].value[1] | tonumber
"#;

/// Provider template with Iter8's names.
const ISTIO: &str = r#"url: {{ .istioPromURL }}
provider: istio-prom
method: GET
metrics:
- name: latency-mean
  type: gauge
  params: [{name: query, value: 'mean {{ .labels.destination_workload }}'}]
  jqExpression: .data.result[0].value[1] | tonumber
{{- range $i, $p := .latencyPercentiles }}
- name: latency-p{{ $p }}
  type: gauge
  params: [{name: query, value: 'p{{ $p }} {{ $.labels.destination_workload }}'}]
  jqExpression: .data.result[0].value[1] | tonumber
{{- end }}
"#;

/// Services of the documents.
struct Services {
    runtime: tokio::runtime::Runtime,
    model: Option<SampleService>,
    http: MisbehavingServer,
}

impl Services {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let model = Some(runtime.block_on(sample_model::start(SampleConfig::demo())).unwrap());
        Self { runtime, model, http: MisbehavingServer::scripted(reply) }
    }

    /// A directory with the document, which names these services.
    fn case(&self, document: &str) -> CliCase {
        let cli = CliCase::new();
        let path = files::root().join(format!("testdata/iter8/{document}.yaml"));
        let text = std::fs::read_to_string(path).unwrap();
        let grpc = self.model.as_ref().unwrap().versions[0].addr.to_string();
        cli.write("experiment.yaml", &text.replace(HTTP, &self.http.address.to_string()).replace(GRPC, &grpc));
        cli
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.runtime.block_on(self.model.take().unwrap().shutdown());
    }
}

fn reply(request: &Request) -> Reply {
    match request.path.as_str() {
        "/code/500" => Reply::plain(500, "broken"),
        // Fails once in four requests.
        "/mix" if request.repeat % 4 == 3 => Reply::plain(503, "busy"),
        "/tpl/simple.tpl" => Reply::ok(SIMPLE),
        "/tpl/istio-prom.tpl" => Reply::ok(ISTIO),
        "/tpl/_payload-slack.tpl" => Reply::ok(r#"{"text": "sent"}"#),
        "/prom/api/v1/query" => Reply::ok(
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"10"]}]}}"#,
        ),
        _ => Reply::ok("fine"),
    }
}

/// Expected results of one document.
struct Row {
    document: &'static str,
    /// Exit codes of `assert` for completed, nofailure and slos, as in Iter8.
    asserted: [i32; 3],
    /// Last line of a run.
    verdict: &'static str,
    /// Values of a counter after `run` and `run --reuseResult`.
    counts: Option<(&'static str, [u64; 2])>,
}

const ROWS: &[Row] = &[
    Row {
        document: "k8s-launched-by-original",
        asserted: [1, 1, 1],
        verdict: "SLOs: 2 of 2 satisfied",
        counts: Some(("http/request-count", [20, 20])),
    },
    Row {
        document: "v0.13.0-cm-loops",
        asserted: [1, 0, 1],
        verdict: "SLOs: 1 of 1 satisfied",
        counts: Some(("p/count", [10, 10])),
    },
    Row {
        document: "v0.13.0-grpc-aggs",
        asserted: [0, 0, 1],
        verdict: "SLOs: 8 of 8 satisfied",
        counts: Some(("grpc/request-count", [50, 50])),
    },
    Row { document: "v0.13.18-cm-istio", asserted: [0, 0, 1], verdict: "SLOs: 2 of 2 satisfied", counts: None },
    Row {
        document: "v0.13.18-grpc-unary",
        asserted: [0, 0, 0],
        verdict: "SLOs: 4 of 4 satisfied",
        counts: Some(("grpc/request-count", [60, 60])),
    },
    Row {
        document: "v0.13.18-grpc-warmup",
        asserted: [0, 0, 0],
        verdict: "SLOs: 4 of 4 satisfied",
        counts: Some(("grpc/request-count", [20, 20])),
    },
    Row {
        document: "v0.13.18-http-all500",
        asserted: [0, 0, 1],
        verdict: "SLOs: 1 of 2 violated, 1 inconclusive (http/error-count 8 > 0; http/latency-mean is …",
        counts: Some(("http/error-count", [8, 8])),
    },
    Row {
        document: "v0.13.18-http-endpoints",
        asserted: [0, 0, 1],
        verdict: "SLOs: 1 of 2 violated (http-b/error-count 2 > 0)",
        counts: Some(("http-b/error-count", [2, 2])),
    },
    Row {
        document: "v0.13.18-http-noscheme",
        asserted: [0, 0, 0],
        verdict: "SLOs: 2 of 2 satisfied",
        counts: Some(("http/request-count", [8, 8])),
    },
    Row {
        document: "v0.13.18-http-purl",
        asserted: [0, 0, 0],
        verdict: "SLOs: 2 of 2 satisfied",
        counts: Some(("http/request-count", [8, 8])),
    },
    Row {
        document: "v0.13.18-http-warmup",
        asserted: [0, 0, 0],
        verdict: "SLOs: 2 of 2 satisfied",
        counts: Some(("http/request-count", [8, 8])),
    },
    Row {
        document: "v0.13.18-nt-slack",
        asserted: [0, 0, 0],
        verdict: "SLOs: 1 of 1 satisfied",
        counts: Some(("http/request-count", [4, 4])),
    },
    Row { document: "v0.13.18-run-tempdir", asserted: [0, 0, 1], verdict: "SLOs: none defined", counts: None },
];

impl Row {
    /// Returns true for the verdict's line; an ellipsis stands for measured values.
    fn is_verdict(&self, line: &str) -> bool {
        self.verdict.strip_suffix('…').map_or(line == self.verdict, |start| line.starts_with(start))
    }
}

fn asserted(cli: &CliCase) -> [Option<i32>; 3] {
    ["completed", "nofailure", "slos"].map(|condition| cli.run(["assert", "-c", condition]).code)
}

/// The newest value of a counter, and the number of its values.
fn newest(cli: &CliCase, metric: &str) -> (u64, usize) {
    let document = cli.document();
    let values = document["result"]["insights"]["nonHistMetricValues"][0][metric].as_array().unwrap();
    (values.last().and_then(Value::as_f64).unwrap() as u64, values.len())
}

#[test]
fn documents_of_iter8_are_reported_asserted_and_run_again() {
    let services = Services::start();
    for row in ROWS {
        let name = row.document;
        let cli = services.case(name);
        assert_eq!(asserted(&cli), row.asserted.map(Some), "{name}");
        for format in ["text", "html", "json"] {
            assert_eq!(cli.run(["report", "-o", format]).code, Some(0), "{name} {format}");
        }
        let earlier = row.counts.map(|(metric, _)| newest(&cli, metric).1);
        let again = cli.run(["run", "--reuseResult"]);
        assert_eq!(again.code, Some(0), "{name}: {again:?}");
        assert!(row.is_verdict(again.stderr.lines().next_back().unwrap()), "{name}: {again:?}");
        if let Some((metric, [_, count])) = row.counts {
            let (value, number) = newest(&cli, metric);
            assert_eq!((value, Some(number)), (count, earlier.map(|earlier| earlier + 1)), "{name}");
        }
        let fresh = cli.run(["run", "-q"]);
        assert!(fresh.code == Some(0) && row.is_verdict(fresh.stderr.trim_end()), "{name}: {fresh:?}");
        if let Some((metric, [count, _])) = row.counts {
            assert_eq!(newest(&cli, metric), (count, 1), "{name}");
        }
        let is_satisfied = row.verdict.ends_with(" satisfied");
        assert_eq!(asserted(&cli), [Some(0), Some(0), Some(i32::from(!is_satisfied))], "{name}");
    }
}

#[test]
fn every_document_of_iter8_is_tested() {
    let directory = std::fs::read_dir(files::root().join("testdata/iter8")).unwrap();
    let names = directory.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names {
        let document = name.trim_end_matches(".yaml");
        assert!(ROWS.iter().any(|row| row.document == document), "{name}");
    }
}

#[test]
fn a_warm_up_is_sent_and_not_measured() {
    let services = Services::start();
    let cli = services.case("v0.13.18-http-warmup");
    let output = cli.run(["run"]);
    output.expect(0, &["  warm-up: 5 requests, 0 errors; not measured\n"]);
    assert_eq!((newest(&cli, "http/request-count"), services.http.requests()), ((8, 1), 13));
}
