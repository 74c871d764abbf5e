//! The canary tutorial that Iter8's users know, as it is written, on a real control plane: a CronJob that waits for an
//! InferenceService, asks a real Prometheus, and judges two revisions again and again.

use serde_json::{Value, json};

use super::world::World;
use crate::custommetrics::seed::{TUTORIAL, World as Models};

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
fn launch(world: &World, models: &Models) {
    world.cluster.apply_in(&world.namespace, CANARY);
    let template = format!("custommetrics.templates.kserve-prometheus={}", models.template());
    let first = ["tasks={ready,custommetrics,assess}", "ready.isvc=sklearn-iris", "ready.timeout=180s", &template];
    let values = first.into_iter().chain(TUTORIAL).flat_map(|pair| ["--set", pair]);
    let said = world.k(["launch"].into_iter().chain(values));
    said.exits(0);
    assert!(said.stdout.contains("as cronjob/default-1-cronjob"), "{said:#?}");
}

fn assert_all(world: &World) -> crate::support::cli_case::CliOutput {
    world.k(["assert", "-c", "completed", "-c", "nofailure", "-c", "slos", "--timeout", "120s"])
}

#[test]
fn the_tutorials_experiment_judges_a_good_and_a_bad_canary_again_and_again() {
    let (Some(good), Some(bad)) = (World::with_node(), World::with_node()) else { return };
    if !good.cluster.crds() {
        return;
    }
    let Some(good_models) = Models::start(2, 0.0) else { return };
    let Some(bad_models) = Models::start(70, 0.2) else { return };
    for (world, models) in [(&good, &good_models), (&bad, &bad_models)] {
        models.load();
        launch(world, models);
    }
    // The CronJob's first run waits for KServe, which sets the status of one only then.
    bad.cluster.set_status("inferenceservices", &bad.namespace, "sklearn-iris", &serving());
    good.wait_until_running("default", "ready");
    let said = good.k(["list"]);
    assert!(said.stdout.contains(" running "), "{said:#?}");
    good.cluster.set_status("inferenceservices", &good.namespace, "sklearn-iris", &serving());
    assert_all(&good).exits(0);
    let said = assert_all(&bad);
    said.exits(1);
    let told = "sklearn-iris-predictor-default-00002: kserve-prometheus/error-count is ";
    assert!(said.stdout.contains(told) && !said.stdout.contains("-00001"), "{said:#?}");

    // It fires again, and adds a loop.
    for world in [&good, &bad] {
        world.wait_for_document("default", |document| {
            document["result"]["numLoops"] == 2 && document["result"]["numCompletedTasks"] == 3
        });
    }
    assert_all(&good).exits(0);
    assert_all(&bad).exits(1);
    let document = good.document("default");
    let counts = &document["result"]["insights"]["nonHistMetricValues"][0]["kserve-prometheus/request-count"];
    assert_eq!(counts.as_array().map(Vec::len), Some(2), "{document:#}");
    let said = good.k(["report"]);
    said.exits(0);
    for told in ["Experiment completed: true", "Number of completed loops: 2", "kserve-prometheus/latency-p90"] {
        assert!(said.stdout.contains(told), "{told}: {said:#?}");
    }
    good.k(["report", "-o", "html", "--outputFile", "report.html"]).exits(0);
    assert!(good.bench.read("report.html").contains("All objectives are satisfied"));
    let said = good.k(["log"]);
    said.expect(0, &["==> pod/default-1-cronjob-"]);
    assert!(said.stdout.contains("experiment completed"), "{said:#?}");

    let account = format!("system:serviceaccount:{}:default-iter8-sa", good.namespace);
    let may = |verb: &str, what: &str| {
        let said = good.cluster.kubectl(&["auth", "can-i", verb, what, "-n", &good.namespace, "--as", &account]);
        said.stdout.trim() == "yes"
    };
    let isvc = "inferenceservices.serving.kserve.io";
    assert!(may("list", &format!("{isvc}/sklearn-iris")) && may("watch", &format!("{isvc}/sklearn-iris")));
    assert!(
        !may("list", &format!("{isvc}/other"))
            && !may("update", &format!("{isvc}/sklearn-iris"))
            && !may("list", "secrets")
    );
    for world in [&good, &bad] {
        world.k(["delete"]).exits(0);
        world.wait_until_nothing_is_left_of("default");
    }
}
