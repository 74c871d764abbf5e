//! Templates of the `http` task, in Handlebars: each request can differ from the others.
//!
//! Rendering is deterministic: request number, time and random bits are passed in.
//!
//! | action | value |
//! |---|---|
//! | `{{requestNumber}}` | the number of the request, from 0 |
//! | `{{timestamp}}`, `{{timestampUnix}}`, `{{timestampUnixMilli}}` | the time, RFC 3339 or since 1970 |
//! | `{{uuid}}` | a random UUID, a new one each time |
//! | `{{randomInt MIN MAX}}` | an integer from MIN up to, but not including, MAX |
//! | `{{randomString LENGTH}}` | letters and digits; between 2 and 16 of them if LENGTH is 0 |
//! | `{{row.NAME}}` | a field of the request's row, if there are rows |
//! | `{{json X}}` | X as JSON, such as a string with its quotes |
//! | `{{urlencode X}}` | X percent-encoded, for a part of a URL |

use chrono::{DateTime, SecondsFormat, Utc};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError, RenderErrorReason,
    ScopedJson,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::templates::TemplateError;
use crate::templates::handlebars::{JsonHelper, TemplateId, Templates, context, only_param};
use crate::templates::random::{RandomBits, integer, text, uuid};
use crate::templates::rows::Rows;

/// Templates of a request.
#[derive(Debug)]
pub(crate) struct HttpTemplates {
    templates: Templates,
    rows: Option<Rows>,
}

/// Names of all actions.
const ACTIONS: [&str; 10] = [
    "json",
    "randomInt",
    "randomString",
    "requestNumber",
    "row.",
    "timestamp",
    "timestampUnix",
    "timestampUnixMilli",
    "urlencode",
    "uuid",
];

/// Returns the first of these actions in a string, such as `{{uuid}}`. Other text in braces may be meant for the service.
pub(crate) fn first_action(text: &str) -> Option<&str> {
    let is_action = |inner: &str| {
        let name = inner.split_whitespace().next().unwrap_or_default();
        ACTIONS.iter().any(|action| name == *action || (action.ends_with('.') && name.starts_with(action)))
    };
    text.match_indices("{{").find_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find("}}")?;
        is_action(&rest[2..end]).then(|| &rest[..end + 2])
    })
}

/// Returns true if a string may contain actions.
pub(crate) fn has_actions(text: &str) -> bool {
    text.contains("{{")
}

impl HttpTemplates {
    /// Creates an empty set of templates; each request uses the next of `rows`.
    pub(crate) fn new(random: &RandomBits, rows: Option<Rows>) -> Self {
        let mut templates = Templates::default();
        let bits = || random.clone();
        let (ids, numbers, texts) = (bits(), bits(), bits());
        add(&mut templates, "uuid", 0, move |_| Ok(uuid(&ids)));
        add(&mut templates, "randomInt", 2, move |args| integer(&numbers, args[0], args[1]).map(|n| n.to_string()));
        add(&mut templates, "randomString", 1, move |args| text(&texts, args[0]));
        templates.helper("json", JsonHelper::repeated());
        templates.helper("urlencode", UrlEncode);
        Self { templates, rows }
    }

    /// Returns true if requests have rows.
    pub(crate) fn has_rows(&self) -> bool {
        self.rows.is_some()
    }

    /// Parses a template.
    pub(crate) fn add(&mut self, text: &str) -> Result<TemplateId, TemplateError> {
        self.templates.add(text)
    }

    /// Creates the values for the actions of request `number`.
    pub(crate) fn values(&self, number: u64, now: DateTime<Utc>) -> Result<Context, TemplateError> {
        let mut values = Map::new();
        values.insert("requestNumber".to_owned(), number.into());
        values.insert("timestamp".to_owned(), now.to_rfc3339_opts(SecondsFormat::Secs, true).into());
        values.insert("timestampUnix".to_owned(), now.timestamp().into());
        values.insert("timestampUnixMilli".to_owned(), now.timestamp_millis().into());
        if let Some(rows) = &self.rows {
            let row = rows.row(number).map_err(|error| TemplateError::new(error.to_string()))?;
            values.insert("row".to_owned(), row);
        }
        context(Value::Object(values))
    }

    /// Renders a template for one request.
    pub(crate) fn render(&self, id: TemplateId, values: &Context) -> Result<String, TemplateError> {
        self.templates.render(id, values)
    }
}

/// The helper `urlencode`.
struct UrlEncode;

impl HelperDef for UrlEncode {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        call: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let text = match only_param(call)? {
            Value::String(text) => text.clone(),
            scalar @ (Value::Number(_) | Value::Bool(_)) => scalar.to_string(),
            _ => return Err(RenderErrorReason::Other("urlencode: expected a string or number".to_owned()).into()),
        };
        let encoded = utf8_percent_encode(&text, RESERVED).to_string();
        Ok(ScopedJson::Derived(Value::String(encoded)))
    }
}

/// Characters to encode: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Registers a helper that takes `count` integers.
fn add<F>(templates: &mut Templates, name: &'static str, count: usize, function: F)
where
    F: Fn(&[i64]) -> Result<String, String> + Send + Sync + 'static,
{
    let helper = move |call: &Helper<'_>,
                       _: &Handlebars<'_>,
                       _: &Context,
                       _: &mut RenderContext<'_, '_>,
                       out: &mut dyn Output|
          -> HelperResult {
        let error = |message: String| RenderErrorReason::Other(message);
        let whole = |value: &Value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        let args: Option<Vec<i64>> = call.params().iter().map(|param| whole(param.value())).collect();
        let args = args.filter(|args| args.len() == count);
        let args = args.ok_or_else(|| error(format!("{name}: expected {count} integers")))?;
        out.write(&function(&args).map_err(error)?)?;
        Ok(())
    };
    templates.helper(name, helper);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::rows::RowFormat;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn render(text: &str, number: u64) -> Result<String, String> {
        let counter = AtomicU64::new(0);
        let random: RandomBits =
            Arc::new(move || counter.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rows = Rows::read(b"name,age\nAnn,7\nBob,8\n".to_vec(), RowFormat::Csv).unwrap();
        let mut templates = HttpTemplates::new(&random, Some(rows));
        let id = templates.add(text).map_err(|error| error.to_string())?;
        let now = DateTime::from_timestamp(1_700_000_000, 123_000_000).unwrap();
        let values = templates.values(number, now).unwrap();
        templates.render(id, &values).map_err(|error| error.to_string())
    }

    #[test]
    fn actions_are_rendered_as_documented() {
        assert_eq!(render("/items/{{requestNumber}}?a=b", 41).unwrap(), "/items/41?a=b");
        assert_eq!(render("{{row.name}} {{row.age}}", 3).unwrap(), "Bob 8");
        assert_eq!(
            render("{{timestamp}} {{timestampUnix}} {{timestampUnixMilli}}", 0).unwrap(),
            "2023-11-14T22:13:20Z 1700000000 1700000000123"
        );
        let uuids = render("{{uuid}} {{uuid}}", 0).unwrap();
        let (one, other) = uuids.split_once(' ').unwrap();
        assert!(one != other && one.len() == 36 && one.as_bytes()[14] == b'4', "{uuids}");
        for number in 0..50 {
            let drawn: i64 = render("{{randomInt -3 4}}", number).unwrap().parse().unwrap();
            assert!((-3..4).contains(&drawn));
        }
        assert_eq!(render("{{randomString 9}}", 0).unwrap().len(), 9);
        assert_eq!(render("{\"a\": \"{{randomInt 5 6}}\"}", 0).unwrap(), "{\"a\": \"5\"}");
    }

    #[test]
    fn fields_are_written_for_json_and_urls() {
        assert_eq!(
            render("{\"n\": {{json row.name}}, \"all\": {{json row}}}", 0).unwrap(),
            "{\"n\": \"Ann\", \"all\": {\"age\":\"7\",\"name\":\"Ann\"}}"
        );
        assert_eq!(
            render("/{{urlencode \"a b&c/é~\"}}?n={{urlencode requestNumber}}", 3).unwrap(),
            "/a%20b%26c%2F%C3%A9~?n=3"
        );
    }

    #[test]
    fn only_known_actions_are_found() {
        for (text, expected) in [
            ("{\"id\": \"{{uuid}}\"}", Some("{{uuid}}")),
            ("a {{ x }} {{ row.name }}", Some("{{ row.name }}")),
            ("{{randomInt 1 5}}", Some("{{randomInt 1 5}}")),
            ("{{.UUID}} {{row}} {{uuids}} {{uuid", None),
        ] {
            assert_eq!(first_action(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        for (text, expected) in [
            ("{{randomInt 5}}", "randomInt: expected 2 integers"),
            ("{{randomInt 5 5}}", "expected MIN below MAX"),
            ("{{randomInt a b}}", "randomInt"),
            ("{{randomString 100000}}", "at most 65536"),
            ("{{row.city}}", "undefined variable `row.city`"),
            ("{{RequestNumber}}", "undefined variable `RequestNumber`"),
            ("{{uuid 3}}", "uuid: expected 0 integers"),
            ("{{urlencode row}}", "urlencode: expected a string or number"),
            ("{{urlencode row.city}}", "undefined variable `row.city`"),
            ("{{json row.city}}", "undefined variable `row.city`"),
        ] {
            let error = render(text, 0).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
