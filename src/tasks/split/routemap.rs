//! Expected weights of a routemap, as the release controller computes them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::expected::Unknown;
use crate::model::object::ObjectRef;
use crate::routing::routemap::ResourceRef;
use crate::routing::{Config, Observed, RawObject, Routemap, Weighed, weigh};

/// A routemap and the objects of its versions.
pub(super) struct Routes {
    config: Config,
    routemap: Routemap,
    observed: BTreeMap<ResourceRef, Observed>,
}

impl Routes {
    /// Reads a ConfigMap, with the resource types of a controller without a configuration.
    pub(super) fn of(object: Value, name: &str) -> Result<Self, Unknown> {
        let mistake = |reason: String| Unknown::Mistake {
            message: format!("the routemap {name} is not valid: {reason}"),
            hint: "`iter8 k routes` shows the state of routemaps; or give the weights in `split.expected`".to_owned(),
        };
        let config = Config::stock().map_err(|errors| mistake(errors.to_string()))?;
        let source: ConfigMap = serde_json::from_value(object).map_err(|error| mistake(error.to_string()))?;
        let routemap = Routemap::read(&source, &config).map_err(|errors| mistake(errors.to_string()))?;
        Ok(Self { config, routemap, observed: BTreeMap::new() })
    }

    /// Returns the objects of the versions.
    pub(super) fn objects(&self) -> Vec<(ResourceRef, ObjectRef)> {
        let resources = self.routemap.versions.iter().flat_map(|version| &version.resources);
        let object = |resource: &ResourceRef| {
            let kind = self.config.resource_types.get(&resource.short)?.resource.clone();
            let (namespace, name) = (Some(resource.namespace.to_string()), resource.name.to_string());
            Some((resource.clone(), ObjectRef { kind, namespace, name }))
        };
        resources.filter_map(object).collect()
    }

    /// Adds an object of a version.
    pub(super) fn observe(&mut self, resource: ResourceRef, object: Value, now: DateTime<Utc>) {
        let raw: Option<RawObject> = serde_json::from_value(object).ok();
        let kind = self.config.resource_types.get(&resource.short);
        if let Some((raw, kind)) = raw.zip(kind) {
            let observed = Observed::new(raw, kind, None, now);
            self.observed.insert(resource, observed);
        }
    }

    /// Returns the weights of the versions.
    pub(super) fn weights(&self, now: DateTime<Utc>) -> Vec<f64> {
        let watched = |resource: &ResourceRef| self.observed.get(resource).filter(|object| object.is_watched);
        let Weighed { versions, .. } = weigh(&self.routemap, watched, &self.config, now);
        versions.iter().map(|version| f64::from(version.weight)).collect()
    }
}
