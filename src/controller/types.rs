//! Resource types of the configuration, numbered. Several short names may stand for one type, which is watched once.

use std::collections::BTreeMap;

use super::keys::{ObjectKey, ResourceKey, TypeId};
use crate::routing::routemap::{ResourceRef, Routemap};
use crate::routing::target::Target;
use crate::routing::{Config, ResourceType};

/// Numbered resource types.
#[derive(Debug)]
pub(super) struct Types {
    /// Types with the conditions of all their short names.
    all: Vec<ResourceType>,
    by_short_name: BTreeMap<Box<str>, TypeId>,
}

impl Types {
    pub(super) fn of(config: &Config) -> Self {
        let mut types = Self { all: Vec::new(), by_short_name: BTreeMap::new() };
        for (short_name, resource_type) in &config.resource_types {
            let id = types.add(resource_type);
            types.by_short_name.insert(short_name.clone(), id);
        }
        types
    }

    /// Adds a type. Versions of a type have the same objects, so they count as one type.
    fn add(&mut self, added: &ResourceType) -> TypeId {
        let is_same = |known: &ResourceType| {
            (&known.resource.group, &known.resource.resource) == (&added.resource.group, &added.resource.resource)
        };
        let Some((number, known)) = self.all.iter_mut().enumerate().find(|(_, known)| is_same(known)) else {
            self.all.push(added.clone());
            return TypeId(self.all.len() - 1);
        };
        for condition in &added.conditions {
            if !known.conditions.contains(condition) {
                known.conditions.push(condition.clone());
            }
        }
        TypeId(number)
    }

    pub(super) fn get(&self, id: TypeId) -> Option<&ResourceType> {
        self.all.get(id.0)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (TypeId, &ResourceType)> {
        self.all.iter().enumerate().map(|(number, resource_type)| (TypeId(number), resource_type))
    }

    /// Returns the key of a resource of a version.
    pub(super) fn resource(&self, reference: &ResourceRef) -> Option<ResourceKey> {
        let of_type = self.by_short_name.get(&reference.short).copied()?;
        Some(ResourceKey { of_type, key: ObjectKey::new(&reference.namespace, &reference.name) })
    }

    /// Returns the keys of all resources that a routemap names.
    pub(super) fn resources(&self, routemap: &Routemap) -> Vec<ResourceKey> {
        let references = routemap.versions.iter().flat_map(|version| &version.resources);
        references.filter_map(|reference| self.resource(reference)).collect()
    }

    /// Returns the key of a routing object.
    pub(super) fn target(&self, target: &Target) -> Option<ResourceKey> {
        let same =
            |known: &ResourceType| known.resource.group == *target.group && known.resource.resource == *target.resource;
        let of_type = TypeId(self.all.iter().position(same)?);
        Some(ResourceKey { of_type, key: ObjectKey::new(&target.namespace, &target.name) })
    }
}
