//! Handlebars within bounds, strict about undefined variables.
//!
//! Templates are not trusted. Partials and decorators could recurse forever and are rejected. The number of blocks, the length of actions
//! and the size of the output are limited, so that neither parsing nor rendering can exhaust the stack or the memory.

mod json;

use std::io::{self, Write};

use handlebars::template::TemplateElement;
use handlebars::{Context, Handlebars, HelperDef, RenderErrorReason, Template};
use serde_json::Value;

pub(crate) use self::json::{JsonHelper, only_param};
use super::TemplateError;

/// Maximum size of a template, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;

/// Maximum blocks (`{{#each …}}`) of one template, which also limits their nesting.
const MAX_BLOCKS: usize = 50;

/// Maximum nesting of loops. A row has up to a thousand fields, so three nested loops could take hours.
const MAX_LOOPS: usize = 2;

/// Maximum length of an action, in bytes.
const MAX_ACTION: usize = 1_000;

/// Maximum size of the output, in bytes.
pub(crate) const MAX_OUTPUT: usize = 16 << 20;

/// Templates that share helpers. Nothing is escaped, because the output is a request, not an HTML page.
#[derive(Debug)]
pub(crate) struct Templates {
    registry: Handlebars<'static>,
    count: usize,
}

/// Index of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TemplateId(usize);

impl Default for Templates {
    fn default() -> Self {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        registry.unregister_helper("log");
        Self { registry, count: 0 }
    }
}

impl Templates {
    /// Registers a helper for all templates.
    pub(crate) fn helper(&mut self, name: &str, helper: impl HelperDef + Send + Sync + 'static) {
        self.registry.register_helper(name, Box::new(helper));
    }

    /// Parses a template.
    pub(crate) fn add(&mut self, text: &str) -> Result<TemplateId, TemplateError> {
        check_bounds(text)?;
        let template = Template::compile(text).map_err(|error| TemplateError::new(error.reason().to_string()))?;
        check(&template, 0)?;
        let id = TemplateId(self.count);
        self.count += 1;
        self.registry.register_template(&id.0.to_string(), template);
        Ok(id)
    }

    /// Renders a template.
    pub(crate) fn render(&self, id: TemplateId, values: &Context) -> Result<String, TemplateError> {
        let mut output = Bounded(Vec::new());
        let rendered = self.registry.render_with_context_to_write(&id.0.to_string(), values, &mut output);
        rendered.map_err(|error| match error.reason() {
            RenderErrorReason::IOError(_) => TemplateError::new(format!("output exceeds {MAX_OUTPUT} bytes")),
            RenderErrorReason::MissingVariable(Some(name)) => {
                TemplateError::new(format!("undefined variable `{name}`"))
            }
            reason => TemplateError::new(reason.to_string()),
        })?;
        String::from_utf8(output.0).map_err(|_| TemplateError::new("output is not UTF-8".to_owned()))
    }
}

/// Rejects templates that are too expensive to parse.
fn check_bounds(text: &str) -> Result<(), TemplateError> {
    let reject = |message: String| Err(TemplateError::new(message));
    if text.len() > MAX_TEMPLATE {
        return reject(format!("is longer than {MAX_TEMPLATE} bytes"));
    }
    if blocks(text) > MAX_BLOCKS {
        return reject(format!("has more than {MAX_BLOCKS} blocks"));
    }
    let is_long = |rest: &str| rest.find("}}").unwrap_or(rest.len()) > MAX_ACTION;
    if text.split("{{").skip(1).any(is_long) {
        return reject(format!("has an action that is longer than {MAX_ACTION} bytes, or not closed"));
    }
    Ok(())
}

/// Counts opening tags of blocks: `{{#`, `{{~#`, `{{^` …
fn blocks(text: &str) -> usize {
    let opens = |rest: &str| rest.trim_start_matches(['~', ' ', '\t', '{', '\n', '\r']).starts_with(['#', '^']);
    text.split("{{").skip(1).filter(|rest| opens(rest)).count()
}

/// Rejects partials, decorators, and loops nested too deeply; `loops` is the number of loops around this part.
fn check(template: &Template, loops: usize) -> Result<(), TemplateError> {
    for element in &template.elements {
        match element {
            TemplateElement::PartialExpression(_)
            | TemplateElement::PartialBlock(_)
            | TemplateElement::DecoratorExpression(_)
            | TemplateElement::DecoratorBlock(_) => {
                return Err(TemplateError::new(
                    "has partials or decorators (`{{> …}}`, `{{* …}}`), which are not supported",
                ));
            }
            TemplateElement::HelperBlock(block) => {
                let is_loop = block.name.as_name() == Some("each");
                let loops = loops + usize::from(is_loop);
                if loops > MAX_LOOPS {
                    return Err(TemplateError::new(format!("nests more than {MAX_LOOPS} loops")));
                }
                for inner in [&block.template, &block.inverse].into_iter().flatten() {
                    check(inner, loops)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Output of bounded size.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Converts values for [`Templates::render`].
pub(crate) fn context(values: Value) -> Result<Context, TemplateError> {
    Context::wraps(values).map_err(|error| TemplateError::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str, values: Value) -> Result<String, TemplateError> {
        let mut templates = Templates::default();
        let id = templates.add(text)?;
        templates.render(id, &context(values).unwrap())
    }

    #[test]
    fn values_are_not_escaped() {
        assert_eq!(render("a{{x}}b {{row.name}}", json!({"x": 7, "row": {"name": "<&\">"}})).unwrap(), "a7b <&\">");
        assert_eq!(render("{{#each l}}{{this}},{{/each}}", json!({"l": [1, 2]})).unwrap(), "1,2,");
    }

    #[test]
    fn undefined_variables_and_syntax_errors_are_errors() {
        assert_eq!(render("{{nothing}}", json!({})).unwrap_err().to_string(), "undefined variable `nothing`");
        assert!(render("{{#if}}", json!({})).is_err());
        assert!(render("{{x", json!({"x": 1})).is_err());
    }

    #[test]
    fn templates_that_could_run_forever_are_rejected() {
        for text in [
            "{{> me}}",
            "{{#*inline \"x\"}}{{> x}}{{/inline}}{{> x}}",
            "{{#if a}}{{> me}}{{/if}}",
            "{{#if a}}{{else}}{{> me}}{{/if}}",
            "{{* me}}",
        ] {
            assert!(render(text, json!({"a": true})).unwrap_err().to_string().contains("partials"), "{text}");
        }
        let deep = "{{#if a}}".repeat(60) + &"{{/if}}".repeat(60);
        assert!(render(&deep, json!({"a": 1})).unwrap_err().to_string().contains("more than 50 blocks"));
        let deep = format!("{{{{x {}1{}}}}}", "(x ".repeat(300), ")".repeat(300));
        assert!(render(&deep, json!({"a": 1})).is_err());
        let long = "{{#each l}}{{#each ../l}}{{../../t}}{{/each}}{{/each}}";
        let list: Vec<u32> = (0..300).collect();
        let error = render(long, json!({"l": list, "t": "x".repeat(1000)})).unwrap_err().to_string();
        assert!(error.contains("output exceeds"), "{error}");
    }

    #[test]
    fn nesting_of_loops_is_bounded() {
        let nested = |n: usize| "{{#each l}}".repeat(n) + &"{{/each}}".repeat(n);
        assert_eq!(render(&nested(1), json!({"l": [1, 2]})).unwrap(), "");
        assert!(render(&nested(3), json!({"l": [1]})).unwrap_err().to_string().contains("more than 2 loops"));
    }

    #[test]
    fn nesting_up_to_the_bound_is_accepted() {
        let deep = "{{#if a}}".repeat(MAX_BLOCKS) + "x" + &"{{/if}}".repeat(MAX_BLOCKS);
        assert_eq!(render(&deep, json!({"a": 1})).unwrap(), "x");
    }
}
