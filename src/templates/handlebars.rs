//! Handlebars, within bounds: texts with actions in double braces, strict about names.
//!
//! Templates come from outside. What could go on without end is refused when they are read: partials and decorators, which may call
//! themselves. Blocks and actions are bounded in number and length, so that neither reading nor rendering can exhaust the stack, and
//! what a template becomes is bounded too.

mod json;

use std::io::{self, Write};

use handlebars::template::TemplateElement;
use handlebars::{Context, Handlebars, HelperDef, RenderErrorReason, Template};
use serde_json::Value;

pub use self::json::JsonHelper;

/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;

/// Most blocks (`{{#each …}}`) of one template: they may be nested that deep.
const MAX_BLOCKS: usize = 50;

/// Most loops within each other: a row has at most a thousand fields, and each turn costs time.
const MAX_LOOPS: usize = 2;

/// Longest single action, in bytes.
const MAX_ACTION: usize = 1_000;

/// Longest text that a template may become, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Why a template gives no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateFault(pub String);

/// Templates that share helpers. Nothing is escaped: they make requests, not pages.
#[derive(Debug)]
pub struct Templates {
    registry: Handlebars<'static>,
    count: usize,
}

/// One of the templates, by its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateId(usize);

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
    /// Makes `name` callable in all of them.
    pub fn helper(&mut self, name: &str, helper: impl HelperDef + Send + Sync + 'static) {
        self.registry.register_helper(name, Box::new(helper));
    }

    /// Reads a template.
    pub fn add(&mut self, text: &str) -> Result<TemplateId, TemplateFault> {
        check_bounds(text)?;
        let template = Template::compile(text).map_err(|error| TemplateFault(error.reason().to_string()))?;
        check(&template, 0)?;
        let id = TemplateId(self.count);
        self.count += 1;
        self.registry.register_template(&id.0.to_string(), template);
        Ok(id)
    }

    /// What a template becomes with these values.
    pub fn render(&self, id: TemplateId, values: &Context) -> Result<String, TemplateFault> {
        let mut output = Bounded(Vec::new());
        let rendered = self.registry.render_with_context_to_write(&id.0.to_string(), values, &mut output);
        rendered.map_err(|error| match error.reason() {
            RenderErrorReason::IOError(_) => TemplateFault(format!("becomes longer than {MAX_OUTPUT} bytes")),
            RenderErrorReason::MissingVariable(Some(name)) => TemplateFault(format!("`{name}` is not known here")),
            reason => TemplateFault(reason.to_string()),
        })?;
        String::from_utf8(output.0).map_err(|_| TemplateFault("becomes no text".to_owned()))
    }
}

/// Refuses what would cost too much to read.
fn check_bounds(text: &str) -> Result<(), TemplateFault> {
    let refuse = |what: String| Err(TemplateFault(what));
    if text.len() > MAX_TEMPLATE {
        return refuse(format!("is longer than {MAX_TEMPLATE} bytes"));
    }
    if blocks(text) > MAX_BLOCKS {
        return refuse(format!("has more than {MAX_BLOCKS} blocks"));
    }
    let is_long = |rest: &str| rest.find("}}").unwrap_or(rest.len()) > MAX_ACTION;
    if text.split("{{").skip(1).any(is_long) {
        return refuse(format!("has an action that is longer than {MAX_ACTION} bytes, or is never closed"));
    }
    Ok(())
}

/// How many blocks are opened: `{{#`, `{{~#`, `{{^` …
fn blocks(text: &str) -> usize {
    let opens = |rest: &str| rest.trim_start_matches(['~', ' ', '\t', '{', '\n', '\r']).starts_with(['#', '^']);
    text.split("{{").skip(1).filter(|rest| opens(rest)).count()
}

/// Refuses what may call itself, and loops within loops within loops; `loops` is how many are around this part.
fn check(template: &Template, loops: usize) -> Result<(), TemplateFault> {
    for element in &template.elements {
        match element {
            TemplateElement::PartialExpression(_)
            | TemplateElement::PartialBlock(_)
            | TemplateElement::DecoratorExpression(_)
            | TemplateElement::DecoratorBlock(_) => {
                return Err(TemplateFault(
                    "has partials or decorators (`{{> …}}`, `{{* …}}`), which are not known here".into(),
                ));
            }
            TemplateElement::HelperBlock(block) => {
                let is_loop = block.name.as_name() == Some("each");
                let loops = loops + usize::from(is_loop);
                if loops > MAX_LOOPS {
                    return Err(TemplateFault(format!("has more than {MAX_LOOPS} loops within each other")));
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

/// Output that can't grow without bound.
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

/// Values for [`Templates::render`].
pub fn context(values: Value) -> Result<Context, TemplateFault> {
    Context::wraps(values).map_err(|error| TemplateFault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str, values: Value) -> Result<String, TemplateFault> {
        let mut templates = Templates::default();
        let id = templates.add(text)?;
        templates.render(id, &context(values).unwrap())
    }

    #[test]
    fn values_are_put_in_as_they_are() {
        assert_eq!(render("a{{x}}b {{row.name}}", json!({"x": 7, "row": {"name": "<&\">"}})).unwrap(), "a7b <&\">");
        assert_eq!(render("{{#each l}}{{this}},{{/each}}", json!({"l": [1, 2]})).unwrap(), "1,2,");
    }

    #[test]
    fn what_is_not_known_is_an_error_that_names_it() {
        assert_eq!(render("{{nothing}}", json!({})).unwrap_err().0, "`nothing` is not known here");
        assert!(render("{{#if}}", json!({})).is_err());
        assert!(render("{{x", json!({"x": 1})).is_err());
    }

    #[test]
    fn what_could_go_on_without_end_is_refused() {
        for text in [
            "{{> me}}",
            "{{#*inline \"x\"}}{{> x}}{{/inline}}{{> x}}",
            "{{#if a}}{{> me}}{{/if}}",
            "{{#if a}}{{else}}{{> me}}{{/if}}",
            "{{* me}}",
        ] {
            assert!(render(text, json!({"a": true})).unwrap_err().0.contains("partials"), "{text}");
        }
        let deep = "{{#if a}}".repeat(60) + &"{{/if}}".repeat(60);
        assert!(render(&deep, json!({"a": 1})).unwrap_err().0.contains("more than 50 blocks"));
        let deep = format!("{{{{x {}1{}}}}}", "(x ".repeat(300), ")".repeat(300));
        assert!(render(&deep, json!({"a": 1})).is_err());
        let long = "{{#each l}}{{#each ../l}}{{../../t}}{{/each}}{{/each}}";
        let list: Vec<u32> = (0..300).collect();
        let fault = render(long, json!({"l": list, "t": "x".repeat(1000)})).unwrap_err();
        assert!(fault.0.contains("longer than"), "{fault}");
    }

    #[test]
    fn loops_within_loops_within_loops_are_refused() {
        let nested = |n: usize| "{{#each l}}".repeat(n) + &"{{/each}}".repeat(n);
        assert_eq!(render(&nested(1), json!({"l": [1, 2]})).unwrap(), "");
        assert!(render(&nested(3), json!({"l": [1]})).unwrap_err().0.contains("more than 2 loops"));
    }

    #[test]
    fn deep_nesting_within_the_bounds_is_read() {
        let deep = "{{#if a}}".repeat(MAX_BLOCKS) + "x" + &"{{/if}}".repeat(MAX_BLOCKS);
        assert_eq!(render(&deep, json!({"a": 1})).unwrap(), "x");
    }
}
