//! Metadata: headers of the calls, optionally with actions.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::redact::is_secret_header;
use crate::templates::grpc_template::{CallValues, RequestTemplate, has_actions};
use crate::templates::random::RandomBits;

/// Headers reserved by HTTP/2 and gRPC, besides those that start with `grpc-`.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Value of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MetadataText {
    /// Text that may have actions.
    Text(String),
    /// A secret, which is sent unchanged.
    Secret(String),
}

/// Metadata, parsed.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    fixed: HeaderMap,
    varying: Vec<(HeaderName, RequestTemplate)>,
}

impl Metadata {
    /// Parses metadata. An error names the entry but never its value, which may be a secret.
    pub(super) fn parse(entries: &BTreeMap<String, MetadataText>, random: &RandomBits) -> Result<Self, String> {
        let mut metadata = Self::default();
        for (name, text) in entries {
            let header = name.to_ascii_lowercase().parse::<HeaderName>();
            let header = header.map_err(|_| format!("`{name}` is not a valid metadata name"))?;
            if RESERVED.contains(&header.as_str()) || header.as_str().starts_with("grpc-") {
                return Err(format!("`{name}` is reserved by the protocol"));
            }
            if metadata.fixed.contains_key(&header) || metadata.varying.iter().any(|(known, _)| *known == header) {
                return Err(format!("`{name}` is set twice"));
            }
            match text {
                MetadataText::Text(text) if has_actions(text) => {
                    let template =
                        RequestTemplate::parse(text, random).map_err(|error| format!("`{name}`: {error}"))?;
                    metadata.varying.push((header, template));
                }
                MetadataText::Text(text) => {
                    let value = value(&header, text)?;
                    metadata.fixed.insert(header, value);
                }
                MetadataText::Secret(text) => {
                    let mut value = value(&header, text)?;
                    value.set_sensitive(true);
                    metadata.fixed.insert(header, value);
                }
            }
        }
        Ok(metadata)
    }

    /// Returns true if it differs between calls.
    pub(super) fn varies(&self) -> bool {
        !self.varying.is_empty()
    }

    /// Returns the values that are secrets by their name or source.
    pub(super) fn secrets(&self) -> Vec<String> {
        let secrets = self.fixed.values().filter(|value| value.is_sensitive());
        secrets.filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect()
    }

    /// Renders the headers of one call.
    pub(super) fn headers(&self, values: &CallValues) -> Result<HeaderMap, String> {
        let mut headers = self.fixed.clone();
        for (name, template) in &self.varying {
            let text = template.expand(values).map_err(|error| format!("`{name}`: {error}"))?;
            headers.insert(name.clone(), value(name, &text)?);
        }
        Ok(headers)
    }
}

fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, String> {
    let text = if name.as_str().ends_with("-bin") {
        // Padding is optional in input and omitted in output.
        let bytes = STANDARD_NO_PAD.decode(text.trim().trim_end_matches('='));
        STANDARD_NO_PAD.encode(
            bytes.map_err(|_| format!("the value of `{name}` must be base64, because the name ends in `-bin`"))?,
        )
    } else {
        text.to_owned()
    };
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| format!("the value of `{name}` contains invalid characters"))?;
    value.set_sensitive(is_secret_header(name.as_str()));
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::grpc_template::Fixed;
    use chrono::DateTime;
    use std::sync::Arc;

    fn parse(entries: &[(&str, &str)]) -> Result<Metadata, String> {
        let text = |value: &str| MetadataText::Text(value.to_owned());
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        Metadata::parse(&entries, &bits())
    }

    fn bits() -> RandomBits {
        Arc::new(|| 7)
    }

    #[test]
    fn metadata_become_headers_with_actions_expanded() {
        let metadata =
            parse(&[("X-A", "1"), ("x-n", "call {{.RequestNumber}}"), ("x-bin", "AQI="), ("token", "t")]).unwrap();
        let values = CallValues::new(3, DateTime::from_timestamp(0, 0).unwrap(), &bits(), &Fixed::new());
        let headers = metadata.headers(&values).unwrap();
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(["x-a", "x-n", "x-bin"].map(header), ["1", "call 3", "AQI"]);
        assert!(headers.get("token").unwrap().is_sensitive() && !headers.get("x-a").unwrap().is_sensitive());
        assert!(metadata.varies() && !parse(&[("x", "1")]).unwrap().varies());
    }

    #[test]
    fn a_secret_is_sent_unchanged() {
        let secret = MetadataText::Secret("{{.RequestNumber}}".to_owned());
        let metadata = Metadata::parse(&BTreeMap::from([("x-a".to_owned(), secret)]), &bits()).unwrap();
        let values = CallValues::new(3, DateTime::from_timestamp(0, 0).unwrap(), &bits(), &Fixed::new());
        let headers = metadata.headers(&values).unwrap();
        assert_eq!(headers["x-a"], "{{.RequestNumber}}");
        assert!(headers["x-a"].is_sensitive());
    }

    #[test]
    fn invalid_metadata_is_rejected_without_its_value() {
        for (name, text) in [
            ("a b", "hunter2"),
            (":path", "hunter2"),
            ("Content-Type", "hunter2"),
            ("grpc-timeout", "hunter2"),
            ("x-bin", "hunter2!"),
            ("x", "hunter2\n"),
            ("x", "hunter2 {{.Nope"),
        ] {
            let error = parse(&[(name, text)]).unwrap_err();
            assert!(error.contains(name.to_ascii_lowercase().trim()) || error.contains(name), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(parse(&[("x-a", "1"), ("X-A", "2")]).unwrap_err().contains("set twice"));
    }
}
