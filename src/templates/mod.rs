//! Templates in either dialect: Go's, as in Iter8's files, and Handlebars.
//!
//! The extension of the file or URL selects the dialect: `.hbs` is Handlebars, everything else is Go. Both are bounded, and both reject
//! undefined variables.

pub(crate) mod grpc_template;
pub(crate) mod handlebars;
pub(crate) mod http_template;
pub mod jq;
pub(crate) mod random;
pub(crate) mod rows;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::templates::handlebars::{JsonHelper, TemplateId, Templates, context};
pub use gotemplate::{Function, Struct, TemplateError, Type, Value as TypedValue};
use gotemplate::{GoTemplate, Numbers, Options};

/// The language of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Go's `text/template` with the functions of sprig and Helm.
    Go,
    /// Handlebars with the helpers `json` and `jsonPretty`.
    Handlebars,
}

impl Dialect {
    /// Returns the dialect of a file, or of the path of a URL.
    pub fn of(path: &str) -> Self {
        if path.to_ascii_lowercase().ends_with(".hbs") { Self::Handlebars } else { Self::Go }
    }
}

/// A parsed template.
pub struct Template(Parsed);

enum Parsed {
    Go(Box<GoTemplate>, DateTime<Utc>),
    Handlebars(Box<Templates>, TemplateId),
}

impl Template {
    /// Parses a template for data of this program, whose integers stay integers; `now` is the instant that its clock returns. Go's
    /// dialect knows the type and the methods of the data.
    pub fn parse(
        dialect: Dialect,
        text: &str,
        now: DateTime<Utc>,
        root: Type,
        methods: BTreeMap<&'static str, Function>,
    ) -> Result<Self, TemplateError> {
        Self::with_options(dialect, text, now, Options { root, methods, ..Options::default() })
    }

    /// Parses a template for users' values, whose numbers are floats as in Helm, except for the `integers` of the root.
    pub fn for_values(
        dialect: Dialect,
        text: &str,
        now: DateTime<Utc>,
        integers: &'static [&'static str],
    ) -> Result<Self, TemplateError> {
        let numbers = Numbers::Float { except: integers };
        Self::with_options(dialect, text, now, Options { numbers, ..Options::default() })
    }

    fn with_options(dialect: Dialect, text: &str, now: DateTime<Utc>, options: Options) -> Result<Self, TemplateError> {
        match dialect {
            Dialect::Go => {
                let options = Options { has_strict_verbs: true, ..options };
                Ok(Self(Parsed::Go(Box::new(GoTemplate::with_options(text, options)?), now)))
            }
            Dialect::Handlebars => {
                let mut templates = Templates::default();
                templates.helper("json", JsonHelper::compact());
                templates.helper("jsonPretty", JsonHelper::pretty());
                let id = templates.add(text)?;
                Ok(Self(Parsed::Handlebars(Box::new(templates), id)))
            }
        }
    }

    /// Renders the template.
    pub fn render(&self, values: &Value) -> Result<String, TemplateError> {
        match &self.0 {
            Parsed::Go(template, now) => template.render(values, *now),
            Parsed::Handlebars(templates, id) => templates.render(*id, &context(values.clone())?),
        }
    }
}
