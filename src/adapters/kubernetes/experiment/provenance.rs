//! Provenance of a document: the launch and the values that it belongs to.
//!
//! `helm upgrade` and tools that render charts replace the values of a Secret and keep its document until the next run writes one. Such a
//! document says nothing about the new values.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::secret_data;
use crate::manifests::names::REVISION;
use crate::model::document::Experiment;
use crate::redact::is_same_spec;
use crate::values::digest;

/// Builds the document of values that have not run yet, given their revision; `None` if they cannot run.
pub type Planned = fn(&Value, i64) -> Option<Experiment>;

/// Returns the revision of the launch that created the object.
pub(crate) fn revision(metadata: &ObjectMeta) -> Option<i64> {
    metadata.annotations.as_ref()?.get(REVISION)?.parse().ok()
}

/// Returns true if the document belongs to this launch.
pub(crate) fn is_of_launch(document: &Experiment, launch: Option<i64>) -> bool {
    let revision = document.result.as_ref().and_then(|result| result.revision);
    revision.is_none() || launch.is_none() || revision == launch
}

/// Returns true if the document belongs to these values. Programs of another version may redact other names, and documents of earlier
/// ones have no digest; then the specs decide.
pub(super) fn is_of_values(document: &Experiment, values: &Value, planned: Option<Planned>) -> bool {
    let recorded = document.result.as_ref().and_then(|result| result.values_digest.as_deref());
    recorded == Some(digest(values).as_str())
        || planned
            .and_then(|planned| planned(values, 1))
            .is_some_and(|planned| is_same_spec(&planned.spec, &document.spec))
}

/// Returns true if the Secret has a document of other values. Values that cannot be read belong to no document; without values there is
/// only a document, as in Iter8.
pub(super) fn is_outdated(secret: &Secret, document: &Experiment, planned: Option<Planned>) -> bool {
    match secret_data::values(secret) {
        None => false,
        Some(Err(_)) => true,
        Some(Ok(values)) => !is_of_values(document, &values, planned),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::document::{ExperimentResult, TaskSpec};

    /// Builds a spec of one task, with the values of `http` as its settings.
    fn planned(values: &Value, _: i64) -> Option<Experiment> {
        let http = values.get("http")?.clone();
        let task = TaskSpec { task: Some("http".into()), with: Some(http), ..TaskSpec::default() };
        Some(Experiment { spec: vec![task], ..Experiment::default() })
    }

    fn values(url: &str) -> Value {
        json!({"tasks": ["http"], "http": {"url": url}})
    }

    fn document(values: &Value, values_digest: Option<&str>) -> Experiment {
        let result =
            ExperimentResult { values_digest: values_digest.map(str::to_owned), ..ExperimentResult::default() };
        Experiment { result: Some(result), ..planned(values, 1).unwrap() }
    }

    #[test]
    fn a_document_belongs_to_values_with_its_digest_or_its_spec() {
        let (a, b) = (values("http://a/"), values("http://b/"));
        let (digest_of_a, unusable) = (digest(&a), json!({"tasks": ["http"]}));
        let (of_a, without) = (document(&a, Some(&digest_of_a)), document(&a, None));
        let by_other_version = document(&a, Some("sha256:0"));
        let cases = [
            (&of_a, &a, true),
            (&of_a, &b, false),
            (&of_a, &unusable, false),
            (&without, &a, true),
            (&without, &b, false),
            (&without, &unusable, false),
            (&by_other_version, &a, true),
            (&by_other_version, &b, false),
        ];
        for (index, (document, values, expected)) in cases.into_iter().enumerate() {
            assert_eq!(is_of_values(document, values, Some(planned)), expected, "{index}");
        }
        assert!(is_of_values(&of_a, &a, None) && !is_of_values(&without, &a, None));
    }

    #[test]
    fn a_document_of_values_that_cannot_be_read_is_outdated() {
        use k8s_openapi::ByteString;
        let secret = |text: Option<&str>| {
            let values = text.map(|text| ("values.yaml".to_owned(), ByteString(text.into())));
            Secret { data: Some(values.into_iter().collect()), ..Secret::default() }
        };
        let document = document(&values("http://a/"), None);
        for (text, expected) in
            [(None, false), (Some("a: ["), true), (Some("{tasks: [http], http: {url: 'http://a/'}}"), false)]
        {
            assert_eq!(is_outdated(&secret(text), &document, Some(planned)), expected, "{text:?}");
        }
    }
}
