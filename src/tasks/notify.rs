//! `notify`: tells a webhook how the experiment stands. The values `slack` and `github` become it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shape::{HTTP_URL, each_given};
use super::{Task, TaskContext, TaskError, TaskKind};
use crate::logic::input::{InputError, typed};
use crate::logic::mask::{self, SentSecrets};
use crate::logic::notification;
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::ports::{BoxFuture, Files, WebRequest};

/// The registry's row.
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
};

/// The methods, in any case, as a regular expression.
const METHOD: &str = "^([pP][oO][sS][tT]|[pP][uU][tT]|[pP][aA][tT][cC][hH]|[gG][eE][tT])$";

/// Time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of the receiver's answer is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Settings of a `notify` entry in a spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = each_given(&["url", "urlEnv", "urlFile"])))]
struct NotifyWith {
    /// Where to send it. A webhook's URL is a secret: `urlEnv` or `urlFile` keep it out of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = HTTP_URL))]
    url: Option<String>,
    /// Environment variable that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_env: Option<String>,
    /// File that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_file: Option<String>,
    /// HTTP method; `POST` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = METHOD))]
    method: Option<String>,
    /// Header → value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// Query parameter → value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, String>,
    /// Bearer token; `tokenEnv` or `tokenFile` keep it out of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Environment variable that holds the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_env: Option<String>,
    /// File that holds the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_file: Option<String>,
    /// Which built-in payload to send: `slack` (a text message) or `github` (a repository dispatch); `slack` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    /// Template of a payload of one's own. Not in this version.
    #[serde(default, rename = "payloadTemplateURL", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "()")]
    payload_template_url: Option<String>,
    /// Whether the experiment goes on when the message can't be sent; true unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    soft_failure: Option<bool>,
}

/// The built-in payloads.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Payload {
    /// `{"text": …}`, which Slack and most chat webhooks take.
    #[default]
    Slack,
    /// GitHub's repository dispatch, with the report as `client_payload`.
    Github,
}

/// Values of `slack`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = each_given(&["url", "urlEnv", "urlFile"])))]
struct SlackValues {
    /// The webhook's URL.
    #[serde(default)]
    #[schemars(extend("pattern" = HTTP_URL))]
    url: Option<String>,
    /// Environment variable that holds the URL.
    #[serde(default)]
    url_env: Option<String>,
    /// File that holds the URL.
    #[serde(default)]
    url_file: Option<String>,
    /// HTTP method; `POST` unless given.
    #[serde(default)]
    #[schemars(extend("pattern" = METHOD))]
    method: Option<String>,
    /// Template of a payload of one's own. Not in this version.
    #[serde(default, rename = "payloadTemplateURL")]
    #[schemars(with = "()")]
    payload_template_url: Option<String>,
    /// Whether the experiment goes on when the message can't be sent; true unless given.
    #[serde(default)]
    soft_failure: Option<bool>,
}

/// Values of `github`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = each_given(&["token", "tokenEnv", "tokenFile"])))]
struct GithubValues {
    /// Owner of the repository.
    #[schemars(extend("pattern" = "^[A-Za-z0-9._-]+$"))]
    owner: String,
    /// Name of the repository.
    #[schemars(extend("pattern" = "^[A-Za-z0-9._-]+$"))]
    repo: String,
    /// Personal access token; `tokenEnv` or `tokenFile` keep it out of the document.
    #[serde(default)]
    token: Option<String>,
    /// Environment variable that holds the token.
    #[serde(default)]
    token_env: Option<String>,
    /// File that holds the token.
    #[serde(default)]
    token_file: Option<String>,
    /// Base of GitHub's API; `https://api.github.com` unless given.
    #[serde(default, rename = "apiURL")]
    #[schemars(extend("pattern" = HTTP_URL))]
    api_url: Option<String>,
    /// Template of a payload of one's own. Not in this version.
    #[serde(default, rename = "payloadTemplateURL")]
    #[schemars(with = "()")]
    payload_template_url: Option<String>,
    /// Whether the experiment goes on when the message can't be sent; true unless given.
    #[serde(default)]
    soft_failure: Option<bool>,
}

fn from_values(name: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let with = if name == "github" { github(typed(values, "")?)? } else { slack(typed(values, "")?) };
    let with = serde_json::to_value(with).map_err(|error| InputError::new("", error.to_string()))?;
    Ok(vec![TaskSpec { task: Some(KIND.name.to_owned()), with: Some(with), ..TaskSpec::default() }])
}

fn slack(values: SlackValues) -> NotifyWith {
    NotifyWith {
        url: values.url,
        url_env: values.url_env,
        url_file: values.url_file,
        method: values.method,
        payload_template_url: values.payload_template_url,
        soft_failure: values.soft_failure,
        ..NotifyWith::default()
    }
}

fn github(values: GithubValues) -> Result<NotifyWith, InputError> {
    for (field, text) in [("owner", &values.owner), ("repo", &values.repo)] {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(InputError::new(field, format!("`{text}` is not a name on GitHub")));
        }
    }
    if [&values.token, &values.token_env, &values.token_file].iter().all(|source| source.is_none()) {
        return Err(InputError::new("token", "a token is needed")
            .with_hint("give `tokenEnv` (name of an environment variable), `tokenFile`, or `token`"));
    }
    let base = values.api_url.as_deref().unwrap_or("https://api.github.com").trim_end_matches('/').to_owned();
    Ok(NotifyWith {
        url: Some(format!("{base}/repos/{}/{}/dispatches", values.owner, values.repo)),
        headers: BTreeMap::from([("Accept".to_owned(), "application/vnd.github+json".to_owned())]),
        token: values.token,
        token_env: values.token_env,
        token_file: values.token_file,
        payload: Some(Payload::Github),
        payload_template_url: values.payload_template_url,
        soft_failure: values.soft_failure,
        ..NotifyWith::default()
    })
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let with: NotifyWith = typed(spec.with.as_ref().unwrap_or(&json!({})), "with")?;
    if with.payload_template_url.is_some() {
        return Err(InputError::new("with.payloadTemplateURL", "this version of iter8 has no payload templates")
            .with_hint("leave it out to send the built-in payload"));
    }
    let sources = [&with.url, &with.url_env, &with.url_file];
    match sources.iter().filter(|source| source.is_some()).count() {
        0 => return Err(InputError::new("with.url", "a URL to send to is needed; give `url`, `urlEnv` or `urlFile`")),
        1 => {}
        _ => return Err(InputError::new("with.url", "give one of `url`, `urlEnv` and `urlFile`, not several")),
    }
    if let Some(url) = &with.url {
        check_url(url, "with.url")?;
    }
    let method = with.method.as_deref().unwrap_or("POST").to_uppercase();
    if !["POST", "PUT", "PATCH", "GET"].contains(&method.as_str()) {
        return Err(InputError::new("with.method", format!("`{method}` is not one of POST, PUT, PATCH, GET")));
    }
    Ok(Box::new(Notify { method, with }))
}

fn check_url(url: &str, path: &str) -> Result<(), InputError> {
    let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match parsed {
        Some(_) => Ok(()),
        None => Err(InputError::new(path, "it is not a URL with http:// or https:// and a host")),
    }
}

/// Scheme and host: what follows them is a webhook's secret.
fn origin(url: &str) -> String {
    url::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// The text without the secrets that were sent, and without what looks like one.
fn without(secrets: &SentSecrets, text: &str) -> String {
    mask::mask_text(&secrets.hide(text))
}

struct Notify {
    method: String,
    with: NotifyWith,
}

/// One secret from its value, its variable or its file.
fn secret(
    files: &dyn Files,
    name: &str,
    value: Option<&String>,
    env: Option<&String>,
    file: Option<&String>,
) -> Result<Option<String>, InputError> {
    if let Some(variable) = env {
        let value = files.env(variable).filter(|value| !value.is_empty());
        let missing =
            || InputError::new(format!("with.{name}Env"), format!("the environment variable {variable} is not set"));
        return value.map(Some).ok_or_else(missing);
    }
    if let Some(path) = file {
        let unreadable =
            |reason: String| InputError::new(format!("with.{name}File"), format!("cannot read {path}: {reason}"));
        let content = files.read(path, 64 << 10).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(content).map_err(|_| unreadable("it is not text".to_owned()))?;
        return Ok(Some(text.trim().to_owned()));
    }
    Ok(value.cloned())
}

impl Notify {
    fn url(&self, files: &dyn Files) -> Result<String, InputError> {
        let with = &self.with;
        let url =
            secret(files, "url", with.url.as_ref(), with.url_env.as_ref(), with.url_file.as_ref())?.unwrap_or_default();
        check_url(&url, "with.url")?;
        Ok(url)
    }

    fn token(&self, files: &dyn Files) -> Result<Option<String>, InputError> {
        let with = &self.with;
        secret(files, "token", with.token.as_ref(), with.token_env.as_ref(), with.token_file.as_ref())
    }

    fn request(&self, cx: &TaskContext<'_>) -> Result<WebRequest, InputError> {
        let mut url = self.url(cx.world.files)?;
        if !self.with.params.is_empty() {
            let mut parsed = url::Url::parse(&url).map_err(|error| InputError::new("with.url", error.to_string()))?;
            parsed.query_pairs_mut().extend_pairs(&self.with.params);
            url = parsed.into();
        }
        let mut headers: Vec<_> = self.with.headers.clone().into_iter().collect();
        if let Some(token) = self.token(cx.world.files)? {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        let body = (self.method != "GET").then(|| {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            let now = cx.world.clock.now();
            match self.with.payload.unwrap_or_default() {
                Payload::Slack => notification::slack(cx.experiment, cx.index, now),
                Payload::Github => notification::github(cx.experiment, cx.index, now),
            }
            .to_string()
            .into_bytes()
        });
        let method = self.method.clone();
        Ok(WebRequest {
            method,
            url,
            headers,
            body,
            max_response_bytes: MAX_ANSWER_BYTES,
            timeout: TIMEOUT,
            is_webhook: true,
            ..WebRequest::default()
        })
    }

    async fn send(&self, cx: &TaskContext<'_>) -> Result<Contribution, TaskError> {
        let request = self.request(cx)?;
        let target = origin(&request.url);
        let secrets = SentSecrets::of_webhook(&request.url, &request.headers);
        let answer = tokio::select! {
            answer = cx.world.web.send(request) => answer.map_err(|error| TaskError::failed(format!("cannot notify {target}: {}", without(&secrets, &error.reason))))?,
            () = cx.world.stop.cancelled() => return Ok(Contribution { interrupted: true, ..Contribution::default() }),
        };
        if (200..300).contains(&answer.status) {
            return Ok(Contribution::default());
        }
        // Before it is cut: half a secret is not found.
        let text = without(&secrets, &String::from_utf8_lossy(&answer.body));
        let text: String = text.chars().take(200).collect();
        Err(TaskError::failed(format!("{target} answered {}: {}", answer.status, text.trim())))
    }
}

impl Task for Notify {
    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        self.url(files)?;
        self.token(files).map(drop)
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(async move {
            match self.send(cx).await {
                Err(TaskError::Failed { message, .. }) if self.with.soft_failure.unwrap_or(true) => {
                    Ok(Contribution { notes: vec![format!("not sent: {message}")], ..Contribution::default() })
                }
                end => end,
            }
        })
    }
}
