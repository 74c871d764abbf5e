//! A cluster in memory, for tests: objects that tests set, and patches as an API server applies them.

use std::collections::BTreeMap;

use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::model::object::ObjectRef;
use crate::ports::BoxFuture;
use crate::ports::cluster::{Cluster, ClusterError, ClusterErrorKind, ObjectStates};

/// Objects with versions.
pub(crate) struct StubCluster {
    objects: watch::Sender<BTreeMap<ObjectRef, Value>>,
    patches: Mutex<Vec<(ObjectRef, Value)>>,
    /// No watch yields anything.
    is_silent: bool,
}

impl StubCluster {
    /// Starts without objects.
    pub(crate) fn new() -> Self {
        Self { objects: watch::Sender::default(), patches: Mutex::default(), is_silent: false }
    }

    /// A cluster whose API server does not respond.
    pub(crate) fn silent() -> Self {
        Self { is_silent: true, ..Self::new() }
    }

    /// Creates or replaces an object.
    pub(crate) fn set(&self, object: &ObjectRef, mut state: Value) {
        self.objects.send_modify(|objects| {
            state["metadata"]["resourceVersion"] = next_version(objects.get(object));
            objects.insert(object.clone(), state);
        });
    }

    /// Returns an object; null if it does not exist.
    pub(crate) fn get(&self, object: &ObjectRef) -> Value {
        self.objects.borrow().get(object).cloned().unwrap_or_default()
    }

    /// Returns the patches of an object that were sent, accepted or not.
    pub(crate) fn patches(&self, object: &ObjectRef) -> Vec<Value> {
        let patches = self.patches.lock();
        patches.iter().filter(|(patched, _)| patched == object).map(|(_, patch)| patch.clone()).collect()
    }
}

fn next_version(object: Option<&Value>) -> Value {
    let version = object.and_then(|object| object["metadata"]["resourceVersion"].as_str()?.parse::<u64>().ok());
    json!((version.unwrap_or_default() + 1).to_string())
}

/// Applies a JSON merge patch.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return *target = patch.clone() };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        match value {
            Value::Null => drop(target.as_object_mut().and_then(|target| target.remove(name))),
            value => merge(&mut target[name], value),
        }
    }
}

impl Cluster for StubCluster {
    fn watch<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<ObjectStates<'a>, ClusterError>> {
        let (receiver, is_silent) = (self.objects.subscribe(), self.is_silent);
        let states = stream::unfold((receiver, None), move |(mut receiver, last)| async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            loop {
                let now = receiver.borrow_and_update().get(object).cloned();
                if last.as_ref() != Some(&now) {
                    return Some((Ok(now.clone()), (receiver, Some(now))));
                }
                receiver.changed().await.ok()?;
            }
        });
        Box::pin(async { Ok(Box::pin(states) as ObjectStates<'a>) })
    }

    fn create<'a>(
        &'a self,
        object: &'a ObjectRef,
        _: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Value, ClusterError>> {
        self.set(object, content.clone());
        Box::pin(async { Ok(self.get(object)) })
    }

    fn patch<'a>(&'a self, object: &'a ObjectRef, patch: &'a Value) -> BoxFuture<'a, Result<Value, ClusterError>> {
        self.patches.lock().push((object.clone(), patch.clone()));
        let now = self.get(object);
        let wanted = &patch["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != now["metadata"]["resourceVersion"] {
            return Box::pin(async { Err(ClusterError::new(ClusterErrorKind::Conflict, "conflict")) });
        }
        let mut state = now;
        merge(&mut state, patch);
        self.set(object, state);
        Box::pin(async { Ok(self.get(object)) })
    }
}
