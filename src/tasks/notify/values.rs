//! The values of `slack` and `github`, and the settings of `notify`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tasks::schema_fragments::{HTTP_URL, each_given};
use crate::values::input::InputError;

/// The methods, in any case, as a regular expression.
const METHOD: &str = "^([pP][oO][sS][tT]|[pP][uU][tT]|[pP][aA][tT][cC][hH]|[gG][eE][tT])$";

/// A text that can name a template.
const TEMPLATE: &str = r"\S";

/// Settings of a `notify` entry in a spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = each_given(&["url", "urlEnv", "urlFile"])))]
pub(super) struct NotifyWith {
    /// Where to send it. A webhook's URL is a secret: `urlEnv` or `urlFile` keep it out of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = HTTP_URL))]
    pub(super) url: Option<String>,
    /// Environment variable that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url_env: Option<String>,
    /// File that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url_file: Option<String>,
    /// HTTP method; `POST` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = METHOD))]
    pub(super) method: Option<String>,
    /// Header → value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<String, String>,
    /// Query parameter → value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) params: BTreeMap<String, String>,
    /// Bearer token; `tokenEnv` or `tokenFile` keep it out of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    /// Environment variable that holds the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_env: Option<String>,
    /// File that holds the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<String>,
    /// Which built-in payload to send: `slack` (a text message) or `github` (a repository dispatch); `slack` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Payload>,
    /// Template of a payload of one's own: a URL or a path. One ending in `.hbs` is Handlebars, any other Go's; `.Report` is what it
    /// tells of.
    #[serde(default, rename = "payloadTemplateURL", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = TEMPLATE))]
    pub(super) payload_template_url: Option<String>,
    /// Whether the experiment goes on when the message can't be sent; true unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) soft_failure: Option<bool>,
}

/// The built-in payloads.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Payload {
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
pub(super) struct SlackValues {
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
    /// Template of a payload of one's own: a URL or a path. One ending in `.hbs` is Handlebars, any other Go's; `.Report` is what it
    /// tells of.
    #[serde(default, rename = "payloadTemplateURL")]
    #[schemars(extend("pattern" = TEMPLATE))]
    payload_template_url: Option<String>,
    /// Whether the experiment goes on when the message can't be sent; true unless given.
    #[serde(default)]
    soft_failure: Option<bool>,
}

/// Values of `github`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = each_given(&["token", "tokenEnv", "tokenFile"])))]
pub(super) struct GithubValues {
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
    /// Template of a payload of one's own: a URL or a path. One ending in `.hbs` is Handlebars, any other Go's; `.Report` is what it
    /// tells of.
    #[serde(default, rename = "payloadTemplateURL")]
    #[schemars(extend("pattern" = TEMPLATE))]
    payload_template_url: Option<String>,
    /// Whether the experiment goes on when the message can't be sent; true unless given.
    #[serde(default)]
    soft_failure: Option<bool>,
}

/// The settings that the values of `slack` mean.
pub(super) fn slack(values: SlackValues) -> NotifyWith {
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

/// The settings that the values of `github` mean.
pub(super) fn github(values: GithubValues) -> Result<NotifyWith, InputError> {
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
