//! Templates in either dialect: Go's, as Iter8's files have it, and Handlebars.
//!
//! The dialect follows from the extension of the file or URL: `.hbs` is Handlebars, everything else Go. Both are bounded, and in both a
//! variable that is not there is an error where its value is to be written.

pub mod grpc_template;
pub mod handlebars;
pub mod http_template;
pub mod jq;
pub mod random;
pub mod rows;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::templates::handlebars::{JsonHelper, TemplateId, Templates, context};
use gotemplate::GoTemplate;

/// The language of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Go's `text/template` with the functions that charts use.
    Go,
    /// Handlebars, with the helpers `json` and `jsonPretty`.
    Handlebars,
}

impl Dialect {
    /// The dialect of a file, or of what a URL's path names.
    pub fn of(path: &str) -> Self {
        if path.to_ascii_lowercase().ends_with(".hbs") { Self::Handlebars } else { Self::Go }
    }
}

/// A template that was read.
pub struct Template(Parsed);

enum Parsed {
    Go(Box<GoTemplate>),
    Handlebars(Box<Templates>, TemplateId),
}

/// Why a template can't be read, or becomes no text: a lowercase fragment, with its line where that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateFault(pub String);

impl Template {
    /// Reads a template; `now` is the time its functions tell.
    pub fn parse(dialect: Dialect, text: &str, now: DateTime<Utc>) -> Result<Self, TemplateFault> {
        match dialect {
            Dialect::Go => {
                let template = GoTemplate::parse(text, now).map_err(|fault| TemplateFault(fault.to_string()))?;
                Ok(Self(Parsed::Go(Box::new(template))))
            }
            Dialect::Handlebars => {
                let mut templates = Templates::default();
                templates.helper("json", JsonHelper::compact());
                templates.helper("jsonPretty", JsonHelper::pretty());
                let id = templates.add(text).map_err(|fault| TemplateFault(fault.to_string()))?;
                Ok(Self(Parsed::Handlebars(Box::new(templates), id)))
            }
        }
    }

    /// What it becomes with these values.
    pub fn render(&self, values: &Value) -> Result<String, TemplateFault> {
        match &self.0 {
            Parsed::Go(template) => template.render(values).map_err(|fault| TemplateFault(fault.to_string())),
            Parsed::Handlebars(templates, id) => {
                let context = context(values.clone()).map_err(|fault| TemplateFault(fault.to_string()))?;
                templates.render(*id, &context).map_err(|fault| TemplateFault(fault.to_string()))
            }
        }
    }
}
