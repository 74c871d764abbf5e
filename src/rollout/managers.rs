//! Field managers of the fields that a rollout changes.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Field manager of this program.
const OURS: &str = "iter8";

/// Returns the other managers of a field, such as `["spec", "canary"]`. A GitOps tool among them sets the field back.
pub(super) fn others(metadata: &Value, field: &[&str]) -> Vec<String> {
    let entries = metadata["managedFields"].as_array().into_iter().flatten();
    let owns = |entry: &&Value| {
        let mut fields = &entry["fieldsV1"];
        for key in field {
            fields = &fields[format!("f:{key}")];
        }
        !fields.is_null()
    };
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

/// Returns true if the spec was changed after the status was last written, in whole seconds: KServe has not acted on the change yet.
pub(super) fn is_status_behind(metadata: &Value) -> bool {
    let latest = |is_wanted: &dyn Fn(&Value) -> bool| {
        let entries = metadata["managedFields"].as_array().into_iter().flatten().filter(|entry| is_wanted(entry));
        entries.filter_map(|entry| entry["time"].as_str()?.parse::<DateTime<Utc>>().ok()).max()
    };
    let spec = latest(&|entry| entry["subresource"].is_null() && !entry["fieldsV1"]["f:spec"].is_null());
    let status = latest(&|entry| entry["subresource"] == "status");
    spec.is_some_and(|spec| status.is_none_or(|status| spec > status))
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
        let field = ["spec", "predictor", "canaryTrafficPercent"];
        assert_eq!(others(&metadata, &field), ["argocd"]);
        assert_eq!(others(&metadata, &["spec", "predictor", "model"]), ["kubectl"]);
        assert!(others(&json!({"managedFields": "none"}), &field).is_empty());
    }

    #[test]
    fn a_status_is_behind_until_it_is_written_after_the_spec() {
        let entry = |subresource: Value, fields: Value, time: &str| json!({"subresource": subresource, "fieldsV1": fields, "time": time});
        let spec = |time: &str| entry(json!(null), json!({"f:spec": {}}), time);
        let status = |time: &str| entry(json!("status"), json!({"f:status": {}}), time);
        let labels = entry(json!(null), json!({"f:metadata": {}}), "2026-01-01T00:00:09Z");
        for (entries, expected) in [
            (vec![spec("2026-01-01T00:00:02Z"), status("2026-01-01T00:00:01Z")], true),
            (vec![spec("2026-01-01T00:00:02Z"), status("2026-01-01T00:00:02Z")], false),
            (vec![spec("2026-01-01T00:00:01Z"), status("2026-01-01T00:00:02Z"), labels], false),
            (vec![spec("2026-01-01T00:00:01Z")], true),
            (vec![status("2026-01-01T00:00:02Z")], false),
            (vec![spec("yesterday")], false),
        ] {
            assert_eq!(is_status_behind(&json!({"managedFields": entries})), expected, "{entries:?}");
        }
        assert!(!is_status_behind(&json!(null)));
    }
}
