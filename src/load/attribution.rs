//! Attribution of responses to the versions that sent them, behind a router that splits the requests to one target.
//!
//! A response is not trusted: its value is compared with those that are known before the run, and any other value means an unknown
//! origin. Unknown values are kept only for a note, which limits their length and number.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::load::VersionFrom;
use crate::redact::{excerpt, is_secret_header};
use crate::templates::jq::{Filter, Output};

/// Longest value that may name a version, in bytes.
pub const MAX_VALUE: usize = 256;

/// Longest value in messages, in characters.
const MAX_SHOWN: usize = 80;

/// Place in a response that names its version.
#[derive(Clone, Debug)]
pub enum Source {
    /// Header; for gRPC, metadata before or after the messages.
    Header(String),
    /// Filter, evaluated on the body as JSON.
    Json(Arc<Filter>),
    /// Field of the first message of a gRPC response, as a dotted path.
    Field(String),
}

impl Source {
    /// Describes the place for the record of a load.
    pub fn record(&self) -> VersionFrom {
        let record = VersionFrom::default();
        match self {
            Self::Header(name) => VersionFrom { header: Some(name.clone()), ..record },
            Self::Json(filter) => VersionFrom { jq: Some(filter.text().to_owned()), ..record },
            Self::Field(name) => VersionFrom { grpc_field: Some(name.clone()), ..record },
        }
    }
}

/// Attribution of responses to versions.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// Place in a response.
    pub source: Source,
    /// Names of the versions, in order.
    pub versions: Vec<String>,
    /// Index of the version that a value stands for.
    pub values: BTreeMap<Vec<u8>, usize>,
}

/// Index of a response's version, or the reason for its unknown origin.
pub(super) type Origin = Result<usize, String>;

impl Attribution {
    /// Returns true if the head of a response is needed.
    pub(super) fn needs_head(&self) -> bool {
        matches!(self.source, Source::Header(_))
    }

    /// Returns true if the body of a response is needed.
    pub(super) fn needs_body(&self) -> bool {
        matches!(self.source, Source::Json(_))
    }

    /// Returns the origin of an HTTP response. `values` returns the values of a header; `length` is that of the whole body, of which
    /// `body` is the first part.
    pub(super) fn of_http<'h>(&self, values: impl Fn(&str) -> Vec<&'h [u8]>, body: &[u8], length: u64) -> Origin {
        match &self.source {
            Source::Header(name) => self.of_header(name, values(name).into_iter()),
            Source::Json(filter) => self.of_body(filter, body, length),
            Source::Field(_) => Err("the response is not gRPC".to_owned()),
        }
    }

    /// Returns the origin of a response with these values of the header. Repeated values must agree.
    pub(super) fn of_header<'h>(&self, name: &str, mut values: impl Iterator<Item = &'h [u8]>) -> Origin {
        let Some(value) = values.next() else { return Err(format!("no header `{name}`")) };
        if values.any(|other| other != value) {
            return Err(format!("repeated header `{name}` has different values"));
        }
        self.of_value(value.trim_ascii()).ok_or_else(|| match is_secret_header(name) {
            true => format!("header `{name}` has another value"),
            false => format!("header `{name}` is {}", shown(value)),
        })
    }

    fn of_body(&self, filter: &Filter, body: &[u8], length: u64) -> Origin {
        if length > body.len() as u64 {
            return Err(format!("the body is longer than {} KiB, the limit for filters", body.len() >> 10));
        }
        let of_text = |text: &str| {
            let shown = || format!("`{}` is {}", filter.text(), shown(text.as_bytes()));
            self.of_value(text.as_bytes()).ok_or_else(shown)
        };
        match filter.value(body) {
            Output::Text(text) | Output::Number(_, text) => of_text(&text),
            Output::Nothing(word) => Err(format!("`{}` is {word}", filter.text())),
            Output::Other(text) => Err(format!("`{}` is {text}; expected a string or a number", filter.text())),
            Output::NotJson(error) => Err(format!("the body is not JSON: {error}")),
            Output::Failed(error) => Err(format!("`{}` failed: {error}", filter.text())),
        }
    }

    /// Returns the origin of a gRPC response whose field has this value; `None` if it has none.
    pub(super) fn of_field(&self, name: &str, value: Option<&[u8]>) -> Origin {
        let value = value.ok_or_else(|| format!("no field `{name}`"))?;
        self.of_value(value).ok_or_else(|| format!("field `{name}` is {}", shown(value)))
    }

    /// Returns the index of the version that a value stands for.
    fn of_value(&self, value: &[u8]) -> Option<usize> {
        // Checked first, so that long values cost no comparisons with keys.
        if value.len() > MAX_VALUE { None } else { self.values.get(value).copied() }
    }
}

fn shown(value: &[u8]) -> String {
    format!("`{}`", excerpt(&String::from_utf8_lossy(value), MAX_SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribution(source: Source) -> Attribution {
        let values = [("x", 0), ("y", 1), ("1.5", 1)].map(|(value, version)| (value.as_bytes().to_vec(), version));
        Attribution { source, versions: vec!["xgb".to_owned(), "rf".to_owned()], values: values.into() }
    }

    #[test]
    fn a_header_names_a_version_only_if_its_values_agree() {
        let attribution = attribution(Source::Header("v".to_owned()));
        let of = |values: &[&'static [u8]]| attribution.of_http(|_| values.to_vec(), b"", 0);
        assert_eq!(of(&[b"x"]), Ok(0));
        assert_eq!(of(&[b" y ", b" y "]), Ok(1));
        assert_eq!(of(&[]).unwrap_err(), "no header `v`");
        assert_eq!(of(&[b"x", b"y"]).unwrap_err(), "repeated header `v` has different values");
        assert_eq!(of(&[b"X"]).unwrap_err(), "header `v` is `X`");
        assert_eq!(of(&[b"\xff\x80"]).unwrap_err(), "header `v` is `\u{fffd}\u{fffd}`");
        let long: &'static [u8] = vec![b'x'; 1 << 20].leak();
        assert!(of(&[long]).unwrap_err().chars().count() <= MAX_SHOWN + 20);
    }

    #[test]
    fn a_body_names_a_version_only_by_a_string_or_a_number() {
        let filter = Filter::compile(".model").unwrap();
        let attribution = attribution(Source::Json(Arc::new(filter)));
        let of = |body: &str| attribution.of_http(|_| Vec::new(), body.as_bytes(), body.len() as u64);
        assert_eq!(of(r#"{"model": "x"}"#), Ok(0));
        assert_eq!(of(r#"{"model": 1.50}"#), Ok(1));
        for (body, reason) in [
            (r#"{"model": "z"}"#, "`.model` is `z`"),
            (r#"{"model": null}"#, "`.model` is null"),
            (r#"{"model": ["x"]}"#, "`.model` is [\"x\"]; expected a string or a number"),
            ("<html>", "the body is not JSON: "),
            ("", "the body is not JSON: "),
            ("[1]", "`.model` failed: "),
        ] {
            let error = of(body).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
        let start = [br#"{"model": "x"}"#, &vec![b' '; 2048 - 14][..]].concat();
        let long = attribution.of_http(|_| Vec::new(), &start, 1 << 40);
        assert_eq!(long.unwrap_err(), "the body is longer than 2 KiB, the limit for filters");
    }
}
