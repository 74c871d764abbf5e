//! Target of a rollout: the object that its values name, and the access that it needs.

use super::values::RolloutWith;
use crate::manifests::dns_names;
use crate::model::object::{ObjectRef, Permission, ResourceKind};
use crate::model::path::FieldPath;
use crate::ports::cluster::Cluster;
use crate::rollout::llm::Group;
use crate::rollout::routemap::Weighted;
use crate::routing::Config;
use crate::tasks::listed_object::references;
use crate::tasks::permissions::{KindValue, PermissionValues};
use crate::traffic::claim::{LEASE_GROUP, LEASES, lease};
use crate::traffic::service::{GROUP, RESOURCE, inference_service};
use crate::traffic::{ObjectsTraffic, ServiceTraffic, Target, TargetKind};
use crate::values::input::InputError;

/// Verbs to read objects.
const READ: &[&str] = &["list", "watch"];

/// Verbs to read and change objects.
const CHANGE: &[&str] = &["list", "watch", "patch"];

/// Verb to create the Lease. A Role cannot restrict it to a name.
const CREATE: &[&str] = &["create"];

/// Plural name of LLMInferenceServices.
const LLM_RESOURCE: &str = "llminferenceservices";

/// Returns the values that name objects.
pub(super) fn permissions() -> PermissionValues {
    let object = |kind: TargetKind, group, resource, verbs| {
        let value = kind.value();
        KindValue { value, group, resource, prefix: "", verbs }
    };
    let objects = [
        object(TargetKind::Service, GROUP, RESOURCE, CHANGE),
        object(TargetKind::Routemap, "", "configmaps", READ),
        object(TargetKind::Llm, GROUP, LLM_RESOURCE, CHANGE),
    ];
    let leases = TargetKind::ALL.into_iter().flat_map(|kind| {
        let lease = KindValue { prefix: kind.lease_prefix(), ..object(kind, LEASE_GROUP, LEASES, CHANGE) };
        [lease, KindValue { verbs: CREATE, ..lease }]
    });
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
    kind: TargetKind,
    object: ObjectRef,
    others: Vec<ObjectRef>,
    /// Resource types of routemaps.
    config: Config,
}

impl TargetObject {
    /// Reads the target from the settings at `at`.
    pub(super) fn read(with: &RolloutWith, at: &FieldPath) -> Result<Self, InputError> {
        let names = [&with.isvc, &with.routemap, &with.llmisvc];
        let mut given =
            TargetKind::ALL.into_iter().zip(names).filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
        let (kind, name) = given.next().ok_or_else(|| {
            let expected = TargetKind::ALL.map(TargetKind::value).join(", ");
            InputError::new(at.clone(), format!("no target is given; expected one of {expected}"))
                .with_hint("for example: --set rollout.isvc=sklearn-iris")
        })?;
        if let Some((second, _)) = given.next() {
            let message = format!("cannot be combined with `{}`", kind.value());
            return Err(InputError::new(at.clone().key(second.value()), message));
        }
        let invalid = |field: &str, text: &str, expected: &str| {
            InputError::new(at.clone().key(field), format!("`{text}` is not a valid {expected}"))
        };
        if !dns_names::is_subdomain(name) {
            let expected = "object name; expected lowercase letters, digits, `-` and `.`";
            return Err(invalid(kind.value(), name, expected));
        }
        let namespace = with.namespace.as_deref();
        if let Some(namespace) = namespace.filter(|namespace| !dns_names::is_label(namespace)) {
            return Err(invalid("namespace", namespace, "namespace; expected lowercase letters, digits and `-`"));
        }
        let object = |[group, version, resource]: [&str; 3]| {
            let [group, version, resource] = [group, version, resource].map(str::to_owned);
            let kind = ResourceKind { group, version, resource };
            ObjectRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned() }
        };
        Ok(Self {
            kind,
            object: match kind {
                TargetKind::Service => inference_service(name, namespace),
                TargetKind::Routemap => object(["", "v1", "configmaps"]),
                TargetKind::Llm => object([GROUP, "v1alpha2", LLM_RESOURCE]),
            },
            others: references(with.resources.as_deref().unwrap_or_default(), namespace, &at.clone().key("resources"))?,
            config: Config::stock().map_err(|errors| InputError::new(at.clone(), errors.to_string()))?,
        })
    }

    /// Returns the target in a cluster.
    pub(super) fn in_cluster<'a>(&self, cluster: &'a dyn Cluster) -> Box<dyn Target + 'a> {
        let (name, namespace) = (&self.object.name, self.object.namespace.as_deref());
        match self.kind {
            TargetKind::Service => Box::new(ServiceTraffic::of(cluster, self.object.clone())),
            TargetKind::Routemap => {
                Box::new(ObjectsTraffic::new(cluster, Weighted::new(name, namespace, self.config.clone())))
            }
            TargetKind::Llm => Box::new(ObjectsTraffic::new(cluster, Group::new(name, namespace))),
        }
    }

    /// Returns the Lease that claims it.
    pub(super) fn lease(&self) -> ObjectRef {
        lease(self.kind, &self.object.name, self.object.namespace.as_deref())
    }

    /// Returns the access that a rollout needs.
    pub(super) fn permissions(&self) -> Vec<Permission> {
        let own = if self.kind == TargetKind::Routemap { READ } else { CHANGE };
        let objects = [(self.object.clone(), own), (self.lease(), CHANGE), (self.lease(), CREATE)];
        let others = self.others.iter().map(|other| (other.clone(), CHANGE));
        objects.into_iter().chain(others).map(|(object, verbs)| Permission { object, verbs }).collect()
    }
}
