//! Rules of a target whose traffic depends on several objects: which objects to read, what to change, and the test that it took effect.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::change::{Change, Refusal};
use super::goal::Progress;
use super::split::Split;
use crate::model::object::{ObjectRef, ResourceKind};

/// States of the objects of a target.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    states: BTreeMap<ObjectRef, Option<Value>>,
    missing_types: BTreeSet<ResourceKind>,
}

impl Objects {
    /// Notes the state of an object; `None` if it does not exist.
    pub fn set(&mut self, object: ObjectRef, state: Option<Value>) {
        self.states.insert(object, state);
    }

    /// Notes that the cluster does not have the type of an object.
    pub fn set_missing_type(&mut self, object: ObjectRef) {
        self.missing_types.insert(object.kind.clone());
        self.states.insert(object, None);
    }

    /// Returns an object, if it exists.
    pub fn get(&self, object: &ObjectRef) -> Option<&Value> {
        self.states.get(object)?.as_ref()
    }

    /// Returns true if it is known whether the object exists.
    pub fn is_known(&self, object: &ObjectRef) -> bool {
        self.states.contains_key(object)
    }

    /// Returns true if the cluster does not have this type.
    pub fn lacks_type(&self, kind: &ResourceKind) -> bool {
        self.missing_types.contains(kind)
    }
}

/// A JSON merge patch of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectPatch {
    /// The object.
    pub object: ObjectRef,
    /// The patch. It has the object's `resourceVersion`, so the API server rejects it if the object was changed meanwhile.
    pub patch: Value,
}

/// State of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Unique id of the main object: a recreated one is another target.
    pub uid: String,
    /// Percent for the candidate that the specs request; `None` if they request none.
    pub percent: Option<i64>,
    /// Percents before and after a change of which only one of two weights was written; `None` otherwise.
    pub half_written: Option<(i64, i64)>,
    /// Versions and their traffic.
    pub split: Split,
}

/// Next step of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<G> {
    /// The change would have no effect, or a different one than requested.
    Refused(Refusal),
    /// The change has to wait, for this reason.
    NotYet(String),
    /// Patches in the order in which to send them; nothing to send if empty.
    Send {
        /// The patches.
        patches: Vec<ObjectPatch>,
        /// Traffic that they lead to.
        goal: G,
        /// Warnings for the user.
        warnings: Vec<String>,
    },
}

/// Rules of a target.
pub trait Rules: Send + Sync {
    /// Traffic that a change should lead to.
    type Goal: Send + Sync;

    /// Object without which the target does not exist.
    fn main(&self) -> &ObjectRef;

    /// Word for the main object: `routemap`.
    fn kind(&self) -> &'static str;

    /// Command that lists such targets.
    fn listing(&self) -> &'static str;

    /// Returns the objects to read. Objects that are known may name more of them.
    fn objects(&self, known: &Objects) -> Vec<ObjectRef>;

    /// Reads the state; fails with the reason if the target cannot be rolled out.
    fn state(&self, known: &Objects) -> Result<State, Refusal>;

    /// Plans a change.
    fn plan(&self, known: &Objects, change: Change) -> Step<Self::Goal>;

    /// Compares the objects with the goal.
    fn check(&self, goal: &Self::Goal, known: &Objects) -> Progress;

    /// Returns the hint for the user if the goal was not reached in time for this reason; `None` for the usual hint.
    fn after_timeout(&self, _goal: &Self::Goal, _reason: &str) -> Option<String> {
        None
    }
}
