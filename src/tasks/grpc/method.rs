//! Name of a call, and the lookup of its method.

use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

use suggest::nearest;

/// Maximum number of names that an error lists.
const MAX_LISTED: usize = 10;

/// `pkg.Service/Method` or `pkg.Service.Method`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallName {
    /// The service with its package.
    pub(super) service: String,
    pub(super) method: String,
}

/// Error for an unknown service or method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MethodError {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl CallName {
    /// Parses a name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected `package.Service/Method`";
        let bare = text.trim().trim_start_matches(['/', '.']);
        let (service, method) = match bare.split_once('/') {
            Some(parts) => parts,
            None => bare.rsplit_once('.').ok_or_else(|| format!("`{text}` has no method; {expected}"))?,
        };
        let is_name = |part: &str| {
            let mut letters = part.chars();
            letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if service.split('.').all(is_name) && is_name(method) {
            Ok(Self { service: service.to_owned(), method: method.to_owned() })
        } else {
            Err(format!("`{text}` is not a valid method name; {expected}"))
        }
    }

    /// Returns the HTTP path of the call.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.service, self.method)
    }

    /// Finds the method.
    pub(super) fn find(&self, pool: &DescriptorPool) -> Result<MethodDescriptor, MethodError> {
        let Some(service) = pool.get_service_by_name(&self.service) else {
            return Err(self.no_service(pool.services().map(|service| service.full_name().to_owned())));
        };
        let mut methods = service.methods();
        methods.find(|method| method.name() == self.method).ok_or_else(|| self.no_method(&service))
    }

    /// Builds the error for an unknown service; `services` are the known ones.
    pub(super) fn no_service(&self, services: impl Iterator<Item = String>) -> MethodError {
        let mut names: Vec<String> = services.collect();
        names.sort_unstable();
        let known = if names.is_empty() {
            "no services are known".to_owned()
        } else {
            format!("known services: {}", list(&names))
        };
        let hint = nearest(&self.service, names.iter().map(String::as_str));
        // Leaving out the package is the most common mistake.
        let by_end = || names.iter().find(|name| name.ends_with(&format!(".{}", self.service))).map(String::as_str);
        MethodError {
            message: format!("unknown service `{}`; {known}", self.service),
            hint: by_end().or(hint).map(|name| format!("did you mean `{name}/{}`?", self.method)),
        }
    }

    fn no_method(&self, service: &ServiceDescriptor) -> MethodError {
        let names: Vec<String> = service.methods().map(|method| method.name().to_owned()).collect();
        let known =
            if names.is_empty() { "it has no methods".to_owned() } else { format!("methods: {}", list(&names)) };
        let hint = nearest(&self.method, names.iter().map(String::as_str));
        MethodError {
            message: format!("service `{}` has no method `{}`; {known}", self.service, self.method),
            hint: hint.map(|name| format!("did you mean `{}/{name}`?", self.service)),
        }
    }
}

impl std::fmt::Display for CallName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

fn list(names: &[String]) -> String {
    let mut text = names.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED {
        text.push_str(&format!(" and {} more", names.len() - MAX_LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_the_same_call() {
        for text in ["a.b.S/M", "a.b.S.M", "/a.b.S/M", " a.b.S/M "] {
            assert_eq!(CallName::parse(text).unwrap().path(), "/a.b.S/M", "{text}");
        }
        assert_eq!(CallName::parse("S/M").unwrap().path(), "/S/M");
        for text in ["", "M", "a.b.S/", "/", "a..S/M", "a.S/M/N", "a.S/M x", "9.S/M"] {
            assert!(CallName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_services_and_methods_list_the_known_ones() {
        let source = "syntax = \"proto3\"; package a; message T {} service Store { rpc Get(T) returns (T); rpc Put(T) returns (T); }";
        let pool = crate::tasks::grpc::descriptors::compile_text("t.proto", source.as_bytes().to_vec()).unwrap();
        let find = |text: &str| CallName::parse(text).unwrap().find(&pool);
        assert_eq!(find("a.Store/Put").unwrap().full_name(), "a.Store.Put");
        let error = find("a.Store/Gett").unwrap_err();
        assert_eq!(error.message, "service `a.Store` has no method `Gett`; methods: Get, Put");
        assert_eq!(error.hint.as_deref(), Some("did you mean `a.Store/Get`?"));
        let error = find("Store/Get").unwrap_err();
        assert_eq!(error.message, "unknown service `Store`; known services: a.Store");
        assert_eq!(error.hint.as_deref(), Some("did you mean `a.Store/Get`?"));
    }
}
