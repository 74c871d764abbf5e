//! Prepares a load: reads files, variables and downloads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};

use super::file::read;
use super::plan::{Auth, Load, Payload};
use super::proxy;
use super::template::request_template;
use crate::load::connect::tls::TlsError;
use crate::load::http::{Http, Http2, HttpTarget, TargetError, authorization as url_authorization};
use crate::model::tls::TlsOptions;
use crate::ports::{Files, Web};
use crate::redact::redact_url;
use crate::tasks::TaskError;
use crate::tasks::credentials::read_headers;
use crate::tasks::fetch;
use crate::tasks::fields::HeaderSource;
use crate::tasks::loadgen::Time;
use crate::tasks::secret_source::MAX_SECRET;
use crate::values::input::InputError;

/// Maximum size of a payload.
const MAX_PAYLOAD: usize = 64 << 20;

/// Timeout of a payload's download.
const DOWNLOAD: Duration = Duration::from_secs(60);

/// A prepared protocol.
pub(super) enum Ready {
    Http1(Arc<Http>),
    Http2(Arc<Http2>),
}

/// Builds the protocol of `load` without opening a connection, so that mistakes are found before the run. `downloaded` is the
/// downloaded payload, if any; it is missing before the run. `time` is the clock of templates.
pub(super) fn protocol(
    load: &Load,
    files: &dyn Files,
    downloaded: Option<Bytes>,
    time: Time,
) -> Result<Ready, InputError> {
    let mut headers = HeaderMap::new();
    let error_at = |field: &str, message: String| load.paths.error(field, message);
    for (name, value) in read_headers(&load.headers, files, &error_at)? {
        headers.insert(name, value);
    }
    if let Some(value) = authorization(load, files)? {
        headers.insert(AUTHORIZATION, value);
    }
    let body = payload(load, files)?.or(downloaded).unwrap_or_default();
    let identity = load.identity.as_ref().map(|identity| identity.read(files, &error_at)).transpose()?;
    let ca = load.ca.as_ref().map(|path| read(load, files, "ca", path, MAX_SECRET)).transpose()?;
    let template = load
        .template
        .as_ref()
        .map(|template| request_template(load, template, files, &headers, &body, time))
        .transpose()?;
    let tls = TlsOptions { ca, identity, skip_verify: load.skip_verify };
    let target = HttpTarget {
        url: load.url.clone(),
        method: load.method.clone(),
        headers,
        body,
        template,
        error_ranges: load.error_ranges.clone(),
        expect: Arc::clone(&load.expect),
        attribution: load.attribution.clone(),
        redirects: load.redirects,
        tls: if files.knows_content() { tls } else { TlsOptions::default() },
        transport: if load.route.uses_environment {
            proxy::transport(load, files)?
        } else {
            load.route.transport.clone()
        },
        server_name: load.route.server_name.clone(),
    };
    let ready = match load.route.streams {
        None => Http::new(target).map(|http| Ready::Http1(Arc::new(http))),
        Some(_) => Http2::new(target).map(|http| Ready::Http2(Arc::new(http))),
    };
    ready.map_err(|error| {
        let field = match &error {
            TargetError::Url(_) => "url",
            TargetError::Proxy => "proxy",
            TargetError::ServerName(_) => "serverName",
            TargetError::Tls(TlsError::Ca(_)) => "ca",
            TargetError::Tls(TlsError::Key(_)) => "key",
            TargetError::Tls(TlsError::Cert(_) | TlsError::Identity(_)) => "cert",
        };
        load.paths.error(field, error.to_string())
    })
}

/// Returns the payload; `None` if it has to be downloaded.
pub(super) fn payload(load: &Load, files: &dyn Files) -> Result<Option<Bytes>, InputError> {
    Ok(match &load.payload {
        Payload::None => Some(Bytes::new()),
        Payload::Text(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        Payload::File(path) => Some(read(load, files, "payloadFile", path, MAX_PAYLOAD as u64)?.into()),
        Payload::Url(_) => None,
    })
}

/// Downloads the payload if it is a URL.
pub(super) async fn download(load: &Load, web: &dyn Web) -> Result<Option<Bytes>, TaskError> {
    let Payload::Url(url) = &load.payload else { return Ok(None) };
    let body = fetch::download(web, url.as_str(), MAX_PAYLOAD, DOWNLOAD)
        .await
        .map_err(|error| TaskError::failed(format!("cannot download payloadURL {error}")).with_hint(error.hint))?;
    if !sends_html(load) {
        fetch::reject_page(url.as_str(), &body, "a payload").map_err(|error| {
            let hint = "`contentType: text/html` sends HTML on purpose".to_owned();
            TaskError::failed(format!("payloadURL {} is {error}", redact_url(url.as_str()))).with_hint(Some(hint))
        })?;
    }
    Ok(Some(body.into()))
}

/// Returns true if the requests say that their payload is HTML.
fn sends_html(load: &Load) -> bool {
    let content_type = load.headers.iter().find(|(name, _)| name == CONTENT_TYPE);
    let text = content_type.and_then(|(_, source)| match source {
        HeaderSource::Literal(value) => value.to_str().ok(),
        HeaderSource::Secret(_) => None,
    });
    text.is_some_and(|text| text.to_ascii_lowercase().contains("html"))
}

/// Builds the `Authorization` header.
fn authorization(load: &Load, files: &dyn Files) -> Result<Option<HeaderValue>, InputError> {
    match &load.auth {
        Auth::None => Ok(None),
        Auth::Login(login) => login.header(files, &|field, message| load.paths.error(field, message)).map(Some),
        Auth::Url => {
            let text = url_authorization(&load.url).unwrap_or_default();
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| load.paths.error("url", "contains characters that are not allowed in a header"))?;
            value.set_sensitive(true);
            Ok(Some(value))
        }
    }
}
