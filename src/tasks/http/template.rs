//! Varying requests: templates for URL, headers and payload, filled from rows.

use bytes::Bytes;
use chrono::DateTime;
use handlebars::Context;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use url::Url;

use super::file::read;
use super::plan::{Auth, Load, Payload, Template};
use crate::load::http::{RenderedRequest, RequestTemplate};
use crate::ports::Files;
use crate::redact::is_secret_header;
use crate::tasks::fields::display_url;
use crate::tasks::loadgen::{Time, random_bits};
use crate::templates::TemplateError;
use crate::templates::handlebars::TemplateId;
use crate::templates::http_template::{HttpTemplates, has_actions};
use crate::templates::rows::{MAX_BYTES, Rows};
use crate::values::input::InputError;

/// A fixed string or a template.
enum Text {
    Fixed(String),
    Varying(TemplateId),
}

/// The parts of a request.
struct Texts {
    templates: HttpTemplates,
    url: Text,
    headers: Vec<(HeaderName, Text)>,
    /// Headers without actions, including secrets.
    fixed_headers: HeaderMap,
    body: Body,
    /// Field that sets the body.
    payload: &'static str,
    time: Time,
}

enum Body {
    Fixed(Bytes),
    Varying(TemplateId),
}

/// Invalid field and error message.
type FieldError = (&'static str, String);

/// Builds the template of the requests of a load; `headers` and `body` are those of its target. Renders the first request to find
/// mistakes.
pub(super) fn request_template(
    load: &Load,
    template: &Template,
    files: &dyn Files,
    headers: &HeaderMap,
    body: &Bytes,
    time: Time,
) -> Result<RequestTemplate, InputError> {
    let rows = template.rows.as_ref().map(|(path, format)| {
        let content = read(load, files, "rows", path, MAX_BYTES)?;
        Rows::read(content, *format).map_err(|error| load.paths.error("rows", format!("`{path}`: {error}")))
    });
    let templates = HttpTemplates::new(&random_bits(), rows.transpose()?);
    let invalid = |(field, message): FieldError| load.paths.error(field, message);
    let texts = Texts::read(templates, load, headers, body, time).map_err(invalid)?;
    let first = texts.request(0).map_err(invalid)?;
    if first.url.origin() != load.url.origin() {
        let url = display_url(first.url.as_str());
        let message = format!("renders to `{url}`; actions are only allowed after host and port");
        return Err(load.paths.error("url", message));
    }
    Ok(RequestTemplate::new(move |number| {
        texts.request(number).map_err(|(field, message)| format!("{field}: {message}"))
    }))
}

/// Requests whose payload is checked before the run, if there are rows.
const CHECKED: u64 = 100;

/// Renders the payloads of the first requests, and describes the first that is not JSON.
pub(super) fn broken_json(load: &Load, template: &Template, files: &dyn Files, body: &Bytes) -> Option<String> {
    let rows = match &template.rows {
        Some((path, format)) => Some(Rows::read(read(load, files, "rows", path, MAX_BYTES).ok()?, *format).ok()?),
        None => None,
    };
    let templates = HttpTemplates::new(&random_bits(), rows);
    let count = if templates.has_rows() { CHECKED } else { 1 };
    let texts = Texts::read(templates, load, &HeaderMap::new(), body, Time::new(DateTime::UNIX_EPOCH)).ok()?;
    let Body::Varying(id) = texts.body else { return None };
    (0..count).find_map(|number| {
        let values = texts.templates.values(number, DateTime::UNIX_EPOCH).ok()?;
        let text = texts.templates.render(id, &values).ok()?;
        let error = serde_json::from_str::<serde::de::IgnoredAny>(&text).err()?;
        Some(format!("the rendered payload of request {number} is not valid JSON: {error}"))
    })
}

impl Texts {
    fn read(
        mut templates: HttpTemplates,
        load: &Load,
        headers: &HeaderMap,
        body: &Bytes,
        time: Time,
    ) -> Result<Self, FieldError> {
        let mut text = |field: &'static str, text: &str| match has_actions(text) {
            false => Ok(Text::Fixed(text.to_owned())),
            true => templates.add(text).map(Text::Varying).map_err(at(field)),
        };
        // Use the URL as written, because parsing would percent-encode the actions.
        let url = text("url", load.paths.text("url").unwrap_or(load.url.as_str()))?;
        let mut varying = Vec::new();
        let mut fixed_headers = headers.clone();
        // Credentials are sent unchanged, even if they contain braces.
        let may_render_authorization = matches!(load.auth, Auth::None);
        let may_render = |(name, value): &(&HeaderName, &HeaderValue)| {
            !value.is_sensitive() && (may_render_authorization || **name != AUTHORIZATION)
        };
        for (name, value) in headers.iter().filter(may_render) {
            if let Some(value) = value.to_str().ok().filter(|value| has_actions(value)) {
                varying.push((name.clone(), text("headers", value)?));
                fixed_headers.remove(name);
            }
        }
        let payload = payload_field(load);
        let body = match std::str::from_utf8(body) {
            Ok(text) if has_actions(text) => Body::Varying(templates.add(text).map_err(at(payload))?),
            _ => Body::Fixed(body.clone()),
        };
        Ok(Self { templates, url, headers: varying, fixed_headers, body, payload, time })
    }

    fn request(&self, number: u64) -> Result<RenderedRequest, FieldError> {
        let values = self.templates.values(number, self.time.now()).map_err(at("rows"))?;
        let url = self.render("url", &self.url, &values)?;
        let url = Url::parse(&url).map_err(|error| {
            ("url", format!("renders to `{}`, which is not a valid URL: {error}", display_url(&url)))
        })?;
        let mut headers = self.fixed_headers.clone();
        for (name, text) in &self.headers {
            let text = self.render("headers", text, &values)?;
            let value = HeaderValue::from_str(&text);
            let invalid = |_| ("headers", format!("the rendered value of `{name}` contains invalid characters"));
            let mut value = value.map_err(invalid)?;
            value.set_sensitive(is_secret_header(name.as_str()));
            headers.append(name, value);
        }
        let body = match &self.body {
            Body::Fixed(body) => body.clone(),
            Body::Varying(id) => self.templates.render(*id, &values).map_err(at(self.payload))?.into(),
        };
        Ok(RenderedRequest { url, headers, body })
    }

    fn render(&self, field: &'static str, text: &Text, values: &Context) -> Result<String, FieldError> {
        match text {
            Text::Fixed(text) => Ok(text.clone()),
            Text::Varying(id) => self.templates.render(*id, values).map_err(at(field)),
        }
    }
}

fn at(field: &'static str) -> impl FnOnce(TemplateError) -> FieldError {
    move |error| (field, error.to_string())
}

/// Returns the field that sets the payload.
fn payload_field(load: &Load) -> &'static str {
    match load.payload {
        Payload::File(_) => "payloadFile",
        Payload::Url(_) => "payloadURL",
        Payload::Text(_) | Payload::None => "payloadStr",
    }
}
