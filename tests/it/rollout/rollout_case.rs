//! A namespace of a cluster with KServe, and the InferenceService `iris` in it.

use serde_json::{Value, json};

use crate::kubernetes::cluster_case::{ClusterCase, Running};
use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::{Gateway, KServe, Model, Outcome};

/// Revisions of the InferenceService, the oldest first.
pub const R1: &str = "iris-predictor-00001";
pub const R2: &str = "iris-predictor-00002";
pub const R3: &str = "iris-predictor-00003";

/// A namespace.
pub struct RolloutCase {
    pub case: ClusterCase,
    pub kserve: &'static KServe,
}

impl RolloutCase {
    /// A namespace of the cluster that tests share; `None` if programs are missing.
    pub fn new() -> Option<Self> {
        KServe::shared().map(Self::of)
    }

    /// A namespace of this cluster.
    pub fn of(kserve: &'static KServe) -> Self {
        Self { case: ClusterCase::of(kserve.cluster), kserve }
    }

    /// A namespace whose InferenceService has one revision, with all the traffic.
    pub fn with_stable() -> Option<Self> {
        Self::new().map(Self::stable)
    }

    /// A namespace whose InferenceService has a second revision, which is ready, with this percent.
    pub fn with_candidate(percent: u8) -> Option<Self> {
        Self::with_stable().map(|case| case.candidate(percent))
    }

    /// A namespace whose InferenceService has a second revision with 20 %, which failed.
    pub fn with_failed_candidate() -> Option<Self> {
        let case = Self::with_stable()?;
        case.decide(R2, Outcome::Failed("the model cannot be loaded"));
        case.apply(2, Some(20));
        case.wait_for_revision(R2);
        case.wait(|status| status["conditions"].to_string().contains("the model cannot be loaded"));
        Some(case)
    }

    /// Starts the namespace's gateway. Models are named by their addresses.
    pub fn gateway(&self, models: &[(&str, Model)]) -> Gateway {
        Gateway::start(self.kserve, &self.case.namespace, models)
    }

    /// Applies the first version of the model, and waits until it has all the traffic.
    #[track_caller]
    pub fn stable(self) -> Self {
        self.apply(1, None);
        self.wait_for_traffic(&[(R1, 100)]);
        self.wait(|status| status["components"]["predictor"]["latestRolledoutRevision"] == R1);
        self
    }

    /// Applies the second version, and waits until it has this percent.
    #[track_caller]
    pub fn candidate(self, percent: u8) -> Self {
        self.apply(2, Some(percent));
        self.wait_for_traffic(&[(R2, percent.into()), (R1, (100 - percent).into())]);
        self.wait_until_ready();
        self
    }

    /// Applies a version of the model as kubectl does.
    #[track_caller]
    pub fn apply(&self, version: u32, percent: Option<u8>) {
        self.case.cluster.apply_in(&self.case.namespace, &manifest(version, percent, &json!({})));
    }

    /// Changes the specification by a merge patch, as this field manager.
    #[track_caller]
    pub fn patch(&self, manager: &str, predictor: &Value) {
        let patch = json!({"spec": {"predictor": predictor}}).to_string();
        let manager = format!("--field-manager={manager}");
        let args = ["patch", "isvc", "iris", "-n", &self.case.namespace, &manager, "--type=merge", "-p", &patch];
        self.case.cluster.kubectl_ok(&args);
    }

    /// Applies another version of the model, and nothing else.
    #[track_caller]
    pub fn replace_model(&self, version: u32) {
        self.patch("kubectl", &json!({"model": {"storageUri": uri(version)}}));
    }

    /// Sets the outcome of a revision.
    pub fn decide(&self, revision: &str, outcome: Outcome) {
        self.kserve.knative.decide(&self.case.namespace, revision, outcome);
    }

    /// Stops Knative from acting on this namespace.
    pub fn hold_knative(&self) {
        self.kserve.knative.hold(&self.case.namespace);
    }

    /// Lets Knative act again.
    pub fn release_knative(&self) {
        self.kserve.knative.release(&self.case.namespace);
    }

    /// The InferenceService; null if it is not there.
    pub fn service(&self) -> Value {
        self.case.get("isvc", "iris")
    }

    /// Waits until the status satisfies `is_so`. Returns the InferenceService.
    #[track_caller]
    pub fn wait(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        self.case.cluster.wait_for("isvc", &self.case.namespace, "iris", |object| is_so(&object["status"]))
    }

    /// Waits until KServe knows a revision, ready or not.
    #[track_caller]
    pub fn wait_for_revision(&self, revision: &str) {
        self.wait(|status| status["components"]["predictor"]["latestCreatedRevision"] == revision);
    }

    #[track_caller]
    pub fn wait_until_ready(&self) {
        self.case.cluster.wait_for_condition("isvc", &self.case.namespace, "iris", "Ready");
    }

    /// Waits until the entries of the traffic are these: revision and percent, the latest one first.
    #[track_caller]
    pub fn wait_for_traffic(&self, expected: &[(&str, i64)]) {
        let expected: Vec<_> = expected.iter().map(|(revision, percent)| ((*revision).to_owned(), *percent)).collect();
        self.wait(|status| traffic(status) == expected);
    }

    /// Entries of the traffic now: revision and percent, the latest one first.
    pub fn traffic(&self) -> Vec<(String, i64)> {
        traffic(&self.service()["status"])
    }

    /// Runs `iter8 k rollout` to its end.
    pub fn rollout(&self, args: &[&str]) -> CliOutput {
        self.case.k(["rollout"].iter().chain(args))
    }

    /// Starts `iter8 k rollout`, and waits until it reports this reason to wait.
    #[track_caller]
    pub fn start(&self, args: &[&str], waiting_for: &str) -> Running {
        self.case.start_and_wait(["rollout"].iter().chain(args), waiting_for)
    }
}

fn traffic(status: &Value) -> Vec<(String, i64)> {
    let entries = status["components"]["predictor"]["traffic"].as_array().into_iter().flatten();
    let entry = |entry: &Value| Some((entry["revisionName"].as_str()?.to_owned(), entry["percent"].as_i64()?));
    entries.filter_map(entry).collect()
}

/// Address of a version of the model.
pub fn uri(version: u32) -> String {
    format!("s3://models/iris/{version}")
}

/// The InferenceService with this version of the model, this percent and these annotations.
pub fn manifest(version: u32, percent: Option<u8>, annotations: &Value) -> String {
    let mut predictor = json!({"model": {"modelFormat": {"name": "sklearn"}, "storageUri": uri(version)}});
    if let Some(percent) = percent {
        predictor["canaryTrafficPercent"] = json!(percent);
    }
    let object = json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "annotations": annotations},
        "spec": {"predictor": predictor},
    });
    object.to_string()
}

/// The call without its progress, whose lines depend on the times of changes.
pub fn without_progress(mut output: CliOutput) -> CliOutput {
    let is_progress = |line: &&str| line.starts_with("waiting: ");
    output.stderr = output.stderr.lines().filter(|line| !is_progress(line)).map(|line| format!("{line}\n")).collect();
    output
}
