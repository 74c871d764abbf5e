//! Field managers of the canary percent.

use serde_json::Value;

/// Field manager of this program.
const OURS: &str = "iter8";

/// Returns the other managers of `spec.predictor.canaryTrafficPercent`. A GitOps tool among them sets the field back.
pub(super) fn others(metadata: &Value) -> Vec<String> {
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let owns = |entry: &&Value| !entry["fieldsV1"]["f:spec"]["f:predictor"]["f:canaryTrafficPercent"].is_null();
    let mut managers: Vec<String> = entries
        .filter(owns)
        .filter_map(|entry| entry["manager"].as_str())
        .filter(|name| *name != OURS)
        .map(str::to_owned)
        .collect();
    managers.sort();
    managers.dedup();
    managers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_managers_of_the_percent_are_found() {
        let entry = |manager: &str, predictor: Value| json!({"manager": manager, "fieldsV1": {"f:spec": {"f:predictor": predictor}}});
        let percent = json!({"f:canaryTrafficPercent": {}});
        let metadata = json!({"managedFields": [
            entry("kubectl", json!({"f:model": {}})), entry("iter8", percent.clone()), entry("argocd", percent.clone()), entry("argocd", percent)
        ]});
        assert_eq!(others(&metadata), ["argocd"]);
        assert!(others(&json!({"managedFields": "none"})).is_empty());
    }
}
