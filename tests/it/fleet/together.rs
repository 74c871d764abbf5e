//! Peers together send the requests that one would have sent, and the merged result is the union of their measurements.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use iter8::metrics::histogram::{self, Histogram, mean_ms, percentile_ms};
use iter8::model::load::{LoadRecord, Shards};
use iter8::model::shard::{LoadPhase, ShardEnd};
use sample_model::{SampleConfig, start};
use serde_json::{Value, json};

use super::peers::{Document, Peer, TIMEOUT, counting, experiment, run_all};
use crate::support::echo_server::EchoServer;
use crate::support::fleet::InMemoryFleet;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

#[tokio::test]
async fn eight_workers_send_the_exact_number_of_requests() {
    let (server, seen) = counting(|_| Duration::ZERO);
    let shared = InMemoryFleet::new(8, TIMEOUT);
    let load = json!({"url": server.url(), "numRequests": 100, "qps": "max", "connections": 2});
    let document = run_all(&shared, 8, &experiment(load)).await;
    let load = document.load("http");
    assert_eq!((load.counts.requests, load.counts.errors, seen.load(Ordering::SeqCst)), (100, 0, 100));
    assert_eq!((load.connections, load.requested_rate), (16, None));
    assert_eq!(load.shards, Some(Shards { count: 8, ..Shards::default() }));
    assert_eq!(document.verdict().0, "satisfied");
    assert_eq!(document.task(0).notes, [""; 0]);
    let parts: Vec<u64> = shared
        .reports()
        .into_iter()
        .map(|(_, _, report)| match &report[..] {
            [ShardEnd::Measured(shard)] => shard.counts.requests,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts, [13, 13, 13, 13, 12, 12, 12, 12]);
}

#[tokio::test]
async fn workers_share_a_rate() {
    let url = EchoServer::plain().url();
    let load = json!({"url": url, "qps": 100, "duration": "2s", "connections": 2});
    let spec = experiment(load);
    let alone = Document::default();
    Peer::default().run(&spec, None, &alone).await.unwrap();
    let document = run_all(&InMemoryFleet::new(8, TIMEOUT), 8, &spec).await;
    let (one, all) = (alone.load("http"), document.load("http"));
    assert_eq!((one.counts.requests, one.shards), (200, None));
    assert_eq!((all.counts.requests, all.counts.dropped, all.requested_rate), (200, 0, one.requested_rate));
    assert!((all.achieved_rate - 100.0).abs() < 1.0, "{}", all.achieved_rate);
    let series = all.series.unwrap();
    assert_eq!(series.requests.iter().sum::<u64>(), 200);
    // All peers count from the start of the load: each second has its hundred, not each peer its own seconds.
    assert!(series.requests.iter().take(2).all(|count| (80..=120).contains(count)), "{series:?}");
    assert_eq!(document.verdict().0, "satisfied");
}

#[tokio::test]
async fn merged_percentiles_cover_all_reports() {
    // Latencies that differ from request to request, and so from peer to peer.
    let (server, _) = counting(|number| Duration::from_micros(300 * (number % 40)));
    let shared = InMemoryFleet::new(8, TIMEOUT);
    let load = json!({"url": server.url(), "numRequests": 400, "qps": "max", "connections": 2});
    let document = run_all(&shared, 8, &experiment(load)).await;
    let reports = shared.reports();
    assert_eq!(reports.iter().map(|(_, index, _)| *index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    let mut union: Histogram = histogram::new();
    let mut slowest = Vec::new();
    for (_, _, report) in &reports {
        let [ShardEnd::Measured(shard)] = &report[..] else { panic!("{report:?}") };
        let part = histogram::decode(&shard.histograms["latency"]).unwrap();
        // Value by value, so that this says something of merging.
        for cell in part.iter_recorded() {
            (0..cell.count_at_value()).for_each(|_| union.record(cell.value_iterated_to()).unwrap());
        }
        slowest.push(part.max());
    }
    slowest.dedup();
    assert!(slowest.len() > 1, "peers that all measured the same prove nothing");
    let insights = document.experiment().result.unwrap().insights.unwrap();
    let merged = histogram::decode(&insights.histograms[0]["http/latency"]).unwrap();
    assert_eq!((merged.len(), union.len()), (400, 400));
    for p in [0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0] {
        assert_eq!(percentile_ms(&merged, p), percentile_ms(&union, p), "p{p}");
    }
    assert_eq!(mean_ms(&merged), mean_ms(&union));
    let p99 = insights.non_hist_metric_values[0]["http/latency-p99"][0];
    assert_eq!(p99, percentile_ms(&union, 99.0));
}

#[tokio::test]
async fn request_numbers_are_unique() {
    let server = MisbehavingServer::responds(200, "fine");
    let shared = InMemoryFleet::new(3, TIMEOUT);
    let url = format!("{}items/{{{{requestNumber}}}}", server.url());
    run_all(&shared, 3, &experiment(json!({"url": url, "template": true, "numRequests": 50, "qps": "max"}))).await;
    let paths: BTreeSet<String> = server.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(server.seen().len(), 50);
    assert_eq!(paths, (0..50).map(|number| format!("/items/{number}")).collect());
}

#[tokio::test]
async fn a_worker_without_requests_succeeds() {
    let (server, seen) = counting(|_| Duration::ZERO);
    for rate in [json!("max"), json!(50)] {
        let shared = InMemoryFleet::new(5, TIMEOUT);
        let load = json!({"url": server.url(), "numRequests": 3, "qps": rate});
        let before = seen.load(Ordering::SeqCst);
        let document = run_all(&shared, 5, &experiment(load)).await;
        assert_eq!((document.load("http").counts.requests, seen.load(Ordering::SeqCst) - before), (3, 3));
        assert_eq!(document.load("http").shards, Some(Shards { count: 5, ..Shards::default() }));
        assert_eq!(document.verdict().0, "satisfied");
    }
}

#[tokio::test]
async fn the_warm_up_is_shared_between_barriers() {
    let (server, seen) = counting(|_| Duration::ZERO);
    let shared = InMemoryFleet::new(4, TIMEOUT);
    let load = json!({"url": server.url(), "numRequests": 30, "qps": "max", "warmupNumRequests": 11});
    let document = run_all(&shared, 4, &experiment(load)).await;
    assert_eq!((document.load("http").counts.requests, seen.load(Ordering::SeqCst)), (30, 41));
    let phases: Vec<LoadPhase> = shared.places().iter().map(|place| place.phase).collect();
    assert_eq!(phases, [LoadPhase::WarmUp, LoadPhase::Load]);
}

#[tokio::test]
async fn loads_run_in_sequence_or_in_parallel() {
    for (is_parallel, places) in [(false, 3), (true, 2)] {
        let (server, seen) = counting(|_| Duration::ZERO);
        let shared = InMemoryFleet::new(3, TIMEOUT);
        let first = json!({
            "url": server.url(), "numRequests": 20, "qps": "max", "parallel": is_parallel,
            "endpoints": {"a": {"numRequests": 10}, "b": {}},
        });
        let mut spec = experiment(json!({"url": server.url(), "numRequests": 7, "qps": "max"}));
        spec.as_array_mut().unwrap().insert(0, json!({"task": "http", "with": first}));
        // Tasks that make no load are the coordinator's alone.
        spec.as_array_mut().unwrap().insert(1, json!({"run": "true"}));
        let document = run_all(&shared, 3, &spec).await;
        let counts = ["http-a", "http-b", "http"].map(|provider| document.load(provider).counts.requests);
        assert_eq!((counts, seen.load(Ordering::SeqCst)), ([10, 20, 7], 37));
        assert_eq!(shared.places().len(), places);
        let tasks: Vec<usize> = shared.places().iter().map(|place| place.task).collect();
        assert_eq!((tasks.first(), tasks.last()), (Some(&0), Some(&2)));
    }
}

#[tokio::test]
async fn workers_share_grpc_calls() {
    let service = start(SampleConfig::default()).await.unwrap();
    let call = "inference.GRPCInferenceService/ModelReady";
    let host = service.versions[0].addr.to_string();
    // The first five of all calls are not measured, whoever makes them.
    let with = json!({"host": host, "call": call, "data": {"name": "sklearn-iris"}, "total": 20, "concurrency": 2, "skipFirst": 5});
    let shared = InMemoryFleet::new(3, TIMEOUT);
    let document = run_all(&shared, 3, &json!([{"task": "grpc", "with": with}])).await;
    let load = document.load("grpc");
    assert_eq!(
        (load.counts.requests, load.counts.errors, load.statuses),
        (15, 0, [(0, 15)].into()),
        "{:?}",
        document.task(0)
    );
    assert_eq!(load.shards, Some(Shards { count: 3, ..Shards::default() }));
    assert_eq!(load.traffic.messages_sent, Some(15));
}

#[tokio::test]
async fn responses_of_all_workers_count() {
    // Only the requests of peer 1 are refused.
    let server = MisbehavingServer::scripted(|request| match request.path.trim_start_matches('/').parse::<u64>() {
        Ok(number) if number % 2 == 1 => Reply::plain(503, "busy"),
        _ => Reply::ok("fine"),
    });
    let url = format!("{}{{{{requestNumber}}}}", server.url());
    let load = json!({"url": url, "template": true, "numRequests": 20, "qps": "max", "allowInitialErrors": true});
    let document = run_all(&InMemoryFleet::new(2, TIMEOUT), 2, &experiment(load)).await;
    let load = document.load("http");
    assert_eq!((load.counts.errors, &load.statuses), (10, &[(200, 10), (503, 10)].into()));
    let rate: Value = json!(document.experiment().result.unwrap().insights.unwrap().non_hist_metric_values[0]);
    assert_eq!(rate["http/error-rate"], json!([0.5]));
}

#[tokio::test]
async fn workers_load_the_versions_of_an_endpoint_at_the_same_time() {
    let (server, _) = counting(|_| Duration::ZERO);
    let url = |name: &str| format!("{}{name}", server.url());
    let load = json!({
        "numRequests": 60, "qps": 150, "connections": 1,
        "endpoints": {"x": {"url": url("x")}, "y": {"url": url("y")}},
        "versionValues": [{"headers": {"v": "a"}}, {"headers": {"v": "b"}}],
    });
    let shared = InMemoryFleet::new(3, TIMEOUT);
    let document = run_all(&shared, 3, &json!([{"task": "http", "with": load}])).await;
    let insights = document.experiment().result.unwrap().insights.unwrap();
    for loads in &insights.load {
        let complete =
            |load: &LoadRecord| load.counts.requests == 60 && load.shards.as_ref().unwrap().missing.is_empty();
        assert!(loads.values().all(complete) && loads.len() == 2, "{loads:?}");
    }
    let seen: Vec<_> = server.seen().iter().map(|it| (it.path.clone(), it.header("v").unwrap().to_owned())).collect();
    let window = |path: &str, version: &str| {
        let is_its = |it: &(String, String)| it.0 == path && it.1 == version;
        (seen.iter().position(is_its).unwrap(), seen.iter().rposition(is_its).unwrap())
    };
    for path in ["/x", "/y"] {
        let (a, b) = (window(path, "a"), window(path, "b"));
        assert!(a.0 < b.1 && b.0 < a.1, "{seen:?}");
    }
    let (x, y) = ([window("/x", "a").1, window("/x", "b").1], [window("/y", "a").0, window("/y", "b").0]);
    assert!(x.iter().max() < y.iter().min(), "endpoints in turn: {seen:?}");
    let loads: BTreeSet<usize> = shared.reports().iter().map(|(place, ..)| place.load).collect();
    assert_eq!(loads, [0, 1].into());
}
