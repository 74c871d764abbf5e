//! KServe's canary example, step by step: by hand with kubectl in one namespace, with our commands in another. Tables, statuses and traffic
//! of both are the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::gateway::counts;
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::kubernetes::{Gateway, KServe, Model};
use crate::support::mesh::binomial;

const NAME: &str = "sklearn-iris";
const FIRST: &str = "gs://kfserving-examples/models/sklearn/1.0/model";
const SECOND: &str = "gs://kfserving-examples/models/sklearn/1.0/model-2";

/// Columns of the table, without the age.
const COLUMNS: [&str; 7] = ["NAME", "URL", "READY", "PREV", "LATEST", "PREVROLLEDOUTREVISION", "LATESTREADYREVISION"];

/// One of the two namespaces.
struct Side {
    case: ClusterCase,
    gateway: Gateway,
}

impl Side {
    fn start(kserve: &'static KServe) -> Self {
        let case = ClusterCase::of(kserve.cluster);
        let models = [(FIRST, Model::new("first")), (SECOND, Model::new("second").decision_tree())];
        let gateway = Gateway::start(kserve, &case.namespace, &models);
        Self { case, gateway }
    }

    /// Applies the InferenceService as users do, on the client's side.
    #[track_caller]
    fn apply(&self, uri: &str, percent: Option<u8>, annotations: &Value) {
        let mut predictor = json!({"model": {"modelFormat": {"name": "sklearn"}, "storageUri": uri}});
        if let Some(percent) = percent {
            predictor["canaryTrafficPercent"] = json!(percent);
        }
        let object = json!({
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": NAME, "annotations": annotations}, "spec": {"predictor": predictor},
        });
        let args = ["apply", "-n", &self.case.namespace, "-f", "-"];
        self.case.cluster.kubectl_with_input(&args, &object.to_string()).exits(0);
    }

    /// Waits until the table shows this, as somebody who repeats `kubectl get isvc`.
    #[track_caller]
    fn wait_for(&self, expected: &Row) {
        self.case.cluster.wait_for("isvc", &self.case.namespace, NAME, |_| self.kubectl() == *expected);
    }

    fn kubectl(&self) -> Row {
        let table = self.case.cluster.kubectl_ok(&["get", "isvc", NAME, "-n", &self.case.namespace]);
        row(&table, &self.case.namespace)
    }

    #[track_caller]
    fn status(&self) -> Row {
        let output = self.case.k(["rollout", "status", NAME]);
        let table: Vec<_> = output.exits(0).stdout.lines().skip_while(|line| !line.starts_with("NAME")).collect();
        row(&table.join("\n"), &self.case.namespace)
    }

    /// `.status.components.predictor`.
    fn component(&self) -> Value {
        let component = self.case.get("isvc", NAME)["status"]["components"]["predictor"].to_string();
        serde_json::from_str(&component.replace(&self.case.namespace, "NAMESPACE")).unwrap()
    }

    #[track_caller]
    fn rollout(&self, args: &[&str]) {
        self.case.k(["rollout"].iter().chain(args)).exits(0);
    }
}

type Row = BTreeMap<&'static str, String>;

/// The only row of a table. Cells may be empty, so they are found by the places of their headers.
fn row(table: &str, namespace: &str) -> Row {
    let (header, cells) = table.split_once('\n').unwrap();
    let cells = cells.lines().next().unwrap();
    let starts = header.split(' ').filter(|name| !name.is_empty()).scan(0, |from, name| {
        let start = header[*from..].find(name).unwrap() + *from;
        *from = start + name.len();
        Some((name, start))
    });
    let starts: Vec<_> = starts.collect();
    let ends = starts.iter().skip(1).map(|(_, start)| *start).chain([cells.len()]);
    let cells = starts.iter().zip(ends).filter_map(|((name, start), end)| {
        let name = COLUMNS.into_iter().find(|column| column == name)?;
        let cell = cells.get(*start..end.min(cells.len())).unwrap_or_default();
        Some((name, cell.trim().replace(namespace, "NAMESPACE")))
    });
    cells.collect()
}

/// The row that the example shows: percents and numbers of the revisions.
fn expected(prev: Option<(u32, u8)>, latest: (u32, u8)) -> Row {
    let revision = |number: u32| format!("{NAME}-predictor-{number:05}");
    let percent = |percent: u8| percent.to_string();
    let cells = [
        NAME.to_owned(),
        format!("http://{NAME}-predictor.NAMESPACE.example.com"),
        "True".to_owned(),
        prev.map(|(_, prev)| percent(prev)).unwrap_or_default(),
        percent(latest.1),
        prev.map(|(number, _)| revision(number)).unwrap_or_default(),
        revision(latest.0),
    ];
    COLUMNS.into_iter().zip(cells).collect()
}

#[test]
fn each_step_of_kserves_example_is_the_same_by_hand_and_by_command() {
    let Some(kserve) = KServe::shared() else { return };
    let (hand, ours) = (Side::start(kserve), Side::start(kserve));
    let none = json!({});
    let same = |step: &str, expected: &Row| {
        hand.wait_for(expected);
        for row in [hand.kubectl(), hand.status(), ours.kubectl(), ours.status()] {
            assert_eq!(row, *expected, "{step}");
        }
        assert_eq!(hand.component(), ours.component(), "{step}");
    };

    hand.apply(FIRST, None, &none);
    ours.apply(FIRST, None, &none);
    ours.wait_for(&expected(None, (1, 100)));
    same("first version", &expected(None, (1, 100)));

    hand.apply(SECOND, Some(10), &none);
    ours.apply(SECOND, Some(0), &none);
    ours.rollout(&["set", NAME, "--percent", "10"]);
    same("canary", &expected(Some((1, 90)), (2, 10)));
    for side in [&hand, &ours] {
        let counted = counts(&side.gateway, &side.gateway.host(NAME), 300);
        let candidate = counted.get(&format!("{NAME}-predictor-00002")).copied().unwrap_or(0);
        assert!(binomial::interval(300, 0.1).contains(&candidate), "{counted:?}");
    }

    hand.apply(SECOND, None, &none);
    ours.rollout(&["promote", NAME]);
    same("promotion", &expected(None, (2, 100)));

    hand.apply(SECOND, Some(0), &none);
    ours.rollout(&["rollback", NAME]);
    same("pin", &expected(Some((1, 100)), (2, 0)));

    let tags = json!({"serving.kserve.io/enable-tag-routing": "true"});
    hand.apply(SECOND, Some(10), &tags);
    ours.apply(SECOND, Some(0), &tags);
    // Until then, the pinned revision is the candidate.
    ours.case.cluster.wait_for("isvc", &ours.case.namespace, NAME, |object| {
        object["status"]["components"]["predictor"]["latestCreatedRevision"] == format!("{NAME}-predictor-00003")
    });
    ours.rollout(&["set", NAME, "--percent", "10"]);
    same("tags", &expected(Some((1, 90)), (3, 10)));
    for side in [&hand, &ours] {
        let component = side.component();
        for (tag, number) in [("latest", 3), ("prev", 1)] {
            let entries = component["traffic"].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["tag"] == tag).unwrap();
            let host = entry["url"].as_str().unwrap().trim_start_matches("http://");
            let counted = counts(&side.gateway, &host.replace("NAMESPACE", &side.case.namespace), 10);
            assert_eq!(counted, BTreeMap::from([(format!("{NAME}-predictor-{number:05}"), 10)]));
        }
    }
}
