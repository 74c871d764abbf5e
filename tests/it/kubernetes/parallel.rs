//! Several pods of one Indexed Job that make a load together, on a real control plane.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use iter8::adapters::kubernetes::{Connection, PodFleet, ShardIndex};
use iter8::manifests::names::Group;
use iter8::metrics::histogram::{self, Histogram};
use iter8::model::histogram::EncodedHistogram;
use iter8::model::load::Shards;
use iter8::model::shard::{LoadPhase, LoadPlace, ShardEnd, ShardReport, Share};
use iter8::pipeline::RunEnd;
use iter8::ports::fleet::Fleet;
use serde_json::{Value, json};

use super::cluster_case::ClusterCase;
use crate::fleet::peers::{self, Document, Peer};
use crate::support::echo_server::EchoServer;
use crate::support::kubernetes::{Node, TIMEOUT};
use crate::support::runtime::block_on;

/// Launches a load that `pods` make together.
fn launch(case: &ClusterCase, group: &str, pods: u32, load: &str, more: &[&str]) {
    let url = format!("http.url={}", EchoServer::plain().url());
    let pods = format!("parallelism={pods}");
    let values = ["tasks={http,assess}", &url, load, "assess.SLOs.upper.http/error-count=0", "runner=job", &pods];
    let args = values.iter().chain(more).flat_map(|pair| ["--set", pair]);
    case.k(["launch", "-g", group].into_iter().chain(args)).exits(0);
}

/// The pod of a Job with this index that is not over.
fn pod(case: &ClusterCase, group: &str, index: u32) -> String {
    let labels = format!("iter8.tools/group={group},batch.kubernetes.io/job-completion-index={index}");
    let pod = case.cluster.wait_for_one("pods", &case.namespace, &labels, |pod| pod["status"]["phase"] == "Running");
    pod["metadata"]["name"].as_str().unwrap().to_owned()
}

/// Shard reports of the workers, by index.
fn report(case: &ClusterCase, group: &str, pods: u32) -> BTreeMap<u32, ShardReport> {
    use base64::Engine;
    let of = |index| {
        let secret = case.get("secrets", &format!("{group}-shard-{index}"));
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(secret["data"]["measured.json.gz"].as_str()?).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        Some((index, serde_json::from_str(&text).unwrap()))
    };
    (1..pods).filter_map(of).collect()
}

fn latencies(encoded: &Value) -> Histogram {
    let encoded: EncodedHistogram = serde_json::from_value(encoded.clone()).unwrap();
    histogram::decode(&encoded).unwrap()
}

fn record(document: &Value) -> &Value {
    &document["result"]["insights"]["load"][0]["http"]
}

#[test]
fn eight_pods_share_one_load_exactly() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "eight", 8, "http.numRequests=1003,http.qps=400,http.connections=2", &[]);
    let output = case.k(["assert", "-g", "eight", "-c", "completed,nofailure,slos", "--timeout", "120s"]);
    let document = case.document("eight");
    output.exits(0);
    let insights = &document["result"]["insights"];
    assert_eq!(insights["nonHistMetricValues"][0]["http/request-count"], json!([1003]));
    assert_eq!(record(&document)["shards"], json!({"count": 8}), "{document:#}");
    assert_eq!(record(&document)["connections"], 16);
    case.cluster.wait_for_condition("jobs", &case.namespace, "eight-1-job", "Complete");

    // The reports of the seven workers, and the coordinator's own.
    let report = report(&case, "eight", 8);
    let mut requests = Vec::new();
    let mut union = histogram::new();
    for report in report.values() {
        let [ShardEnd::Measured(shard)] = report.as_slice() else { panic!("{report:?}") };
        requests.push(shard.counts.requests);
        histogram::merge(&mut union, &histogram::decode(&shard.histograms["latency"]).unwrap());
    }
    assert_eq!(requests, [126, 126, 125, 125, 125, 125, 125]);
    let merged = latencies(&insights["histograms"][0]["http/latency"]);
    let mut own = merged.clone();
    own.subtract(&union).expect("what is merged has all that the shards have");
    assert_eq!((merged.len(), own.len()), (1003, 126));
    histogram::merge(&mut union, &own);
    for percentile in [50.0, 90.0, 99.0, 99.9] {
        let value =
            &insights["nonHistMetricValues"][0][format!("http/latency-{}", histogram::percentile_name(percentile))];
        assert_eq!(value, &json!([histogram::percentile_ms(&union, percentile)]), "p{percentile}");
    }
}

#[test]
fn a_restarted_pod_counts_once() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "dies", 3, "http.numRequests=600,http.qps=100", &[]);
    case.wait_until_running("dies", "http");
    let victim = pod(&case, "dies", 1);
    wait_for_start(&case, "dies");
    Node::shared().unwrap().kill(&case.namespace, &victim);
    case.k(["assert", "-g", "dies", "-c", "completed", "--timeout", "180s"]).exits(0);
    let document = case.document("dies");
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([600]));
    assert_eq!(record(&document)["shards"], json!({"count": 3, "late": [1]}), "{document:#}");
    case.cluster.wait_for_condition("jobs", &case.namespace, "dies-1-job", "Complete");
}

/// Waits until the coordinator has started the load.
fn wait_for_start(case: &ClusterCase, group: &str) {
    use base64::Engine;
    case.cluster.wait_for("secrets", &case.namespace, &format!("{group}-shard-0"), |secret| {
        let encoded = secret["data"]["state.json"].as_str().unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        serde_json::from_slice::<Value>(&bytes).is_ok_and(|state| !state["go"].is_null())
    });
}

#[test]
fn a_restarted_coordinator_counts_nothing_twice() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "anew", 3, "http.numRequests=600,http.qps=100", &[]);
    case.wait_until_running("anew", "http");
    let victim = pod(&case, "anew", 0);
    wait_for_start(&case, "anew");
    Node::shared().unwrap().kill(&case.namespace, &victim);
    case.k(["assert", "-g", "anew", "-c", "completed", "--timeout", "180s"]).exits(0);
    let document = case.document("anew");
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([600]));
    assert_eq!(record(&document)["shards"]["count"], 3, "{document:#}");
    case.cluster.wait_for_condition("jobs", &case.namespace, "anew-1-job", "Complete");
}

#[test]
fn a_missing_pod_makes_the_verdict_inconclusive() {
    let Some(case) = ClusterCase::with_node() else { return };
    // Index 2 finds no Secret of its own.
    launch(&case, "gap", 3, "http.numRequests=300,http.qps=100", &["startTimeout=6s", "runner=none"]);
    case.cluster.kubectl_ok(&["delete", "secret", "-n", &case.namespace, "gap-shard-2"]);
    let job = manifest_of_job(&case, "gap");
    case.cluster.apply_in(&case.namespace, &job);
    let output = case.k(["assert", "-g", "gap", "-c", "completed,slos", "--timeout", "120s"]);
    output.exits(5);
    let document = case.document("gap");
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([200]));
    let reason = "did not reach the start within 6s";
    assert_eq!(
        record(&document)["shards"],
        json!({"count": 3, "missing": [{"index": 2, "reason": reason}]}),
        "{document:#}"
    );
    let output = case.k(["report", "-g", "gap"]);
    assert!(output.stdout.contains("index 2") && output.stdout.contains(reason), "{output:#?}");
}

/// The Job that a launch with a runner would have made.
fn manifest_of_job(case: &ClusterCase, group: &str) -> String {
    let values = case.get("secrets", group)["data"]["values.yaml"].clone();
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(values.as_str().unwrap()).unwrap();
    case.cli.write("values.yaml", std::str::from_utf8(&bytes).unwrap());
    let output =
        case.k(["launch", "-g", group, "-f", "values.yaml", "--set", "runner=job", "--dry", "--outputFile", "-"]);
    output.exits(0);
    output.stdout.split("---\n").find(|text| text.contains("kind: Job")).unwrap().to_owned()
}

#[test]
fn loops_of_a_parallel_cronjob_accumulate() {
    let Some(case) = ClusterCase::with_node() else { return };
    let more = ["runner=cronjob", "cronjobSchedule=@yearly"];
    launch(&case, "cron", 2, "http.numRequests=101,http.qps=100", &more);
    for count in 1..=2_u32 {
        let job = format!("by-hand-{count}");
        let from = "--from=cronjob/cron-1-cronjob";
        case.cluster.kubectl_ok(&["create", "job", "-n", &case.namespace, &job, from]);
        case.cluster.wait_for_condition("jobs", &case.namespace, &job, "Complete");
        let result = &case.document("cron")["result"];
        assert_eq!(result["numLoops"], count, "{result:#}");
        let counts = &result["insights"]["nonHistMetricValues"][0]["http/request-count"];
        assert_eq!(counts.as_array().map(Vec::len), usize::try_from(count).ok(), "{result:#}");
        assert!(counts.as_array().unwrap().iter().all(|loops| loops == 101), "each loop is whole: {counts}");
    }
    let started = Instant::now();
    case.k(["delete", "-g", "cron"]).exits(0);
    case.wait_until_nothing_is_left_of("cron");
    assert!(started.elapsed() < TIMEOUT);
}

#[test]
fn pods_tolerate_clock_skew_of_an_hour() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "skewed", 3, "http.numRequests=1", &["runner=none"]);
    let url = EchoServer::plain().url();
    let spec = peers::experiment(json!({"url": url, "numRequests": 150, "qps": 100}));
    let connection = Connection { client: case.cluster.client(), namespace: case.namespace.clone() };
    let shard = |index| ShardIndex {
        group: Group::new(&case.namespace, "skewed").unwrap(),
        job: "by-hand".to_owned(),
        share: Share::new(index, 3).unwrap(),
        start_timeout: TIMEOUT,
    };
    let peer = |hours| Peer { env: Peer::default().env.clock_ahead(chrono::TimeDelta::hours(hours)) };
    let document = Document::default();
    block_on(async {
        let (first, second, third) = (peer(1), peer(0), peer(-1));
        let fleets = [
            PodFleet::join(&connection, &shard(0)).await.unwrap().unwrap(),
            PodFleet::join(&connection, &shard(1)).await.unwrap().unwrap(),
            PodFleet::join(&connection, &shard(2)).await.unwrap().unwrap(),
        ];
        let (end, one, two) = tokio::join!(
            first.run(&spec, Some(&fleets[0]), &document),
            second.work(&spec, &fleets[1]),
            third.work(&spec, &fleets[2])
        );
        assert_eq!([end.unwrap(), one.unwrap(), two.unwrap()], [RunEnd::Completed; 3]);
    });
    let load = document.load("http");
    assert_eq!(
        (load.counts.requests, load.counts.dropped, load.shards),
        (150, 0, Some(Shards { count: 3, ..Shards::default() }))
    );
    // By the coordinator's clock; the load over time counts from its start.
    assert!((1_003_540..=1_003_600).contains(&load.start.unwrap().timestamp()), "{:?}", load.start);
    assert_eq!(load.series.unwrap().requests.iter().sum::<u64>(), 150);
}

#[test]
fn states_and_documents_of_shards_that_cannot_be_read_are_reported() {
    let Some(case) = ClusterCase::without_node() else { return };
    launch(&case, "torn", 2, "http.numRequests=1", &["runner=none"]);
    let tear = |shard: &str, key: &str| {
        let patch = json!({"stringData": {key: "{"}}).to_string();
        case.cluster.kubectl_ok(&["patch", "secret", "-n", &case.namespace, shard, "--type=merge", "-p", &patch]);
    };
    let connection = Connection { client: case.cluster.client(), namespace: case.namespace.clone() };
    let shard = ShardIndex {
        group: Group::new(&case.namespace, "torn").unwrap(),
        job: "by-hand".to_owned(),
        share: Share::new(0, 2).unwrap(),
        start_timeout: Duration::from_secs(5),
    };
    block_on(async {
        let first = PodFleet::join(&connection, &shard).await.unwrap().unwrap();
        tear("torn-shard-1", "state.json");
        let start = first.start(LoadPlace { task: 0, load: 0, phase: LoadPhase::Load }).await.unwrap();
        let reasons: Vec<_> = start.missing.iter().map(|missing| missing.reason.as_str()).collect();
        assert!(matches!(reasons[..], [reason] if reason.contains("state of a shard")), "{reasons:?}");
        assert_eq!(first.before_run(None).await.unwrap(), None);
        tear("torn-shard-0", "experiment.yaml");
        let second = PodFleet::join(&connection, &shard).await.unwrap().unwrap();
        let error = second.before_run(None).await.unwrap_err().to_string();
        assert!(error.starts_with("the results before this run cannot be read: "), "{error}");
    });
}

#[test]
fn an_evicted_coordinator_is_replaced() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "drained", 3, "http.numRequests=600,http.qps=100", &[]);
    case.wait_until_running("drained", "http");
    let evicted = pod(&case, "drained", 0);
    wait_for_start(&case, "drained");
    case.cluster.kubectl_ok(&["delete", "pod", "-n", &case.namespace, &evicted, "--wait=false"]);
    let document = case.wait_for_document("drained", |document| document["result"]["numCompletedTasks"] == 2);
    assert_eq!(document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"], json!([600]));
    assert_eq!(record(&document)["shards"], json!({"count": 3}), "{document:#}");
    case.cluster.wait_for_condition("jobs", &case.namespace, "drained-1-job", "Complete");
}

#[test]
fn a_loop_with_a_lost_coordinator_counts_once() {
    let Some(case) = ClusterCase::with_node() else { return };
    launch(&case, "once", 2, "http.numRequests=300,http.qps=100", &["runner=cronjob", "cronjobSchedule=@yearly"]);
    for count in 1..=2_u32 {
        let job = format!("by-hand-{count}");
        case.cluster.kubectl_ok(&["create", "job", "-n", &case.namespace, &job, "--from=cronjob/once-1-cronjob"]);
        if count == 2 {
            let labels = "iter8.tools/group=once,job-name=by-hand-2,batch.kubernetes.io/job-completion-index=0";
            let running = |pod: &Value| pod["status"]["phase"] == "Running";
            let coordinator = case.cluster.wait_for_one("pods", &case.namespace, labels, running);
            case.wait_for_document("once", |document| document["result"]["numLoops"] == 2);
            wait_for_start(&case, "once");
            // It saves what it has measured so far: what is saved does not count.
            let name = coordinator["metadata"]["name"].as_str().unwrap();
            case.cluster.kubectl_ok(&["delete", "pod", "-n", &case.namespace, name, "--wait=false"]);
        }
        case.cluster.wait_for_condition("jobs", &case.namespace, &job, "Complete");
        let result = &case.document("once")["result"];
        assert_eq!(result["numLoops"], count, "{result:#}");
    }
    let counts = &case.document("once")["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"];
    assert_eq!(counts, &json!([300, 300]));
}

#[test]
fn a_failed_task_is_not_retried() {
    let Some(case) = ClusterCase::with_node() else { return };
    let values = ["tasks={http}", "http.url=http://127.0.0.1:1/", "runner=job", "parallelism=2"];
    let args = values.iter().flat_map(|pair| ["--set", pair]);
    case.k(["launch", "-g", "fails"].into_iter().chain(args)).exits(0);
    let output = case.k(["assert", "-g", "fails", "-c", "nofailure", "-c", "completed", "--timeout", "120s"]);
    output.exits(1);
    case.cluster.wait_for_condition("jobs", &case.namespace, "fails-1-job", "Failed");
    let pods = case.objects("fails").into_iter().filter(|name| name.starts_with("pod/")).count();
    assert_eq!(pods, 2, "one life each");
    let result = &case.document("fails")["result"];
    assert_eq!((&result["failure"], &result["numLoops"]), (&json!(true), &json!(1)));
    assert!(result["tasks"][0]["error"].as_str().unwrap().contains("(indices 0, 1)"), "{result:#}");
}
