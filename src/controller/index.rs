//! All that the controller knows about the cluster, fed by watches and read by reconciliations. No I/O.
//!
//! ```text
//! watches of routemaps ──► routemaps ──► named resources ◄── watches of resources (label iter8.tools/watch)
//!                              │
//!                              └──► claims on routing objects ◄── watches of routing objects, by type
//! ```
//!
//! Each method that takes a change returns the routemaps to reconcile. Only small structs are kept, so that 10,000 routemaps fit into
//! a small pod. A change that does not matter to a decision, such as a heartbeat in a status, returns nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::live::Live;
use crate::routing::{Observed, Routemap};
use crate::values::input::InputErrors;

/// Finalizer of resources that a routemap names: traffic is moved away before they are gone.
pub(crate) const FINALIZER: &str = "iter8.tools/finalizer";

/// A routemap ConfigMap.
#[derive(Debug)]
pub(super) struct RoutemapObject {
    pub(super) key: ObjectKey,
    pub(super) uid: Box<str>,
    pub(super) resource_version: Box<str>,
    /// The routemap and the resources that it names, or its mistakes.
    pub(super) parsed: Result<(Routemap, Vec<ResourceKey>), InputErrors>,
}

impl RoutemapObject {
    fn resources(&self) -> &[ResourceKey] {
        self.parsed.as_ref().map_or(&[], |(_, resources)| resources)
    }
}

/// Resources of a routemap that exist.
pub(super) type Known = HashMap<ResourceKey, Arc<Observed>>;

/// State of a routing object.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Its type is not listed yet.
    Unlisted,
    /// Its type cannot be read, or it was claimed after its type was listed: it is applied once per change of the decision.
    Unknown,
    Missing,
    Exists(Arc<Live>),
}

/// Result of [`Index::claim`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// Other routemaps that claim the same routing objects, by position in the claimed list.
    pub(super) rivals: Vec<Vec<ObjectKey>>,
    /// Routemaps that gained or lost a rival.
    pub(super) affected: BTreeSet<ObjectKey>,
    /// Routing objects that the routemap newly claims, or no longer claims.
    pub(super) changed: Vec<ResourceKey>,
}

/// Work on the finalizers of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FinalizerTask {
    /// Set these finalizers on this version of the object.
    Set { uid: Box<str>, resource_version: Box<str>, finalizers: Vec<String> },
    /// The object is no longer watched: read it and remove our finalizer.
    Release,
}

/// Result of a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Affected {
    pub(super) routemaps: BTreeSet<ObjectKey>,
    /// Resources whose finalizers may have to change.
    pub(super) resources: BTreeSet<ResourceKey>,
}

#[derive(Default)]
pub(super) struct Index(Mutex<State>);

#[derive(Default)]
struct State {
    routemaps: HashMap<ObjectKey, Arc<RoutemapObject>>,
    has_routemaps: bool,
    resources: HashMap<ResourceKey, Arc<Observed>>,
    listed: HashSet<TypeId>,
    /// Types that are not listed yet because they cannot be read, and since when.
    unreadable: HashMap<TypeId, Instant>,
    /// Routemaps that name a resource.
    naming: HashMap<ResourceKey, BTreeSet<ObjectKey>>,
    /// Routemaps that handled the deletion of the resource with this uid.
    handled: HashMap<ResourceKey, (Box<str>, BTreeSet<ObjectKey>)>,
    /// Resources that are no longer watched and may have our finalizer.
    released: HashSet<ResourceKey>,
    /// Routemaps that render a routing object.
    claims: HashMap<ResourceKey, BTreeSet<ObjectKey>>,
    /// Routing objects that a routemap renders.
    claimed: HashMap<ObjectKey, Vec<ResourceKey>>,
    targets: HashMap<TypeId, TargetType>,
}

/// Routing objects of one type. Those that no routemap renders are not kept.
#[derive(Default)]
struct TargetType {
    is_listed: bool,
    is_unreadable: bool,
    live: HashMap<ObjectKey, Arc<Live>>,
    /// Objects that were claimed after the list.
    unknown: HashSet<ObjectKey>,
    /// Number of lists and deletions so far.
    removals: u64,
}

/// Routemaps.
impl Index {
    /// Takes the complete list of routemaps.
    pub(super) fn routemaps_listed(&self, objects: Vec<RoutemapObject>) -> Affected {
        let mut state = self.0.lock();
        let listed: HashSet<ObjectKey> = objects.iter().map(|object| object.key.clone()).collect();
        let gone: Vec<ObjectKey> = state.routemaps.keys().filter(|key| !listed.contains(key)).cloned().collect();
        let mut affected = Affected::default();
        for key in gone {
            state.remove_routemap(&key, &mut affected);
        }
        for object in objects {
            state.put_routemap(object, &mut affected);
        }
        if !std::mem::replace(&mut state.has_routemaps, true) {
            // Finalizers that an earlier controller left on resources that no routemap names.
            let orphans = state.resources.iter().filter(|(_, resource)| has_finalizer(resource));
            affected.resources.extend(orphans.map(|(key, _)| key.clone()));
            // Resources that were no longer watched before the routemaps were known.
            affected.resources.extend(state.released.iter().cloned());
        }
        affected
    }

    /// Takes a new or changed routemap.
    pub(super) fn routemap_applied(&self, object: RoutemapObject) -> Affected {
        let mut affected = Affected::default();
        self.0.lock().put_routemap(object, &mut affected);
        affected
    }

    /// Forgets a deleted routemap.
    pub(super) fn routemap_deleted(&self, key: &ObjectKey) -> Affected {
        let mut affected = Affected::default();
        self.0.lock().remove_routemap(key, &mut affected);
        affected
    }

    /// Returns all routemaps, once they are listed.
    pub(super) fn routemaps(&self) -> Option<Vec<Arc<RoutemapObject>>> {
        let state = self.0.lock();
        state.has_routemaps.then(|| state.routemaps.values().cloned().collect())
    }

    /// Returns a routemap; `None` if it does not exist.
    pub(super) fn routemap(&self, key: &ObjectKey) -> Option<Arc<RoutemapObject>> {
        self.0.lock().routemaps.get(key).cloned()
    }
}

/// Resources that routemaps name.
impl Index {
    /// Takes the complete list of the resources of a type.
    pub(super) fn resources_listed(&self, of_type: TypeId, resources: Vec<Observed>, now: Instant) -> Affected {
        let mut state = self.0.lock();
        let mut affected = Affected::default();
        let is_first = state.listed.insert(of_type);
        if state.unreadable.remove(&of_type).is_some() {
            // Other types may have failed for the same reason and recover soon, so their time starts again.
            state.unreadable.values_mut().for_each(|since| *since = now);
        }
        let listed: HashSet<ObjectKey> = resources.iter().map(key_of).collect();
        let known = state.resources.keys().filter(|known| known.of_type == of_type);
        let gone: Vec<ResourceKey> = known.filter(|known| !listed.contains(&known.key)).cloned().collect();
        for resource in gone {
            // Deleted, or lost its label and still has our finalizer: the event that would say which was lost.
            state.released.insert(resource.clone());
            affected.resources.insert(resource.clone());
            state.remove_resource(&resource, &mut affected);
        }
        for resource in resources {
            state.put_resource(of_type, resource, &mut affected);
        }
        if is_first {
            // Routemaps waited for the list, even if their resources are not in it.
            let waiting = state.naming_type(of_type);
            let objects = waiting.iter().filter_map(|key| state.routemaps.get(key));
            // The finalizers of their resources waited, too.
            let resources = objects.flat_map(|object| object.resources());
            affected.resources.extend(resources.filter(|key| state.resources.contains_key(key)).cloned());
            affected.routemaps.extend(waiting);
        }
        affected
    }

    /// Notes that the resources of a type cannot be read. Returns the routemaps that name some, if it was never listed.
    pub(super) fn resources_unreadable(&self, of_type: TypeId, now: Instant) -> BTreeSet<ObjectKey> {
        let mut state = self.0.lock();
        if state.listed.contains(&of_type) || state.unreadable.contains_key(&of_type) {
            return BTreeSet::new();
        }
        state.unreadable.insert(of_type, now);
        state.naming_type(of_type)
    }

    /// Returns the first of these types that cannot be read and was never listed, and since when.
    pub(super) fn first_unreadable(&self, types: impl IntoIterator<Item = TypeId>) -> Option<(TypeId, Instant)> {
        let state = self.0.lock();
        types.into_iter().find_map(|of_type| Some((of_type, *state.unreadable.get(&of_type)?)))
    }

    /// Takes resources that have our finalizer and are not watched. Returns those whose finalizer must be removed.
    pub(super) fn finalizers_found(&self, of_type: TypeId, keys: Vec<ObjectKey>) -> BTreeSet<ResourceKey> {
        let mut state = self.0.lock();
        let found = keys.into_iter().map(|key| ResourceKey { of_type, key });
        // The index still knows the others: a watch event about each of them will follow.
        let found: BTreeSet<ResourceKey> = found.filter(|resource| !state.resources.contains_key(resource)).collect();
        state.released.extend(found.iter().cloned());
        found
    }

    /// Takes a new or changed resource.
    pub(super) fn resource_applied(&self, of_type: TypeId, resource: Observed) -> Affected {
        let mut affected = Affected::default();
        self.0.lock().put_resource(of_type, resource, &mut affected);
        affected
    }

    /// Takes the last state of a resource that was deleted or lost its label.
    pub(super) fn resource_deleted(&self, of_type: TypeId, last: &Observed) -> Affected {
        let mut state = self.0.lock();
        let mut affected = Affected::default();
        let resource = ResourceKey { of_type, key: key_of(last) };
        // The last event of a deleted resource may still list our finalizer, so only the API server knows if one is left.
        if has_finalizer(last) {
            state.released.insert(resource.clone());
            affected.resources.insert(resource.clone());
        }
        state.remove_resource(&resource, &mut affected);
        affected
    }

    /// Returns the last known state of a resource.
    pub(super) fn resource(&self, resource: &ResourceKey) -> Option<Arc<Observed>> {
        self.0.lock().resources.get(resource).cloned()
    }

    /// Returns the first of these types that is not listed yet.
    pub(super) fn first_unlisted(&self, types: impl IntoIterator<Item = TypeId>) -> Option<TypeId> {
        let state = self.0.lock();
        types.into_iter().find(|of_type| !state.listed.contains(of_type))
    }

    /// Notes that a routemap was reconciled with these resources. Returns those that are being deleted and may go now.
    pub(super) fn deletions_handled(
        &self,
        routemap: &ObjectKey,
        resources: &HashMap<ResourceKey, Arc<Observed>>,
    ) -> Vec<ResourceKey> {
        let mut state = self.0.lock();
        let deleting = resources.iter().filter(|(_, resource)| resource.is_being_deleted && has_finalizer(resource));
        let mut complete = Vec::new();
        for (key, resource) in deleting {
            let handled = state.handled.entry(key.clone()).or_default();
            if handled.0 != resource.uid {
                *handled = (resource.uid.clone(), BTreeSet::new());
            }
            handled.1.insert(routemap.clone());
            if state.is_deletion_handled(key, resource) {
                complete.push(key.clone());
            }
        }
        complete
    }

    /// Returns all routemaps and resources.
    pub(super) fn everything(&self) -> Affected {
        let state = self.0.lock();
        let resources = state.resources.keys().chain(&state.released).cloned();
        Affected { routemaps: state.routemaps.keys().cloned().collect(), resources: resources.collect() }
    }

    /// Returns the change of a resource's finalizers that is due.
    pub(super) fn finalizer_task(&self, resource: &ResourceKey) -> Option<FinalizerTask> {
        let state = self.0.lock();
        if !state.has_routemaps {
            return None;
        }
        let Some(observed) = state.resources.get(resource) else {
            return state.released.contains(resource).then_some(FinalizerTask::Release);
        };
        let is_named = state.naming.contains_key(resource);
        let is_wanted = is_named && !(observed.is_being_deleted && state.is_deletion_handled(resource, observed));
        let is_set = has_finalizer(observed);
        // The API server refuses new finalizers on an object that is being deleted. While no routemap that names the object can be
        // decided, none is set, because it would hold a deletion for nothing.
        if is_wanted == is_set || (is_wanted && (observed.is_being_deleted || !state.is_decidable(resource))) {
            return None;
        }
        let others = observed.finalizers.iter().filter(|name| &***name != FINALIZER).map(|name| name.to_string());
        let ours = is_wanted.then(|| FINALIZER.to_owned());
        Some(FinalizerTask::Set {
            uid: observed.uid.clone(),
            resource_version: observed.resource_version.clone(),
            finalizers: others.chain(ours).collect(),
        })
    }

    /// Notes that our finalizer was removed from a resource that is no longer watched.
    pub(super) fn resource_released(&self, resource: &ResourceKey) {
        self.0.lock().released.remove(resource);
    }
}

/// Routing objects.
impl Index {
    /// Replaces the claims of a routemap. With `keeps_earlier`, it keeps its earlier claims as well.
    pub(super) fn claim(&self, routemap: &ObjectKey, targets: &[ResourceKey], keeps_earlier: bool) -> Claims {
        let mut state = self.0.lock();
        let mut claims = Claims::default();
        if !state.routemaps.contains_key(routemap) {
            return claims;
        }
        let before = state.claimed.remove(routemap).unwrap_or_default();
        let (mut claimed, earlier) = (targets.to_vec(), before.into_iter().filter(|target| !targets.contains(target)));
        if keeps_earlier {
            claimed.extend(earlier);
        } else {
            for target in earlier {
                claims.affected.extend(state.withdraw(routemap, &target));
                claims.changed.push(target);
            }
        }
        state.claimed.insert(routemap.clone(), claimed);
        for target in targets {
            let claiming = state.claims.entry(target.clone()).or_default();
            let is_new = claiming.insert(routemap.clone());
            let rivals: Vec<ObjectKey> = claiming.iter().filter(|other| *other != routemap).cloned().collect();
            if is_new {
                claims.changed.push(target.clone());
                claims.affected.extend(rivals.iter().cloned());
                if rivals.is_empty() {
                    state.targets.entry(target.of_type).or_default().unknown.insert(target.key.clone());
                }
            }
            claims.rivals.push(rivals);
        }
        claims
    }

    /// Returns true if a routemap renders this routing object.
    pub(super) fn is_claimed(&self, target: &ResourceKey) -> bool {
        self.0.lock().claims.contains_key(target)
    }

    /// Takes the complete list of the routing objects of a type.
    pub(super) fn targets_listed(&self, of_type: TypeId, objects: Vec<(ObjectKey, Live)>) -> BTreeSet<ObjectKey> {
        let mut state = self.0.lock();
        let State { claims, targets, .. } = &mut *state;
        let known = targets.entry(of_type).or_default();
        (known.is_listed, known.is_unreadable) = (true, false);
        let is_claimed = |key: &ObjectKey| claims.contains_key(&ResourceKey { of_type, key: key.clone() });
        let before = std::mem::take(&mut known.live);
        // The list may be older than the response to our last write.
        let newest = |key: &ObjectKey, live: Live| match before.get(key) {
            Some(before) if live.is_older_than(before) => Arc::clone(before),
            _ => Arc::new(live),
        };
        let claimed = objects.into_iter().filter(|(key, _)| is_claimed(key));
        known.live = claimed.map(|(key, live)| (key.clone(), newest(&key, live))).collect();
        known.removals += 1;
        known.unknown.clear();
        let affected = claims.iter().filter(|(target, _)| target.of_type == of_type);
        affected.flat_map(|(_, routemaps)| routemaps.iter().cloned()).collect()
    }

    /// Takes a new or changed routing object. A state that is older than the known one is a late event and is ignored.
    pub(super) fn target_applied(&self, target: &ResourceKey, live: Live) -> BTreeSet<ObjectKey> {
        let mut state = self.0.lock();
        let Some(routemaps) = state.claims.get(target).cloned() else { return BTreeSet::new() };
        let known = state.targets.entry(target.of_type).or_default();
        if known.live.get(&target.key).is_some_and(|known| live.is_older_than(known) || live.is_same_version(known)) {
            return BTreeSet::new();
        }
        known.unknown.remove(&target.key);
        known.live.insert(target.key.clone(), Arc::new(live));
        routemaps
    }

    /// Takes the state of a routing object after a write, with [`Self::removals`] from before the write. If objects were removed since then,
    /// this one may be among them, and only the watch knows.
    pub(super) fn target_written(&self, target: &ResourceKey, live: Live, removals: u64) -> BTreeSet<ObjectKey> {
        match self.removals(target.of_type) == removals {
            true => self.target_applied(target, live),
            false => BTreeSet::new(),
        }
    }

    /// Returns how often routing objects of a type were removed, or may have been.
    pub(super) fn removals(&self, of_type: TypeId) -> u64 {
        self.0.lock().targets.get(&of_type).map_or(0, |known| known.removals)
    }

    /// Takes the last state of a deleted routing object.
    pub(super) fn target_deleted(&self, target: &ResourceKey, last: &Live) -> BTreeSet<ObjectKey> {
        let mut state = self.0.lock();
        let known = state.targets.entry(target.of_type).or_default();
        known.removals += 1;
        // Applied again before the event of its deletion arrived.
        if known.live.get(&target.key).is_some_and(|known| last.is_older_than(known)) {
            return BTreeSet::new();
        }
        known.unknown.remove(&target.key);
        known.live.remove(&target.key);
        state.claims.get(target).cloned().unwrap_or_default()
    }

    /// Notes that the routing objects of a type cannot be read. Returns the routemaps that waited for them.
    pub(super) fn targets_unreadable(&self, of_type: TypeId) -> BTreeSet<ObjectKey> {
        let mut state = self.0.lock();
        let known = state.targets.entry(of_type).or_default();
        if known.is_listed || std::mem::replace(&mut known.is_unreadable, true) {
            return BTreeSet::new();
        }
        let affected = state.claims.iter().filter(|(target, _)| target.of_type == of_type);
        affected.flat_map(|(_, routemaps)| routemaps.iter().cloned()).collect()
    }

    /// Treats the routing objects of these types as not listed, until they are listed again.
    pub(super) fn unlist_targets(&self, types: &BTreeSet<TypeId>) {
        let mut state = self.0.lock();
        for of_type in types {
            if let Some(known) = state.targets.get_mut(of_type) {
                known.is_listed = false;
            }
        }
    }

    /// Returns the state of a routing object.
    pub(super) fn target(&self, target: &ResourceKey) -> Target {
        let state = self.0.lock();
        let Some(known) = state.targets.get(&target.of_type) else { return Target::Unlisted };
        match known.live.get(&target.key) {
            Some(live) => Target::Exists(Arc::clone(live)),
            None if known.is_unreadable => Target::Unknown,
            None if !known.is_listed => Target::Unlisted,
            None if known.unknown.contains(&target.key) => Target::Unknown,
            None => Target::Missing,
        }
    }
}

impl State {
    fn put_routemap(&mut self, object: RoutemapObject, affected: &mut Affected) {
        let key = object.key.clone();
        if self.routemaps.get(&key).is_some_and(|known| known.resource_version == object.resource_version) {
            return;
        }
        self.unname(&key, affected);
        if object.parsed.is_err() {
            self.unclaim(&key, affected);
        }
        for resource in object.resources() {
            self.naming.entry(resource.clone()).or_default().insert(key.clone());
            affected.resources.insert(resource.clone());
        }
        self.routemaps.insert(key.clone(), Arc::new(object));
        affected.routemaps.insert(key);
    }

    fn remove_routemap(&mut self, key: &ObjectKey, affected: &mut Affected) {
        self.unname(key, affected);
        self.unclaim(key, affected);
        self.routemaps.remove(key);
        affected.routemaps.insert(key.clone());
    }

    /// Removes a routemap from the resources that it names.
    fn unname(&mut self, key: &ObjectKey, affected: &mut Affected) {
        let Some(object) = self.routemaps.get(key).cloned() else { return };
        for resource in object.resources() {
            if let Some(naming) = self.naming.get_mut(resource) {
                naming.remove(key);
                if naming.is_empty() {
                    self.naming.remove(resource);
                }
            }
            affected.resources.insert(resource.clone());
        }
    }

    fn unclaim(&mut self, key: &ObjectKey, affected: &mut Affected) {
        for target in self.claimed.remove(key).unwrap_or_default() {
            affected.routemaps.extend(self.withdraw(key, &target));
        }
    }

    /// Withdraws one claim. Returns the rivals that are left.
    fn withdraw(&mut self, routemap: &ObjectKey, target: &ResourceKey) -> BTreeSet<ObjectKey> {
        let Some(claiming) = self.claims.get_mut(target) else { return BTreeSet::new() };
        claiming.remove(routemap);
        let left = claiming.clone();
        if left.is_empty() {
            self.claims.remove(target);
            if let Some(known) = self.targets.get_mut(&target.of_type) {
                known.live.remove(&target.key);
                known.unknown.remove(&target.key);
            }
        }
        left
    }

    fn put_resource(&mut self, of_type: TypeId, observed: Observed, affected: &mut Affected) {
        let resource = ResourceKey { of_type, key: key_of(&observed) };
        self.released.remove(&resource);
        let known = self.resources.get(&resource);
        if known.is_some_and(|known| known.resource_version == observed.resource_version) {
            return;
        }
        let matters = known.is_none_or(|known| !decides_the_same(known, &observed));
        let finalizers = known.is_none_or(|known| known.finalizers != observed.finalizers);
        let is_deletion = observed.is_being_deleted;
        self.resources.insert(resource.clone(), Arc::new(observed));
        if matters || is_deletion {
            affected.routemaps.extend(self.naming.get(&resource).into_iter().flatten().cloned());
        }
        if matters || finalizers || is_deletion {
            affected.resources.insert(resource);
        }
    }

    fn remove_resource(&mut self, resource: &ResourceKey, affected: &mut Affected) {
        self.handled.remove(resource);
        if self.resources.remove(resource).is_some() {
            affected.routemaps.extend(self.naming.get(resource).into_iter().flatten().cloned());
        }
    }

    /// Returns the routemaps that name a resource of a type.
    fn naming_type(&self, of_type: TypeId) -> BTreeSet<ObjectKey> {
        let naming = self.naming.iter().filter(|(resource, _)| resource.of_type == of_type);
        naming.flat_map(|(_, routemaps)| routemaps.iter().cloned()).collect()
    }

    /// Returns true if all types of a routemap that names this resource are listed.
    fn is_decidable(&self, resource: &ResourceKey) -> bool {
        let routemaps = self.naming.get(resource).into_iter().flatten().filter_map(|key| self.routemaps.get(key));
        let mut types = routemaps.map(|routemap| routemap.resources().iter().map(|resource| resource.of_type));
        types.any(|mut types| types.all(|of_type| self.listed.contains(&of_type)))
    }

    /// Returns true if all routemaps that name a resource moved their traffic away from it.
    fn is_deletion_handled(&self, resource: &ResourceKey, observed: &Observed) -> bool {
        let naming = self.naming.get(resource);
        let handled = self.handled.get(resource).filter(|(uid, _)| *uid == observed.uid);
        naming.into_iter().flatten().all(|routemap| handled.is_some_and(|(_, by)| by.contains(routemap)))
    }
}

/// Returns true if both states lead to the same decision.
fn decides_the_same(known: &Observed, new: &Observed) -> bool {
    let without_version = |observed: &Observed| Observed {
        resource_version: Box::default(),
        finalizers: Box::default(),
        ..observed.clone()
    };
    without_version(known) == without_version(new)
}

fn has_finalizer(observed: &Observed) -> bool {
    observed.finalizers.iter().any(|name| &**name == FINALIZER)
}

fn key_of(observed: &Observed) -> ObjectKey {
    ObjectKey::new(&observed.namespace, &observed.name)
}
