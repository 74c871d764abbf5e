//! The `notify` task: sends the state of the experiment to a webhook. The values `slack` and `github` become it.
//!
//! `values` reads the input, `payload` builds the payload, and `secrets` reads and redacts secrets.

mod message;
mod payload;
mod secrets;
mod values;

use std::time::Duration;

use serde_json::{Value, json};

use self::payload::{Body, PayloadBuilder};
use self::secrets::{Given, origin, redacted, secret};
use self::values::{GithubValues, NotifyWith, SlackValues, github, slack};
use super::{AfterFailedLoad, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::model::text::prefix;
use crate::model::tls_problem::WEB_FIELDS;
use crate::ports::{BoxFuture, Files, WebRequest};
use crate::redact::RequestSecrets;
use crate::values::input::{InputError, typed};
use crate::values::without_nulls;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "notify",
    value_names: &["slack", "github"],
    summary: "send the state of the experiment to Slack, GitHub or any webhook",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<NotifyWith>(),
    values_schema: |name, generator| match name {
        "github" => generator.subschema_for::<GithubValues>(),
        _ => generator.subschema_for::<SlackValues>(),
    },
    permissions: None,
};

/// Timeout of the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum size of the receiver's response, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

fn from_values(name: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let with = if name == "github" { github(typed(values, "")?)? } else { slack(typed(values, "")?) };
    let with = serde_json::to_value(with).map_err(|error| InputError::new("", error.to_string()))?;
    Ok(vec![TaskSpec { task: Some(KIND.name.to_owned()), with: Some(with), ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    // As in Iter8, null is absent.
    let with: NotifyWith = typed(&without_nulls(spec.with.clone().unwrap_or_else(|| json!({}))), "with")?;
    let texts = [&with.url, &with.url_env, &with.url_file].iter().filter(|source| source.is_some()).count();
    match texts + usize::from(with.url_secret_key_ref.is_some()) {
        0 => {
            let message = "required: set `url`, `urlEnv`, `urlFile` or `urlSecretKeyRef`";
            return Err(InputError::new("with.url", message));
        }
        1 => {}
        _ => {
            let message = "set only one of `url`, `urlEnv`, `urlFile` and `urlSecretKeyRef`";
            return Err(InputError::new("with.url", message));
        }
    }
    if let Some(url) = &with.url {
        check_url(url, "with.url")?;
    }
    // As in Iter8: without a payload, the request is only a signal.
    let has_payload = with.payload.is_some() || with.payload_template_url.is_some();
    let method = with.method.as_deref().unwrap_or(if has_payload { "POST" } else { GET }).to_uppercase();
    if !["POST", "PUT", "PATCH", "GET"].contains(&method.as_str()) {
        return Err(InputError::new(
            "with.method",
            format!("`{method}` is not supported; expected POST, PUT, PATCH or GET"),
        ));
    }
    let payload = PayloadBuilder::plan(with.payload.unwrap_or_default(), with.payload_template_url.as_ref())?;
    if method == GET && with.payload_template_url.is_some() {
        return Err(InputError::new("with.method", "`GET` sends no payload, so `payloadTemplateURL` has no effect")
            .with_hint("remove `method` to use POST, or remove `payloadTemplateURL`"));
    }
    Ok(Box::new(Notify { method, with, payload }))
}

/// Method that sends only parameters.
const GET: &str = "GET";

fn check_url(url: &str, path: &str) -> Result<(), InputError> {
    let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match parsed {
        Some(_) => Ok(()),
        None => Err(InputError::new(path, "not a valid URL; expected `http://` or `https://` and a host")),
    }
}

struct Notify {
    method: String,
    with: NotifyWith,
    payload: PayloadBuilder,
}

impl Notify {
    fn url(&self, files: &dyn Files) -> Result<String, InputError> {
        let with = &self.with;
        let given = Given {
            value: with.url.as_ref(),
            env: with.url_env.as_ref(),
            file: with.url_file.as_ref(),
            key: with.url_secret_key_ref.as_ref(),
        };
        let url = secret(files, "url", given)?.unwrap_or_default();
        check_url(&url, "with.url")?;
        Ok(url)
    }

    fn token(&self, files: &dyn Files) -> Result<Option<String>, InputError> {
        let with = &self.with;
        let given = Given {
            value: with.token.as_ref(),
            env: with.token_env.as_ref(),
            file: with.token_file.as_ref(),
            key: with.token_secret_key_ref.as_ref(),
        };
        let token = secret(files, "token", given);
        token.or_else(|error| files.placeholder().map(Some).ok_or(error))
    }

    /// Returns true if the user sets the content type.
    fn is_typed(&self) -> bool {
        self.with.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"))
    }

    fn notes(&self, body: &Body) -> Vec<String> {
        let type_note = body.type_note.clone().filter(|_| !self.is_typed());
        body.size_note.clone().into_iter().chain(type_note).collect()
    }

    fn request(&self, files: &dyn Files, body: Option<Body>) -> Result<WebRequest, InputError> {
        let mut url = self.url(files)?;
        if !self.with.params.is_empty() {
            let mut parsed = url::Url::parse(&url).map_err(|error| InputError::new("with.url", error.to_string()))?;
            parsed.query_pairs_mut().extend_pairs(&self.with.params);
            url = parsed.into();
        }
        let mut headers: Vec<_> = self.with.headers.clone().into_iter().collect();
        if let Some(token) = self.token(files)? {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        if let Some(body) = body.as_ref().filter(|_| !self.is_typed()) {
            headers.push(("Content-Type".to_owned(), body.content_type.to_owned()));
        }
        Ok(WebRequest {
            method: self.method.clone(),
            url,
            headers,
            body: body.map(|body| body.bytes),
            max_response_bytes: MAX_RESPONSE_BYTES,
            timeout: TIMEOUT,
            is_webhook: true,
            ..WebRequest::default()
        })
    }

    async fn send(&self, cx: &TaskContext<'_>) -> Result<Contribution, TaskError> {
        let body = if self.method == GET { None } else { Some(self.payload.build(cx).await?) };
        let notes = body.as_ref().map(|body| self.notes(body)).unwrap_or_default();
        let request = self.request(cx.env.files, body)?;
        let target = origin(&request.url);
        let secrets = RequestSecrets::of_webhook(&request.url, &request.headers);
        let response = cx.env.web.send(request).await.map_err(|error| {
            TaskError::failed(format!("cannot notify {target}: {}", redacted(&secrets, &error.reason)))
                .with_hint(error.tls_hint(WEB_FIELDS))
        })?;
        if (200..300).contains(&response.status) {
            return Ok(Contribution { notes, ..Contribution::default() });
        }
        // Redact before truncating: a truncated secret is not recognized.
        let text = redacted(&secrets, &String::from_utf8_lossy(&response.body));
        let text = prefix(&text, 200);
        let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
        Err(TaskError::failed(format!("{target} responded with status {}: {}{notes}", response.status, text.trim())))
    }
}

impl Task for Notify {
    fn facts(&self) -> TaskFacts {
        TaskFacts { after_failed_load: AfterFailedLoad::RunIfConditional, ..TaskFacts::default() }
    }

    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        self.url(files)?;
        self.token(files)?;
        self.payload.check(files)
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(async move {
            match self.send(cx).await {
                Err(TaskError::Failed { message, hint, .. }) if self.with.soft_failure.unwrap_or(false) => {
                    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    Ok(Contribution { notes: vec![format!("not sent: {message}{hint}")], ..Contribution::default() })
                }
                end => end,
            }
        })
    }
}
