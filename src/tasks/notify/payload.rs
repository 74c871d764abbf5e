//! The payload: built in, or rendered from the user's template.

use serde::de::IgnoredAny;

use super::values::Payload;
use crate::ports::Files;
use crate::tasks::notify::message::{self, Extent};
use crate::tasks::text_source::TextSource;
use crate::tasks::{TaskContext, TaskError};
use crate::templates::TemplateError;
use crate::values::input::InputError;

/// Maximum payload size that GitHub accepts, in bytes.
const MAX_GITHUB: usize = 64 << 10;

/// Maximum size of a payload with histograms, in bytes. Few messages show them.
const MAX_WITH_HISTOGRAMS: usize = MAX_GITHUB / 2;

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
    /// Note on a content type that may surprise.
    pub(super) type_note: Option<String>,
    /// Note on omitted parts.
    pub(super) size_note: Option<String>,
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
        message::check(source.dialect(), &text).map_err(|error| InputError::new(TEMPLATE_PATH, parse_error(&error)))
    }

    /// Builds the payload from the current document.
    pub(super) async fn build(&self, cx: &TaskContext<'_>) -> Result<Body, TaskError> {
        let now = cx.env.clock.now();
        let experiment = &cx.shareable_experiment();
        let failed = |message: String| TaskError::failed(format!("cannot build the payload: {message}"));
        let unwritable =
            |error: serde_json::Error| failed(format!("the experiment cannot be written as JSON: {error}"));
        let (kind, source) = match (self.kind, &self.template) {
            (kind, Some(source)) => (kind, source),
            (Payload::Slack, None) => {
                return Ok(json(message::slack(experiment, cx.index, now).to_string(), None));
            }
            (Payload::Github, None) => {
                let build = |extent| {
                    let payload = message::github(experiment, cx.index, now, extent);
                    payload.map(|payload| payload.to_string()).map_err(unwritable)
                };
                let (text, size_note) = within_limit(&Extent::ALL, build)?;
                return Ok(json(text, size_note));
            }
        };
        let text = source
            .fetch(cx.env.files, cx.env.web)
            .await
            .map_err(|error| failed(error.message).with_hint(error.hint))?;
        let template = message::template(source.dialect(), &text, experiment, cx.index, now)
            .map_err(|error| failed(parse_error(&error)))?;
        let render = |extent| {
            let values = message::values(experiment, cx.index, now, extent).map_err(unwritable)?;
            template.render(&values).map_err(|error| failed(format!("cannot render the template: {error}")))
        };
        let (text, size_note) = match kind {
            Payload::Github => within_limit(&Extent::ALL, render)?,
            Payload::Slack => within_limit(&[Extent::Whole, Extent::Values], render)?,
        };
        let (name, max) = match kind {
            Payload::Github => ("GitHub's limit", MAX_GITHUB),
            Payload::Slack => ("the limit", MAX_ELSEWHERE),
        };
        if text.len() > max {
            let length = text.len();
            return Err(failed(format!("the rendered payload has {length} bytes; {name} is {max}")));
        }
        Ok(match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => json(text, size_note),
            Err(error) => Body {
                bytes: text.into_bytes(),
                content_type: "text/plain; charset=utf-8",
                type_note: Some(format!("the payload is not JSON ({error}); it was sent as plain text")),
                size_note,
            },
        })
    }
}

/// Builds the largest payload that is small enough, with a note on the parts that it lacks. If none is, returns the whole one.
fn within_limit(
    extents: &[Extent],
    build: impl Fn(Extent) -> Result<String, TaskError>,
) -> Result<(String, Option<String>), TaskError> {
    let whole = build(Extent::Whole)?;
    if whole.len() <= MAX_WITH_HISTOGRAMS {
        return Ok((whole, None));
    }
    for (extent, omitted) in extents.iter().filter_map(|extent| Some((*extent, extent.omits()?))) {
        // A template that needs more than this fails here.
        let Ok(text) = build(extent) else { break };
        let is_smaller = text.len() < whole.len();
        if text.len() <= MAX_GITHUB {
            let length = whole.len();
            let note = format!("the whole report would have {length} bytes; it was sent without {omitted}");
            return Ok((text, Some(note).filter(|_| is_smaller)));
        }
    }
    Ok((whole, None))
}

fn json(text: String, size_note: Option<String>) -> Body {
    Body { bytes: text.into_bytes(), content_type: "application/json", type_note: None, size_note }
}

fn parse_error(error: &TemplateError) -> String {
    format!("cannot parse the template: {error}")
}
