//! Finds the cluster as kubectl and Helm do: flags, then the files of `KUBECONFIG`, then `~/.kube/config`, then the service account of
//! a pod.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use serde_json::json;

use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Time for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What flags say of the cluster.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Namespace; that of the context unless given.
    pub namespace: Option<String>,
    /// A kubeconfig, instead of those of the environment.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one unless given.
    pub context: Option<String>,
    /// URL of the API server.
    pub api_server: Option<String>,
    /// Bearer token.
    pub token: Option<String>,
    /// User to operation as.
    pub as_user: Option<String>,
    /// Groups to operation as.
    pub as_groups: Vec<String>,
    /// Certificates of the authorities that the API server's certificate may come from.
    pub ca_file: Option<PathBuf>,
}

/// A way to a cluster.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The namespace that is meant where none is named.
    pub namespace: String,
}

/// Finds the cluster. No request is sent.
pub async fn connect(options: &ConnectOptions) -> Result<Connection, ClusterError> {
    let mut config = config(options).await?;
    let namespace = options.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    if let Some(url) = &options.api_server {
        config.cluster_url = api_server(url)?;
    }
    if let Some(token) = &options.token {
        config.auth_info = with_token(token)?;
    }
    if let Some(path) = &options.ca_file {
        config.root_cert = Some(authorities(path)?);
        config.root_cert_file = None;
        // Whoever names an authority wants it asked.
        config.accept_invalid_certs = false;
    }
    if let Some(user) = &options.as_user {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !options.as_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(options.as_groups.clone());
    }
    config.proxy_url = proxy(&config);
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // `retry` knows better how long to try.
    config.default_retry = false;
    let client = super::retry_after::client(config).map_err(|error| {
        if let Some(auth) = super::error::auth_error(&error) {
            return super::error::no_credentials("cannot connect to the cluster", auth);
        }
        let reason = super::error::reasons(&error);
        ClusterError::new(ClusterErrorKind::Config, format!("the cluster's settings can't be used: {reason}"))
    })?;
    Ok(Connection { client, namespace })
}

/// The proxy to the API server. One of the environment is passed over where `NO_PROXY` names the server, which the client asks of the
/// proxy's own name instead.
fn proxy(config: &Config) -> Option<http::Uri> {
    let proxy = config.proxy_url.clone()?;
    let of_environment = ["HTTPS_PROXY", "https_proxy"].into_iter().filter_map(|name| std::env::var(name).ok());
    let is_of_environment = of_environment.filter_map(|text| text.parse::<http::Uri>().ok()).any(|uri| uri == proxy);
    if !is_of_environment {
        return Some(proxy);
    }
    Matcher::from_env().intercept(&config.cluster_url).map(|_| proxy)
}

/// The namespace that would be used, without a cluster: that of the flags, of the kubeconfig if there is one, else `default`.
pub async fn namespace_without_connecting(options: &ConnectOptions) -> Result<String, ClusterError> {
    match &options.namespace {
        Some(namespace) => Ok(namespace.clone()),
        None => match kubeconfig(options)? {
            Some(kubeconfig) => Ok(of_context(kubeconfig, options).await?.default_namespace),
            None => Ok("default".to_owned()),
        },
    }
}

async fn config(options: &ConnectOptions) -> Result<Config, ClusterError> {
    if let Some(kubeconfig) = kubeconfig(options)? {
        let has_context = options.context.is_some() || kubeconfig.current_context.is_some();
        match &options.api_server {
            // All that a context would say is said by flags.
            Some(url) if !has_context => return Ok(Config::new(api_server(url)?)),
            _ => return of_context(kubeconfig, options).await,
        }
    }
    let in_pod = Config::incluster();
    if let (Some(url), Err(_)) = (&options.api_server, &in_pod) {
        return Ok(Config::new(api_server(url)?));
    }
    in_pod.map_err(|_| {
        let looked = match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
            Some(list) => format!("no file of KUBECONFIG ({}) exists", list.to_string_lossy()),
            None => "there is no ~/.kube/config, KUBECONFIG is not set".to_owned(),
        };
        ClusterError::new(
            ClusterErrorKind::Unreachable,
            format!("no cluster is known: {looked}, and this is not a pod"),
        )
        .with_hint("name a kubeconfig with --kubeconfig FILE or KUBECONFIG")
    })
}

/// The kubeconfig of the flags or the environment: the files there are, merged.
fn kubeconfig(options: &ConnectOptions) -> Result<Option<Kubeconfig>, ClusterError> {
    if let Some(path) = &options.kubeconfig {
        return read(path).map(Some);
    }
    let paths: Vec<PathBuf> = match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    // As kubectl, which passes over files of the list that do not exist.
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let next = read(path)?;
        merged = Some(match merged {
            None => next,
            Some(before) => before.merge(next).map_err(|error| wrong_file(path, &error))?,
        });
    }
    Ok(merged)
}

fn read(path: &Path) -> Result<Kubeconfig, ClusterError> {
    Kubeconfig::read_from(path).map_err(|error| wrong_file(path, &error))
}

fn wrong_file(path: &Path, error: &KubeconfigError) -> ClusterError {
    let reason = match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        // The parser's text quotes lines, and lines hold credentials.
        KubeconfigError::Parse(_) => "it is not a kubeconfig in YAML".to_owned(),
        other => super::error::reasons(other),
    };
    ClusterError::new(ClusterErrorKind::Config, format!("the kubeconfig {} can't be used: {reason}", path.display()))
}

/// What the kubeconfig says of the context that is asked for, or of its current one.
async fn of_context(kubeconfig: Kubeconfig, options: &ConnectOptions) -> Result<Config, ClusterError> {
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    let context = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &context).await.map_err(|error| match error {
        KubeconfigError::LoadContext(name) => {
            ClusterError::new(ClusterErrorKind::Config, format!("the kubeconfig has no context `{name}`; {known}"))
                .with_hint("name another one with --kube-context")
        }
        KubeconfigError::CurrentContextNotSet => {
            ClusterError::new(ClusterErrorKind::Config, format!("the kubeconfig has no current context; {known}"))
                .with_hint("name one with --kube-context, or set it with `kubectl config use-context`")
        }
        KubeconfigError::LoadClusterOfContext(name) => ClusterError::new(
            ClusterErrorKind::Config,
            format!("the kubeconfig has no cluster `{name}`, which its context names"),
        ),
        other => {
            let reason = super::error::reasons(&other);
            ClusterError::new(ClusterErrorKind::Config, format!("the kubeconfig can't be used: {reason}"))
        }
    })
}

fn api_server(url: &str) -> Result<http::Uri, ClusterError> {
    let parsed = url.parse::<http::Uri>().ok().filter(|uri| uri.scheme().is_some() && uri.host().is_some());
    parsed.ok_or_else(|| {
        let shown = crate::redact::redact_url(url);
        ClusterError::new(ClusterErrorKind::Config, format!("`{shown}` is not the URL of an API server"))
            .with_hint("such as --kube-apiserver https://127.0.0.1:6443")
    })
}

/// Only this token: neither the certificate nor the plugin of the context.
fn with_token(token: &str) -> Result<AuthInfo, ClusterError> {
    // Through serde, as the type of the field is another crate's.
    serde_json::from_value(json!({ "token": token }))
        .map_err(|_| ClusterError::new(ClusterErrorKind::Config, "the token of --kube-token can't be used"))
}

fn authorities(path: &Path) -> Result<Vec<Vec<u8>>, ClusterError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let wrong = |reason: String| {
        ClusterError::new(
            ClusterErrorKind::Config,
            format!("the certificates in {} can't be used: {reason}", path.display()),
        )
    };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in PEM form in it".to_owned()));
    }
    Ok(found.into_iter().map(|certificate| certificate.to_vec()).collect())
}
