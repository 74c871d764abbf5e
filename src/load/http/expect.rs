//! Expectations on responses beyond their status range. Each kind has its own cause of failure.

use std::sync::Arc;

use super::h1::MAX_KEPT;
use crate::load::cause::Cause;
use crate::redact::{excerpt, is_secret_header};
use crate::templates::jq::{Filter, Verdict};

/// Longest value of a header in messages, in characters.
const MAX_VALUE: usize = 80;

/// An expected status or class of statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedStatus {
    /// One status.
    Exactly(u16),
    /// All statuses that begin with this digit: `2` for 200 to 299.
    Class(u16),
}

impl ExpectedStatus {
    fn holds(self, status: u16) -> bool {
        match self {
            Self::Exactly(expected) => status == expected,
            Self::Class(digit) => status / 100 == digit,
        }
    }
}

/// Expectations on responses; none by default.
#[derive(Debug, Default)]
pub struct Expectations {
    /// One of these statuses; empty for any.
    pub statuses: Vec<ExpectedStatus>,
    /// Names of headers, and the string that one of their values must contain; `None` if the header only has to exist.
    pub headers: Vec<(String, Option<String>)>,
    /// String that the body must contain.
    pub body: Option<String>,
    /// Filter that the body must satisfy as JSON.
    pub json: Option<Arc<Filter>>,
}

/// A failed expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unexpected {
    pub(super) cause: Cause,
    pub(super) detail: String,
}

impl Expectations {
    /// Returns true if checking needs the head.
    pub(super) fn needs_head(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Returns true if checking needs the body.
    pub(super) fn needs_body(&self) -> bool {
        self.body.is_some() || self.json.is_some()
    }

    /// Returns the first expectation that a response fails: on its status, its head, its body as a string, its body as JSON.
    /// `values` returns the values of a header; `length` is that of the whole body, of which `body` is the first [`MAX_KEPT`] bytes.
    pub(super) fn check<'h>(
        &self,
        status: u16,
        values: impl Fn(&str) -> Vec<&'h [u8]>,
        body: &[u8],
        length: u64,
    ) -> Option<Unexpected> {
        let fails = |cause, detail: String| Some(Unexpected { cause, detail });
        if !self.statuses.is_empty() && !self.statuses.iter().any(|expected| expected.holds(status)) {
            return fails(Cause::UnexpectedStatus, format!("status {status}"));
        }
        for (name, text) in &self.headers {
            let values = values(name);
            match text {
                None if values.is_empty() => return fails(Cause::UnexpectedHeader, format!("no header `{name}`")),
                Some(text) if !values.iter().any(|value| contains(value, text.as_bytes())) => {
                    return fails(Cause::UnexpectedHeader, unexpected_header(name, &values));
                }
                _ => {}
            }
        }
        let cut = if length > body.len() as u64 { " (only its first MiB is searched)" } else { "" };
        if let Some(text) = &self.body
            && !contains(body, text.as_bytes())
        {
            return fails(Cause::UnexpectedBody, format!("the string is not in the body{cut}"));
        }
        let filter = self.json.as_ref()?;
        if length > body.len() as u64 {
            let detail = format!("the body is longer than {} KiB, the limit for filters", MAX_KEPT >> 10);
            return fails(Cause::UnexpectedJson, detail);
        }
        match filter.run(body) {
            Verdict::Satisfied => None,
            Verdict::NotSatisfied => fails(Cause::UnexpectedJson, "the filter is not satisfied".to_owned()),
            Verdict::NotJson(error) => fails(Cause::UnexpectedJson, format!("the body is not JSON: {error}")),
            Verdict::Failed(error) => fails(Cause::UnexpectedJson, error),
        }
    }
}

/// Describes a header without the expected value.
fn unexpected_header(name: &str, values: &[&[u8]]) -> String {
    match values {
        [] => format!("no header `{name}`"),
        [value, ..] if !is_secret_header(name) => {
            let text = String::from_utf8_lossy(value);
            format!("header `{name}` is `{}`", excerpt(&text, MAX_VALUE))
        }
        _ => format!("unexpected value in header `{name}`"),
    }
}

/// Returns true if `bytes` contain `wanted`.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || memchr::memmem::find(bytes, wanted).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(name: &str) -> Vec<&'static [u8]> {
        match name.to_lowercase().as_str() {
            "content-type" => vec![b"application/json"],
            "x" => vec![b"1", b"2"],
            _ => Vec::new(),
        }
    }

    fn cause(expected: &Expectations, body: &str) -> Option<Cause> {
        expected.check(200, values, body.as_bytes(), body.len() as u64).map(|unexpected| unexpected.cause)
    }

    #[test]
    fn each_failed_expectation_has_its_cause() {
        let header = |name: &str, text: Option<&str>| Expectations {
            headers: vec![(name.to_owned(), text.map(str::to_owned))],
            ..Expectations::default()
        };
        let statuses = |statuses| Expectations { statuses, ..Expectations::default() };
        let body = |text: &str| Expectations { body: Some(text.to_owned()), ..Expectations::default() };
        let json =
            |text: &str| Expectations { json: Filter::compile(text).ok().map(Arc::new), ..Expectations::default() };
        for (expected, cause_expected) in [
            (Expectations::default(), None),
            (statuses(vec![ExpectedStatus::Exactly(201), ExpectedStatus::Class(2)]), None),
            (statuses(vec![ExpectedStatus::Exactly(201), ExpectedStatus::Class(3)]), Some(Cause::UnexpectedStatus)),
            (header("content-TYPE", Some("json")), None),
            (header("content-type", Some("xml")), Some(Cause::UnexpectedHeader)),
            (header("x", Some("2")), None),
            (header("x", None), None),
            (header("y", None), Some(Cause::UnexpectedHeader)),
            (body("ok\""), None),
            (body(""), None),
            (body("no"), Some(Cause::UnexpectedBody)),
            (json(".ok"), None),
            (json(".ok | not"), Some(Cause::UnexpectedJson)),
            (json(".ok.ok"), Some(Cause::UnexpectedJson)),
        ] {
            assert_eq!(cause(&expected, "{\"ok\": true}"), cause_expected, "{expected:?}");
        }
        assert_eq!(cause(&json("."), "{"), Some(Cause::UnexpectedJson));
    }

    #[test]
    fn a_body_that_was_kept_in_part_satisfies_no_filter() {
        let json = Expectations { json: Filter::compile("true").ok().map(Arc::new), ..Expectations::default() };
        assert!(json.check(200, values, b"{}", 3).unwrap().detail.contains("longer than 1024 KiB"));
        let body = Expectations { body: Some("b".into()), ..Expectations::default() };
        assert!(body.check(200, values, b"a", 3).unwrap().detail.contains("first MiB"));
    }
}
