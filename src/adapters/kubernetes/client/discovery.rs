//! Resource types of the API server.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use kube::{Client, Error};

use crate::model::object::ResourceKind;

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Verbs of objects that can be found and changed.
const VERBS: [&str; 2] = ["list", "patch"];

/// Discovery result of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    Yes,
    No,
    /// This user may not read the discovery.
    Denied,
    /// There is no usable response for now.
    Unknown,
}

/// Asks the discovery for a type of namespaced objects.
pub(crate) async fn is_served(client: &Client, kind: &ResourceKind) -> Served {
    match tokio::time::timeout(TIMEOUT, resources(client, &kind.group, &kind.version)).await {
        Ok(Ok(list)) if list.resources.iter().any(|found| found.namespaced && found.name == kind.resource) => {
            Served::Yes
        }
        Ok(Ok(_)) => Served::No,
        Ok(Err(Error::Api(status))) => match status.code {
            404 => Served::No,
            401 | 403 => Served::Denied,
            _ => Served::Unknown,
        },
        Ok(Err(_)) | Err(_) => Served::Unknown,
    }
}

/// Types of namespaced objects that can be listed and patched.
#[derive(Debug, Default)]
pub(crate) struct DiscoveredTypes {
    /// One version of each type.
    pub(crate) types: Vec<ResourceKind>,
    /// Group versions whose types could not be discovered, such as those of an aggregated API server that is down.
    pub(crate) unknown: Vec<String>,
}

/// Discovers all types of the API server.
pub(crate) async fn discover(client: &Client) -> Result<DiscoveredTypes, Error> {
    let core = client.list_core_api_versions().await?;
    let groups = client.list_api_groups().await?;
    let mut versions: Vec<(String, String)> =
        core.versions.into_iter().map(|version| (String::new(), version)).collect();
    for group in groups.groups {
        let name = group.name;
        versions.extend(group.versions.into_iter().map(|version| (name.clone(), version.version)));
    }
    let mut found = DiscoveredTypes::default();
    for (group, version) in &versions {
        match tokio::time::timeout(TIMEOUT, resources(client, group, version)).await {
            Ok(Ok(list)) => found.add(group, version, &list.resources),
            Ok(Err(_)) | Err(_) => found.unknown.push(group_version(group, version)),
        }
    }
    Ok(found)
}

impl DiscoveredTypes {
    fn add(&mut self, group: &str, version: &str, resources: &[APIResource]) {
        for resource in resources {
            let is_changeable = VERBS.iter().all(|verb| resource.verbs.iter().any(|known| known == verb));
            let is_subresource = resource.name.contains('/');
            let is_known = self.types.iter().any(|known| known.group == group && known.resource == resource.name);
            if resource.namespaced && is_changeable && !is_subresource && !is_known {
                let (group, version) = (group.to_owned(), version.to_owned());
                self.types.push(ResourceKind { group, version, resource: resource.name.clone() });
            }
        }
    }
}

async fn resources(client: &Client, group: &str, version: &str) -> Result<APIResourceList, Error> {
    match group {
        "" => client.list_core_api_resources(version).await,
        _ => client.list_api_group_resources(&group_version(group, version)).await,
    }
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
