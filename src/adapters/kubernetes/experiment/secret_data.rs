//! Contents of a group's Secret: the values under `values.yaml` and, as in Iter8, the experiment document under `experiment.yaml`.
//! A document that does not fit is compressed, under `experiment.yaml.gz`; if that does not fit either, its oldest loops are
//! dropped. The key of the document's digest has an entry of its own, which Helm and `kubectl apply` keep because they do not know it.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use crate::manifests::VALUES_KEY;
use crate::metrics::insights::fold_oldest;
use crate::model::codec::{self, CodecError, DocumentError};
use crate::model::document::Experiment;
use crate::values::{DigestKey, without_nulls};

/// Maximum size of the data of a Secret (`MaxSecretSize` of Kubernetes).
pub const MAX_SECRET_BYTES: usize = 1 << 20;

/// Key of the document.
const PLAIN: &str = "experiment.yaml";

/// Key of the compressed document.
const COMPRESSED: &str = "experiment.yaml.gz";

/// Key of the entry with the key of digests.
const DIGEST_KEY: &str = "digest.key";

/// Maximum size of a decompressed document.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// The Secret's entries for the document: plain and compressed.
pub(crate) type Entries = [Option<ByteString>; 2];

pub(crate) fn entries(secret: &Secret) -> Entries {
    [PLAIN, COMPRESSED].map(|key| secret.data.as_ref().and_then(|data| data.get(key)).cloned())
}

/// Reads the document; `None` if there is none.
pub(crate) fn document(secret: &Secret) -> Option<Result<Experiment, DocumentError>> {
    let invalid = |message: &str| CodecError { message: message.to_owned(), line: None, column: None };
    let text = match entries(secret) {
        [_, Some(compressed)] => {
            let mut text = String::new();
            let read = GzDecoder::new(compressed.0.as_slice()).take(MAX_DOCUMENT_BYTES).read_to_string(&mut text);
            read.map(|_| text).map_err(|_| invalid("not compressed text"))
        }
        [Some(plain), None] => String::from_utf8(plain.0).map_err(|_| invalid("not valid UTF-8")),
        [None, None] => return None,
    };
    Some(text.map_err(DocumentError::from).and_then(|text| codec::experiment_from_yaml(&text)))
}

/// Reads the values; `None` if there are none. Drops nulls, because Helm keeps a `null` that overrides no default.
pub(crate) fn values(secret: &Secret) -> Option<Result<Value, CodecError>> {
    let bytes = secret.data.as_ref()?.get(VALUES_KEY)?;
    let invalid = |_| CodecError { message: "not valid UTF-8".to_owned(), line: None, column: None };
    Some(std::str::from_utf8(&bytes.0).map_err(invalid).and_then(codec::value_from_yaml).map(without_nulls))
}

/// Reads the key of digests; `None` if there is none.
pub(crate) fn digest_key(secret: &Secret) -> Option<DigestKey> {
    DigestKey::from_bytes(&secret.data.as_ref()?.get(DIGEST_KEY)?.0)
}

/// Writes the key of digests.
pub(crate) fn put_digest_key(secret: &mut Secret, key: &DigestKey) {
    secret.data.get_or_insert_default().insert(DIGEST_KEY.to_owned(), ByteString(key.bytes().to_vec()));
}

/// Removes the document. Returns false if there was none.
pub(crate) fn remove(secret: &mut Secret) -> bool {
    let data = secret.data.get_or_insert_default();
    [PLAIN, COMPRESSED].iter().filter(|key| data.remove(**key).is_some()).count() > 0
}

/// Writes the document. If it does not fit, the error contains its size.
pub(crate) fn put(secret: &mut Secret, experiment: &Experiment) -> Result<(), String> {
    remove(secret);
    let data = secret.data.get_or_insert_default();
    let others: usize = data.values().map(|value| value.0.len()).sum();
    let room = MAX_SECRET_BYTES.saturating_sub(others);
    let mut experiment = std::borrow::Cow::Borrowed(experiment);
    loop {
        let text = codec::to_yaml(experiment.as_ref()).map_err(|error| error.to_string())?;
        if text.len() <= room {
            data.insert(PLAIN.to_owned(), ByteString(text.into_bytes()));
            return Ok(());
        }
        let compressed = compress(text.as_bytes()).map_err(|error| error.to_string())?;
        if compressed.len() <= room {
            data.insert(COMPRESSED.to_owned(), ByteString(compressed));
            return Ok(());
        }
        let insights = experiment.to_mut().result.as_mut().and_then(|result| result.insights.as_mut());
        if !insights.is_some_and(fold_oldest) {
            return Err(format!("{} bytes after compression, but the Secret has room for {room}", compressed.len()));
        }
    }
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::document::{ExperimentResult, TaskSpec};
    use crate::model::insights::Insights;
    use std::collections::BTreeMap;

    /// A document with `loops` values of one metric that hardly compress.
    fn experiment(loops: u32) -> Experiment {
        let value = |index: u32| f64::from(index.wrapping_mul(2_654_435_761)) / 7.0;
        let values = BTreeMap::from([("m/x".to_owned(), (0..loops).map(value).collect())]);
        let insights = Insights { num_versions: 1, non_hist_metric_values: vec![values], ..Insights::default() };
        let result = ExperimentResult { insights: Some(insights), ..ExperimentResult::default() };
        let spec = vec![TaskSpec { task: Some("http".into()), ..TaskSpec::default() }];
        Experiment { spec, result: Some(result), ..Experiment::default() }
    }

    fn size(secret: &Secret) -> usize {
        secret.data.iter().flat_map(|data| data.values()).map(|value| value.0.len()).sum()
    }

    #[test]
    fn large_documents_are_compressed_then_lose_their_oldest_loops() {
        let mut secret = Secret::default();
        secret.data.get_or_insert_default().insert(VALUES_KEY.to_owned(), ByteString(b"tasks: [http]\n".to_vec()));
        for (loops, expected) in [(10, PLAIN), (60_000, COMPRESSED), (400_000, COMPRESSED), (10, PLAIN)] {
            let given = experiment(loops);
            put(&mut secret, &given).unwrap();
            assert!(size(&secret) <= MAX_SECRET_BYTES);
            let keys: Vec<_> = secret.data.as_ref().unwrap().keys().collect();
            assert_eq!(keys, [expected, VALUES_KEY], "{loops}");
            let read = document(&secret).unwrap().unwrap();
            let metric_values = |experiment: &Experiment| {
                experiment.result.as_ref().unwrap().insights.as_ref().unwrap().non_hist_metric_values[0]["m/x"].clone()
            };
            let (kept, all) = (metric_values(&read), metric_values(&given));
            assert_eq!(kept, all[all.len() - kept.len()..], "the newest loops are kept");
            assert_eq!(kept.len() == all.len(), loops < 400_000);
        }
    }

    #[test]
    fn a_document_that_cannot_fit_is_an_error_with_its_size() {
        let mut secret = Secret::default();
        let full = vec![b'x'; MAX_SECRET_BYTES];
        secret.data.get_or_insert_default().insert(VALUES_KEY.to_owned(), ByteString(full));
        let message = put(&mut secret, &experiment(10)).unwrap_err();
        assert!(message.ends_with("but the Secret has room for 0"), "{message}");
    }

    #[test]
    fn nulls_are_dropped_from_the_values() {
        let mut secret = Secret::default();
        let text = b"tasks: [http]\nserviceAccountName: null\n".to_vec();
        secret.data.get_or_insert_default().insert(VALUES_KEY.to_owned(), ByteString(text));
        assert_eq!(values(&secret).unwrap().unwrap(), serde_json::json!({"tasks": ["http"]}));
    }

    #[test]
    fn malformed_entries_are_errors() {
        let with = |key: &str, bytes: &[u8]| {
            let mut secret = Secret::default();
            secret.data.get_or_insert_default().insert(key.to_owned(), ByteString(bytes.to_vec()));
            secret
        };
        assert!(document(&with(PLAIN, b"\xff")).unwrap().is_err());
        assert!(document(&with(COMPRESSED, b"spec: []")).unwrap().is_err());
        assert!(document(&with("other", b"")).is_none());
        assert!(values(&with(VALUES_KEY, b"a: [")).unwrap().is_err());
    }
}
