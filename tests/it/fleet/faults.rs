//! Peers that never join, fail, are lost or interrupted: gaps are reported, and nothing is counted twice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use iter8::model::document::TaskStatus;
use iter8::model::load::MissingShard;
use iter8::pipeline::{PipelineError, RunEnd};
use iter8::ports::fleet::{Fleet, FleetError};
use iter8::report;
use serde_json::{Value, json};

use super::peers::{Document, LONGEST, Peer, TIMEOUT, counting, experiment};
use crate::schema::{errors, published};
use crate::support::echo_server::EchoServer;
use crate::support::env::TestEnv;
use crate::support::fleet::InMemoryFleet;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

#[tokio::test]
async fn a_missing_worker_leaves_slos_inconclusive() {
    let (server, seen) = counting(|_| Duration::ZERO);
    let shared = InMemoryFleet::new(8, TIMEOUT);
    let spec = experiment(json!({"url": server.url(), "qps": 100, "numRequests": 80, "connections": 2}));
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let there: Vec<_> = [1, 2, 4, 5, 6, 7].map(|index| (Peer::default(), shared.member(index))).into();
    let work = join_all(there.iter().map(|(peer, member)| peer.work(&spec, member)));
    let (end, _) = tokio::join!(first.run(&spec, Some(&coordinator), &document), work);
    // Nothing failed: the run completes and reports the missing peer.
    assert_eq!(end.unwrap(), RunEnd::Completed);
    let load = document.load("http");
    assert_eq!((load.counts.requests, seen.load(Ordering::SeqCst)), (70, 70));
    assert_eq!(load.requested_rate, Some(100.0), "the rate of the whole load");
    let reason = "did not reach the start".to_owned();
    let shards = load.shards.unwrap();
    assert_eq!((shards.count, shards.missing), (8, vec![MissingShard { index: 3, reason }]));
    let gap =
        "1 of 8 pods reported no measurements: index 3 (did not reach the start); its share of the load is missing";
    assert_eq!(document.task(0).notes, [format!("http: {gap}")]);
    assert_eq!(document.verdict(), (json!("inconclusive"), gap.to_owned()));
    assert_eq!(first.log(), ["started without index 3: did not reach the start within 1.5s"]);
    let experiment = document.experiment();
    assert_eq!(errors(&published("document"), &json!(experiment)), [""; 0]);
    let report = |name| report::Report::of(&experiment).render(report::format(name).unwrap()).unwrap();
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(report("text")).contains(&format!("http: {gap}")), "{}", report("text"));
    let page = report("html");
    assert!(page.contains("pods missing") && page.contains("7 of 8"), "{page}");
}

#[tokio::test]
async fn a_failed_shard_fails_the_task_and_keeps_the_others() {
    // The requests of peer 3 get no response, all of them.
    let server = MisbehavingServer::scripted(|request| match request.path.trim_start_matches('/').parse::<u64>() {
        Ok(number) if number % 8 == 3 => Reply::SendAndClose(Vec::new()),
        _ => Reply::ok("fine"),
    });
    let url = format!("{}{{{{requestNumber}}}}", server.url());
    let load = json!({"url": url, "template": true, "numRequests": 80, "qps": "max", "connections": 2});
    let (end, document, peers) = run_with(&InMemoryFleet::new(8, TIMEOUT), 8, &experiment(load), |_, _| ()).await;
    let Err(PipelineError::Task { source, .. }) = end else { panic!("{end:?}") };
    let message = source.to_string();
    assert!(message.starts_with("http: the first 2 requests to http://127.0.0.1:"), "{message}");
    assert!(
        message.ends_with("all failed: connection closed before the response was complete ×2 (index 3)"),
        "{message}"
    );
    assert_eq!(document.task(0).status, TaskStatus::Failed);
    assert_eq!(document.task(0).error, Some(message.clone()));
    let load = document.load("http");
    assert_eq!((load.counts.requests, load.counts.errors), (70, 0));
    let shards = load.shards.unwrap();
    let missing = shards.missing.iter().map(|missing| missing.index).collect::<Vec<_>>();
    assert_eq!(missing, [3]);
    assert!(shards.missing[0].reason.starts_with("its load failed: http: the first 2 requests"), "{shards:?}");
    // Its own log has the failure, too.
    assert_eq!(peers[3].log().len(), 1);
}

#[tokio::test]
async fn a_common_failure_is_reported_once() {
    let load = json!({"url": "http://127.0.0.1:1/", "numRequests": 40, "qps": "max", "connections": 1});
    let (end, document, _) = run_with(&InMemoryFleet::new(4, TIMEOUT), 4, &experiment(load), |_, _| ()).await;
    let Err(PipelineError::Task { source, .. }) = end else { panic!("{end:?}") };
    assert_eq!(
        source.to_string(),
        "http: the first 1 requests to http://127.0.0.1:1/ all failed: connection refused ×1 (indices 0, 1, 2, 3)"
    );
    let insights = document.experiment().result.unwrap().insights.unwrap_or_default();
    assert!(insights.load.iter().all(|loads| loads.is_empty()), "{insights:?}");
}

#[tokio::test]
async fn a_worker_that_fails_early_delays_nobody() {
    let (server, seen) = counting(|_| Duration::ZERO);
    let spec =
        experiment(json!({"url": server.url(), "payloadFile": "p", "numRequests": 40, "qps": "max", "connections": 1}));
    for without_files in [0, 2] {
        let before = seen.load(Ordering::SeqCst);
        // Longer than any test may take.
        let shared = InMemoryFleet::new(4, Duration::from_secs(600));
        let change = |index, peer: &mut Peer| {
            if index == without_files {
                peer.env = TestEnv::default();
            }
        };
        let run = tokio::time::timeout(Duration::from_secs(30), run_with(&shared, 4, &spec, change));
        let (end, document, _) = run.await.unwrap();
        let Err(PipelineError::Task { source, .. }) = end else { panic!("{end:?}") };
        assert!(source.to_string().starts_with("with.payloadFile: cannot read `p`"), "{source}");
        assert_eq!((document.load("http").counts.requests, seen.load(Ordering::SeqCst) - before), (30, 30));
        assert_eq!(document.load("http").shards.unwrap().missing[0].index, without_files as u64);
    }
}

#[tokio::test]
async fn a_restarted_worker_counts_once() {
    let (server, seen) = counting(|_| Duration::ZERO);
    let shared = InMemoryFleet::new(3, Duration::from_secs(20));
    let spec = experiment(json!({"url": server.url(), "qps": 60, "duration": "1s", "connections": 1}));
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let (second, worker) = (Peer::default(), shared.member(1));
    let lost_and_found = async {
        let lost = Peer::default();
        let member = shared.member(2);
        tokio::select! {
            end = lost.work(&spec, &member) => panic!("{end:?}"),
            () = lost.wait_for_load() => {}
        }
        let again = Peer::default();
        again.work(&spec, &shared.member(2)).await
    };
    let (end, _, again) =
        tokio::join!(first.run(&spec, Some(&coordinator), &document), second.work(&spec, &worker), lost_and_found);
    assert_eq!((end.unwrap(), again.unwrap()), (RunEnd::Completed, RunEnd::Completed));
    let load = document.load("http");
    assert_eq!((load.counts.requests, load.counts.dropped), (60, 0));
    assert!(seen.load(Ordering::SeqCst) > 60, "the lost attempt sent requests, too");
    let shards = load.shards.unwrap();
    assert_eq!((shards.missing.len(), shards.late), (0, vec![2]));
    let late = "pod 2 started after the others: the full load was never generated at once";
    assert_eq!(document.task(0).notes, [format!("http: {late}")]);
    assert_eq!(document.verdict().0, "satisfied");
}

#[tokio::test]
async fn a_worker_restarted_after_its_report_does_nothing() {
    let server = MisbehavingServer::responds(200, "fine");
    let shared = InMemoryFleet::new(2, Duration::from_secs(20));
    // The second load keeps the run going.
    let endpoints = json!({
        "a": {"url": format!("{}a", server.url()), "numRequests": 10, "qps": "max"},
        "b": {"url": format!("{}b", server.url()), "qps": 50, "duration": "1s"},
    });
    let spec = experiment(json!({"endpoints": endpoints, "connections": 1}));
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let comes_again = async {
        let member = shared.member(1);
        let lost = Peer::default();
        tokio::select! {
            end = lost.work(&spec, &member) => panic!("{end:?}"),
            // The first load is too short for this; it is the second one.
            () = lost.wait_for_load() => {}
        }
        assert_eq!(shared.reports().iter().filter(|(_, index, _)| *index == 1).count(), 1);
        Peer::default().work(&spec, &shared.member(1)).await
    };
    let (end, again) = tokio::join!(first.run(&spec, Some(&coordinator), &document), comes_again);
    assert_eq!((end.unwrap(), again.unwrap()), (RunEnd::Completed, RunEnd::Completed));
    assert_eq!((document.load("http-a").counts.requests, document.load("http-b").counts.requests), (10, 50));
    assert_eq!(document.load("http-a").shards.unwrap().late, [0; 0]);
    assert_eq!(document.load("http-b").shards.unwrap().late, [1]);
    let seen = |path: &str| server.seen().iter().filter(|request| request.path == path).count();
    assert_eq!(seen("/a"), 10);
    assert!(seen("/b") > 50, "the lost attempt sent requests, too");
}

#[tokio::test]
async fn a_restarted_coordinator_restarts_the_workers() {
    let (server, _) = counting(|_| Duration::ZERO);
    let shared = InMemoryFleet::new(3, Duration::from_secs(20));
    let long = experiment(json!({"url": server.url(), "qps": 30, "duration": "30s", "connections": 1}));
    let document = Document::default();
    let workers = [1, 2].map(|index| (Peer::default(), shared.member(index)));
    let work = join_all(workers.iter().map(|(peer, member)| peer.work(&long, member)));
    let coordinate = async {
        let lost = Peer::default();
        let member = shared.member(0);
        tokio::select! {
            end = lost.run(&long, Some(&member), &document) => panic!("{end:?}"),
            () = lost.wait_for_load() => {}
        }
        shared.restart();
        // The same experiment, of which this one sees the end.
        let again = Peer::default();
        let member = shared.member(0);
        let stop = async {
            again.wait_for_load().await;
            workers.iter().for_each(|(peer, _)| peer.env.stop.cancel());
            again.env.stop.cancel();
        };
        tokio::join!(again.run(&long, Some(&member), &document), stop).0
    };
    let both = async { tokio::join!(coordinate, work) };
    let (end, ends) = tokio::time::timeout(Duration::from_secs(25), both).await.unwrap();
    assert_eq!(end.unwrap(), RunEnd::Interrupted);
    for (end, (peer, _)) in ends.into_iter().zip(&workers) {
        assert_eq!(end.unwrap(), RunEnd::Interrupted);
        let events = format!("{:?}", peer.env.events.lock().unwrap());
        assert_eq!(events.matches("superseded by the coordinator").count(), 1, "{events}");
        assert_eq!(events.matches("TaskStarted").count(), 2, "{events}");
    }
    assert_eq!(document.load("http").shards.unwrap().missing, []);
}

#[tokio::test]
async fn an_interruption_keeps_the_measurements_of_all_workers() {
    let url = EchoServer::plain().url();
    let shared = InMemoryFleet::new(4, Duration::from_secs(20));
    let spec = experiment(json!({"url": url, "qps": 80, "duration": "60s", "connections": 1}));
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let workers: Vec<_> = (1..4).map(|index| (Peer::default(), shared.member(index))).collect();
    let stop = async {
        for (peer, _) in &workers {
            peer.wait_for_load().await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        first.env.stop.cancel();
        workers.iter().for_each(|(peer, _)| peer.env.stop.cancel());
    };
    let work = join_all(workers.iter().map(|(peer, member)| peer.work(&spec, member)));
    let (end, ends, ()) = tokio::join!(first.run(&spec, Some(&coordinator), &document), work, stop);
    assert_eq!(end.unwrap(), RunEnd::Interrupted);
    assert!(ends.into_iter().all(|end| end.unwrap() == RunEnd::Interrupted));
    let load = document.load("http");
    assert!(load.interrupted && load.counts.requests >= 40, "{load:?}");
    assert_eq!(load.shards.unwrap().missing, []);
    assert_eq!(document.task(0).status, TaskStatus::Interrupted);
    let reported: u64 = shared.reports().iter().map(|(_, _, report)| requests(&json!(report))).sum();
    assert_eq!(reported, load.counts.requests);
}

/// Number of requests in a report of a single load.
fn requests(report: &Value) -> u64 {
    report[0]["measured"]["requests"].as_u64().unwrap()
}

#[tokio::test]
async fn an_interrupted_coordinator_does_not_wait_for_workers() {
    let url = EchoServer::plain().url();
    let shared = InMemoryFleet::new(2, Duration::from_secs(600));
    let spec = experiment(json!({"url": url, "qps": 40, "duration": "60s", "connections": 1}));
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let (second, worker) = (Peer::default(), shared.member(1));
    let stop = async {
        first.wait_for_load().await;
        first.env.stop.cancel();
    };
    let first_run = async {
        let end = first.run(&spec, Some(&coordinator), &document).await;
        // The worker is not dismissed, because a restarted coordinator may continue the run.
        assert!(!worker.superseded().is_cancelled());
        second.env.stop.cancel();
        end
    };
    let run = async { tokio::join!(first_run, second.work(&spec, &worker), stop) };
    let (end, other, ()) = tokio::time::timeout(Duration::from_secs(30), run).await.unwrap();
    assert_eq!((end.unwrap(), other.unwrap()), (RunEnd::Interrupted, RunEnd::Interrupted));
    let load = document.load("http");
    assert!(load.interrupted && load.counts.requests > 0, "{load:?}");
    let reason = "reported nothing before the interrupted run ended".to_owned();
    assert_eq!(load.shards.unwrap().missing, [MissingShard { index: 1, reason }]);
}

#[tokio::test]
async fn an_interrupted_worker_does_not_stop_the_run() {
    let url = EchoServer::plain().url();
    let shared = InMemoryFleet::new(3, Duration::from_secs(20));
    let spec = experiment(json!({"url": url, "qps": 60, "duration": "2s", "connections": 1}));
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let workers = [1, 2].map(|index| (Peer::default(), shared.member(index)));
    let stop = async {
        workers[1].0.wait_for_load().await;
        workers[1].0.env.stop.cancel();
    };
    let work = join_all(workers.iter().map(|(peer, member)| peer.work(&spec, member)));
    let (end, ends, ()) = tokio::join!(first.run(&spec, Some(&coordinator), &document), work, stop);
    assert_eq!(end.unwrap(), RunEnd::Completed);
    let ends: Vec<RunEnd> = ends.into_iter().map(Result::unwrap).collect();
    assert_eq!(ends, [RunEnd::Completed, RunEnd::Interrupted]);
    assert_eq!(document.task(0).notes, ["http: index 2 was interrupted before the end"]);
    let (verdict, reason) = document.verdict();
    assert_eq!(verdict, "inconclusive");
    assert!(reason.starts_with("the load was interrupted after "), "{reason}");
}

#[tokio::test]
async fn a_worker_with_another_experiment_is_rejected() {
    let shared = InMemoryFleet::new(2, TIMEOUT);
    let url = EchoServer::plain().url();
    let spec = experiment(json!({"url": url, "numRequests": 10, "qps": "max"}));
    let other = json!([{"run": "true"}]);
    let document = Document::default();
    let (first, coordinator) = (Peer::default(), shared.member(0));
    let (second, worker) = (Peer::default(), shared.member(1));
    let (end, wrong) = tokio::join!(first.run(&spec, Some(&coordinator), &document), second.work(&other, &worker));
    assert_eq!(end.unwrap(), RunEnd::Completed);
    let Err(PipelineError::Fleet(FleetError::Failed(message))) = wrong else { panic!("{wrong:?}") };
    assert_eq!(
        message,
        "the coordinator requested task 1, which has no load here; all pods must run the same experiment"
    );
    assert_eq!(document.verdict().0, "inconclusive");
}

/// Runs an experiment on `count` peers, after `change` on each. Returns the coordinator's end, its document, and the peers.
async fn run_with(
    shared: &std::sync::Arc<InMemoryFleet>,
    count: usize,
    spec: &Value,
    change: impl Fn(usize, &mut Peer),
) -> (Result<RunEnd, PipelineError>, Document, Vec<Peer>) {
    let peer = |index| {
        let mut peer = Peer::default();
        change(index, &mut peer);
        peer
    };
    let peers: Vec<Peer> = (0..count).map(peer).collect();
    let members: Vec<_> = (0..count).map(|index| shared.member(index)).collect();
    let document = Document::default();
    let pairs = peers.iter().zip(&members).skip(1);
    let work = join_all(pairs.map(|(peer, member)| peer.work(spec, member)));
    let all = async { tokio::join!(peers[0].run(spec, Some(&members[0]), &document), work) };
    let (end, ends) = tokio::time::timeout(LONGEST, all).await.unwrap();
    for end in ends {
        assert_eq!(end.unwrap(), RunEnd::Completed);
    }
    (end, document, peers)
}
