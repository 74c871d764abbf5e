//! Loads that a decision ends before the end of their schedule.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use iter8::load::early_end::{EarlyEnd, LoadState};
use iter8::load::engine::run;
use iter8::load::http::{Http, HttpTarget};
use iter8::load::outcome::LoadOutcome;
use iter8::load::pacing::{Arrival, Bound, Pacer};
use iter8::load::plan::{LoadPlan, StopMode};
use tokio_util::sync::CancellationToken;

use crate::support::misbehaving_server::{MisbehavingServer, Reply};

/// Runs a load of at most 60 s that ends when `is_decided`. Returns its outcome and the states that it saw.
async fn until(
    server: &MisbehavingServer,
    plan: impl FnOnce(LoadPlan) -> LoadPlan,
    arrival: Arrival,
    is_decided: impl Fn(&LoadState) -> bool + Send + Sync + 'static,
) -> (LoadOutcome, Vec<LoadState>) {
    let states = Arc::new(Mutex::new(Vec::new()));
    let decided = CancellationToken::new();
    let (seen, decision) = (Arc::clone(&states), decided.clone());
    let look = move |state: LoadState| {
        if is_decided(&state) {
            decision.cancel();
        }
        seen.lock().unwrap().push(state);
    };
    let pacer = Pacer::new(arrival, Bound::Duration(Duration::from_secs(60)));
    let early_end = Some(EarlyEnd { look: Arc::new(look), ages: vec![100_000, 5_000_000], decided });
    let plan = plan(LoadPlan { early_end, ..LoadPlan::new("the server", pacer, 4) });
    let http = Arc::new(Http::new(HttpTarget::new(server.url().parse().unwrap())).unwrap());
    let outcome = run(plan, http, CancellationToken::new(), &|_| {}).await.unwrap();
    let states = std::mem::take(&mut *states.lock().unwrap());
    (outcome, states)
}

fn requests(state: &LoadState) -> Vec<u64> {
    state.timeline.series(240).map(|series| series.requests).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_ends_the_schedule_and_nothing_counts_as_dropped_or_interrupted() {
    let server = MisbehavingServer::always(Reply::ok("ok"));
    let started = Instant::now();
    let rate = Arrival::Constant { rate: 100.0 };
    let (outcome, states) = until(&server, |plan| plan, rate, |state| state.seconds >= 2).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let decided = outcome.decided.unwrap();
    assert!(decided >= Duration::from_secs(2), "{decided:?}");
    assert_eq!((outcome.interrupted, outcome.counts.dropped, outcome.counts.errors), (false, 0, 0));
    assert_eq!(outcome.counts.requests, server.requests());
    assert_eq!(outcome.requested_rate, Some(100.0));
    assert!((outcome.achieved_rate / 100.0 - 1.0).abs() < 0.02, "{}", outcome.achieved_rate);
    // Every look sees whole seconds.
    for state in &states {
        let requests = requests(state);
        assert_eq!(requests.len() as u64, state.seconds);
        assert!(requests.iter().sum::<u64>() <= state.sent && state.due.is_some_and(|due| due >= state.sent));
        assert!(requests.iter().all(|count| (80..=120).contains(count)), "{requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_shows_as_requests_that_are_older_and_not_as_silence() {
    let server = MisbehavingServer::stalling(Duration::from_millis(1_500), Duration::from_millis(4_500));
    let rate = Arrival::Constant { rate: 100.0 };
    let (outcome, states) = until(&server, |plan| plan, rate, |state| state.seconds >= 4).await;
    // After three seconds, those due in the 1.5 s of the stall have not ended: in flight on 4 connections, the rest waits for them.
    let stalled = states.iter().find(|state| state.seconds == 3).unwrap();
    assert!(stalled.older[0] >= 100, "{:?}", stalled.older);
    assert_eq!(stalled.older[1], 0);
    assert!(requests(stalled)[2] < 10, "{:?}", requests(stalled));
    // All of them were due before the decision, so they are sent and counted.
    assert_eq!((outcome.counts.requests, outcome.counts.dropped), (server.requests(), 0));
    assert!(outcome.decided.is_some_and(|at| at >= Duration::from_secs(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_awaited_even_if_the_end_of_the_duration_would_abort_them() {
    let server = MisbehavingServer::stalling(Duration::from_millis(900), Duration::from_millis(2_500));
    let plan = |plan| LoadPlan { stop_mode: StopMode::Abort, ..plan };
    let (outcome, _) = until(&server, plan, Arrival::Max, |state| state.seconds >= 1).await;
    assert_eq!((outcome.counts.requests, outcome.counts.errors, outcome.interrupted), (server.requests(), 0, false));
    assert!(outcome.duration >= Duration::from_millis(2_400), "{:?}", outcome.duration);
}
