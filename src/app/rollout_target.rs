//! Targets of rollouts, as the command line names them.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value, json};

use super::controllers;
use super::error::AppError;
use super::rollout::{Change, Changed, LazyCluster, ServiceState};
use crate::model::object::ObjectRef;
use crate::rollout::llm::Group;
use crate::rollout::routemap::Weighted;
use crate::traffic::objects::SplitChanged;
use crate::traffic::target::Say;
use crate::traffic::{Expected, ObjectsTraffic, ServiceTraffic, Target, TrafficError};

pub(crate) use crate::traffic::TargetKind;

/// Kind and name of a target, as in `kubectl get TYPE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetName {
    pub(crate) kind: TargetKind,
    pub(crate) name: String,
}

impl FromStr for TargetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            None => (TargetKind::Service, text),
            Some((kind, name)) => (kind_named(kind)?, name),
        };
        match name.is_empty() || name.contains('/') {
            true => Err("expected NAME or TYPE/NAME".to_owned()),
            false => Ok(Self { kind, name: name.to_owned() }),
        }
    }
}

/// Parses a kind, in the spellings of kubectl.
fn kind_named(kind: &str) -> Result<TargetKind, String> {
    match kind.to_ascii_lowercase().as_str() {
        "isvc" | "inferenceservice" | "inferenceservices" | "inferenceservices.serving.kserve.io" => {
            Ok(TargetKind::Service)
        }
        "routemap" | "routemaps" => Ok(TargetKind::Routemap),
        "llmisvc" | "llminferenceservice" | "llminferenceservices" | "llminferenceservices.serving.kserve.io" => {
            Ok(TargetKind::Llm)
        }
        _ => Err("expected NAME, isvc/NAME, routemap/NAME or llmisvc/NAME".to_owned()),
    }
}

/// A target in a cluster.
pub(crate) enum RolloutTarget<'a> {
    Service(ServiceTraffic<'a>),
    Routemap(Box<ObjectsTraffic<'a, Weighted>>),
    Llm(ObjectsTraffic<'a, Group>),
}

impl<'a> RolloutTarget<'a> {
    /// Names a target. `config` is the configuration of the controller of routemaps.
    pub(crate) fn new(
        cluster: &'a LazyCluster,
        namespace: &str,
        target: &TargetName,
        config: Option<&Path>,
    ) -> Result<Self, AppError> {
        Ok(match target.kind {
            TargetKind::Service => Self::Service(ServiceTraffic::new(cluster, namespace, &target.name)),
            TargetKind::Routemap => {
                let rules = Weighted::new(&target.name, Some(namespace), controllers::config(config)?);
                Self::Routemap(Box::new(ObjectsTraffic::new(cluster, rules)))
            }
            TargetKind::Llm => Self::Llm(ObjectsTraffic::new(cluster, Group::new(&target.name, Some(namespace)))),
        })
    }

    /// Returns it as the target of a rollout in steps.
    pub(crate) fn target(&self) -> &(dyn Target + 'a) {
        match self {
            Self::Service(service) => service,
            Self::Routemap(routemap) => routemap.as_ref(),
            Self::Llm(group) => group,
        }
    }

    /// Reads its traffic.
    pub(crate) async fn state(&self) -> Result<ServiceState, TrafficError> {
        match self {
            Self::Service(service) => service.state().await,
            Self::Routemap(routemap) => Ok(ServiceState::Split(routemap.state().await?.split)),
            Self::Llm(group) => Ok(ServiceState::Split(group.state().await?.split)),
        }
    }

    /// Calls `show` with its traffic, now and after each change, until it is deleted.
    pub(crate) async fn follow<E: From<TrafficError>>(
        &self,
        mut show: impl FnMut(&ServiceState) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Service(service) => service.follow(show).await,
            Self::Routemap(routemap) => routemap.follow(|split| show(&ServiceState::Split(split.clone()))).await,
            Self::Llm(group) => group.follow(|split| show(&ServiceState::Split(split.clone()))).await,
        }
    }

    /// Makes a change, and waits until the traffic shows it. Sends nothing unless the target is as expected.
    pub(crate) async fn change(
        &self,
        change: Change,
        expected: Option<&Expected>,
        timeout: Duration,
        say: Say<'_>,
    ) -> Result<Changed, TrafficError> {
        match self {
            Self::Service(service) => service.change(change, expected, timeout, say).await,
            Self::Routemap(routemap) => routemap.change(change, expected, timeout, say).await.map(Changed::from),
            Self::Llm(group) => group.change(change, expected, timeout, say).await.map(Changed::from),
        }
    }

    /// Returns the patches of a change without sending them, and without versions of objects, which are of no use in a file.
    pub(crate) async fn dry(&self, change: Change) -> Result<Vec<(ObjectRef, Value)>, TrafficError> {
        let patches = match self {
            Self::Service(service) => {
                let patch = service.dry(change).await?;
                return Ok(patch.into_iter().map(|patch| (service.object_ref().clone(), patch)).collect());
            }
            Self::Routemap(routemap) => routemap.dry(change).await?,
            Self::Llm(group) => group.dry(change).await?,
        };
        let without_version = |mut patch: Value| {
            if let Some(Value::Object(metadata)) = patch.get_mut("metadata") {
                metadata.remove("resourceVersion");
            }
            if let Value::Object(fields) = &mut patch {
                fields.retain(|_, value| *value != json!({}));
            }
            patch
        };
        Ok(patches.into_iter().map(|patch| (patch.object, without_version(patch.patch))).collect())
    }

    /// Switches routing by tags. Returns false if nothing had to be changed.
    pub(crate) async fn tag_routing(&self, is_on: bool) -> Result<bool, AppError> {
        match self {
            Self::Service(service) => Ok(service.tag_routing(is_on).await?),
            Self::Routemap(_) | Self::Llm(_) => {
                Err(AppError::input("cannot switch tags: only revisions of an InferenceService have them"))
            }
        }
    }
}

impl From<SplitChanged> for Changed {
    fn from(SplitChanged { split, was_so, warnings }: SplitChanged) -> Self {
        Self { state: ServiceState::Split(split), was_so, warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_as_in_kubectl() {
        let target = |kind, name: &str| Ok(TargetName { kind, name: name.to_owned() });
        for (text, expected) in [
            ("iris", target(TargetKind::Service, "iris")),
            ("isvc/iris", target(TargetKind::Service, "iris")),
            ("InferenceService/iris", target(TargetKind::Service, "iris")),
            ("routemap/wisdom", target(TargetKind::Routemap, "wisdom")),
            ("llmisvc/chat-v2", target(TargetKind::Llm, "chat-v2")),
            ("pod/x", Err("expected NAME, isvc/NAME, routemap/NAME or llmisvc/NAME".to_owned())),
            ("routemap/", Err("expected NAME or TYPE/NAME".to_owned())),
            ("routemap/a/b", Err("expected NAME or TYPE/NAME".to_owned())),
            ("", Err("expected NAME or TYPE/NAME".to_owned())),
        ] {
            assert_eq!(text.parse::<TargetName>(), expected, "{text}");
        }
    }
}
