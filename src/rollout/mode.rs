//! Deployment modes of an InferenceService.

use serde::Serialize;
use serde_json::Value;

/// Annotation with the deployment mode.
const ANNOTATION: &str = "serving.kserve.io/deploymentMode";

/// Mode in which KServe deploys an InferenceService. Only Knative splits traffic by `canaryTrafficPercent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// Knative, also called Serverless: a Knative Service with revisions.
    Knative,
    /// Standard, also called RawDeployment: a Deployment.
    Standard,
    /// ModelMesh.
    ModelMesh,
    /// Neither the object nor its status names a mode, and no revision exists.
    Unknown,
}

impl Mode {
    /// Reads the mode as KServe does: the status wins over the annotation. KServe before v0.16 has no mode in the status, but only Knative
    /// has revisions.
    pub(super) fn of(object: &Value) -> Self {
        let annotation = &object["metadata"]["annotations"][ANNOTATION];
        let named = [&object["status"]["deploymentMode"], annotation]
            .into_iter()
            .find_map(|value| Self::named(value.as_str()?));
        let has_revisions = object["status"]["components"]["predictor"]["latestCreatedRevision"].is_string();
        named.unwrap_or(if has_revisions { Self::Knative } else { Self::Unknown })
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "Knative" | "Serverless" => Some(Self::Knative),
            "Standard" | "RawDeployment" => Some(Self::Standard),
            "ModelMesh" => Some(Self::ModelMesh),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_wins_over_the_annotation_and_both_names_of_a_mode_are_known() {
        let object = |status: Value, annotation: &str| json!({"metadata": {"annotations": {ANNOTATION: annotation}}, "status": status});
        for (status, annotation, expected) in [
            (json!({"deploymentMode": "Standard"}), "Serverless", Mode::Standard),
            (json!({"deploymentMode": "Knative"}), "RawDeployment", Mode::Knative),
            (json!({}), "RawDeployment", Mode::Standard),
            (json!({}), "Serverless", Mode::Knative),
            (json!({}), "ModelMesh", Mode::ModelMesh),
            (json!({}), "misspelled", Mode::Unknown),
            (json!({"components": {"predictor": {"latestCreatedRevision": "r1"}}}), "misspelled", Mode::Knative),
            (json!(null), "", Mode::Unknown),
        ] {
            assert_eq!(Mode::of(&object(status.clone(), annotation)), expected, "{status} {annotation}");
        }
        assert_eq!(Mode::of(&json!(null)), Mode::Unknown);
    }
}
