//! Claims on routing objects that follow from the decisions about routemaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::index::{Affected, Known};
use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::rendering::decide_quickly;
use super::shared::Shared;
use crate::routing::Decision;
use crate::routing::decision::RoutemapName;
use crate::routing::target::Target;

/// Replaces the claims of a routemap with those of a decision. Returns the decision, in which contested objects are refused.
pub(super) fn claim(shared: &Shared, key: &ObjectKey, mut decision: Decision) -> Decision {
    let targets: Vec<Target> = decision.targets().cloned().collect();
    let keys: Vec<ResourceKey> = targets.iter().filter_map(|target| shared.types.target(target)).collect();
    let claims = shared.index.claim(key, &keys, decision.has_unknown_target());
    // Nothing is known about an object that was not claimed for a while.
    shared.forget_targets(&claims.changed);
    let rivals = claims.rivals.into_iter().map(|rivals| rivals.iter().map(name_of).collect());
    let claimants: BTreeMap<&Target, BTreeSet<RoutemapName>> = targets.iter().zip(rivals).collect();
    decision.refuse_contested(&name_of(key), |target| claimants.get(target));
    // Rivals must refuse it as well.
    shared.push(Affected { routemaps: claims.affected, ..Affected::default() });
    decision
}

fn name_of(key: &ObjectKey) -> RoutemapName {
    RoutemapName { namespace: (&*key.namespace).into(), name: (&*key.name).into() }
}

/// Returns the types of the routing objects that a decision renders.
pub(super) fn rendered_types(shared: &Shared, decision: &Decision) -> BTreeSet<TypeId> {
    decision.targets().filter_map(|target| Some(shared.types.target(target)?.of_type)).collect()
}

/// Registers the claims of all routemaps, before any of them is applied. Returns the types of the claimed routing objects.
pub(super) async fn claim_all(shared: &Shared) -> BTreeSet<TypeId> {
    let mut types = BTreeSet::new();
    if shared.has_claims.load(Ordering::Acquire) {
        return types;
    }
    for object in shared.index.routemaps().unwrap_or_default() {
        let Ok((routemap, resources)) = &object.parsed else { continue };
        // Costly routemaps would delay all others, so they claim their objects when they are reconciled.
        if let Some(decision) = decide_quickly(shared, &object, routemap, &known(shared, resources)) {
            types.extend(rendered_types(shared, &claim(shared, &object.key, decision)));
        }
        tokio::task::yield_now().await;
    }
    shared.has_claims.store(true, Ordering::Release);
    types
}

/// Returns the resources that exist.
pub(super) fn known(shared: &Shared, resources: &[ResourceKey]) -> Known {
    resources.iter().filter_map(|resource| Some((resource.clone(), shared.index.resource(resource)?))).collect()
}
