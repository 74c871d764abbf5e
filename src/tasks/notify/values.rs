//! Values of `slack` and `github`, and the settings of `notify`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::secret_key::SecretKey;
use crate::tasks::schema_fragments::{HTTP_URL, each_given};
use crate::values::input::InputError;

/// Pattern of the methods, in any case.
const METHOD: &str = "^([pP][oO][sS][tT]|[pP][uU][tT]|[pP][aA][tT][cC][hH]|[gG][eE][tT])$";

/// Pattern of a template.
const TEMPLATE: &str = r"\S";

/// Settings of a `notify` entry in a spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = each_given(&["url", "urlEnv", "urlFile", "urlSecretKeyRef"])))]
pub(super) struct NotifyWith {
    /// URL of the receiver. A webhook's URL is a secret: `urlEnv` or `urlFile` keep it out of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = HTTP_URL))]
    pub(super) url: Option<String>,
    /// Environment variable with the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url_env: Option<String>,
    /// File with the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url_file: Option<String>,
    /// Key of a Secret with the URL, for runs in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url_secret_key_ref: Option<SecretKey>,
    /// HTTP method. Default: `POST` with `payload` or `payloadTemplateURL`, else `GET`.
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
    /// Environment variable with the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_env: Option<String>,
    /// File with the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<String>,
    /// Key of a Secret with the bearer token, for runs in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_secret_key_ref: Option<SecretKey>,
    /// Built-in payload: `slack` (a text message) or `github` (a repository dispatch). Default: `slack` if a method other than `GET` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Payload>,
    /// Template of a custom payload: a URL or a path. Templates ending in `.hbs` are Handlebars, all others Go templates; `.Report`
    /// is their data.
    #[serde(default, rename = "payloadTemplateURL", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = TEMPLATE))]
    pub(super) payload_template_url: Option<String>,
    /// Continue the experiment if the message cannot be sent. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) soft_failure: Option<bool>,
}

/// The built-in payloads.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Payload {
    /// `{"text": …}`, accepted by Slack and most chat webhooks.
    #[default]
    Slack,
    /// GitHub's repository dispatch, with the report as `client_payload`.
    Github,
}

/// Values of `slack`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = each_given(&["url", "urlEnv", "urlFile", "urlSecretKeyRef"])))]
pub(super) struct SlackValues {
    /// The webhook's URL.
    #[serde(default)]
    #[schemars(extend("pattern" = HTTP_URL))]
    url: Option<String>,
    /// Environment variable with the URL.
    #[serde(default)]
    url_env: Option<String>,
    /// File with the URL.
    #[serde(default)]
    url_file: Option<String>,
    /// Key of a Secret with the URL, for runs in a cluster.
    #[serde(default)]
    url_secret_key_ref: Option<SecretKey>,
    /// HTTP method. Default: `POST`.
    #[serde(default)]
    #[schemars(extend("pattern" = METHOD))]
    method: Option<String>,
    /// Template of a custom payload: a URL or a path. Templates ending in `.hbs` are Handlebars, all others Go templates; `.Report`
    /// is their data.
    #[serde(default, rename = "payloadTemplateURL")]
    #[schemars(extend("pattern" = TEMPLATE))]
    payload_template_url: Option<String>,
    /// Continue the experiment if the message cannot be sent. Default: true.
    #[serde(default)]
    soft_failure: Option<bool>,
}

/// Values of `github`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = each_given(&["token", "tokenEnv", "tokenFile", "tokenSecretKeyRef"])))]
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
    /// Environment variable with the token.
    #[serde(default)]
    token_env: Option<String>,
    /// File with the token.
    #[serde(default)]
    token_file: Option<String>,
    /// Key of a Secret with the token, for runs in a cluster.
    #[serde(default)]
    token_secret_key_ref: Option<SecretKey>,
    /// Base URL of GitHub's API. Default: `https://api.github.com`.
    #[serde(default, rename = "apiURL")]
    #[schemars(extend("pattern" = HTTP_URL))]
    api_url: Option<String>,
    /// Template of a custom payload: a URL or a path. Templates ending in `.hbs` are Handlebars, all others Go templates; `.Report`
    /// is their data.
    #[serde(default, rename = "payloadTemplateURL")]
    #[schemars(extend("pattern" = TEMPLATE))]
    payload_template_url: Option<String>,
    /// Continue the experiment if the message cannot be sent. Default: true.
    #[serde(default)]
    soft_failure: Option<bool>,
}

/// Converts the values of `slack` to settings.
pub(super) fn slack(values: SlackValues) -> NotifyWith {
    let method = Some(values.method.unwrap_or_else(|| "POST".to_owned()));
    let is_sent =
        values.payload_template_url.is_none() && !method.iter().any(|method| method.eq_ignore_ascii_case("get"));
    NotifyWith {
        url: values.url,
        url_env: values.url_env,
        url_file: values.url_file,
        url_secret_key_ref: values.url_secret_key_ref,
        payload: is_sent.then_some(Payload::Slack),
        method,
        payload_template_url: values.payload_template_url,
        soft_failure: Some(values.soft_failure.unwrap_or(true)),
        ..NotifyWith::default()
    }
}

/// Converts the values of `github` to settings.
pub(super) fn github(values: GithubValues) -> Result<NotifyWith, InputError> {
    for (field, text) in [("owner", &values.owner), ("repo", &values.repo)] {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(InputError::new(field, format!("`{text}` is not a valid GitHub name")));
        }
    }
    let is_given = [&values.token, &values.token_env, &values.token_file].iter().any(|source| source.is_some());
    if !is_given && values.token_secret_key_ref.is_none() {
        return Err(InputError::new("token", "required").with_hint(
            "set `tokenEnv` (name of an environment variable), `tokenFile`, `tokenSecretKeyRef` or `token`",
        ));
    }
    let base = values.api_url.as_deref().unwrap_or("https://api.github.com").trim_end_matches('/').to_owned();
    Ok(NotifyWith {
        url: Some(format!("{base}/repos/{}/{}/dispatches", values.owner, values.repo)),
        headers: BTreeMap::from([("Accept".to_owned(), "application/vnd.github+json".to_owned())]),
        token: values.token,
        token_env: values.token_env,
        token_file: values.token_file,
        token_secret_key_ref: values.token_secret_key_ref,
        method: Some("POST".to_owned()),
        payload: Some(Payload::Github),
        payload_template_url: values.payload_template_url,
        soft_failure: Some(values.soft_failure.unwrap_or(true)),
        ..NotifyWith::default()
    })
}
