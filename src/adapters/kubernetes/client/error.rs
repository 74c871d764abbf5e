//! Errors of the API server, described with the operation, the object and a hint.

use std::time::Duration;

use kube::client::AuthError;
use kube::core::Status;

use super::transport::ServerError;
use crate::adapters::error_chain::causes;
use crate::load::cause::{Cause, Failure};
use crate::model::object::ResourceKind;
use crate::model::tls_problem::{TlsFields, TlsProblem};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::redact;

/// Maximum length of a message from an API server or credential plugin, in characters.
const MAX_MESSAGE: usize = 600;

/// Names of the settings that TLS needs.
const TLS_FIELDS: TlsFields<'static> = TlsFields {
    ca: "`certificate-authority` in the kubeconfig (or --kube-ca-file)",
    server_name: Some("--kube-tls-server-name"),
    skip_verify: Some("--kube-insecure-skip-tls-verify"),
    client: Some("`client-certificate` and `client-key` in the kubeconfig"),
    plain: "set an `http://` URL of the API server",
    protocols: "HTTP/1.1 or HTTP/2",
    no_http2: None,
};

/// A request to the API server.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// RBAC verb: `get`, `patch`, …
    pub(crate) verb: &'static str,
    pub(crate) kind: ResourceKind,
    /// `None` for all namespaces.
    pub(crate) namespace: Option<String>,
    /// `None` for a collection.
    pub(crate) name: Option<String>,
}

impl Operation {
    pub(crate) fn new(verb: &'static str, kind: &ResourceKind, namespace: &str, name: &str) -> Self {
        let namespace = Some(namespace.to_owned());
        Self { verb, kind: kind.clone(), namespace, name: Some(name.to_owned()) }
    }

    pub(crate) fn on_collection(verb: &'static str, kind: &ResourceKind, namespace: Option<&str>) -> Self {
        Self { verb, kind: kind.clone(), namespace: namespace.map(str::to_owned), name: None }
    }

    /// Describes the operation, such as `get secrets/default in namespace models`.
    fn describe(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in all namespaces".to_owned(),
        };
        format!("{} {}{name} {place}", self.verb, self.kind)
    }

    /// Returns the RBAC rule that grants it. `message` is that of the denial: an apply of an object that does not exist needs `create`.
    fn rule(&self, message: &str) -> String {
        let verb = if message.contains(" cannot create ") { "create" } else { self.verb };
        let names = match (&self.name, verb) {
            (Some(name), verb) if verb != "create" => format!(", resourceNames: [{name}]"),
            _ => String::new(),
        };
        let verbs = match (&self.name, verb) {
            // Watching an object needs both.
            (Some(_), "list" | "watch") => "list, watch",
            (_, verb) => verb,
        };
        let (group, resource) = (&self.kind.group, &self.kind.resource);
        format!("{{apiGroups: [\"{group}\"], resources: [{resource}]{names}, verbs: [{verbs}]}}")
    }

    /// Describes the failure of this operation.
    pub(crate) fn failed(&self, error: &kube::Error) -> ClusterError {
        match error {
            kube::Error::Api(status) => self.rejected(status),
            kube::Error::Auth(error) => self.not_authenticated(error),
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
                if let Some(auth) = auth_error(error) {
                    return self.not_authenticated(auth);
                }
                self.unreachable(error)
            }
            other => {
                // The message may quote the response: documents and Secrets.
                let kind = match other {
                    kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                        "the response is not that of an API server".to_owned()
                    }
                    other => reasons(other),
                };
                ClusterError::new(ClusterErrorKind::Refused, format!("cannot {}: {kind}", self.describe()))
            }
        }
    }

    /// Describes a request without a response.
    fn unreachable(&self, error: &kube::Error) -> ClusterError {
        let server = causes(error).find_map(|cause| cause.downcast_ref::<ServerError>());
        let place = server.map(|error| format!(" {}", error.server)).unwrap_or_default();
        let tls =
            causes(error).find(|cause| cause.is::<rustls::Error>()).map(|tls| Failure::from_error(tls, Cause::Tls));
        let operation = self.describe();
        if let Some(failure) = tls {
            let reason = excerpt(&failure.to_string());
            let message = format!("cannot {operation}: no secure connection to the API server{place}: {reason}");
            let hint = failure.tls.unwrap_or(TlsProblem::Other).hint(TLS_FIELDS);
            return ClusterError::new(ClusterErrorKind::Unreachable, message).with_hint(hint);
        }
        let reason = match server {
            Some(error) => reasons(error.source.as_ref()),
            None => reasons(error),
        };
        let message = format!("cannot {operation}: the API server{place} cannot be reached: {reason}");
        ClusterError::new(ClusterErrorKind::Unreachable, message)
            .with_hint("check with `kubectl cluster-info` that the cluster is running and is the intended one")
    }

    /// Describes a request that took too long.
    pub(crate) fn timed_out(&self, limit: Duration) -> ClusterError {
        let seconds = limit.as_secs();
        let message = format!("cannot {}: the API server did not respond within {seconds} s", self.describe());
        ClusterError::new(ClusterErrorKind::Unreachable, message)
    }

    fn rejected(&self, status: &Status) -> ClusterError {
        let message = excerpt(&status.message);
        let operation = self.describe();
        match status.code {
            401 => ClusterError::new(
                ClusterErrorKind::Unauthorized,
                format!("cannot {operation}: the API server rejected the credentials (401 Unauthorized)"),
            )
            .with_hint("the token or certificate may have expired: log in again, or renew it in the kubeconfig"),
            403 if is_rbac_denial(status) => {
                ClusterError::new(ClusterErrorKind::Forbidden, format!("cannot {operation}: {message}")).with_hint(
                    format!(
                        "add the rule {} to a {} of this user",
                        self.rule(&status.message),
                        match &self.namespace {
                            Some(namespace) => format!("Role in namespace {namespace}"),
                            None => "ClusterRole".to_owned(),
                        }
                    ),
                )
            }
            403 => ClusterError::new(ClusterErrorKind::Forbidden, format!("cannot {operation}: {message}")),
            404 if self.kind.resource == "rolebindings" && is_about(status, "roles") => ClusterError::new(
                ClusterErrorKind::NotFound,
                format!("cannot {operation}: its Role does not exist: {message}"),
            ),
            404 if is_about(status, "namespaces") => {
                let namespace = self.namespace.clone().unwrap_or_default();
                ClusterError::new(ClusterErrorKind::NotFound, format!("cannot {operation}: {message}")).with_hint(
                    format!("create the namespace with `kubectl create namespace {namespace}`, or select another one with -n"),
                )
            }
            404 if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
                let ResourceKind { group, version, resource } = &self.kind;
                let place = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
                ClusterError::new(
                    ClusterErrorKind::NotFound,
                    format!("cannot {operation}: the cluster has no namespaced resource {resource} in {place}"),
                )
                .with_hint(format!("its operator may be missing; see `kubectl api-resources --api-group={group}`"))
            }
            404 => ClusterError::new(ClusterErrorKind::NotFound, format!("cannot {operation}: {message}")),
            409 => ClusterError::new(ClusterErrorKind::Conflict, format!("cannot {operation}: {message}")),
            500 if is_conversion_failure(status) => {
                ClusterError::new(ClusterErrorKind::Refused, format!("cannot {operation}: {message}"))
            }
            429 | 500..600 => {
                let code = status.code;
                ClusterError::new(
                    ClusterErrorKind::Unreachable,
                    format!("cannot {operation}: the API server responded with status {code}: {message}"),
                )
                .with_hint("retry later")
            }
            _ => ClusterError::new(ClusterErrorKind::Refused, format!("cannot {operation}: {message}")),
        }
    }

    fn not_authenticated(&self, error: &AuthError) -> ClusterError {
        no_credentials(&format!("cannot {}", self.describe()), PLUGIN, error)
    }
}

/// Returns true if repeating the request may help.
pub(crate) fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            (status.code == 429 || (500..600).contains(&status.code)) && !is_conversion_failure(status)
        }
        kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => true,
        kube::Error::Service(_) => !is_connection_hopeless(error),
        _ => false,
    }
}

/// Returns true if the API server refused to authenticate or to authorize the client.
pub(crate) fn is_rejection(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}

/// Returns the delay requested by the API server.
pub(crate) fn retry_after(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else { return None };
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// Returns true for untrusted certificates, missing credentials and host names that do not resolve.
fn is_connection_hopeless(error: &kube::Error) -> bool {
    auth_error(error).is_some()
        || causes(error).any(|cause| is_dns_error(cause) || (cause.is::<rustls::Error>() && is_untrusted(cause)))
}

/// Returns true if certificates are the reason, which another attempt would not change.
fn is_untrusted(tls: &(dyn std::error::Error + 'static)) -> bool {
    let problem = Failure::from_error(tls, Cause::Tls).tls;
    let no_certificate = matches!(tls.downcast_ref(), Some(rustls::Error::NoCertificatesPresented));
    no_certificate
        || problem.is_some_and(|problem| match problem {
            TlsProblem::Untrusted
            | TlsProblem::Expired
            | TlsProblem::Revoked
            | TlsProblem::Name
            | TlsProblem::ClientCertificate => true,
            TlsProblem::Other | TlsProblem::Version | TlsProblem::Protocol | TlsProblem::NoTls => false,
        })
}

/// hyper-util has no public type for failed name resolution, only this message.
fn is_dns_error(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.to_string().starts_with("dns error")
}

/// The API server rejects requests for quota or admission reasons with the same code and reason as RBAC denials; only the message
/// differs.
fn is_rbac_denial(status: &Status) -> bool {
    status.message.contains(" cannot ")
}

/// The API server responds to a server-side apply with mistyped or unknown fields with status 500 and one of these messages.
fn is_conversion_failure(status: &Status) -> bool {
    let signs = [
        "failed to convert",
        "field not declared in schema",
        "failed to create typed",
        "failed to create manager",
        "strconv.Parse",
        "json: cannot unmarshal",
        "unable to convert",
    ];
    status.code == 500 && signs.iter().any(|sign| status.message.contains(sign))
}

/// Returns true if the status names an object of this resource.
fn is_about(status: &Status, resource: &str) -> bool {
    status.details.as_ref().is_some_and(|details| details.kind == resource)
}

/// A credential plugin about which nothing else is known.
pub(super) const PLUGIN: &str = "credential plugin of the kubeconfig";

/// Builds the error for missing credentials. `attempt` is the operation that needed them, `plugin` describes the credential plugin.
pub(super) fn no_credentials(attempt: &str, plugin: &str, error: &AuthError) -> ClusterError {
    let mut hint = "log in again, or fix this context's user in the kubeconfig";
    let reason = match error {
        // The output of a plugin may contain a token, so only the last line of stderr is shown.
        AuthError::AuthExecRun { out, .. } => {
            let stderr = String::from_utf8_lossy(&out.stderr);
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
            let last = last.map(|line| format!(": {}", excerpt(line))).unwrap_or_default();
            format!("the {plugin} failed with {}{last}", out.status)
        }
        AuthError::AuthExecStart(error) => {
            hint = "install the plugin, or fix this context's user in the kubeconfig";
            format!("cannot start the {plugin}: {}", describe_io(error))
        }
        AuthError::AuthExecParse(_) | AuthError::AuthExecSerialize(_) | AuthError::ParseTokenKey(_) => {
            format!("invalid output of the {plugin}")
        }
        other => reasons(other),
    };
    let message = format!("{attempt}: no credentials: {reason}");
    ClusterError::new(ClusterErrorKind::Unauthorized, message).with_hint(hint)
}

/// Describes an error of the file system.
pub(super) fn describe_io(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound { "no such file".to_owned() } else { error.to_string() }
}

/// Returns the authentication error among the causes; kube wraps it in several layers.
pub(crate) fn auth_error(error: &kube::Error) -> Option<&AuthError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Redacts and truncates a message from outside.
pub(super) fn excerpt(text: &str) -> String {
    redact::excerpt(text.trim(), MAX_MESSAGE)
}

/// Joins an error and its causes; skips those that only repeat the next one.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut links: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        links.push(error.to_string());
        next = error.source();
    }
    let distinct: Vec<&str> = (0..links.len())
        .filter(|at| links.get(at + 1).is_none_or(|below| !links[*at].ends_with(below.as_str())))
        .map(|at| links[at].as_str())
        .collect();
    excerpt(&distinct.join(": "))
}

#[cfg(test)]
mod tests {
    use kube::core::response::StatusDetails;

    use super::super::transport::ApiServer;
    use super::*;

    fn secrets() -> ResourceKind {
        ResourceKind { group: String::new(), version: "v1".into(), resource: "secrets".into() }
    }

    /// Builds the error for a response with this code, message and `details.kind`.
    fn failure(code: u16, message: &str, about: &str) -> ClusterError {
        let details = StatusDetails {
            name: "default".to_owned(),
            group: String::new(),
            kind: about.to_owned(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        let status = Status { message: message.to_owned(), code, details: Some(details), ..Status::default() };
        Operation::new("get", &secrets(), "models", "default").failed(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn rbac_denials_name_the_missing_rule() {
        let message = "secrets \"default\" is forbidden: User \"ci\" cannot get resource \"secrets\"";
        let error = failure(403, message, "secrets");
        assert!(error.message.starts_with("cannot get secrets/default in namespace models: secrets"), "{error}");
        let rule = "{apiGroups: [\"\"], resources: [secrets], resourceNames: [default], verbs: [get]}";
        assert_eq!(error.hint.unwrap(), format!("add the rule {rule} to a Role in namespace models of this user"));
        let error = failure(403, "secrets is forbidden: User \"ci\" cannot create resource \"secrets\"", "secrets");
        assert!(error.hint.unwrap().contains("{apiGroups: [\"\"], resources: [secrets], verbs: [create]}"));
        let error = failure(403, "exceeded quota: pods", "secrets");
        assert_eq!((error.kind, error.hint), (ClusterErrorKind::Forbidden, None));
    }

    #[test]
    fn statuses_map_to_kinds() {
        for (code, kind) in [
            (401, ClusterErrorKind::Unauthorized),
            (404, ClusterErrorKind::NotFound),
            (409, ClusterErrorKind::Conflict),
            (422, ClusterErrorKind::Refused),
            (503, ClusterErrorKind::Unreachable),
        ] {
            assert_eq!(failure(code, "no", "secrets").kind, kind, "{code}");
        }
        let error = failure(404, "namespaces \"models\" not found", "namespaces");
        assert!(error.hint.unwrap().contains("kubectl create namespace models"));
    }

    #[test]
    fn messages_of_the_server_are_truncated_and_redacted() {
        let error = failure(422, &format!("https://user:hunter2@host/ {}", "x".repeat(5000)), "secrets");
        assert!(!error.message.contains("hunter2") && error.message.len() < 1000, "{error}");
    }

    #[tokio::test]
    async fn unresolvable_hosts_are_recognized_by_the_message_of_hyper_util() {
        let mut config = kube::Config::new("https://no-such-host.invalid".parse().unwrap());
        config.default_retry = false;
        let client = super::super::transport::client(config.clone(), ApiServer::of(&config)).unwrap();
        let error = client.apiserver_version().await.unwrap_err();
        assert!(!is_transient(&error) && causes(&error).any(is_dns_error), "{error:?}");
    }

    #[test]
    fn untrusted_certificates_are_not_retried_and_broken_connections_are() {
        let service = |error: std::io::Error| kube::Error::Service(Box::new(error));
        let untrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(!is_transient(&service(std::io::Error::other(untrusted))));
        assert!(is_transient(&service(std::io::ErrorKind::ConnectionReset.into())));
    }
}
