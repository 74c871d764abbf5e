//! A controller and its cluster. The test decides when the controller learns of a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::api_server::{ApiServer, Collection, Event};
use super::apply::apply;
use super::scenario::{
    Action, CONFIG, OBJECTS, has_finalizer, release, resource, resource_name, routemap_name, target_name,
};
use crate::adapters::clock::SystemClock;
use crate::adapters::kubernetes::Change;
use crate::controller::events::Events;
use crate::controller::keys::TypeId;
use crate::controller::lease::{Leadership, LeadershipSender};
use crate::controller::metrics::Metrics;
use crate::controller::reconcile::reconcile;
use crate::controller::run::{follow_leadership, work};
use crate::controller::shared::Shared;
use crate::controller::watched::WatchedObject;
use crate::controller::{finalizers, sweep, watches};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::routing::decision::{Rendered, RoutemapName, refuse_contested};
use crate::routing::routemap::ResourceRef;
use crate::routing::{Config, Decision, Observed, RawObject, Routemap, decide};

/// A controller that sends nothing for this long is quiet. Longer than all its pauses.
const QUIET: Duration = Duration::from_secs(150);

/// Longest time until the controller is quiet, in units of [`QUIET`].
const ROUNDS: usize = 20;

/// Type of the resources, and of the routing objects.
const RESOURCES: TypeId = TypeId(0);
const TARGETS: TypeId = TypeId(1);

pub(super) struct Cluster {
    server: Arc<ApiServer>,
    shared: Arc<Shared>,
    leadership: LeadershipSender,
    is_leader: bool,
    /// Number of the next event of each watch that has listed.
    positions: BTreeMap<Collection, usize>,
    /// Changes that the controller may react to with writes.
    causes: usize,
}

impl Cluster {
    pub(super) fn start() -> Self {
        let server = Arc::new(ApiServer::default());
        let (shared, leadership) = start_controller(&server);
        Self { server, shared, leadership, is_leader: false, positions: BTreeMap::new(), causes: 0 }
    }

    pub(super) async fn act(&mut self, action: Action) {
        let server = &self.server;
        match action {
            Action::PutResource { number, ready, weight, has_other_finalizer } => {
                let name = resource_name(number);
                if server.get(Collection::Resources, &name).is_none() {
                    server.create(Collection::Resources, &name, resource(has_other_finalizer));
                }
                let conditions: Vec<Value> =
                    ready.iter().map(|status| json!({"type": "Ready", "status": status})).collect();
                server.edit(Collection::Resources, &name, |resource| {
                    resource["status"] = json!({"conditions": conditions});
                    resource["metadata"]["annotations"] = match weight {
                        Some(weight) => json!({"iter8.tools/weight": weight.to_string()}),
                        None => json!({}),
                    };
                });
            }
            Action::Label { number, is_watched } => {
                server.edit(Collection::Resources, &resource_name(number), |resource| {
                    resource["metadata"]["labels"]["iter8.tools/watch"] = json!(is_watched.to_string());
                });
            }
            Action::DeleteResource { number } => server.delete(Collection::Resources, &resource_name(number)),
            Action::Release { number } => {
                server.edit(Collection::Resources, &resource_name(number), release);
            }
            Action::PutRoutemap { number, routemap } => {
                server.delete(Collection::Routemaps, &routemap_name(number));
                server.create(Collection::Routemaps, &routemap_name(number), routemap.config_map());
            }
            Action::DeleteRoutemap { number } => server.delete(Collection::Routemaps, &routemap_name(number)),
            Action::EditTarget { number, is_ours } => {
                server.edit(Collection::Targets, &target_name(number), |target| match is_ours {
                    true => target["spec"]["hosts"] = json!(["changed"]),
                    false => target["spec"]["exportTo"] = json!(["."]),
                });
            }
            Action::DeleteTarget { number } => server.delete(Collection::Targets, &target_name(number)),
            Action::Deliver { collection, count } => self.deliver(collection, count).await,
            Action::DeliverAll => {
                for collection in Collection::ALL {
                    self.deliver(collection, usize::MAX).await;
                }
            }
            Action::Rewind { collection, count } => {
                if let Some(position) = self.positions.get_mut(&collection) {
                    *position = position.saturating_sub(count);
                }
            }
            Action::Relist { collection } => self.relist(collection).await,
            Action::Fail { fault } => {
                server.fail(fault);
                self.causes += 1;
            }
            Action::Lead { is_leader } => self.lead(is_leader),
            Action::Restart => self.restart(),
            Action::Wait { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        }
        // The tasks of the controller see each state.
        tokio::time::sleep(Duration::from_micros(100)).await;
    }

    pub(super) fn lead(&mut self, is_leader: bool) {
        self.causes += usize::from(is_leader && !self.is_leader);
        self.is_leader = is_leader;
        match is_leader {
            true => self.leadership.lead_alone(),
            false => self.leadership.resign(),
        }
    }

    /// Replaces the controller.
    fn restart(&mut self) {
        self.lead(false);
        self.shared.stop.cancel();
        (self.shared, self.leadership) = start_controller(&self.server);
        self.positions.clear();
    }

    /// Delivers all events that are left, until the controller sends nothing any more.
    pub(super) async fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let (causes, requests) = (self.causes, self.server.requests());
            for collection in Collection::ALL {
                self.deliver(collection, usize::MAX).await;
            }
            tokio::time::sleep(QUIET).await;
            self.assert_few_writes();
            let is_delivered = |collection| self.positions.get(&collection) == Some(&self.server.list(collection).1);
            let is_up_to_date = Collection::ALL.into_iter().all(is_delivered);
            if is_up_to_date && (causes, requests) == (self.causes, self.server.requests()) {
                return;
            }
        }
        panic!("the controller still sends requests");
    }

    /// Returns the number of requests of the controller.
    pub(super) fn requests(&self) -> usize {
        self.server.requests()
    }

    /// Lists everything and reconciles everything. Returns the number of requests.
    pub(super) async fn resync(&mut self) -> usize {
        let before = self.server.requests();
        for collection in Collection::ALL {
            self.relist(collection).await;
        }
        self.shared.push_all();
        self.settle().await;
        self.server.requests() - before
    }

    async fn deliver(&mut self, collection: Collection, count: usize) {
        let Some(position) = self.positions.get(&collection).copied() else { return self.relist(collection).await };
        let (_, length) = self.server.list(collection);
        for number in (position..length).take(count) {
            let Some(Event { is_deletion, object }) = self.server.event(collection, number) else { return };
            self.positions.insert(collection, number + 1);
            self.causes += 1;
            let change = if is_deletion { Change::Deleted(object) } else { Change::Applied(object) };
            self.change(collection, change).await;
        }
    }

    async fn relist(&mut self, collection: Collection) {
        let (objects, length) = self.server.list(collection);
        self.positions.insert(collection, length);
        self.causes += OBJECTS;
        self.change(collection, Change::Listed(objects)).await;
    }

    async fn change(&self, collection: Collection, change: Change<Value>) {
        let shared = &self.shared;
        match collection {
            Collection::Routemaps => {
                let change = map(change, |object| watches::parse(shared, dynamic(object)));
                watches::routemaps_changed(shared, change).await;
            }
            Collection::Resources => {
                let resource_type = shared.types.get(RESOURCES).unwrap();
                watches::resources_changed(shared, (RESOURCES, resource_type), map(change, raw));
            }
            Collection::Targets => {
                let change = map(change, |object| watches::live(dynamic(object)).unwrap());
                watches::targets_changed(shared, TARGETS, "routes", change);
            }
        }
    }

    /// Lists the type of routing objects for versions that name some, or makes that list fail.
    pub(super) fn read_targets_as_resources(&self, is_readable: bool) {
        let resource_type = self.shared.types.get(TARGETS).unwrap();
        let change = match is_readable {
            true => Change::Listed(self.server.list(Collection::Targets).0.into_iter().map(raw).collect()),
            false => Change::Failed(ClusterError::new(ClusterErrorKind::Forbidden, "cannot list virtualservices")),
        };
        watches::resources_changed(&self.shared, (TARGETS, resource_type), change);
    }

    /// Returns true if a resource has our finalizer; `None` if it does not exist.
    pub(super) fn finalizer(&self, number: usize) -> Option<bool> {
        self.server.get(Collection::Resources, &resource_name(number)).as_ref().map(has_finalizer)
    }

    pub(super) fn liveness(&self) -> Result<(), String> {
        self.shared.liveness()
    }

    /// Ends the tasks of the controller, which goes on nevertheless.
    pub(super) fn kill_tasks(&self) {
        self.shared.stop.cancel();
    }

    /// Asserts that the cluster matches the pure decision on its objects.
    pub(super) fn assert_converged(&self) {
        let routemaps = self.valid_routemaps();
        let mut decisions = self.decisions(&routemaps);
        refuse_contested(&mut decisions);
        for output in decisions.values().flat_map(|decision| &decision.outputs) {
            let Rendered::Desired(desired) = &output.result else { continue };
            let name = &desired.target.name;
            let live = self.server.get(Collection::Targets, name);
            let live = live.unwrap_or_else(|| panic!("{name} does not exist"));
            assert_eq!(live, apply(live.clone(), &Value::Object(desired.object.clone())), "{name}");
        }
        let versions = routemaps.iter().flat_map(|routemap| &routemap.versions);
        let named: BTreeSet<&ResourceRef> = versions.flat_map(|version| &version.resources).collect();
        let named: BTreeSet<&str> = named.iter().map(|resource| &*resource.name).collect();
        for object in self.server.all(Collection::Resources) {
            let observed = self.observed(&object);
            let needs_finalizer = named.contains(&*observed.name) && observed.is_watched && !observed.is_being_deleted;
            assert_eq!(has_finalizer(&object), needs_finalizer, "finalizer of {}", observed.name);
        }
    }

    /// Asserts that writes do not multiply.
    fn assert_few_writes(&self) {
        let (writes, causes) = (self.server.writes(), self.causes);
        assert!(writes <= causes, "{writes} writes for {causes} causes");
    }

    fn valid_routemaps(&self) -> Vec<Routemap> {
        let objects = self.server.all(Collection::Routemaps).into_iter();
        let sources = objects.map(|object| serde_json::from_value(object).unwrap());
        sources.filter_map(|source| Routemap::read(&source, &self.shared.config).ok()).collect()
    }

    fn decisions(&self, routemaps: &[Routemap]) -> BTreeMap<RoutemapName, Decision> {
        let objects = self.server.list(Collection::Resources).0;
        let observed: BTreeMap<Box<str>, Observed> = objects
            .iter()
            .map(|object| self.observed(object))
            .map(|observed| (observed.name.clone(), observed))
            .collect();
        let find = |resource: &ResourceRef| observed.get(&resource.name);
        let decide = |routemap: &Routemap| {
            let name = RoutemapName { namespace: routemap.namespace.clone(), name: routemap.name.clone() };
            (name, decide(routemap, find, &self.shared.config, DateTime::UNIX_EPOCH))
        };
        routemaps.iter().map(decide).collect()
    }

    fn observed(&self, object: &Value) -> Observed {
        let resource_type = self.shared.types.get(RESOURCES).unwrap();
        Observed::new(raw(object.clone()), resource_type, None, DateTime::UNIX_EPOCH)
    }
}

/// Starts a controller as a standby. Its watches list when the test delivers something.
fn start_controller(server: &Arc<ApiServer>) -> (Arc<Shared>, LeadershipSender) {
    let client = server.client();
    let (sender, leadership) = Leadership::elected(Arc::new(SystemClock));
    let metrics = Metrics::new(true);
    let events = Events::start(client.clone(), "iter8-controller-0", metrics.clone());
    let config = Config::from_yaml(CONFIG).unwrap();
    let parts = (leadership, events, metrics);
    let shared = Arc::new(Shared::new(client, None, config, parts, CancellationToken::new()));
    // Watched by the test.
    shared.watched_targets.lock().insert(TARGETS);
    shared.spawn(work(Arc::clone(&shared), |shared| &shared.routemaps, reconcile));
    shared.spawn(work(Arc::clone(&shared), |shared| &shared.finalizers, finalizers::reconcile));
    shared.spawn(follow_leadership(Arc::clone(&shared)));
    shared.spawn(sweep::run(Arc::clone(&shared)));
    (shared, sender)
}

fn map<T>(change: Change<Value>, read: impl Fn(Value) -> T) -> Change<T> {
    match change {
        Change::Listed(objects) => Change::Listed(objects.into_iter().map(read).collect()),
        Change::Applied(object) => Change::Applied(read(object)),
        Change::Deleted(object) => Change::Deleted(read(object)),
        Change::Missing(error) => Change::Missing(error),
        Change::Failed(error) => Change::Failed(error),
        Change::Interrupted(interruption) => Change::Interrupted(interruption),
    }
}

fn dynamic(object: Value) -> DynamicObject {
    serde_json::from_value(object).unwrap()
}

fn raw(object: Value) -> RawObject {
    serde_json::from_value::<WatchedObject>(object).unwrap().raw
}
