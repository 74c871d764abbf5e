//! Comparison of live objects with the result of an apply, by dry runs.
//!
//! The API server rewrites what it is sent, so fields that differ from the template's output may be in place. A dry run shows what an apply
//! would change. Users without permission to apply see the difference from the template's output.

use std::collections::HashMap;
use std::sync::Arc;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::Value;

use super::states::{Compared, RoutePhase, RouteState};
use crate::adapters::kubernetes::{MANAGER, Operation, api_resource};
use crate::controller::keys::ResourceKey;
use crate::controller::live::Live;
use crate::controller::shared::{Shared, with_hint};
use crate::ports::cluster::ClusterError;
use crate::routing::drift::projection;
use crate::routing::target::Desired;

/// Dry runs, one per state of a live object.
pub(super) struct Comparisons {
    client: Client,
    known: Mutex<HashMap<ResourceKey, DryRun>>,
}

/// Result of a dry run.
#[derive(Clone)]
struct DryRun {
    live: Arc<Live>,
    desired: Value,
    result: Arc<Live>,
}

impl Comparisons {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// Completes the state of a route with requests.
    pub(super) async fn compare(&self, shared: &Shared, route: &mut RouteState) {
        let Some(compared) = route.compared.clone() else { return };
        // Claimed after its type was listed.
        if route.state == RoutePhase::Unknown && route.detail.is_none() {
            match self.read(&compared).await {
                Ok(Some(object)) => {
                    let live = Live::of(object);
                    shared.index.target_applied(&compared.target, live.clone());
                    route.is_live(Arc::new(live));
                }
                Ok(None) => route.state = RoutePhase::Missing,
                Err(error) => route.detail = Some(with_hint(&error)),
            }
        }
        if route.state == RoutePhase::Differs {
            self.compare_with_dry_run(route).await;
        }
    }

    async fn compare_with_dry_run(&self, route: &mut RouteState) {
        let Some(Compared { desired, target, live: Some(live) }) = route.compared.clone() else { return };
        let desired_object = Value::Object(desired.object.clone());
        let known = self.known.lock().get(&target).cloned();
        let known = known.filter(|known| known.live.is_same_version(&live) && known.desired == desired_object);
        let result = match known {
            Some(known) => known.result,
            None => {
                let params = PatchParams { dry_run: true, ..PatchParams::apply(MANAGER).force() };
                let name = &target.key.name;
                let patched = self.api(&desired, &target).patch(name, &params, &Patch::Apply(&desired_object)).await;
                let Ok(object) = patched else { return };
                let result = Arc::new(Live::of(object));
                let known =
                    DryRun { live: Arc::clone(&live), desired: desired_object.clone(), result: Arc::clone(&result) };
                self.known.lock().insert(target, known);
                result
            }
        };
        route.detail = live.any_change(&result);
        route.state = if route.detail.is_some() { RoutePhase::Differs } else { RoutePhase::InPlace };
        route.desired = Some(projection(&desired_object, &result.object()));
    }

    async fn read(&self, compared: &Compared) -> Result<Option<DynamicObject>, ClusterError> {
        let Compared { desired, target, .. } = compared;
        let operation = Operation::new("get", &desired.resource, &target.key.namespace, &target.key.name);
        let object = self.api(desired, target).get_opt(&target.key.name).await;
        object.map_err(|error| operation.failed(&error))
    }

    fn api(&self, desired: &Desired, target: &ResourceKey) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &target.key.namespace, &api_resource(&desired.resource))
    }
}
