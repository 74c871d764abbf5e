//! Proxies of the environment, as curl reads them.

use std::net::IpAddr;

use url::Url;

use super::field::{NO_SOCKS, is_socks};
use super::plan::Load;
use crate::load::http::Transport;
use crate::ports::Files;
use crate::tasks::TaskError;
use crate::values::input::InputError;

/// A proxy of the environment.
#[derive(Debug, PartialEq, Eq)]
struct Variable {
    name: &'static str,
    value: String,
}

/// Returns the transport of a load with `proxy: env`.
pub(super) fn transport(load: &Load, files: &dyn Files) -> Result<Transport, InputError> {
    let Some(Variable { name, value }) = variable(&load.url, &|name| files.env(name)) else {
        return Ok(Transport::Direct);
    };
    if !files.knows_content() {
        return Ok(Transport::Direct);
    }
    let url = if value.contains("://") { value } else { format!("http://{value}") };
    match Url::parse(&url) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(Transport::Proxy(url)),
        Ok(url) if is_socks(&url) => Err(load.paths.error("proxy", format!("`{name}` is a SOCKS proxy; {NO_SOCKS}"))),
        // It may contain a password.
        _ => Err(load
            .paths
            .error("proxy", format!("`{name}` is not the URL of an HTTP proxy; expected `http://HOST:PORT`"))),
    }
}

/// Adds a hint to the error of a load that failed without the proxy of the environment.
pub(super) fn with_hint(load: &Load, files: &dyn Files, error: TaskError) -> TaskError {
    match error {
        TaskError::Failed { message, hint: first, partial } => {
            let hints: Vec<_> = first.into_iter().chain(hint(load, files)).collect();
            TaskError::Failed { message, hint: (!hints.is_empty()).then(|| hints.join("; ")), partial }
        }
        error => error,
    }
}

fn hint(load: &Load, files: &dyn Files) -> Option<String> {
    if load.route.uses_environment || load.route.transport != Transport::Direct {
        return None;
    }
    let Variable { name, .. } = variable(&load.url, &|name| files.env(name))?;
    Some(format!("`{name}` is set, but loads use it only with `proxy: env`"))
}

/// Returns the variable with the proxy for `url`, if any.
fn variable(url: &Url, env: &dyn Fn(&str) -> Option<String>) -> Option<Variable> {
    let set = |name: &'static str| {
        let value = env(name)?.trim().to_owned();
        (!value.is_empty()).then_some(Variable { name, value })
    };
    let exceptions = set("no_proxy").or_else(|| set("NO_PROXY"));
    if exceptions.is_some_and(|list| list.value.split([',', ' ', '\t']).any(|entry| is_exception(url, entry))) {
        return None;
    }
    let names = match url.scheme() {
        "https" => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    names.into_iter().find_map(set)
}

/// Returns true if an entry of `NO_PROXY` is the host of `url`, a domain above it, either with its port, or `*`.
fn is_exception(url: &Url, entry: &str) -> bool {
    let bare = |text: &str| text.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let host = bare(url.host_str().unwrap_or_default());
    if let Some((network, bits)) = entry.split_once('/') {
        return host.parse().is_ok_and(|address| is_within(address, network, bits));
    }
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    let entry = entry.to_ascii_lowercase();
    let entry = bare(entry.strip_suffix(&port).unwrap_or(&entry).trim_start_matches('.'));
    let is_domain = || host.strip_suffix(&entry).is_some_and(|rest| rest.ends_with('.'));
    entry == "*" || (!entry.is_empty() && (host == entry || is_domain()))
}

/// Returns true for an address in a network such as `10.0.0.0/8`.
fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let prefix = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let ((address, length), (network, of_network)) = (prefix(address), prefix(network));
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
    length == of_network && bits <= length && address & mask == network & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str, variables: &[(&str, &str)]) -> Option<&'static str> {
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        variable(&url.parse().unwrap(), &env).map(|variable| variable.name)
    }

    #[test]
    fn the_scheme_selects_the_variable_and_lower_case_comes_first() {
        let all = [("HTTP_PROXY", "a:1"), ("http_proxy", "b:1"), ("HTTPS_PROXY", "c:1"), ("ALL_PROXY", "d:1")];
        assert_eq!(name("http://shop/", &all), Some("http_proxy"));
        assert_eq!(name("https://shop/", &all), Some("HTTPS_PROXY"));
        assert_eq!(name("http://shop/", &all[2..]), Some("ALL_PROXY"));
        assert_eq!(name("http://shop/", &[("http_proxy", " ")]), None);
    }

    #[test]
    fn exceptions_are_hosts_domains_and_ports() {
        let proxy = |url: &str, list: &'static str| name(url, &[("http_proxy", "a:1"), ("NO_PROXY", list)]).is_some();
        for (url, list, is_proxied) in [
            ("http://10.1.2.3/", "10.0.0.0/8", false),
            ("http://11.1.2.3/", "10.0.0.0/8", true),
            ("http://10.1.2.3/", "0.0.0.0/0", false),
            ("http://10.1.2.3/", "10.1.2.3/33", true),
            ("http://[fd00::1]/", "fd00::/8", false),
            ("http://[::1]:8080/", "::1", false),
            ("http://shop.svc./", ".svc", false),
            ("http://shop/", "localhost shop", false),
            ("http://shop/", "shop/8", true),
        ] {
            assert_eq!(proxy(url, list), is_proxied, "{url} {list}");
        }
        for list in ["*", "shop.example", "x, .example", "EXAMPLE", "shop.example:80"] {
            assert!(!proxy("http://shop.example/", list), "{list}");
        }
        for list in ["", "hop.example", "shop.example:8080", "shop", ","] {
            assert!(proxy("http://shop.example/", list), "{list}");
        }
        assert!(!proxy("http://127.0.0.1:8080/", "localhost,127.0.0.1"));
    }
}
