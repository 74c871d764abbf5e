//! Iter8's canary tutorial: two revisions of a model, judged by their metrics in Prometheus.

use std::net::SocketAddr;
use std::time::Duration;

use sample_model::{Latency, SampleConfig, SampleService, VersionStats};
use serde_json::Value;

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::files;
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::prometheus::Prometheus;

/// Requests that one load sends to each version.
const LOAD: u64 = 100;

/// The `--set` lines of the tutorial, without the tasks, what they wait for, and the template's URL.
pub const TUTORIAL: [&str; 9] = [
    "custommetrics.values.labels.service_name=sklearn-iris-predictor-default",
    "custommetrics.versionValues[0].labels.revision_name=sklearn-iris-predictor-default-00002",
    "custommetrics.versionValues[1].labels.revision_name=sklearn-iris-predictor-default-00001",
    "custommetrics.values.latencyPercentiles={50,75,90,95}",
    "assess.SLOs.upper.kserve-prometheus/error-count=0",
    "assess.SLOs.upper.kserve-prometheus/latency-mean=25",
    "assess.SLOs.upper.kserve-prometheus/latency-p90=40",
    "runner=cronjob",
    "cronjobSchedule=*/1 * * * *",
];

/// Largest difference between the latencies of the load generator and of the version, in milliseconds.
const BUSY_MS: f64 = 40.0;

/// The candidate and the version before it, as the experiment numbers them: the newer revision comes first.
const CANDIDATE: usize = 0;
const STABLE: usize = 1;

/// Both revisions of the model, and the Prometheus that scrapes them.
pub struct Models {
    prometheus: Prometheus,
    runtime: tokio::runtime::Runtime,
    service: Option<SampleService>,
}

impl Models {
    /// The stable version takes 6 ms; none if there is no Prometheus.
    pub fn start(candidate_ms: u64, candidate_errors: f64) -> Option<Self> {
        let mut config = SampleConfig::default();
        config.versions[0].latency = Latency::constant(Duration::from_millis(6));
        config.versions[1].latency = Latency::constant(Duration::from_millis(candidate_ms));
        config.versions[1].error_rate = candidate_errors;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let service = runtime.block_on(sample_model::start(config)).unwrap();
        let prometheus = Prometheus::start(&[service.front])?;
        prometheus.wait_until("count(revision_app_request_count)", |count| count.is_some());
        Some(Self { prometheus, runtime, service: Some(service) })
    }

    fn service(&self) -> &SampleService {
        self.service.as_ref().unwrap()
    }

    /// Address of a version.
    fn address(&self, version: usize) -> SocketAddr {
        self.service().versions[1 - version].addr
    }

    /// Statistics of a version.
    fn stats(&self, version: usize) -> VersionStats {
        self.service().stats().swap_remove(1 - version)
    }

    /// Sends a load to both versions, waits until Prometheus has scraped all of it, and returns the load generator's measurements.
    pub fn load(&self) -> [Measured; 2] {
        let cli = CliCase::new();
        cli.write("body.json", r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#);
        let url = |version: usize| {
            let address = self.address(version);
            format!("http.versionValues[{version}].url=http://{address}/v1/models/sklearn-iris:predict")
        };
        let pace = format!("http.numRequests={LOAD},http.qps=50,http.connections=8,http.parallel=true");
        let (first, second) = (url(0), url(1));
        cli.run([
            "run",
            "--quiet",
            "--set",
            "tasks={http}",
            "--set-file",
            "http.payloadStr=body.json",
            "--set",
            &pace,
            "--set",
            &first,
            "--set",
            &second,
        ])
        .exits(0);
        for version in [CANDIDATE, STABLE] {
            self.wait_for_scrape(version);
        }
        let insights = &cli.document()["result"]["insights"];
        [Measured::of(insights, 0), Measured::of(insights, 1)]
    }

    /// Waits until Prometheus has everything that a version counted.
    fn wait_for_scrape(&self, version: usize) {
        let stats = self.stats(version);
        let query = format!("sum(revision_app_request_count{{revision_name=\"{}\"}})", stats.revision);
        self.prometheus.wait_until(&query, |count| count == Some(stats.requests as f64));
    }

    /// Address of Prometheus.
    pub fn prometheus_url(&self) -> String {
        self.prometheus.url()
    }

    /// Serves Iter8's kind of template, with the host name of this Prometheus, and gives its URL.
    pub fn template(&self) -> String {
        let text = files::text(&files::root().join("testdata/providers/kserve-prometheus.tpl"));
        let text = text.replace("http://prometheus-operated.kfserving-monitoring:9090", &self.prometheus.url());
        assert!(text.contains(&self.prometheus.url()));
        format!("{}kserve-prometheus.tpl", MisbehavingServer::responds(200, &text).url())
    }

    /// Runs the experiment, as the canary tutorial writes it.
    fn experiment(&self, cli: &CliCase, template: &str, more: &[&str]) -> CliOutput {
        let template = format!("custommetrics.templates.kserve-prometheus={template}");
        let mut args = vec!["run", "--set", "tasks={custommetrics,assess}", "--set", &template];
        args.extend(TUTORIAL.iter().flat_map(|pair| ["--set", pair]));
        args.extend(more);
        let output = cli.run(args);
        output.exits(0);
        output
    }

    /// Fails unless the experiment's metrics of a version match these requests and, within the error of scrapes and buckets, the load
    /// generator's measurements.
    #[track_caller]
    fn agree(&self, cli: &CliCase, version: usize, requests: u64, measured: &Measured) {
        let insights = &cli.document()["result"]["insights"];
        let value = |metric: &str| newest(insights, version, &format!("kserve-prometheus/{metric}"));
        assert_eq!(value("request-count"), requests as f64, "version {version}");
        let (mean, p90) = (value("latency-mean"), value("latency-p90"));
        let message = format!(
            "version {version}: mean {mean:.2} ms, load generator {:.2}; p90 {p90:.2} ms, load generator {:.2}",
            measured.mean, measured.p90
        );
        eprintln!("{message}");
        // The load generator's latencies include the network and, on a busy machine, scheduling delays.
        assert!((-0.1..BUSY_MS).contains(&(measured.mean - mean)), "{message}");
        let (below, above) = bucket(p90);
        assert!((below..above + BUSY_MS).contains(&measured.p90), "{message}");
    }

    /// Fails unless the experiment's latencies of a version match those that the version itself measured: the same mean, and
    /// percentiles in the same bucket.
    #[track_caller]
    fn is_what_the_version_measured(&self, cli: &CliCase, version: usize) {
        let insights = &cli.document()["result"]["insights"];
        let value = |metric: &str| newest(insights, version, &format!("kserve-prometheus/{metric}"));
        let own = self.stats(version).latency;
        assert!((value("latency-mean") / own.mean.unwrap() - 1.0).abs() < 1e-9, "version {version}: {own:?}");
        for (metric, own) in [("latency-p50", own.p50.unwrap()), ("latency-p95", own.p95.unwrap())] {
            // The version's own percentiles have three digits.
            let ((below, above), percentile) = (bucket(value(metric)), value(metric));
            assert!((below * 0.999..=above * 1.001).contains(&own), "version {version}: {metric} {percentile}, {own}");
        }
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.runtime.block_on(self.service.take().unwrap().shutdown());
    }
}

/// Measurements of one version by the load generator, in milliseconds.
pub struct Measured {
    errors: f64,
    mean: f64,
    p90: f64,
}

impl Measured {
    fn of(insights: &Value, version: usize) -> Self {
        let value = |metric: &str| newest(insights, version, metric);
        assert_eq!(value("http/request-count"), LOAD as f64);
        Self {
            errors: value("http/error-count"),
            mean: value("http/service-time-mean"),
            p90: value("http/service-time-p90"),
        }
    }

    /// Measurements of several loads with as many requests each; the percentile is an upper bound.
    fn together<'a>(loads: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self { errors: 0.0, mean: 0.0, p90: 0.0 };
        let mut count = 0.0;
        for load in loads {
            count += 1.0;
            sum.errors += load.errors;
            sum.mean += load.mean;
            sum.p90 = sum.p90.max(load.p90);
        }
        Self { mean: sum.mean / count, ..sum }
    }
}

/// The newest value of a metric.
#[track_caller]
fn newest(insights: &Value, version: usize, metric: &str) -> f64 {
    let values = &insights["nonHistMetricValues"][version][metric];
    let newest = values.as_array().and_then(|values| values.last()).and_then(Value::as_f64);
    newest.unwrap_or_else(|| panic!("no value of {metric} for version {version} in {insights:#}"))
}

/// The bounds of the bucket of Knative's histogram that a latency is in.
fn bucket(latency_ms: f64) -> (f64, f64) {
    let bounds = [0.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0];
    let pair = bounds.windows(2).find(|pair| latency_ms <= pair[1]).unwrap();
    (pair[0], pair[1])
}

fn satisfied(cli: &CliCase) -> Value {
    cli.document()["result"]["insights"]["SLOsSatisfied"]["upper"].clone()
}

#[test]
fn a_bad_canary_violates_its_slos() {
    let Some(models) = Models::start(70, 0.2) else { return };
    let (cli, template) = (CliCase::new(), models.template());
    let measured = models.load();
    models.experiment(&cli, &template, &[]);
    assert_eq!(satisfied(&cli), serde_json::json!([[false, true], [false, true], [false, true]]));
    let output = cli.run(["assert", "-c", "completed,nofailure,slos"]);
    assert_eq!(output.code, Some(1), "{output:#?}");
    let message = "3 of 3 SLOs not satisfied: sklearn-iris-predictor-default-00002: kserve-prometheus/error-count is ";
    assert!(output.stdout.contains(message) && !output.stdout.contains("-00001"), "{output:#?}");
    for version in [CANDIDATE, STABLE] {
        models.agree(&cli, version, LOAD, &measured[version]);
        let insights = &cli.document()["result"]["insights"];
        assert_eq!(newest(insights, version, "kserve-prometheus/error-count"), measured[version].errors);
        models.is_what_the_version_measured(&cli, version);
    }
    // The next loop sees more of the same.
    let more = models.load();
    models.experiment(&cli, &template, &["--reuseResult"]);
    let document = cli.document();
    assert_eq!(document["result"]["numLoops"], 2);
    let counts = &document["result"]["insights"]["nonHistMetricValues"][STABLE]["kserve-prometheus/request-count"];
    let counts: Vec<_> = counts.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
    assert_eq!(counts, [LOAD, 2 * LOAD]);
    models.agree(&cli, STABLE, 2 * LOAD, &Measured::together([&measured[STABLE], &more[STABLE]].into_iter()));
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(1));
}

#[test]
fn both_versions_satisfy_their_slos() {
    let Some(models) = Models::start(2, 0.0) else { return };
    let cli = CliCase::new();
    let measured = models.load();
    models.experiment(&cli, &models.template(), &[]);
    assert_eq!(satisfied(&cli), serde_json::json!([[true, true], [true, true], [true, true]]));
    assert_eq!(cli.run(["assert", "-c", "completed,nofailure,slos"]).code, Some(0));
    for version in [CANDIDATE, STABLE] {
        models.agree(&cli, version, LOAD, &measured[version]);
    }
}

#[test]
fn the_built_in_template_ignores_earlier_requests() {
    let Some(models) = Models::start(2, 0.0) else { return };
    let cli = CliCase::new();
    // Before the experiment, a request fails and many are good.
    models.load();
    models.fail_once(CANDIDATE);
    // Windows are whole seconds long, at least 1, and end now.
    models.let_a_second_pass(None);
    let url = format!("custommetrics.values.prometheusURL={}", models.prometheus.url());
    let more = ["--set", &url];
    let output = models.experiment(&cli, "builtin:kserve-prometheus", &more);
    output.expect(0, &["no requests in the window of 1s"]);
    let output = cli.run(["assert", "-c", "slos"]);
    assert_eq!(output.code, Some(1), "{output:#?}");
    assert!(output.stdout.contains("no data: no requests in the window of 1s"), "{output:#?}");
    let start = cli.document()["result"]["startTime"].as_str().unwrap().to_owned();
    let start = chrono::DateTime::parse_from_rfc3339(&start).unwrap().timestamp_millis() as f64 / 1e3;
    models.let_a_second_pass(Some(start));
    let mut loads = Vec::new();
    for loops in 1..=2 {
        loads.push(models.load());
        models.experiment(&cli, "builtin:kserve-prometheus", &["--set", &url, "--reuseResult"]);
        assert_eq!(satisfied(&cli), serde_json::json!([[true, true], [true, true], [true, true]]));
        assert_eq!(cli.run(["assert", "-c", "completed,nofailure,slos"]).code, Some(0));
        for version in [CANDIDATE, STABLE] {
            // The window starts with the experiment, so it has all loads.
            models.agree(&cli, version, loops * LOAD, &Measured::together(loads.iter().map(|load| &load[version])));
        }
    }
    models.fail_once(CANDIDATE);
    models.experiment(&cli, "builtin:kserve-prometheus", &["--set", &url, "--reuseResult"]);
    assert_eq!(satisfied(&cli), serde_json::json!([[false, true], [true, true], [true, true]]));
}

impl Models {
    /// Waits until a second has passed since this time, or now.
    fn let_a_second_pass(&self, since: Option<f64>) {
        let since = since.or_else(|| self.prometheus.value("vector(time())", None)).unwrap();
        self.prometheus.wait_until("vector(time())", |now| now.is_some_and(|now| now > since + 1.0));
    }

    /// Sends a request that a version refuses, and waits until Prometheus has it.
    fn fail_once(&self, version: usize) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.address(version)).unwrap();
        let head = "POST /v1/models/sklearn-iris:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2";
        write!(stream, "{head}\r\n\r\n{{}}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        self.wait_for_scrape(version);
    }
}
