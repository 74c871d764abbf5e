//! Kubeconfig files, read and merged as by kubectl.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kube::client::AuthError;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError};

use super::error::{describe_io, excerpt, no_credentials, reasons};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Merged kubeconfigs, with the file of each cluster and user.
pub(super) struct Kubeconfigs {
    pub(super) merged: Kubeconfig,
    clusters: BTreeMap<String, PathBuf>,
    users: BTreeMap<String, PathBuf>,
}

impl Kubeconfigs {
    /// Reads the given file, or those in the environment; `None` if none exists.
    pub(super) fn read(file: Option<&Path>) -> Result<Option<Self>, ClusterError> {
        let paths = match (file, std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty())) {
            (Some(path), _) => vec![path.to_owned()],
            (None, Some(list)) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
            (None, None) => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
        };
        let mut read: Option<Self> = None;
        // Like kubectl, skip files that do not exist, except one that is given.
        for path in paths.iter().filter(|path| file.is_some() || path.exists()) {
            let next = Self::of_file(path)?;
            read = Some(match read {
                None => next,
                Some(before) => before.merge(next).map_err(|error| invalid_kubeconfig(path, &error))?,
            });
        }
        Ok(read)
    }

    fn of_file(path: &Path) -> Result<Self, ClusterError> {
        let merged = read(path)?;
        let clusters = merged.clusters.iter().map(|cluster| (cluster.name.clone(), path.to_owned())).collect();
        let users = merged.auth_infos.iter().map(|user| (user.name.clone(), path.to_owned())).collect();
        Ok(Self { merged, clusters, users })
    }

    /// Merges another file, whose entries do not replace those of the same name.
    fn merge(mut self, next: Self) -> Result<Self, KubeconfigError> {
        for (name, path) in next.clusters {
            self.clusters.entry(name).or_insert(path);
        }
        for (name, path) in next.users {
            self.users.entry(name).or_insert(path);
        }
        Ok(Self { merged: self.merged.merge(next.merged)?, ..self })
    }

    fn context(&self, name: Option<&str>) -> Option<&Context> {
        let name = name.or(self.merged.current_context.as_deref())?;
        self.merged.contexts.iter().find(|context| context.name == name)?.context.as_ref()
    }

    /// Returns the cluster of a context, with its file.
    fn cluster(&self, context: &Context) -> Option<(&Cluster, &Path)> {
        let named = self.merged.clusters.iter().find(|named| named.name == context.cluster)?;
        Some((named.cluster.as_ref()?, self.clusters.get(&named.name)?))
    }

    /// Returns the user of a context, with the name and the file.
    fn user(&self, context: &Context) -> Option<(&AuthInfo, &str, &Path)> {
        let named = self.merged.auth_infos.iter().find(|named| Some(&named.name) == context.user.as_ref())?;
        Some((named.auth_info.as_ref()?, &named.name, self.users.get(&named.name)?))
    }

    /// Removes the certificate authorities, which flags override.
    pub(super) fn remove_authorities(&mut self) {
        for cluster in self.merged.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.certificate_authority = None;
            cluster.certificate_authority_data = None;
        }
    }

    /// Rejects a context whose certificate authority cannot be read. kube's errors name neither the file nor the field.
    pub(super) fn check_cluster_files(&self, context: Option<&str>) -> Result<(), ClusterError> {
        match self.context(context).and_then(|context| self.cluster(context)) {
            Some((cluster, path)) if cluster.certificate_authority_data.is_none() => {
                check_file(path, "certificate-authority", cluster.certificate_authority.as_deref())
            }
            _ => Ok(()),
        }
    }

    /// Rejects a context whose credentials cannot be read.
    pub(super) fn check_user_files(&self, context: Option<&str>) -> Result<(), ClusterError> {
        let Some((user, _, path)) = self.context(context).and_then(|context| self.user(context)) else {
            return Ok(());
        };
        if user.client_certificate_data.is_none() {
            check_file(path, "client-certificate", user.client_certificate.as_deref())?;
        }
        if user.client_key_data.is_none() {
            check_file(path, "client-key", user.client_key.as_deref())?;
        }
        match user.token {
            None => check_file(path, "tokenFile", user.token_file.as_deref()),
            Some(_) => Ok(()),
        }
    }

    /// Returns the credential plugin of a context, if it has one.
    pub(super) fn plugin(&self, context: Option<&str>) -> Option<Plugin> {
        let (user, name, path) = self.user(self.context(context)?)?;
        let exec = user.exec.as_ref()?;
        Some(Plugin {
            command: exec.command.clone()?,
            user: name.to_owned(),
            kubeconfig: path.to_owned(),
            install_hint: exec.install_hint.clone().filter(|hint| !hint.trim().is_empty()),
        })
    }
}

fn check_file(kubeconfig: &Path, field: &str, file: Option<&str>) -> Result<(), ClusterError> {
    let Some(Err(error)) = file.filter(|file| !file.is_empty()).map(std::fs::File::open) else { return Ok(()) };
    let place = kubeconfig.display();
    let file = file.unwrap_or_default();
    let message = format!("cannot use kubeconfig {place}: cannot read {field} {file}: {}", describe_io(&error));
    Err(ClusterError::new(ClusterErrorKind::Config, message).with_hint(format!("fix `{field}` in {place}")))
}

/// A program that obtains credentials.
pub(super) struct Plugin {
    command: String,
    user: String,
    kubeconfig: PathBuf,
    install_hint: Option<String>,
}

impl Plugin {
    /// Describes missing credentials.
    pub(super) fn failed(&self, attempt: &str, cause: &AuthError) -> ClusterError {
        let Self { command, user, kubeconfig, install_hint } = self;
        let plugin = format!("credential plugin `{command}` of user `{user}` in kubeconfig {}", kubeconfig.display());
        let error = no_credentials(attempt, &plugin, cause);
        match (cause, install_hint) {
            // It often has several lines.
            (AuthError::AuthExecStart(_), Some(hint)) => {
                error.with_hint(excerpt(&hint.split_whitespace().collect::<Vec<_>>().join(" ")))
            }
            _ => error,
        }
    }
}

fn read(path: &Path) -> Result<Kubeconfig, ClusterError> {
    let mut kubeconfig = Kubeconfig::read_from(path).map_err(|error| invalid_kubeconfig(path, &error))?;
    for named in &mut kubeconfig.clusters {
        if let Some(data) = named.cluster.as_mut().and_then(|cluster| cluster.certificate_authority_data.as_mut()) {
            without_line_ends(data);
        }
    }
    for named in &mut kubeconfig.auth_infos {
        let Some(user) = &mut named.auth_info else { continue };
        if let Some(data) = &mut user.client_certificate_data {
            without_line_ends(data);
        }
        *user = with_static_credentials(user).ok_or_else(|| {
            ClusterError::new(ClusterErrorKind::Config, format!("cannot use kubeconfig {}", path.display()))
        })?;
    }
    Ok(kubeconfig)
}

/// Removes the line ends of a block scalar, as kubectl does.
fn without_line_ends(data: &mut String) {
    data.retain(|c| !matches!(c, '\r' | '\n'));
}

/// Returns a user with a normalized key, and without a credential plugin if there are static credentials: like kubectl, which prefers them.
fn with_static_credentials(user: &AuthInfo) -> Option<AuthInfo> {
    // Through serde, because the key's type comes from a crate that is not a dependency.
    let mut value = serde_json::to_value(user).ok()?;
    let map = value.as_object_mut()?;
    if let Some(serde_json::Value::String(key)) = map.get_mut("client-key-data") {
        without_line_ends(key);
    }
    let has = |name: &str| map.get(name).and_then(|value| value.as_str()).is_some_and(|text| !text.is_empty());
    let has_certificate = has("client-certificate") || has("client-certificate-data");
    let has_key = has("client-key") || has("client-key-data");
    if (has_certificate && has_key) || ["token", "tokenFile", "username"].into_iter().any(has) {
        map.remove("exec");
    }
    serde_json::from_value(value).ok()
}

fn invalid_kubeconfig(path: &Path, error: &KubeconfigError) -> ClusterError {
    let reason = match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound => {
            "no such file".to_owned()
        }
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        // The parser's message quotes lines, which may contain credentials.
        KubeconfigError::Parse(_) => "not a valid kubeconfig in YAML".to_owned(),
        other => reasons(other),
    };
    ClusterError::new(ClusterErrorKind::Config, format!("cannot use kubeconfig {}: {reason}", path.display()))
}
