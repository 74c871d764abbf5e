//! Rollouts in steps whose analysis observes the split: load through one URL, whose responses are attributed to revisions.

use std::time::Duration;

use serde_json::{Value, json};

use super::rollout_case::{R1, R2, RolloutCase, uri};
use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::{Gateway, Model};

/// Limit of the 90th percentile of latencies, in milliseconds. Other tests use the same cores.
const LIMIT_MS: u64 = 300;

/// A rollout of `iris`.
struct Rollout {
    case: RolloutCase,
    gateway: Gateway,
}

impl Rollout {
    /// A rollout to a candidate that has no traffic yet, and behaves like this.
    fn of(candidate: Model) -> Option<Self> {
        let case = RolloutCase::with_candidate(0)?;
        let gateway = case.gateway(&[(&uri(1), Model::new("stable")), (&uri(2), candidate)]);
        gateway.wait_for_split("iris", &[(R1, 100)]);
        Some(Self { case, gateway })
    }

    /// Runs it to its end, with this number of requests per step. Nobody resumes it if it is paused.
    fn run(&self, steps: &str, requests: u32, more: &[&str]) -> CliOutput {
        let values = json!({
            "rollout": {"analysis": ["http", "split", "assess"], "pauseTimeout": "1s"},
            "http": {
                "url": format!("{}/v1/models/iris:predict", self.gateway.url()),
                "headers": {"Host": self.gateway.host("iris")},
                "contentType": "application/json",
                "payloadStr": r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#,
                "numRequests": requests,
                "qps": 100,
                "connections": 64,
                "versionFrom": {"header": "X-Model-Version", "versions": [R1, R2]},
            },
            "split": {"metric": "http/request-count", "expectedFrom": {"isvc": "iris"}},
            "assess": {"SLOs": {"upper": {"http/error-rate": 0, "http/latency-p90": LIMIT_MS}}},
        });
        self.case.case.cli.write("analysis.yaml", &values.to_string());
        let args = ["rollout", "run", "iris", "--steps", steps, "-f", "analysis.yaml"];
        self.case.case.k(args.iter().chain(more))
    }

    /// Percents of the steps that have started, and their outcomes.
    fn timeline(&self) -> Vec<(u64, String)> {
        let record = self.record();
        let started = record["steps"].as_array().unwrap().iter().filter(|step| !step["start"].is_null());
        let outcome = |step: &Value| step["outcome"].as_str().unwrap_or("none").to_owned();
        started.map(|step| (step["percent"].as_u64().unwrap(), outcome(step))).collect()
    }

    fn record(&self) -> Value {
        self.case.case.cli.document()["result"]["rollout"].clone()
    }

    #[track_caller]
    fn is_not_promoted(&self) {
        assert_eq!(self.case.service()["status"]["components"]["predictor"]["latestRolledoutRevision"], R1);
    }
}

fn satisfied(percents: &[u64]) -> Vec<(u64, String)> {
    percents.iter().map(|percent| (*percent, "satisfied".to_owned())).collect()
}

#[test]
fn a_good_candidate_goes_from_step_to_step_and_is_promoted() {
    let Some(rollout) = Rollout::of(Model::new("good")) else { return };
    rollout.run("10,25,50,100", 200, &[]).expect(0, &["was promoted (10 → 25 → 50 → 100 %)"]);
    assert_eq!(rollout.timeline(), satisfied(&[10, 25, 50]));
    assert_eq!(rollout.record()["phase"], "promoted");
    rollout.gateway.wait_for_split("iris", &[(R2, 100)]);
    rollout.case.wait(|status| status["components"]["predictor"]["latestRolledoutRevision"] == R2);
    // About 20, 50 and 100 of 200 requests each.
    assert!((110..230).contains(&rollout.gateway.requests(R2)), "{}", rollout.gateway.requests(R2));
    assert_eq!(rollout.gateway.requests(R1) + rollout.gateway.requests(R2), 600);
}

#[test]
fn a_candidate_with_p90_over_the_limit_is_rolled_back_at_the_first_step() {
    let slow = Model::new("slow").latency(Duration::from_millis(2 * LIMIT_MS));
    let Some(rollout) = Rollout::of(slow) else { return };
    rollout.run("10,25,50,100", 200, &[]).expect(1, &["was rolled back: at 10 %: ", "http/latency-p90"]);
    assert_eq!(rollout.timeline(), [(10, "violated".to_owned())]);
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    rollout.is_not_promoted();
    assert_eq!(rollout.gateway.requests(R1) + rollout.gateway.requests(R2), 200);
}

#[test]
fn a_step_with_too_few_requests_holds_and_says_how_many_are_missing() {
    let Some(rollout) = Rollout::of(Model::new("good")) else { return };
    let run = rollout.run("1,50,100", 6, &[]);
    let few =
        format!("{R2} sent none of 6 responses, although its expected share is 1 %; at least 688 responses are needed");
    run.expect(5, &["is paused at 1 %, step 1 of 2: inconclusive at 1 %", &few]);
    assert_eq!(rollout.timeline(), [(1, "inconclusive".to_owned())]);
    assert_eq!(rollout.case.traffic(), [(R2.to_owned(), 1), (R1.to_owned(), 99)]);
    rollout.is_not_promoted();
}

#[test]
fn a_candidate_that_gets_no_traffic_is_never_promoted() {
    let Some(rollout) = Rollout::of(Model::new("good")) else { return };
    rollout.gateway.ignore_status();
    let unseen = format!("{R2} sent none of 200 responses, although its expected share is 10 %");
    rollout
        .run("10,50,100", 200, &["--on-inconclusive", "extend", "--set", "rollout.maxExtensions=1"])
        .expect(5, &[&unseen]);
    assert_eq!(rollout.record()["steps"][0]["analyses"], 2);
    assert_eq!(rollout.timeline(), [(10, "inconclusive".to_owned())]);
    rollout.is_not_promoted();
    assert_eq!(rollout.gateway.requests(R2), 0);
}

#[test]
fn a_candidate_with_the_wrong_share_is_rolled_back_if_the_values_say_so() {
    let Some(rollout) = Rollout::of(Model::new("good")) else { return };
    rollout.case.rollout(&["set", "iris", "--percent", "50"]).exits(0);
    rollout.gateway.wait_for_split("iris", &[(R1, 50), (R2, 50)]);
    rollout.gateway.ignore_status();
    rollout.case.rollout(&["set", "iris", "--percent", "0"]).exits(0);
    let run = rollout.run("10,50,100", 200, &["--on-inconclusive", "rollback"]);
    run.expect(5, &["was rolled back: inconclusive at 10 %", "expected 10 %"]);
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    rollout.is_not_promoted();
}
