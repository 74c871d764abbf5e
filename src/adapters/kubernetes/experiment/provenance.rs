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
use crate::values::DigestKey;

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

/// Returns true if the document has the digest of these values; `None` if it has none. Without the key, a digest never matches.
pub(crate) fn has_digest_of(document: &Experiment, values: &Value, key: Option<&DigestKey>) -> Option<bool> {
    let recorded = document.result.as_ref()?.values_digest.as_deref()?;
    Some(key.is_some_and(|key| key.digest(values) == recorded))
}

/// Returns true if the document belongs to these values. Documents of earlier programs have no digest; then the specs decide, apart from
/// their secrets.
pub(super) fn is_of_values(
    document: &Experiment,
    values: &Value,
    key: Option<&DigestKey>,
    planned: Option<Planned>,
) -> bool {
    let has_same_spec = || {
        let planned = planned.and_then(|planned| planned(values, 1));
        planned.is_some_and(|planned| is_same_spec(&planned.spec, &document.spec))
    };
    has_digest_of(document, values, key).unwrap_or_else(has_same_spec)
}

/// Returns true if the Secret has a document of other values. Values that cannot be read belong to no document; without values there is
/// only a document, as in Iter8.
pub(super) fn is_outdated(secret: &Secret, document: &Experiment, planned: Option<Planned>) -> bool {
    match secret_data::values(secret) {
        None => false,
        Some(Err(_)) => true,
        Some(Ok(values)) => !is_of_values(document, &values, secret_data::digest_key(secret).as_ref(), planned),
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
    fn a_document_belongs_to_values_with_its_digest_or_without_one_with_its_spec() {
        let (a, b) = (values("http://a/?key=v1"), values("http://b/"));
        let key = DigestKey::random().unwrap();
        let (with_other_secret, unusable) = (values("http://a/?key=v2"), json!({"tasks": ["http"]}));
        let (of_a, without) = (document(&a, Some(&key.digest(&a))), document(&a, None));
        let by_other_key = document(&a, Some("hmac-sha256:0"));
        let cases = [
            (&of_a, &a, Some(&key), true),
            (&of_a, &with_other_secret, Some(&key), false),
            (&of_a, &b, Some(&key), false),
            (&of_a, &unusable, Some(&key), false),
            (&of_a, &with_other_secret, None, false),
            (&of_a, &b, None, false),
            (&without, &with_other_secret, Some(&key), true),
            (&without, &b, Some(&key), false),
            (&without, &unusable, Some(&key), false),
            (&by_other_key, &a, Some(&key), false),
            (&by_other_key, &a, None, false),
        ];
        for (index, (document, values, key, expected)) in cases.into_iter().enumerate() {
            assert_eq!(is_of_values(document, values, key, Some(planned)), expected, "{index}");
        }
        assert!(is_of_values(&of_a, &a, Some(&key), None) && !is_of_values(&without, &a, Some(&key), None));
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
