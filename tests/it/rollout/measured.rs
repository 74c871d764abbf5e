//! Rollouts in steps whose analysis reads Prometheus, while users send requests through the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::rollout_case::{R1, R2, RolloutCase, uri};
use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::{Gateway, Model};
use crate::support::mesh::client::Client;
use crate::support::prometheus::Prometheus;
use crate::support::runtime::spawn;

/// Limit of the 90th percentile of latencies, in milliseconds. Other tests use the same cores.
const LIMIT_MS: u64 = 250;

/// Users who send requests until this is dropped.
struct Users {
    stop: Arc<AtomicBool>,
}

impl Users {
    fn start(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..8 {
            let (stop, host, port) = (Arc::clone(&stop), gateway.host("iris"), gateway.address.port());
            spawn(async move {
                let mut client = Client::new(port);
                while !stop.load(Ordering::Relaxed) {
                    let body = Some(r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#);
                    client.send(&host, "/v1/models/iris:predict", &[], body).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        Self { stop }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Rolls out a candidate that behaves like this.
fn roll_out(candidate: Model) -> Option<(RolloutCase, CliOutput)> {
    let case = RolloutCase::with_candidate(0)?;
    let gateway = case.gateway(&[(&uri(1), Model::new("stable")), (&uri(2), candidate)]);
    gateway.wait_for_split("iris", &[(R1, 100)]);
    let prometheus = Prometheus::start(&[gateway.address])?;
    let _users = Users::start(&gateway);
    let counted = format!("sum(revision_app_request_count{{revision_name=\"{R1}\"}})");
    prometheus.wait_until(&counted, |count| count.is_some_and(|count| count > 0.0));
    let values = json!({
        "rollout": {"analysis": ["custommetrics", "assess"], "steps": [10, 25, 50, 100], "interval": "3s"},
        "custommetrics": {
            "templates": {"kserve-prometheus": "builtin:kserve-prometheus"},
            "values": {
                "prometheusURL": prometheus.url(),
                "labels": {"namespace_name": case.case.namespace},
                "latencyPercentiles": [90],
            },
            "versionValues": [{"labels": {"revision_name": R1}}, {"labels": {"revision_name": R2}}],
        },
        "assess": {"SLOs": {"upper": {
            "kserve-prometheus/error-rate": 0.05,
            "kserve-prometheus/latency-p90": LIMIT_MS,
        }}},
    });
    case.case.cli.write("analysis.yaml", &values.to_string());
    let output = case.rollout(&["run", "iris", "-f", "analysis.yaml"]);
    Some((case, output))
}

#[test]
fn a_candidate_whose_metrics_are_good_is_promoted() {
    let Some((case, run)) = roll_out(Model::new("good")) else { return };
    run.expect(0, &["was promoted (10 → 25 → 50 → 100 %)"]);
    case.wait(|status| status["components"]["predictor"]["latestRolledoutRevision"] == R2);
}

#[test]
fn a_candidate_whose_metrics_are_bad_is_rolled_back_at_the_first_step() {
    let Some((case, run)) = roll_out(Model::new("bad").latency(Duration::from_millis(2 * LIMIT_MS))) else { return };
    run.expect(1, &["was rolled back: at 10 %: ", "kserve-prometheus/latency-p90"]);
    case.wait_for_traffic(&[(R2, 0), (R1, 100)]);
    assert_eq!(case.service()["status"]["components"]["predictor"]["latestRolledoutRevision"], R1);
}
