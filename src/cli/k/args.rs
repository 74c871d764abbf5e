//! Flags for cluster and group: those of Iter8 and Helm, with Helm's environment variables.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::app::cluster::{ConnectOptions, Connection, Group, SecretStore, connect, planned};
use crate::app::error::AppError;
use crate::ports::StoreError;

/// Flags for the cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Namespace [default: namespace of the kubeconfig's context]
    #[arg(short, long, env = "HELM_NAMESPACE")]
    namespace: Option<String>,
    /// Kubeconfig [default: files of KUBECONFIG, ~/.kube/config, or the service account of a pod]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current context]
    #[arg(long = "kube-context", value_name = "NAME", env = "HELM_KUBECONTEXT")]
    context: Option<String>,
    /// URL of the API server
    #[arg(long = "kube-apiserver", value_name = "URL", env = "HELM_KUBEAPISERVER")]
    api_server: Option<String>,
    /// Bearer token
    #[arg(long = "kube-token", value_name = "TOKEN", env = "HELM_KUBETOKEN", hide_env_values = true)]
    token: Option<String>,
    /// User to impersonate
    #[arg(long = "kube-as-user", value_name = "NAME", env = "HELM_KUBEASUSER")]
    as_user: Option<String>,
    /// Group to impersonate (repeatable, comma-separated)
    #[arg(long = "kube-as-group", value_name = "NAME", env = "HELM_KUBEASGROUPS", value_delimiter = ',')]
    as_groups: Vec<String>,
    /// CA certificates of the API server
    #[arg(long = "kube-ca-file", value_name = "FILE", env = "HELM_KUBECAFILE")]
    ca_file: Option<PathBuf>,
    /// Name that the certificate of the API server must have [default: the host of its URL]
    #[arg(long = "kube-tls-server-name", value_name = "NAME", env = "HELM_KUBETLS_SERVER_NAME")]
    tls_server_name: Option<String>,
    /// Accept any certificate of the API server
    #[arg(
        long = "kube-insecure-skip-tls-verify",
        env = "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
        value_parser = FalseyValueParser::new()
    )]
    insecure_skip_tls_verify: bool,
    /// Limit of Iter8 on bursts of requests; ignored, because the API server limits requests itself
    #[arg(long = "burst-limit", value_name = "NUMBER", hide = true, allow_negative_numbers = true)]
    burst_limit: Option<i64>,
}

impl ClusterArgs {
    /// Options of the adapter.
    pub(crate) fn options(&self) -> ConnectOptions {
        let Self { namespace, kubeconfig, context, api_server, token, as_user, as_groups, ca_file, .. } = self.clone();
        if self.burst_limit.is_some() {
            tracing::warn!("--burst-limit has no effect: the API server limits requests itself");
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        ConnectOptions {
            namespace: given(namespace),
            kubeconfig,
            context: given(context),
            api_server: given(api_server),
            token: given(token),
            as_user: given(as_user),
            as_groups: as_groups.into_iter().filter(|name| !name.is_empty()).collect(),
            ca_file,
            tls_server_name: given(self.tls_server_name.clone()),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
        }
    }

    /// Connects to the cluster.
    pub(crate) async fn connect(&self) -> Result<Connection, AppError> {
        Ok(connect(&self.options()).await?)
    }
}

/// Flags for a group.
#[derive(Clone, Debug, Args)]
pub(crate) struct GroupArgs {
    /// Name of the experiment within its namespace
    #[arg(short, long, default_value = "default", value_name = "GROUP")]
    group: String,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl GroupArgs {
    /// Returns the group in this namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Result<Group, AppError> {
        Group::new(namespace, &self.group).map_err(AppError::in_flag)
    }

    /// Connects to the cluster; also returns the group.
    pub(crate) async fn connect(&self) -> Result<(Connection, Group), AppError> {
        let connection = self.cluster.connect().await?;
        let group = self.in_namespace(&connection.namespace)?;
        Ok((connection, group))
    }

    /// Connects to the cluster; also returns the group and the store of its document.
    pub(crate) async fn store(&self) -> Result<(Connection, Group, SecretStore), AppError> {
        let (connection, group) = self.connect().await?;
        let store = SecretStore::new(&connection, group.clone(), None).with_planned(planned);
        Ok((connection, group, store))
    }
}

/// Says that the document of a group belongs to earlier values.
pub(crate) fn outdated(Group { namespace, name }: &Group) -> String {
    format!(
        "the values of group {name} in namespace {namespace} have changed since the document was written, and the experiment has \
         not run with the new values; run it with `iter8 k run -g {name} -n {namespace}`"
    )
}

/// Error for a group without a document.
pub(crate) fn no_document(error: StoreError, group: &Group) -> AppError {
    match error {
        StoreError::Missing { .. } => {
            let Group { namespace, name } = group;
            AppError::input(format!("group {name} in namespace {namespace} has no experiment"))
                .with_hint("`iter8 k list` shows all experiments; one that was just launched may not have started yet")
        }
        error => error.into(),
    }
}
