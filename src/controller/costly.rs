//! Routemaps that take much work to render: their turns, and the templates that exceed their limits.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::index::RoutemapObject;
use super::keys::ObjectKey;
use crate::routing::decision::Endless;

/// State of the costly routemaps.
pub(super) struct Costly {
    /// Permit of the only rendering.
    turn: Arc<Semaphore>,
    known: Mutex<HashMap<ObjectKey, Known>>,
}

/// Templates that exceed their limits.
struct Known {
    /// Version of the routemap.
    resource_version: Box<str>,
    endless: Arc<Endless>,
}

impl Default for Costly {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), known: Mutex::default() }
    }
}

impl Costly {
    /// Starts a rendering; `None` if another one is running.
    pub(super) fn start(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).try_acquire_owned().ok()
    }

    /// Returns the templates of a routemap that are known to exceed their limits.
    pub(super) fn endless(&self, object: &RoutemapObject) -> Arc<Endless> {
        let all = self.known.lock();
        let known = all.get(&object.key).filter(|known| known.resource_version == object.resource_version);
        known.map(|known| Arc::clone(&known.endless)).unwrap_or_default()
    }

    /// Remembers the templates that exceed their limits.
    pub(super) fn remember(&self, object: &RoutemapObject, endless: Endless) {
        if !endless.is_empty() {
            let known = Known { resource_version: object.resource_version.clone(), endless: Arc::new(endless) };
            self.known.lock().insert(object.key.clone(), known);
        }
    }

    /// Forgets a routemap that was deleted.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.known.lock().remove(key);
    }
}
