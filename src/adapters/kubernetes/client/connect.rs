//! Finds the cluster like kubectl and Helm: from flags, the files in `KUBECONFIG`, `~/.kube/config`, or the service account of a
//! pod.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use serde_json::json;

use super::kubeconfig::Kubeconfigs;
use super::transport::ApiServer;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags that select the cluster and the identity.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Namespace. Default: the namespace of the context.
    pub namespace: Option<String>,
    /// Kubeconfig to use instead of those in the environment.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Default: its current one.
    pub context: Option<String>,
    /// URL of the API server.
    pub api_server: Option<String>,
    /// Bearer token.
    pub token: Option<String>,
    /// User to impersonate.
    pub as_user: Option<String>,
    /// Groups to impersonate.
    pub as_groups: Vec<String>,
    /// CA certificates for the API server.
    pub ca_file: Option<PathBuf>,
    /// Name that the API server's certificate must have. Default: the host of its URL.
    pub tls_server_name: Option<String>,
    /// Accepts any certificate of the API server.
    pub insecure_skip_tls_verify: bool,
}

/// Client and namespace.
#[derive(Clone)]
pub struct Connection {
    /// Client of the API server.
    pub client: Client,
    /// Default namespace.
    pub namespace: String,
}

/// Finds the cluster without sending a request.
pub async fn connect(options: &ConnectOptions) -> Result<Connection, ClusterError> {
    let kubeconfigs = Kubeconfigs::read(options.kubeconfig.as_deref())?;
    let context = options.context.as_deref();
    let plugin = match (&kubeconfigs, &options.token) {
        (Some(kubeconfigs), None) => kubeconfigs.plugin(context),
        _ => None,
    };
    let mut config = config(kubeconfigs, options).await?;
    let namespace = options.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    if let Some(url) = &options.api_server {
        config.cluster_url = api_server(url)?;
    }
    if let Some(token) = &options.token {
        config.auth_info = with_token(token)?;
    }
    set_tls(&mut config, options)?;
    if let Some(user) = &options.as_user {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !options.as_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(options.as_groups.clone());
    }
    config.proxy_url = proxy(&config);
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // `with_retry` decides about retries.
    config.default_retry = false;
    let server = ApiServer::of(&config);
    let client = super::transport::client(config, server).map_err(|error| {
        if let Some(auth) = super::error::auth_error(&error) {
            let attempt = "cannot connect to the cluster";
            return match &plugin {
                Some(plugin) => plugin.failed(attempt, auth),
                None => super::error::no_credentials(attempt, super::error::PLUGIN, auth),
            };
        }
        let reason = super::error::reasons(&error);
        ClusterError::new(ClusterErrorKind::Config, format!("invalid cluster settings: {reason}"))
    })?;
    Ok(Connection { client, namespace })
}

/// Applies the flags for TLS, which override the kubeconfig.
fn set_tls(config: &mut Config, options: &ConnectOptions) -> Result<(), ClusterError> {
    if options.insecure_skip_tls_verify && options.ca_file.is_some() {
        let message = "--kube-insecure-skip-tls-verify cannot be combined with --kube-ca-file";
        return Err(ClusterError::new(ClusterErrorKind::Config, message));
    }
    if let Some(path) = &options.ca_file {
        config.root_cert = Some(authorities(path)?);
        config.root_cert_file = None;
        // A given CA overrides `insecure-skip-tls-verify` of the kubeconfig.
        config.accept_invalid_certs = false;
    }
    if options.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    if let Some(name) = &options.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    Ok(())
}

/// Returns the proxy to the API server; `None` if `NO_PROXY` excludes the server. kube would match `NO_PROXY` against the proxy's
/// host instead.
fn proxy(config: &Config) -> Option<http::Uri> {
    let proxy = config.proxy_url.clone()?;
    let from_environment = ["HTTPS_PROXY", "https_proxy"].into_iter().filter_map(|name| std::env::var(name).ok());
    let is_from_environment =
        from_environment.filter_map(|text| text.parse::<http::Uri>().ok()).any(|uri| uri == proxy);
    if !is_from_environment {
        return Some(proxy);
    }
    Matcher::from_env().intercept(&config.cluster_url).map(|_| proxy)
}

/// Returns the namespace of the flags or the kubeconfig, else `default`. Needs no cluster.
pub async fn namespace_without_connecting(options: &ConnectOptions) -> Result<String, ClusterError> {
    match &options.namespace {
        Some(namespace) => Ok(namespace.clone()),
        None => {
            let kubeconfig = match Kubeconfigs::read(options.kubeconfig.as_deref()) {
                // Without a cluster, only what the user named must be usable.
                Err(error) if options.kubeconfig.is_some() => return Err(error),
                kubeconfigs => kubeconfigs.ok().flatten().map(|files| files.merged).unwrap_or_default(),
            };
            let name = options.context.as_ref().or(kubeconfig.current_context.as_ref());
            let context = kubeconfig.contexts.iter().find(|context| Some(&context.name) == name);
            if let (Some(name), None) = (&options.context, context) {
                return Err(unknown_context(name, &kubeconfig));
            }
            let namespace = context.and_then(|context| context.context.as_ref()?.namespace.clone());
            Ok(namespace.unwrap_or_else(|| "default".to_owned()))
        }
    }
}

fn unknown_context(name: &str, kubeconfig: &Kubeconfig) -> ClusterError {
    let message = format!("the kubeconfig has no context `{name}`; {}", known_contexts(kubeconfig));
    ClusterError::new(ClusterErrorKind::Config, message).with_hint("select one with --kube-context")
}

fn known_contexts(kubeconfig: &Kubeconfig) -> String {
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    if known.is_empty() { "it has no contexts".to_owned() } else { format!("known contexts: {}", known.join(", ")) }
}

async fn config(kubeconfigs: Option<Kubeconfigs>, options: &ConnectOptions) -> Result<Config, ClusterError> {
    if let Some(kubeconfigs) = kubeconfigs {
        let has_context = options.context.is_some() || kubeconfigs.merged.current_context.is_some();
        match &options.api_server {
            // The flags replace the context.
            Some(url) if !has_context => return Ok(Config::new(api_server(url)?)),
            _ => return load_context(kubeconfigs, options).await,
        }
    }
    let in_pod = Config::incluster();
    if let (Some(url), Err(_)) = (&options.api_server, &in_pod) {
        return Ok(Config::new(api_server(url)?));
    }
    in_pod.map_err(|error| {
        if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            let reason = super::error::reasons(&error);
            let message = format!("this pod has no usable service account token: {reason}");
            return ClusterError::new(ClusterErrorKind::Config, message)
                .with_hint("set automountServiceAccountToken: true in the pod");
        }
        let searched = match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
            Some(list) => format!("no file of KUBECONFIG ({}) exists", list.to_string_lossy()),
            None => "~/.kube/config does not exist, KUBECONFIG is not set".to_owned(),
        };
        ClusterError::new(
            ClusterErrorKind::Unreachable,
            format!("no cluster configured: {searched}, and this is not a pod"),
        )
        .with_hint("set KUBECONFIG to a kubeconfig file; commands of `iter8 k` also accept --kubeconfig FILE")
    })
}

/// Loads the selected context of the kubeconfig, or its current one.
async fn load_context(mut kubeconfigs: Kubeconfigs, options: &ConnectOptions) -> Result<Config, ClusterError> {
    if options.ca_file.is_some() || options.insecure_skip_tls_verify {
        kubeconfigs.remove_authorities();
    }
    kubeconfigs.check_cluster_files(options.context.as_deref())?;
    if options.token.is_none() {
        kubeconfigs.check_user_files(options.context.as_deref())?;
    }
    let kubeconfig = kubeconfigs.merged;
    let known = known_contexts(&kubeconfig);
    let unknown = options.context.as_ref().map(|name| unknown_context(name, &kubeconfig));
    let context = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &context).await.map_err(|error| match error {
        KubeconfigError::LoadContext(name) => unknown.unwrap_or_else(|| {
            ClusterError::new(ClusterErrorKind::Config, format!("the kubeconfig has no context `{name}`; {known}"))
                .with_hint("select one with --kube-context")
        }),
        KubeconfigError::CurrentContextNotSet => {
            ClusterError::new(ClusterErrorKind::Config, format!("the kubeconfig has no current context; {known}"))
                .with_hint("select one with --kube-context, or set it with `kubectl config use-context`")
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            ClusterError::new(ClusterErrorKind::Config, format!("the context refers to an unknown cluster `{name}`"))
        }
        other => {
            let reason = super::error::reasons(&other);
            ClusterError::new(ClusterErrorKind::Config, format!("cannot use the kubeconfig: {reason}"))
        }
    })
}

fn api_server(url: &str) -> Result<http::Uri, ClusterError> {
    let parsed = url.parse::<http::Uri>().ok().filter(|uri| uri.scheme().is_some() && uri.host().is_some());
    parsed.ok_or_else(|| {
        let redacted = crate::redact::redact_url(url);
        ClusterError::new(ClusterErrorKind::Config, format!("`{redacted}` is not a valid API server URL"))
            .with_hint("for example: --kube-apiserver https://127.0.0.1:6443")
    })
}

/// Builds credentials from this token alone, without the certificate or plugin of the context.
fn with_token(token: &str) -> Result<AuthInfo, ClusterError> {
    // Through serde, because the token's type comes from a crate that is not a dependency.
    serde_json::from_value(json!({ "token": token }))
        .map_err(|_| ClusterError::new(ClusterErrorKind::Config, "invalid --kube-token"))
}

fn authorities(path: &Path) -> Result<Vec<Vec<u8>>, ClusterError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let invalid = |reason: String| {
        ClusterError::new(
            ClusterErrorKind::Config,
            format!("cannot use the certificates in {}: {reason}", path.display()),
        )
    };
    let text = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("no PEM certificate found".to_owned()));
    }
    Ok(certificates.into_iter().map(|certificate| certificate.to_vec()).collect())
}
