//! Our finalizer on resources that routemaps name: set, so that traffic is moved away before a resource is gone, and removed as soon as
//! no routemap needs it any more.

use std::sync::Arc;
use std::time::Duration;

use super::index::{FINALIZER, FinalizerTask};
use super::keys::ResourceKey;
use super::queue::Next;
use super::shared::{Shared, with_hint};
use super::writer::{ReadVersion, WriteError};
use crate::adapters::kubernetes::api_resource;
use crate::ports::cluster::ClusterErrorKind;

/// Sets or removes the finalizer of a resource, if that is due.
pub(super) async fn reconcile(shared: Arc<Shared>, key: ResourceKey) -> Next {
    let (shared, key) = (&shared, &key);
    let (Some(task), Some(resource_type)) = (shared.index.finalizer_task(key), shared.types.get(key.of_type)) else {
        return if shared.index.resource(key).is_none() { Next::Forget } else { Next::Wait };
    };
    let resource = api_resource(&resource_type.resource);
    let result = match &task {
        FinalizerTask::Set { uid, resource_version, finalizers } => {
            let read = ReadVersion { uid, resource_version };
            shared.writer.set_finalizers(&resource, &key.key, read, finalizers).await
        }
        FinalizerTask::Release => shared.writer.remove_finalizer(&resource, &key.key, FINALIZER).await,
    };
    match result {
        Ok(()) => {}
        Err(WriteError::NotLeader) => return Next::Wait,
        // The event of the change that came first is on its way.
        Err(WriteError::Replaced) => return Next::Retry(Duration::ZERO),
        Err(WriteError::Rejected(error)) if error.kind == ClusterErrorKind::NotFound => {}
        Err(WriteError::Transient(error, pause)) => {
            tracing::debug!("{}", error.message);
            return Next::Retry(pause);
        }
        Err(WriteError::Rejected(error)) => {
            tracing::warn!("cannot change the finalizers of {}: {}", key.key, with_hint(&error));
            return Next::Retry(Duration::from_secs(30));
        }
        Err(WriteError::Owned(_)) => return Next::Retry(Duration::from_secs(30)),
    }
    if task == FinalizerTask::Release {
        shared.index.resource_released(key);
        return Next::Forget;
    }
    Next::Wait
}
