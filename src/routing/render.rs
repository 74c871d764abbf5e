//! Routing templates: Go's `text/template`, within bounds, over the fields that a routemap has in Iter8.
//!
//! Unlike Iter8, nothing is escaped for HTML: `"`, `<` and `&` are ordinary characters of YAML. sprig's functions may be used, except for those
//! that read the clock: their output would differ at each reconciliation, and the object would be written each time.

use chrono::DateTime;
use gotemplate::{Budget, GoTemplate, MissingKey, Options, Struct, TemplateError, Type};
use serde_json::Value;

/// Maximum size of a rendered object, in bytes; objects in a cluster are limited to about as much.
pub const MAX_OUTPUT: usize = 1 << 20;

/// Maximum memory of the value of a routemap or of an object, in bytes: enough for real ones, and too little for many small maps.
pub(super) const MAX_MEMORY: usize = 16 << 20;

/// Limits on all templates of a routemap together. A unit of work takes some nanoseconds.
pub const ROUTEMAP_BUDGET: Budget = Budget::new(1_000_000, 64 << 20);

/// Limits on one template, so that a template that never ends leaves enough for the others of its routemap.
const TEMPLATE_BUDGET: Budget = Budget::new(250_000, 16 << 20);

/// Units of work for each byte of an output, which is parsed and checked.
const READ: usize = 8;

/// Printed forms of missing values.
const MISSING: [&str; 2] = ["<no value>", "<nil>"];

/// Type of the dot: Go's type of a routemap in Iter8, so that undefined fields are mistakes of the template.
static ROUTEMAP: Struct = Struct {
    fields: &[
        ("Name", Type::String),
        ("Namespace", Type::String),
        ("Labels", Type::Map(&Type::String)),
        ("Annotations", Type::Map(&Type::String)),
        ("Versions", Type::List(&Type::Struct(&VERSION))),
        ("Weights", Type::List(&Type::Int)),
    ],
    methods: &[],
};

static VERSION: Struct = Struct {
    fields: &[
        ("Resources", Type::List(&Type::Struct(&RESOURCE))),
        ("Weight", Type::Pointer),
        ("Signature", Type::Pointer),
    ],
    methods: &[],
};

static RESOURCE: Struct = Struct {
    fields: &[("GVRShort", Type::String), ("Name", Type::String), ("Namespace", Type::Pointer)],
    methods: &[],
};

/// A parsed routing template.
#[derive(Debug)]
pub struct Template(GoTemplate);

/// Reason why a template has no usable output.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template cannot be evaluated within its bounds.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// The template exceeds its limits, or those of all templates of the routemap.
    #[error("{0}; the templates of a routemap share a limit")]
    Limit(TemplateError),
    /// A value is missing.
    #[error("line {line} of the output contains `{text}`: a value is missing; use `default`")]
    Missing {
        /// Line of the output, from 1.
        line: usize,
        /// The text that stands for the missing value.
        text: &'static str,
    },
    /// The output is larger than an object may be.
    #[error("output has {0} bytes; at most {MAX_OUTPUT} are allowed")]
    TooLarge(usize),
}

impl Template {
    /// Parses a template. Fails with the position on syntax errors and on undefined functions, variables and fields.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let options = Options {
            missing_key: MissingKey::Zero,
            has_strict_verbs: true,
            has_clock: false,
            root: Type::Struct(&ROUTEMAP),
            ..Options::default()
        };
        GoTemplate::with_options(text, options).map(Self)
    }

    /// Renders the template with a routemap's values; `None` if the output has nothing but whitespace and comments.
    pub(super) fn render(&self, values: &Value, budget: &mut Budget) -> Result<Option<String>, RenderError> {
        let output = budget.lend(&TEMPLATE_BUDGET, |part| {
            let output = self.0.render_within(values, DateTime::UNIX_EPOCH, part);
            let output = output.map_err(|error| match part.is_exhausted() {
                true => RenderError::Limit(error),
                false => RenderError::Template(error),
            })?;
            match part.spend(output.len().saturating_mul(READ)) {
                true => Ok(output),
                false => Err(RenderError::Limit(TemplateError::new("the output is too large"))),
            }
        })?;
        if output.len() > MAX_OUTPUT {
            return Err(RenderError::TooLarge(output.len()));
        }
        if is_empty(&output) {
            return Ok(None);
        }
        let missing = |(index, line): (usize, &str)| {
            let text = MISSING.into_iter().find(|text| line.contains(text))?;
            Some(RenderError::Missing { line: index + 1, text })
        };
        match output.lines().enumerate().find_map(missing) {
            Some(error) => Err(error),
            None => Ok(Some(output)),
        }
    }
}

/// Returns true if a YAML text has no value: only blank lines, comments and document markers.
fn is_empty(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(text: &str) -> Result<Option<String>, String> {
        let values = json!({
            "Name": "routes", "Namespace": "shop", "Labels": {"team": "a&b"}, "Annotations": {}, "Weights": [80, 20],
            "Versions": [{"Resources": [{"GVRShort": "isvc", "Name": "m-0", "Namespace": "shop"}], "Weight": 80, "Signature": null}],
        });
        let template = Template::parse(text).map_err(|error| error.to_string())?;
        template.render(&values, &mut ROUTEMAP_BUDGET.clone()).map_err(|error| error.to_string())
    }

    fn rendered(text: &str) -> String {
        render(text).unwrap().unwrap()
    }

    #[test]
    fn templates_read_the_fields_of_iter8() {
        assert_eq!(rendered("{{ index .Weights 1 }}/{{ .Weights }}"), "20/[80 20]");
        assert_eq!(rendered("{{ if gt (index .Weights 1) 0 }}a{{ end }}"), "a");
        assert_eq!(rendered("{{ .Namespace }}/{{ .Name }}"), "shop/routes");
        let text = "{{ range $i, $v := .Versions }}{{ $v.Weight }}{{ range .Resources }}{{ .GVRShort }}/{{ .Name }}{{ end }}{{ end }}";
        assert_eq!(rendered(text), "80isvc/m-0");
        assert_eq!(rendered("{{ add1 (index .Weights 0) }} {{ .Labels.none | default \"x\" | upper }}"), "81 X");
    }

    #[test]
    fn nothing_is_escaped() {
        assert_eq!(rendered("{{ .Labels.team }} \"<{{ print \"'\" }}>\""), "a&b \"<'>\"");
    }

    #[test]
    fn output_without_a_value_applies_nothing() {
        for text in ["", " \n\t\n", "# a comment\n---\n  # {{ .Name }}\n", "{{ if false }}a: 1{{ end }}"] {
            assert_eq!(render(text), Ok(None), "{text:?}");
        }
        assert_eq!(rendered("# a\na: 1"), "# a\na: 1");
    }

    #[test]
    fn missing_values_are_refused() {
        let error = render("a: 1\nb: {{ .Labels.none }}").unwrap_err();
        assert_eq!(error, "line 2 of the output contains `<no value>`: a value is missing; use `default`");
        assert!(render("{{ printf \"%v\" .Labels.none }}").unwrap_err().contains("`<nil>`"));
        let error = render("{{ .Wieghts }}").unwrap_err();
        assert!(error.ends_with("undefined field `.Wieghts`; did you mean `.Weights`?"), "{error}");
        assert!(render("{{ printf \"%d\" .Name }}").is_err());
    }

    #[test]
    fn functions_with_another_result_each_time_are_refused() {
        for function in [
            "now",
            "ago 0",
            "uuidv4",
            "randAlphaNum 5",
            "randInt 0 9",
            "genPrivateKey \"rsa\"",
            "env \"HOME\"",
            "lookup \"v1\"",
        ] {
            let error = render(&format!("a: {{{{ {function} }}}}")).unwrap_err();
            assert!(error.starts_with("line 1, column 7: unsupported function `"), "{function}: {error}");
        }
        let error = render("{{ tpl \"{{ now }}\" . }}").unwrap_err();
        assert!(error.contains("unsupported function `now`"), "{error}");
    }

    #[test]
    fn runaway_templates_are_stopped() {
        for (text, expected) in [
            ("{{ range 2000000000 }}{{ end }}", "steps"),
            ("{{ repeat 104857600 \"x\" }}", "units of work"),
            ("{{ repeat 1048577 \"x\" }}", "output has 1048577 bytes; at most 1048576 are allowed"),
            ("{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}", "nests deeper"),
        ] {
            let error = render(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
