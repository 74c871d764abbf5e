//! Target of a rollout: the object that its values name, and the access that it needs.

use super::values::{OtherObject, RolloutWith};
use crate::manifests::dns_names;
use crate::model::object::{ObjectRef, Permission, ResourceKind};
use crate::model::path::FieldPath;
use crate::ports::cluster::Cluster;
use crate::rollout::llm::Group;
use crate::rollout::routemap::Weighted;
use crate::routing::Config;
use crate::tasks::permissions::{KindValue, PermissionValues};
use crate::traffic::claim::{self, LEASE_GROUP, LEASES, lease};
use crate::traffic::service::{GROUP, RESOURCE, inference_service};
use crate::traffic::{ObjectsTraffic, ServiceTraffic, Target};
use crate::values::input::InputError;

/// Verbs to read objects.
const READ: &[&str] = &["list", "watch"];

/// Verbs to read and change objects.
const CHANGE: &[&str] = &["list", "watch", "patch"];

/// Verb to create the Lease. A Role cannot restrict it to a name.
const CREATE: &[&str] = &["create"];

/// Plural name of LLMInferenceServices.
const LLM_RESOURCE: &str = "llminferenceservices";

/// Values that name the target; one of them is given.
const NAMES: [&str; 3] = ["isvc", "routemap", "llmisvc"];

/// Returns the values that name objects.
pub(super) fn permissions() -> PermissionValues {
    let object = |value, group, resource, verbs| KindValue { value, group, resource, prefix: "", verbs };
    let lease = |value, prefix, verbs| KindValue { value, group: LEASE_GROUP, resource: LEASES, prefix, verbs };
    let leases = [("isvc", claim::SERVICE), ("routemap", claim::ROUTEMAP), ("llmisvc", claim::LLM)];
    let objects = [
        object("isvc", GROUP, RESOURCE, CHANGE),
        object("routemap", "", "configmaps", READ),
        object("llmisvc", GROUP, LLM_RESOURCE, CHANGE),
    ];
    let leases =
        leases.into_iter().flat_map(|(value, prefix)| [lease(value, prefix, CHANGE), lease(value, prefix, CREATE)]);
    PermissionValues {
        task: super::NAME,
        within: "",
        namespace: "namespace",
        kinds: objects.into_iter().chain(leases).collect(),
        list: Some("resources"),
        list_verbs: CHANGE,
    }
}

/// A parsed target.
pub(super) struct TargetObject {
    kind: Kind,
    object: ObjectRef,
    others: Vec<ObjectRef>,
}

enum Kind {
    Service,
    Routemap(Box<Config>),
    Llm,
}

impl TargetObject {
    /// Reads the target from the settings at `at`.
    pub(super) fn read(with: &RolloutWith, at: &FieldPath) -> Result<Self, InputError> {
        let given = [&with.isvc, &with.routemap, &with.llmisvc];
        let mut given = NAMES.into_iter().zip(given).filter_map(|(field, name)| Some((field, name.as_deref()?)));
        let (field, name) = given.next().ok_or_else(|| {
            InputError::new(at.clone(), format!("no target is given; expected one of {}", NAMES.join(", ")))
                .with_hint("for example: --set rollout.isvc=sklearn-iris")
        })?;
        if let Some((second, _)) = given.next() {
            return Err(InputError::new(at.clone().key(second), format!("cannot be combined with `{field}`")));
        }
        let invalid = |field: &str, text: &str, expected: &str| {
            InputError::new(at.clone().key(field), format!("`{text}` is not a valid {expected}"))
        };
        if !dns_names::is_subdomain(name) {
            return Err(invalid(field, name, "object name; expected lowercase letters, digits, `-` and `.`"));
        }
        let namespace = with.namespace.as_deref();
        if let Some(namespace) = namespace.filter(|namespace| !dns_names::is_label(namespace)) {
            return Err(invalid("namespace", namespace, "namespace; expected lowercase letters, digits and `-`"));
        }
        let object = |group: &str, version: &str, resource: &str, name: &str| {
            let [group, version, resource] = [group, version, resource].map(str::to_owned);
            let kind = ResourceKind { group, version, resource };
            ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() }
        };
        let (kind, named) = match field {
            "isvc" => (Kind::Service, inference_service(name, namespace)),
            "routemap" => {
                let config =
                    Config::stock().map_err(|errors| InputError::new(at.clone().key(field), errors.to_string()))?;
                (Kind::Routemap(Box::new(config)), object("", "v1", "configmaps", name))
            }
            _ => (Kind::Llm, object(GROUP, "v1alpha2", LLM_RESOURCE, name)),
        };
        let mut others = Vec::new();
        for (index, OtherObject { group, resource, name }) in with.resources.iter().flatten().enumerate() {
            let other = object(group, "", resource, name);
            let is_group = group.is_empty() || dns_names::is_subdomain(group);
            if !(is_group && dns_names::is_label(resource) && dns_names::is_subdomain(name)) {
                let at = at.clone().key("resources").index(index);
                return Err(InputError::new(at, format!("`{other}` is not a valid object")));
            }
            others.push(other);
        }
        Ok(Self { kind, object: named, others })
    }

    /// Returns the target in a cluster.
    pub(super) fn in_cluster<'a>(&self, cluster: &'a dyn Cluster) -> Box<dyn Target + 'a> {
        let (name, namespace) = (&self.object.name, self.object.namespace.as_deref());
        match &self.kind {
            Kind::Service => Box::new(ServiceTraffic::of(cluster, self.object.clone())),
            Kind::Routemap(config) => {
                Box::new(ObjectsTraffic::new(cluster, Weighted::new(name, namespace, config.as_ref().clone())))
            }
            Kind::Llm => Box::new(ObjectsTraffic::new(cluster, Group::new(name, namespace))),
        }
    }

    /// Returns the Lease that claims it.
    pub(super) fn lease(&self) -> ObjectRef {
        let prefix = match self.kind {
            Kind::Service => claim::SERVICE,
            Kind::Routemap(_) => claim::ROUTEMAP,
            Kind::Llm => claim::LLM,
        };
        lease(prefix, &self.object.name, self.object.namespace.as_deref())
    }

    /// Returns the access that a rollout needs.
    pub(super) fn permissions(&self) -> Vec<Permission> {
        let own = if matches!(self.kind, Kind::Routemap(_)) { READ } else { CHANGE };
        let objects = [(self.object.clone(), own), (self.lease(), CHANGE), (self.lease(), CREATE)];
        let others = self.others.iter().map(|other| (other.clone(), CHANGE));
        objects.into_iter().chain(others).map(|(object, verbs)| Permission { object, verbs }).collect()
    }
}
