//! Varying requests: templates for URL, headers and payload, filled from rows.

use bytes::Bytes;
use handlebars::Context;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use url::Url;

use super::file::read;
use super::plan::{Auth, Load, Payload, Template};
use crate::load::http::{RenderedRequest, RequestTemplate};
use crate::ports::Files;
use crate::redact::is_secret;
use crate::tasks::fields::shown_url;
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
    /// Headers without templates, secrets among them.
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

/// Field at fault, and a message.
type FieldError = (&'static str, String);

/// Builds the template of a load's requests; `headers` and `body` are those of its target. Rendering the first request finds
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
        Rows::read(content, *format).map_err(|error| load.paths.error("rows", format!("`{path}` {error}")))
    });
    let templates = HttpTemplates::new(&random_bits(), rows.transpose()?);
    let wrong = |(field, message): FieldError| load.paths.error(field, message);
    let texts = Texts::read(templates, load, headers, body, time).map_err(wrong)?;
    let first = texts.request(0).map_err(wrong)?;
    if first.url.origin() != load.url.origin() {
        let shown = shown_url(first.url.as_str());
        let message = format!("becomes `{shown}`; actions may stand behind the host and its port only");
        return Err(load.paths.error("url", message));
    }
    Ok(RequestTemplate::new(move |number| {
        texts.request(number).map_err(|(field, message)| format!("{field}: {message}"))
    }))
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
            true => templates.add(text).map(Text::Varying).map_err(of(field)),
        };
        // The URL as written: parsing would percent-encode the actions.
        let url = text("url", load.paths.text("url").unwrap_or(load.url.as_str()))?;
        let mut varying = Vec::new();
        let mut fixed_headers = headers.clone();
        // A password or token is sent unchanged, even with braces in it.
        let has_own = matches!(load.auth, Auth::None);
        for (name, value) in headers.iter().filter(|(name, _)| has_own || *name != AUTHORIZATION) {
            if let Some(value) = value.to_str().ok().filter(|value| has_actions(value)) {
                varying.push((name.clone(), text("headers", value)?));
                fixed_headers.remove(name);
            }
        }
        let payload = payload_field(load);
        let body = match std::str::from_utf8(body) {
            Ok(text) if has_actions(text) => Body::Varying(templates.add(text).map_err(of(payload))?),
            _ => Body::Fixed(body.clone()),
        };
        Ok(Self { templates, url, headers: varying, fixed_headers, body, payload, time })
    }

    fn request(&self, number: u64) -> Result<RenderedRequest, FieldError> {
        let values = self.templates.values(number, self.time.now()).map_err(of("rows"))?;
        let url = self.render("url", &self.url, &values)?;
        let url = Url::parse(&url)
            .map_err(|error| ("url", format!("becomes `{}`, which is not a URL: {error}", shown_url(&url))))?;
        let mut headers = self.fixed_headers.clone();
        for (name, text) in &self.headers {
            let text = self.render("headers", text, &values)?;
            let value = HeaderValue::from_str(&text);
            let odd = |_| ("headers", format!("`{name}` becomes a text with characters that a header can't hold"));
            let mut value = value.map_err(odd)?;
            value.set_sensitive(is_secret(name.as_str()));
            headers.append(name, value);
        }
        let body = match &self.body {
            Body::Fixed(body) => body.clone(),
            Body::Varying(id) => self.templates.render(*id, &values).map_err(of(self.payload))?.into(),
        };
        Ok(RenderedRequest { url, headers, body })
    }

    fn render(&self, field: &'static str, text: &Text, values: &Context) -> Result<String, FieldError> {
        match text {
            Text::Fixed(text) => Ok(text.clone()),
            Text::Varying(id) => self.templates.render(*id, values).map_err(of(field)),
        }
    }
}

fn of(field: &'static str) -> impl FnOnce(TemplateError) -> FieldError {
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
