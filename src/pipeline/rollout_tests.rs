use serde_json::{Value, json};

use super::*;
use crate::model::codec::{experiment_from_yaml, value_from_yaml};

/// Change of a document.
type Change = fn(&mut Value);

/// Analysis of a loop whose second SLO needs 300 more requests.
fn analyzed(change: impl FnOnce(&mut Value)) -> Analysis {
    let mut document = value_from_yaml(include_str!("../../testdata/results/passing.yaml")).unwrap();
    let verdict = &mut document["result"]["insights"]["verdicts"][1];
    (verdict["verdict"], verdict["method"], verdict["needs"]) =
        (json!("inconclusive"), json!("mean"), json!({"requests": 300}));
    change(&mut document);
    analysis(&experiment_from_yaml(&document.to_string()).unwrap())
}

#[test]
fn only_an_open_analysis_without_a_failure_is_worth_another_load() {
    let open = analyzed(|_| ());
    assert_eq!(open.outcome, Outcome::Inconclusive);
    assert!(matches!(open.next_load, NextLoad::Longer(ref longer) if longer.requests == 400), "{open:?}");
    let cases: [(&str, Change, Outcome); 2] = [
        (
            "a task failed after the assessment",
            |document| {
                let failed = json!({"task": "notify", "status": "failed", "error": "timeout"});
                document["result"]["tasks"].as_array_mut().unwrap().push(failed);
                document["spec"].as_array_mut().unwrap().push(json!({"task": "notify"}));
                document["result"]["failure"] = json!(true);
            },
            Outcome::Inconclusive,
        ),
        (
            "another SLO is violated",
            |document| document["result"]["insights"]["verdicts"][0]["verdict"] = json!("violated"),
            Outcome::Violated,
        ),
    ];
    for (why, change, outcome) in cases {
        let analysis = analyzed(change);
        assert_eq!((analysis.outcome, &analysis.next_load), (outcome, &NextLoad::Same), "{why}: {}", analysis.reason);
    }
}
