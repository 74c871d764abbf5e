//! Decisions about routemaps, and the claims on routing objects that follow from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::index::Affected;
use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::shared::Shared;
use crate::routing::decision::{RoutemapName, decide};
use crate::routing::routemap::ResourceRef;
use crate::routing::target::Target;
use crate::routing::{Decision, Observed, Routemap};

/// Number of routemaps that are decided before yielding to other tasks.
const BATCH: usize = 32;

/// Resources of a routemap that exist.
pub(super) type Known = HashMap<ResourceKey, Arc<Observed>>;

/// Decides about a routemap with what is known, and replaces its claims. Returns the decision, in which contested objects are refused.
pub(super) fn decide_and_claim(shared: &Shared, key: &ObjectKey, routemap: &Routemap, known: &Known) -> Decision {
    let observed = |reference: &ResourceRef| Some(&**known.get(&shared.types.resource(reference)?)?);
    let mut decision = decide(routemap, observed, &shared.config, shared.now());
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
    for (number, object) in shared.index.routemaps().unwrap_or_default().iter().enumerate() {
        if let Ok((routemap, resources)) = &object.parsed {
            let decision = decide_and_claim(shared, &object.key, routemap, &known(shared, resources));
            types.extend(rendered_types(shared, &decision));
        }
        if number % BATCH == 0 {
            tokio::task::yield_now().await;
        }
    }
    shared.has_claims.store(true, Ordering::Release);
    types
}

/// Returns the resources that exist.
pub(super) fn known(shared: &Shared, resources: &[ResourceKey]) -> Known {
    resources.iter().filter_map(|resource| Some((resource.clone(), shared.index.resource(resource)?))).collect()
}
