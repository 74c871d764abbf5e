//! The root directory of a container: the image, which is one static program, and the volumes that are mounted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, ServiceAccount, Volume, VolumeProjection,
};
use kube::Api;
use kube::api::PostParams;

use super::pod::field;

/// Default mode of a file.
const DEFAULT_MODE: i32 = 0o644;

/// A file of a volume: path below it, contents, mode.
type File = (String, Vec<u8>, i32);

/// Creates the directory. As with kubelets, the pod waits for missing sources, which the error names.
pub async fn make(client: &kube::Client, pod: &Pod, program: &Path, root: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(root);
    directory(root, 0o755)?;
    fs::hard_link(program, root.join("iter8")).map_err(io_message)?;
    let spec = pod.spec.as_ref().ok_or("no spec")?;
    let group = spec.security_context.as_ref().and_then(|context| context.fs_group);
    for mount in spec.containers[0].volume_mounts.iter().flatten() {
        let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let volume = volume.ok_or_else(|| format!("no volume {}", mount.name))?;
        if mount.sub_path.is_some() || mount.sub_path_expr.is_some() {
            return Err("this node knows no subPath".to_owned());
        }
        let place = root.join(mount.mount_path.trim_start_matches('/'));
        match files(client, pod, volume).await? {
            // Anyone may write to a directory that is empty at first.
            None => directory(&place, 0o777)?,
            Some(files) => {
                directory(&place, 0o755)?;
                for (path, contents, mode) in files {
                    write(&place.join(path), &contents, mode, group)?;
                }
            }
        }
    }
    Ok(())
}

fn io_message(error: std::io::Error) -> String {
    error.to_string()
}

fn directory(path: &Path, mode: u32) -> Result<(), String> {
    fs::create_dir_all(path).map_err(io_message)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io_message)
}

fn write(path: &Path, contents: &[u8], mode: i32, group: Option<i64>) -> Result<(), String> {
    directory(path.parent().unwrap(), 0o755)?;
    fs::write(path, contents).map_err(io_message)?;
    fs::set_permissions(path, fs::Permissions::from_mode(u32::try_from(mode).unwrap())).map_err(io_message)?;
    let group = group.map(|group| u32::try_from(group).unwrap());
    chown(path, None, group).map_err(io_message)
}

/// The files of a volume; none if anyone may write to it.
async fn files(client: &kube::Client, pod: &Pod, volume: &Volume) -> Result<Option<Vec<File>>, String> {
    let found = Source { client, pod };
    if volume.empty_dir.is_some() {
        return Ok(None);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let mode = secret.default_mode.unwrap_or(DEFAULT_MODE);
        let data = found.secret(name, secret.optional).await?;
        return chosen(data, secret.items.as_deref(), mode).map(Some);
    }
    if let Some(map) = &volume.config_map {
        let mode = map.default_mode.unwrap_or(DEFAULT_MODE);
        let data = found.config_map(&map.name, map.optional).await?;
        return chosen(data, map.items.as_deref(), mode).map(Some);
    }
    if let Some(downward) = &volume.downward_api {
        let mode = downward.default_mode.unwrap_or(DEFAULT_MODE);
        return found.downward(downward.items.as_deref(), mode).map(Some);
    }
    if let Some(projected) = &volume.projected {
        let mode = projected.default_mode.unwrap_or(DEFAULT_MODE);
        let mut files = Vec::new();
        for source in projected.sources.iter().flatten() {
            files.extend(found.projected(source, mode).await?);
        }
        return Ok(Some(files));
    }
    Err(format!("this node knows no volume such as {}", volume.name))
}

/// The chosen keys as files; all without a choice.
fn chosen(data: BTreeMap<String, Vec<u8>>, keys: Option<&[KeyToPath]>, mode: i32) -> Result<Vec<File>, String> {
    let Some(keys) = keys else {
        return Ok(data.into_iter().map(|(key, contents)| (key, contents, mode)).collect());
    };
    let file = |key: &KeyToPath| {
        let contents = data.get(&key.key).ok_or_else(|| format!("no key {}", key.key))?;
        Ok((key.path.clone(), contents.clone(), key.mode.unwrap_or(mode)))
    };
    keys.iter().map(file).collect()
}

/// Sources of a pod's volumes and environment variables.
pub struct Source<'a> {
    pub client: &'a kube::Client,
    pub pod: &'a Pod,
}

impl Source<'_> {
    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap()
    }

    pub async fn secret(&self, name: &str, optional: Option<bool>) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace());
        let found = secrets.get_opt(name).await.map_err(|error| error.to_string())?;
        match found {
            Some(found) => Ok(found.data.into_iter().flatten().map(|(key, value)| (key, value.0)).collect()),
            None if optional == Some(true) => Ok(BTreeMap::new()),
            None => Err(format!("secret \"{name}\" not found")),
        }
    }

    pub async fn config_map(&self, name: &str, optional: Option<bool>) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), self.namespace());
        let found = maps.get_opt(name).await.map_err(|error| error.to_string())?;
        match found {
            Some(found) => {
                let text = found.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
                Ok(text.chain(found.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0))).collect())
            }
            None if optional == Some(true) => Ok(BTreeMap::new()),
            None => Err(format!("configmap \"{name}\" not found")),
        }
    }

    fn downward(&self, items: Option<&[DownwardAPIVolumeFile]>, mode: i32) -> Result<Vec<File>, String> {
        let file = |item: &DownwardAPIVolumeFile| {
            let path = item.field_ref.as_ref().ok_or("this node knows no resourceFieldRef")?;
            Ok((item.path.clone(), field(self.pod, &path.field_path)?.into_bytes(), item.mode.unwrap_or(mode)))
        };
        items.unwrap_or_default().iter().map(file).collect()
    }

    async fn projected(&self, source: &VolumeProjection, mode: i32) -> Result<Vec<File>, String> {
        if let Some(token) = &source.service_account_token {
            let contents = self.token(token.audience.as_deref(), token.expiration_seconds).await?;
            return Ok(vec![(token.path.clone(), contents.into_bytes(), mode)]);
        }
        if let Some(map) = &source.config_map {
            return chosen(self.config_map(&map.name, map.optional).await?, map.items.as_deref(), mode);
        }
        if let Some(secret) = &source.secret {
            return chosen(self.secret(&secret.name, secret.optional).await?, secret.items.as_deref(), mode);
        }
        if let Some(downward) = &source.downward_api {
            return self.downward(downward.items.as_deref(), mode);
        }
        Err("this node knows no such projected volume".to_owned())
    }

    /// A token of the pod's service account, which is good while the pod is there.
    async fn token(&self, audience: Option<&str>, seconds: Option<i64>) -> Result<String, String> {
        let account = self.pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), self.namespace());
        let spec = TokenRequestSpec {
            audiences: audience.into_iter().map(str::to_owned).collect(),
            expiration_seconds: seconds,
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: self.pod.metadata.name.clone(),
                uid: self.pod.metadata.uid.clone(),
            }),
        };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let parameters = PostParams::default();
        let made = accounts.create_token_request(account.unwrap_or("default"), &parameters, &request).await;
        let made = made.map_err(|error| error.to_string())?;
        Ok(made.status.map(|status| status.token).unwrap_or_default())
    }
}

/// Path of a pod's root directory.
pub fn of(pods: &Path, pod: &Pod) -> PathBuf {
    pods.join(pod.metadata.uid.as_deref().unwrap())
}
