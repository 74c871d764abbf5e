//! Rollouts in steps: a canary that is good, slow, unknown or gone.

use std::time::Duration;

use serde_json::Value;

use super::rollout_case::{R1, R2, RolloutCase, uri};
use crate::kubernetes::cluster_case::Running;
use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::{Gateway, Model};

/// Latency of a model that violates the objective.
pub const SLOW: Duration = Duration::from_millis(1_500);

/// A rollout of `iris` whose steps are analyzed by load on the candidate.
pub struct Stepped {
    pub case: RolloutCase,
    pub gateway: Gateway,
    steps: &'static str,
    settings: Vec<String>,
}

impl Stepped {
    /// A candidate without traffic that behaves like this.
    pub fn new(candidate: Model) -> Option<Self> {
        let case = RolloutCase::with_candidate(0)?;
        Some(Self::of(case, candidate))
    }

    /// A rollout in this namespace.
    pub fn of(case: RolloutCase, candidate: Model) -> Self {
        let gateway = case.gateway(&[(&uri(1), Model::new("stable")), (&uri(2), candidate)]);
        gateway.wait_for_split("iris", &[(R1, 100)]);
        case.case.cli.write("payload.yaml", "http: {payloadStr: '{\"instances\": [[6.8, 2.8, 4.8, 1.4]]}'}");
        let settings = vec![
            // Not more than a busy machine can offer, because a missed rate decides nothing.
            "http.numRequests=20".to_owned(),
            "http.qps=20".to_owned(),
            "http.connections=40".to_owned(),
            // No rollout waits for a person for ever.
            "rollout.pauseTimeout=90s".to_owned(),
            format!("http.url={}/v1/models/iris:predict", gateway.url()),
            format!("http.headers.Host={}", gateway.host("iris")),
            "assess.SLOs.upper.http/error-rate=0".to_owned(),
            "assess.SLOs.upper.http/latency-p90=1000".to_owned(),
        ];
        Self { case, gateway, steps: "10,25,50,100", settings }
    }

    /// Changes the steps.
    pub fn steps(self, steps: &'static str) -> Self {
        Self { steps, ..self }
    }

    /// Changes the namespace's user.
    pub fn with_case(self, change: impl FnOnce(RolloutCase) -> RolloutCase) -> Self {
        let case = change(self.case);
        Self { case, ..self }
    }

    /// Changes a value.
    pub fn set(mut self, value: &str) -> Self {
        self.settings.push(value.to_owned());
        self
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let command = ["rollout", "run", "iris", "--steps", self.steps, "-f", "payload.yaml"];
        let is_other = more.contains(&"--analysis");
        let analysis: &[&str] = if is_other { &[] } else { &["--analysis", "http,assess"] };
        let settings = self.settings.iter().flat_map(|setting| ["--set", setting]);
        command
            .into_iter()
            .chain(analysis.iter().copied())
            .chain(settings)
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    /// Runs `iter8 k rollout run` to its end.
    pub fn run(&self, more: &[&str]) -> CliOutput {
        self.case.case.k(self.args(more))
    }

    /// Starts `iter8 k rollout run`, and waits until it has said this.
    #[track_caller]
    pub fn start(&self, more: &[&str], text: &str) -> Running {
        self.case.case.start_and_wait(self.args(more), text)
    }

    /// The rollout in the document.
    pub fn record(&self) -> Value {
        self.case.case.cli.document()["result"]["rollout"].clone()
    }
}

#[test]
fn a_good_candidate_is_promoted_step_by_step() {
    let Some(rollout) = Stepped::new(Model::new("good")) else { return };
    let run = rollout.run(&[]);
    run.expect(0, &["iris-predictor-00002 was promoted (10 → 25 → 50 → 100 %)"]);
    rollout.case.wait_for_traffic(&[(R2, 100)]);
    assert_eq!(rollout.case.service()["status"]["components"]["predictor"]["latestRolledoutRevision"], R2);
    let record = rollout.record();
    let percents: Vec<&Value> = record["steps"].as_array().unwrap().iter().map(|step| &step["percent"]).collect();
    assert_eq!(percents, [10, 25, 50]);
    assert_eq!(record["phase"], "promoted");
    assert!(record["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "satisfied"), "{record}");
}

#[test]
fn a_slow_candidate_is_rolled_back_at_the_first_step() {
    let slow = Model::new("slow").latency(SLOW);
    let Some(rollout) = Stepped::new(slow) else { return };
    let rollout = rollout.steps("50,75");
    let run = rollout.run(&[]);
    run.expect(1, &["iris-predictor-00002 was rolled back: at 50 %: 1 of 2 violated (http/latency-p90 1"]);
    rollout.case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    assert_eq!(rollout.record()["phase"], "rolledBack");
    assert_eq!(rollout.record()["step"], 0);
}
