//! The canary tutorial that Iter8's users know, as it is written, on a real control plane: a CronJob that waits for an
//! InferenceService, asks a real Prometheus, and judges two revisions again and again.

use serde_json::{Value, json};

use super::cluster_case::ClusterCase;
use crate::custommetrics::tutorial::{Models, TUTORIAL};
use crate::support::transcript::transcript;
use crate::support::tutorial::{Shell, blocks};

/// The InferenceService of the tutorial, with its canary.
const CANARY: &str = "
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: sklearn-iris
spec:
  predictor:
    canaryTrafficPercent: 10
    model:
      modelFormat:
        name: sklearn
      storageUri: gs://kfserving-examples/models/sklearn/1.0/model-2
";

/// Its status as KServe sets it once the canary serves.
fn serving() -> Value {
    let revision = |number: u32| format!("sklearn-iris-predictor-default-0000{number}");
    json!({
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "observedGeneration": 1,
        "components": {"predictor": {
            "latestCreatedRevision": revision(2), "latestReadyRevision": revision(2), "latestRolledoutRevision": revision(1),
            "traffic": [{"latestRevision": true, "percent": 10, "revisionName": revision(2)},
                {"latestRevision": false, "percent": 90, "revisionName": revision(1), "tag": "prev"}],
        }},
    })
}

/// Launches the tutorial's experiment into a namespace with the InferenceService.
fn launch(case: &ClusterCase, models: &Models) {
    case.cluster.apply_in(&case.namespace, CANARY);
    let template = format!("custommetrics.templates.kserve-prometheus={}", models.template());
    let first = ["tasks={ready,custommetrics,assess}", "ready.isvc=sklearn-iris", "ready.timeout=180s", &template];
    let values = first.into_iter().chain(TUTORIAL).flat_map(|pair| ["--set", pair]);
    case.k(["launch"].into_iter().chain(values)).snapshot(0);
}

fn assert_all(case: &ClusterCase) -> crate::support::cli_case::CliOutput {
    case.k(["assert", "-c", "completed", "-c", "nofailure", "-c", "slos", "--timeout", "120s"])
}

#[test]
fn the_tutorial_judges_a_good_and_a_bad_canary() {
    let (Some(good), Some(bad)) = (ClusterCase::with_node(), ClusterCase::with_node()) else { return };
    if !good.cluster.crds() {
        return;
    }
    let Some(good_models) = Models::start(2, 0.0) else { return };
    let Some(bad_models) = Models::start(70, 0.2) else { return };
    let _transcript = transcript!();
    for (case, models) in [(&good, &good_models), (&bad, &bad_models)] {
        models.load();
        launch(case, models);
    }
    // The CronJob's first run waits for both InferenceServices; the status of the good one is set later.
    bad.cluster.set_status("inferenceservices", &bad.namespace, "sklearn-iris", &serving());
    good.wait_until_running("default", "ready");
    good.k(["list"]).snapshot(0);
    good.cluster.set_status("inferenceservices", &good.namespace, "sklearn-iris", &serving());
    assert_all(&good).exits(0);
    let output = assert_all(&bad);
    output.exits(1);
    let message = "sklearn-iris-predictor-default-00002: kserve-prometheus/error-count is ";
    assert!(output.stdout.contains(message) && !output.stdout.contains("-00001"), "{output:#?}");

    // It fires again, and adds a loop.
    for case in [&good, &bad] {
        case.wait_for_document("default", |document| {
            document["result"]["numLoops"] == 2 && document["result"]["numCompletedTasks"] == 3
        });
    }
    assert_all(&good).exits(0);
    assert_all(&bad).exits(1);
    let document = good.document("default");
    let counts = &document["result"]["insights"]["nonHistMetricValues"][0]["kserve-prometheus/request-count"];
    assert_eq!(counts.as_array().map(Vec::len), Some(2), "{document:#}");
    let output = good.k(["report"]);
    output.exits(0);
    for message in ["Experiment completed: true", "Number of completed loops: 2", "kserve-prometheus/latency-p90"] {
        assert!(output.stdout.contains(message), "{message}: {output:#?}");
    }
    good.k(["report", "-o", "html", "--outputFile", "report.html"]).exits(0);
    assert!(good.cli.read("report.html").contains("class=\"banner good\""));
    let output = good.k(["log"]);
    output.expect(0, &["==> pod/default-1-cronjob-"]);
    assert!(output.stdout.contains("experiment completed"), "{output:#?}");

    let account = format!("system:serviceaccount:{}:default-iter8-sa", good.namespace);
    let may = |verb: &str, what: &str| {
        let output = good.cluster.kubectl(&["auth", "can-i", verb, what, "-n", &good.namespace, "--as", &account]);
        output.stdout.trim() == "yes"
    };
    let isvc = "inferenceservices.serving.kserve.io";
    assert!(may("list", &format!("{isvc}/sklearn-iris")) && may("watch", &format!("{isvc}/sklearn-iris")));
    assert!(
        !may("list", &format!("{isvc}/other"))
            && !may("update", &format!("{isvc}/sklearn-iris"))
            && !may("list", "secrets")
    );
    for case in [&good, &bad] {
        case.k(["delete"]).exits(0);
        case.wait_until_nothing_is_left_of("default");
    }
}

/// The page of the manual, command by command, except that the test sends the requests, and that there is no revision in the cluster: its
/// InferenceService is as old.
#[test]
fn the_page_of_the_manual_judges_a_good_canary() {
    let Some(case) = ClusterCase::with_node() else { return };
    if !case.cluster.crds() {
        return;
    }
    let Some(models) = Models::start(2, 0.0) else { return };
    let kubeconfig = case.cli.path("kubeconfig");
    std::fs::copy(&case.kubeconfig, &kubeconfig).unwrap();
    let directory = case.cli.path("");
    let Some(shell) = Shell::new(&directory, &kubeconfig) else { return };
    let shell = shell.replace("http://prometheus-operated.kfserving-monitoring:9090", &models.prometheus_url());
    let shell = shell.replace("get revision $CANARY", "get isvc sklearn-iris");
    let namespace = format!("kubectl config set-context --current --namespace {}", case.namespace);
    assert_eq!(shell.script(&namespace).code, Some(0));
    for block in blocks("kserve-prometheus.md") {
        match block.name.as_str() {
            "forward" => continue,
            "requests" => {
                models.load();
                continue;
            }
            _ => {}
        }
        let output = shell.run(&block);
        match block.name.as_str() {
            "canary" => case.cluster.set_status("inferenceservices", &case.namespace, "sklearn-iris", &serving()),
            "revisions" => {
                let (canary, stable) = ("sklearn-iris-predictor-default-00002", "sklearn-iris-predictor-default-00001");
                assert_eq!(output.stdout, format!("canary: {canary}, stable: {stable}\n"));
            }
            "assert" => assert!(output.stdout.contains("ok      slos"), "{output:#?}"),
            "report" => {
                assert!(output.stdout.contains("kserve-prometheus/latency-p90"), "{output:#?}");
                assert!(directory.join("report.html").exists());
            }
            "clean" => case.wait_until_nothing_is_left_of("default"),
            _ => {}
        }
    }
}
