//! What went wrong with a request to the API server, in words that name the operation, the object and the next step.

use kube::client::AuthError;
use kube::core::Status;

use crate::model::object::ResourceKind;
use crate::model::text::truncate;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::redact::redact_text;

/// Most of what an API server, or a plugin, says that is repeated, in characters.
const MAX_SHOWN: usize = 600;

/// What was asked of the API server.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The verb of RBAC: `get`, `patch` …
    pub(crate) verb: &'static str,
    /// Of which kind.
    pub(crate) kind: ResourceKind,
    /// In which namespace; none for all.
    pub(crate) namespace: Option<String>,
    /// Of which name; none for many.
    pub(crate) name: Option<String>,
}

impl Operation {
    pub(crate) fn new(verb: &'static str, kind: &ResourceKind, namespace: &str, name: &str) -> Self {
        let namespace = Some(namespace.to_owned());
        Self { verb, kind: kind.clone(), namespace, name: Some(name.to_owned()) }
    }

    pub(crate) fn many(verb: &'static str, kind: &ResourceKind, namespace: Option<&str>) -> Self {
        Self { verb, kind: kind.clone(), namespace: namespace.map(str::to_owned), name: None }
    }

    /// `get secrets/default in namespace models`.
    fn words(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in all namespaces".to_owned(),
        };
        format!("{} {}{name} {place}", self.verb, self.kind)
    }

    /// The rule of a Role that allows it.
    fn rule(&self) -> String {
        let names = match (&self.name, self.verb) {
            (Some(name), verb) if verb != "create" => format!(", resourceNames: [{name}]"),
            _ => String::new(),
        };
        let (group, resource) = (&self.kind.group, &self.kind.resource);
        format!("{{apiGroups: [\"{group}\"], resources: [{resource}]{names}, verbs: [{}]}}", self.verb)
    }

    /// The error, in these terms.
    pub(crate) fn failed(&self, error: &kube::Error) -> ClusterError {
        match error {
            kube::Error::Api(status) => self.refused(status),
            kube::Error::Auth(error) => self.not_authenticated(error),
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
                let reason = reasons(error);
                if let Some(auth) = auth_error(error) {
                    return self.not_authenticated(auth);
                }
                ClusterError::new(
                    ClusterErrorKind::Unreachable,
                    format!("cannot {}: the API server can't be reached: {reason}", self.words()),
                )
                .with_hint("is the cluster up, and is it the one that is meant? see `kubectl cluster-info`")
            }
            other => {
                // Its text may repeat what the server sent: documents and Secrets.
                let kind = match other {
                    kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                        "the answer is not that of an API server".to_owned()
                    }
                    other => reasons(other),
                };
                ClusterError::new(ClusterErrorKind::Refused, format!("cannot {}: {kind}", self.words()))
            }
        }
    }

    fn refused(&self, status: &Status) -> ClusterError {
        let said = shown(&status.message);
        let words = self.words();
        match status.code {
            401 => ClusterError::new(
                ClusterErrorKind::Unauthorized,
                format!("cannot {words}: the API server does not accept the credentials (401 Unauthorized)"),
            )
            .with_hint("the token or certificate may have expired: log in again, or renew it in the kubeconfig"),
            403 if status.message.contains(" cannot ") => {
                ClusterError::new(ClusterErrorKind::Forbidden, format!("cannot {words}: {said}")).with_hint(format!(
                    "add the rule {} to a {} of that user",
                    self.rule(),
                    match &self.namespace {
                        Some(namespace) => format!("Role in namespace {namespace}"),
                        None => "ClusterRole".to_owned(),
                    }
                ))
            }
            403 => ClusterError::new(ClusterErrorKind::Forbidden, format!("cannot {words}: {said}")),
            404 if self.kind.resource == "rolebindings" && status.message.starts_with("roles.") => ClusterError::new(
                ClusterErrorKind::NotFound,
                format!("cannot {words}: its Role can't be found: {said}"),
            ),
            404 if status.message.starts_with("namespaces ") => {
                let namespace = self.namespace.clone().unwrap_or_default();
                ClusterError::new(ClusterErrorKind::NotFound, format!("cannot {words}: {said}")).with_hint(format!(
                    "make the namespace with `kubectl create namespace {namespace}`, or name another with -n"
                ))
            }
            404 if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
                let ResourceKind { group, version, resource } = &self.kind;
                let place = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
                ClusterError::new(
                    ClusterErrorKind::NotFound,
                    format!("cannot {words}: the cluster knows no {resource} of {place} in namespaces"),
                )
                .with_hint(format!("is what brings them installed? see `kubectl api-resources --api-group={group}`"))
            }
            404 => ClusterError::new(ClusterErrorKind::NotFound, format!("cannot {words}: {said}")),
            409 => ClusterError::new(ClusterErrorKind::Conflict, format!("cannot {words}: {said}")),
            500 if status.message.contains("failed to convert") => {
                ClusterError::new(ClusterErrorKind::Refused, format!("cannot {words}: {said}"))
            }
            429 | 500..600 => {
                let code = status.code;
                ClusterError::new(
                    ClusterErrorKind::Unreachable,
                    format!("cannot {words}: the API server answers {code}: {said}"),
                )
                .with_hint("try again later")
            }
            _ => ClusterError::new(ClusterErrorKind::Refused, format!("cannot {words}: {said}")),
        }
    }

    fn not_authenticated(&self, error: &AuthError) -> ClusterError {
        no_credentials(&format!("cannot {}", self.words()), error)
    }
}

/// The error of credentials that can't be had, after what was tried.
pub(crate) fn no_credentials(tried: &str, error: &AuthError) -> ClusterError {
    let reason = match error {
        // What a plugin wrote may hold a token: only its last complaint is repeated.
        AuthError::AuthExecRun { out, .. } => {
            let complaint = String::from_utf8_lossy(&out.stderr);
            let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            format!("the credential plugin ended with {}: {}", out.status, shown(last))
        }
        AuthError::AuthExecStart(error) => format!("the credential plugin of the kubeconfig can't be started: {error}"),
        AuthError::AuthExecParse(_) | AuthError::AuthExecSerialize(_) | AuthError::ParseTokenKey(_) => {
            "the answer of the credential plugin can't be read".to_owned()
        }
        other => reasons(other),
    };
    ClusterError::new(ClusterErrorKind::Unauthorized, format!("{tried}: no credentials: {reason}"))
        .with_hint("log in again, or mend the user of this context in the kubeconfig")
}

/// The failure of a credential, where a layer has wrapped it.
pub(crate) fn auth_error(error: &kube::Error) -> Option<&AuthError> {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = link {
        if let Some(auth) = error.downcast_ref::<AuthError>() {
            return Some(auth);
        }
        link = error.source();
    }
    None
}

/// What somebody else said, without secrets and not without end.
fn shown(text: &str) -> String {
    truncate(&redact_text(text.trim()), MAX_SHOWN)
}

/// An error with its causes; links that only repeat what is below them are passed over.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut links: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        links.push(error.to_string());
        next = error.source();
    }
    let told: Vec<&str> = (0..links.len())
        .filter(|at| links.get(at + 1).is_none_or(|below| !links[*at].ends_with(below.as_str())))
        .map(|at| links[at].as_str())
        .collect();
    shown(&told.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> ResourceKind {
        ResourceKind { group: String::new(), version: "v1".into(), resource: "secrets".into() }
    }

    fn told(code: u16, message: &str) -> ClusterError {
        let status = Status { message: message.to_owned(), code, ..Status::default() };
        Operation::new("get", &secrets(), "models", "default").failed(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_is_forbidden_is_told_with_the_rule_that_allows_it() {
        let error = told(403, "secrets \"default\" is forbidden: User \"ci\" cannot get resource \"secrets\"");
        assert!(error.message.starts_with("cannot get secrets/default in namespace models: secrets"), "{error}");
        let rule = "{apiGroups: [\"\"], resources: [secrets], resourceNames: [default], verbs: [get]}";
        assert_eq!(error.hint.unwrap(), format!("add the rule {rule} to a Role in namespace models of that user"));
        let error = told(403, "exceeded quota: pods");
        assert_eq!((error.kind, error.hint), (ClusterErrorKind::Forbidden, None));
    }

    #[test]
    fn other_refusals_are_told_apart() {
        let faults = [
            (401, ClusterErrorKind::Unauthorized),
            (404, ClusterErrorKind::NotFound),
            (409, ClusterErrorKind::Conflict),
        ];
        for (code, fault) in
            faults.into_iter().chain([(422, ClusterErrorKind::Refused), (503, ClusterErrorKind::Unreachable)])
        {
            assert_eq!(told(code, "no").kind, fault, "{code}");
        }
        let error = told(404, "namespaces \"models\" not found");
        assert!(error.hint.unwrap().contains("kubectl create namespace models"));
    }

    #[test]
    fn what_a_server_says_is_cut_and_has_no_secrets() {
        let error = told(422, &format!("https://user:hunter2@host/ {}", "x".repeat(5000)));
        assert!(!error.message.contains("hunter2") && error.message.len() < 1000, "{error}");
    }
}
