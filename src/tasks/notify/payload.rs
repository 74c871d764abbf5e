//! The payload: built in, or rendered from the user's template.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use super::values::Payload;
use crate::ports::Files;
use crate::tasks::notify::message;
use crate::tasks::text_source::TextSource;
use crate::tasks::{TaskContext, TaskError};
use crate::templates::{Template, TemplateError};
use crate::values::input::InputError;

/// Maximum payload size that GitHub accepts, in bytes.
const MAX_GITHUB: usize = 64 << 10;

/// Maximum payload size for other receivers, in bytes.
const MAX_ELSEWHERE: usize = 1 << 20;

/// Path of the template in a spec entry.
const TEMPLATE_PATH: &str = "with.payloadTemplateURL";

/// Builder of the payload.
pub(super) struct PayloadBuilder {
    kind: Payload,
    template: Option<TextSource>,
}

/// A request body.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
    /// Note for the task's record.
    pub(super) note: Option<String>,
}

impl PayloadBuilder {
    /// Plans the built-in payload of this kind, or a template.
    pub(super) fn plan(kind: Payload, template: Option<&String>) -> Result<Self, InputError> {
        let source =
            |text: &String| TextSource::parse(text, &[]).map_err(|message| InputError::new(TEMPLATE_PATH, message));
        Ok(Self { kind, template: template.map(source).transpose()? })
    }

    /// Checks the template if it needs no download.
    pub(super) fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        let Some(source) = &self.template else { return Ok(()) };
        let Some(text) = source.read(files) else { return Ok(()) };
        let text = text.map_err(|message| InputError::new(TEMPLATE_PATH, message))?;
        // Any instant will do: parsing does not depend on it.
        let template = parse(source, &text, DateTime::UNIX_EPOCH);
        template.map(drop).map_err(|error| InputError::new(TEMPLATE_PATH, parse_error(&error)))
    }

    /// Builds the payload from the current document.
    pub(super) async fn build(&self, cx: &TaskContext<'_>) -> Result<Body, TaskError> {
        let now = cx.env.clock.now();
        let failed = |message: String| TaskError::failed(format!("cannot build the payload: {message}"));
        let unwritable =
            |error: serde_json::Error| failed(format!("the experiment cannot be written as JSON: {error}"));
        let (kind, source) = match (self.kind, &self.template) {
            (kind, Some(source)) => (kind, source),
            (Payload::Slack, None) => return Ok(json(message::slack(cx.experiment, cx.index, now).to_string())),
            (Payload::Github, None) => {
                let payload = message::github(cx.experiment, cx.index, now).map_err(unwritable)?;
                return Ok(json(payload.to_string()));
            }
        };
        let text = source.fetch(cx.env.files, cx.env.web).await.map_err(failed)?;
        let template = parse(source, &text, now).map_err(|error| failed(parse_error(&error)))?;
        let values = message::values(cx.experiment, cx.index, now).map_err(unwritable)?;
        let text = template.render(&values).map_err(|error| failed(format!("cannot render the template: {error}")))?;
        let (name, max) = match kind {
            Payload::Github => ("GitHub's limit", MAX_GITHUB),
            Payload::Slack => ("the limit", MAX_ELSEWHERE),
        };
        if text.len() > max {
            let length = text.len();
            return Err(failed(format!("the rendered payload has {length} bytes; {name} is {max}")));
        }
        Ok(match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => json(text),
            Err(error) => Body {
                bytes: text.into_bytes(),
                content_type: "text/plain; charset=utf-8",
                note: Some(format!("the payload is not JSON ({error}); it was sent as plain text")),
            },
        })
    }
}

fn json(text: String) -> Body {
    Body { bytes: text.into_bytes(), content_type: "application/json", note: None }
}

fn parse(source: &TextSource, text: &str, now: DateTime<Utc>) -> Result<Template, TemplateError> {
    message::template(source.dialect(), text, now)
}

fn parse_error(error: &TemplateError) -> String {
    format!("cannot parse the template: {error}")
}
