//! Helpers that write a value as JSON: `{{json x}}`, and `{{jsonPretty x}}` with indentation.
//!
//! They can be nested: `{{json (json x)}}` is a JSON string that contains the JSON of `x`.

use std::sync::atomic::{AtomicUsize, Ordering};

use handlebars::{Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson};
use serde_json::Value;

use super::MAX_OUTPUT;

/// A helper that writes its only parameter.
#[derive(Debug)]
pub(crate) struct JsonHelper {
    is_pretty: bool,
    /// Bytes that may still be written, if there is a limit. That of the output is not enough, as a result can be dropped by
    /// `{{#if (json x)}}`.
    left: Option<AtomicUsize>,
}

impl JsonHelper {
    /// Writes on one line.
    pub(crate) fn compact() -> Self {
        Self { is_pretty: false, left: Some(AtomicUsize::new(4 * MAX_OUTPUT)) }
    }

    /// Writes on several lines, indented by two spaces.
    pub(crate) fn pretty() -> Self {
        Self { is_pretty: true, ..Self::compact() }
    }

    /// Writes on one line, for templates of the user that are rendered again and again.
    pub(crate) fn repeated() -> Self {
        Self { left: None, ..Self::compact() }
    }

    fn text(&self, value: &Value) -> Option<String> {
        let text = if self.is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let text = text.ok()?;
        let take = |left: usize| left.checked_sub(text.len());
        if let Some(limit) = &self.left {
            limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        }
        Some(text)
    }
}

/// Returns the value of a helper's only parameter.
pub(crate) fn only_param<'c>(call: &'c Helper<'_>) -> Result<&'c Value, RenderError> {
    let [param] = call.params().as_slice() else {
        return Err(RenderErrorReason::Other(format!("{}: expected one value", call.name())).into());
    };
    match param.is_value_missing() {
        true => Err(RenderErrorReason::MissingVariable(param.relative_path().cloned()).into()),
        false => Ok(param.value()),
    }
}

impl HelperDef for JsonHelper {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        call: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let too_large = || RenderErrorReason::Other(format!("{}: output is too large", call.name()));
        let text = self.text(only_param(call)?).ok_or_else(too_large)?;
        Ok(ScopedJson::Derived(Value::String(text)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Templates, context};
    use super::JsonHelper;

    fn render(text: &str, values: Value) -> Result<String, String> {
        let mut templates = Templates::default();
        templates.helper("json", JsonHelper::compact());
        templates.helper("jsonPretty", JsonHelper::pretty());
        let id = templates.add(text).map_err(|error| error.to_string())?;
        templates.render(id, &context(values).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn any_value_is_written_as_json() {
        let values = || json!({"x": {"a": [1, null, "q\"\n"]}, "s": "é"});
        assert_eq!(render("{{json x}}", values()).unwrap(), r#"{"a":[1,null,"q\"\n"]}"#);
        assert_eq!(render("{{json s}}", values()).unwrap(), "\"é\"");
        assert_eq!(render("{{jsonPretty x.a}}", values()).unwrap(), "[\n  1,\n  null,\n  \"q\\\"\\n\"\n]");
        let nested = render(r#"{"text": {{json (jsonPretty x)}}}"#, values()).unwrap();
        let outer: Value = serde_json::from_str(&nested).unwrap();
        let inner: Value = serde_json::from_str(outer["text"].as_str().unwrap()).unwrap();
        assert_eq!(inner, values()["x"]);
    }

    #[test]
    fn undefined_values_and_too_much_output_are_errors() {
        assert_eq!(render("{{json y}}", json!({})).unwrap_err(), "undefined variable `y`");
        assert_eq!(render("{{json}}", json!({})).unwrap_err(), "json: expected one value");
        // Each level doubles the backslashes.
        let nested = format!("{{{{#if {}x{}}}}}{{{{/if}}}}", "(json ".repeat(60), ")".repeat(60));
        assert_eq!(render(&nested, json!({"x": "\""})).unwrap_err(), "json: output is too large");
        let looped = "{{#each l}}{{#each ../l}}{{#if (json ../../l)}}{{/if}}{{/each}}{{/each}}";
        let list: Vec<u32> = (0..1_000).collect();
        assert_eq!(render(looped, json!({"l": list})).unwrap_err(), "json: output is too large");
    }
}
