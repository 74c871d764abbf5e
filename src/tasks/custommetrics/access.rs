//! Access to a provider: headers, credentials, TLS, timeouts and retries. Files are read when the task runs, so rotated secrets are
//! picked up.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::values;
use crate::load::connect::tls::{TlsError, client_config};
use crate::model::missing::Policies;
use crate::model::path::FieldPath;
use crate::model::tls::TlsOptions;
use crate::model::tls_problem::{TlsFields, TlsProblem};
use crate::ports::Files;
use crate::tasks::client_certificate::ClientCertificate;
use crate::tasks::credentials::{Login, header_secrets, login, read_file, read_headers};
use crate::tasks::fields::HeaderSource;
use crate::tasks::secret_source::MAX_SECRET;
use crate::values::input::InputError;

/// Default timeout per metric.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Default number of retries.
const RETRIES: u32 = 3;

/// Maximum number of retries.
const MAX_RETRIES: u64 = 10;

/// Access settings of a provider.
#[derive(Debug)]
pub(super) struct Access {
    at: FieldPath,
    pub(super) url: Option<Url>,
    headers: Vec<(HeaderName, HeaderSource)>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    login: Option<Login>,
    ca: Option<String>,
    identity: Option<ClientCertificate>,
    skip_verify: bool,
    /// Policies for missing and doubtful values.
    pub(super) policies: Policies,
}

/// Headers and TLS settings of the requests.
#[derive(Debug)]
pub(super) struct Credentials {
    /// Override the headers of the template; may contain secrets.
    pub(super) headers: Vec<(String, String)>,
    /// Secrets that their names do not show: of headers and variables.
    pub(super) secrets: Vec<String>,
    pub(super) tls: TlsOptions,
}

/// Returns the next step after a failed TLS handshake with a provider.
pub(super) fn tls_hint(problem: TlsProblem, provider: &str) -> String {
    let field = |name: &str| format!("`{}`", FieldPath::from("custommetrics.providers").key(provider).key(name));
    let (ca, skip_verify) = (field("ca"), field("insecureSkipVerify"));
    let client = format!("{} and {}", field("cert"), field("key"));
    problem.hint(TlsFields {
        ca: &ca,
        server_name: None,
        skip_verify: Some(&skip_verify),
        client: Some(&client),
        plain: "set a URL with `http://`",
        protocols: "HTTP/1.1 or HTTP/2",
        no_http2: None,
    })
}

impl Access {
    /// Reads the settings at path `at`.
    pub(super) fn plan(values: values::Access, at: FieldPath) -> Result<Self, InputError> {
        let error_at = |field: &str, message: String| InputError::new(at.clone().join(field), message);
        let policies = values.policies();
        let login = login(values.basic_auth.as_ref(), values.bearer_token.as_ref(), &error_at)?;
        let headers = values.headers.map(|headers| headers.0).unwrap_or_default();
        if login.is_some() && headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
            return Err(error_at(
                "headers",
                "`Authorization` cannot be combined with `basicAuth` or `bearerToken`".into(),
            ));
        }
        let identity = ClientCertificate::plan(values.cert, values.key, values.key_passphrase.as_ref(), &error_at)?;
        let retries = match values.retries {
            None => RETRIES,
            Some(count) if count.0 <= MAX_RETRIES => count.0 as u32,
            Some(count) => {
                return Err(error_at("retries", format!("{} is out of range; expected 0 to {MAX_RETRIES}", count.0)));
            }
        };
        Ok(Self {
            url: values.url.map(|url| url.0),
            headers,
            timeout: values.timeout.map_or(TIMEOUT, |timeout| timeout.0.0),
            retries,
            login,
            ca: values.ca,
            identity,
            skip_verify: values.insecure_skip_verify.unwrap_or(false),
            policies,
            at,
        })
    }

    /// Returns the secrets of headers and credentials, as far as they can be read.
    pub(super) fn secrets(&self, files: &dyn Files) -> Vec<String> {
        let login = self.login.as_ref().map(|login| login.secrets(files)).unwrap_or_default();
        [header_secrets(&self.headers, files), login].concat()
    }

    /// Reads credentials from their sources.
    pub(super) fn credentials(&self, files: &dyn Files) -> Result<Credentials, InputError> {
        let error_at = |field: &str, message: String| InputError::new(self.at.clone().join(field), message);
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let read = read_headers(&self.headers, files, &error_at)?;
        let mut headers: Vec<(String, String)> =
            read.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        if let Some(login) = &self.login {
            headers.push((AUTHORIZATION.to_string(), text(&login.header(files, &error_at)?)));
        }
        let identity = self.identity.as_ref().map(|identity| identity.read(files, &error_at)).transpose()?;
        let ca = self.ca.as_ref().map(|path| read_file(files, "ca", path, MAX_SECRET, &error_at)).transpose()?;
        let tls = TlsOptions { ca, identity, skip_verify: self.skip_verify };
        if tls != TlsOptions::default() && files.knows_content() {
            client_config(&tls, &[]).map_err(|error| {
                let field = match &error {
                    TlsError::Ca(_) => "ca",
                    TlsError::Key(_) => "key",
                    TlsError::Cert(_) | TlsError::Identity(_) => "cert",
                };
                error_at(field, error.to_string())
            })?;
        }
        Ok(Credentials { headers, secrets: self.secrets(files), tls })
    }
}
