//! The benchmark of the controller: `benches/controller/run` starts it. Prints a table; it asserts only that the routes are right.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::controller_case::{CONFIG, Controller, ControllerCase, model, routemap, weights};
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::kubernetes::ControlPlane;
use crate::support::runtime::{block_on, spawn};

/// Requests of the benchmark at the same time.
const CONCURRENCY: usize = 16;

/// Single changes that are timed.
const CHANGES: usize = 100;

/// Changes at once.
const BURST: usize = 200;

/// A cluster with routemaps `m0`, `m1`, … and two InferenceServices each.
struct Bench {
    case: ControllerCase,
    client: kube::Client,
    count: usize,
    seen: Arc<Seen>,
}

/// VirtualServices as a watch shows them: the number of destinations of each, and the time of its last change.
#[derive(Default)]
struct Seen {
    routes: Mutex<HashMap<String, (usize, Instant)>>,
    changed: Notify,
}

impl Bench {
    fn new(count: usize) -> Option<Self> {
        let cluster: &'static ControlPlane = Box::leak(Box::new(ControlPlane::own()?));
        if !cluster.crds() {
            return None;
        }
        let case = ControllerCase { case: ClusterCase::of(cluster) };
        let bench = Self { client: cluster.client(), case, count, seen: Arc::default() };
        block_on(bench.create());
        bench.watch();
        Some(bench)
    }

    fn models(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("serving.kserve.io", "v1beta1", "InferenceService");
        Api::namespaced_with(self.client.clone(), &self.case.case.namespace, &ApiResource::from_gvk(&kind))
    }

    async fn create(&self) {
        let namespace = &self.case.case.namespace;
        let _: Namespace = Api::all(self.client.clone()).get(namespace).await.unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let models = self.models();
        let parse = |yaml: &str| iter8::model::codec::value_from_yaml(yaml).unwrap();
        let create = |number: usize| {
            let (maps, models) = (maps.clone(), models.clone());
            async move {
                let name = format!("m{number}");
                for version in 0..2 {
                    let model_name = format!("{name}-{version}");
                    let object: DynamicObject = serde_json::from_value(parse(&model(&model_name))).unwrap();
                    models.create(&PostParams::default(), &object).await.unwrap();
                    set_ready(&models, &model_name, true).await;
                }
                let object: ConfigMap = serde_json::from_value(parse(&routemap(&name))).unwrap();
                maps.create(&PostParams::default(), &object).await.unwrap();
            }
        };
        stream::iter(0..self.count).for_each_concurrent(CONCURRENCY, create).await;
    }

    /// Follows the VirtualServices.
    fn watch(&self) {
        let kind = GroupVersionKind::gvk("networking.istio.io", "v1beta1", "VirtualService");
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.case.case.namespace, &ApiResource::from_gvk(&kind));
        let seen = Arc::clone(&self.seen);
        spawn(async move {
            let mut version = "0".to_owned();
            loop {
                let Ok(events) = api.watch(&WatchParams::default().timeout(280), &version).await else { continue };
                let mut events = events.boxed();
                while let Ok(Some(event)) = events.try_next().await {
                    if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                        version = object.metadata.resource_version.clone().unwrap_or_default();
                        let destinations = weights(&json!({"spec": object.data["spec"]})).len();
                        let name = object.metadata.name.clone().unwrap_or_default();
                        seen.routes.lock().insert(name, (destinations, Instant::now()));
                        seen.changed.notify_waiters();
                    }
                }
            }
        });
    }

    /// Waits until these VirtualServices have so many destinations. Returns the times of their last changes.
    async fn wait_for(&self, names: &[String], destinations: usize) -> Vec<Instant> {
        let deadline = Instant::now() + Duration::from_secs(900);
        loop {
            let changed = self.seen.changed.notified();
            let times: Vec<Instant> = {
                let routes = self.seen.routes.lock();
                let found = names.iter().filter_map(|name| routes.get(name).copied());
                found.filter(|(count, _)| *count == destinations).map(|(_, at)| at).collect()
            };
            if times.len() == names.len() {
                return times;
            }
            assert!(Instant::now() < deadline, "{} of {} are as they should be", times.len(), names.len());
            let _ = tokio::time::timeout(Duration::from_secs(1), changed).await;
        }
    }

    fn names(&self, count: usize) -> Vec<String> {
        (0..count.min(self.count)).map(|number| format!("m{number}")).collect()
    }

    fn start(&self) -> Controller {
        self.case.controller("iter8-0", CONFIG, &["--version-metrics=false", "--leader-elect=false", "-l", "warning"])
    }

    /// Times one change after the other.
    async fn single(&self) -> Vec<Duration> {
        let models = self.models();
        let mut times = Vec::new();
        for change in 0..CHANGES {
            let name = format!("m{}", change % self.count);
            let is_ready = (change / self.count) % 2 == 1;
            set_ready(&models, &format!("{name}-1"), is_ready).await;
            let started = Instant::now();
            let applied = self.wait_for(std::slice::from_ref(&name), if is_ready { 2 } else { 1 }).await;
            times.push(applied[0].saturating_duration_since(started));
            // Consecutive changes of a routemap would wait for its minimum interval.
            set_ready(&models, &format!("{name}-1"), true).await;
            self.wait_for(&[name], 2).await;
        }
        times
    }

    /// Times many changes at once.
    async fn burst(&self) -> Vec<Duration> {
        let models = self.models();
        let names = self.names(BURST);
        let started = Instant::now();
        let change = |name: &String| {
            let (models, model) = (models.clone(), format!("{name}-1"));
            async move { set_ready(&models, &model, false).await }
        };
        stream::iter(&names).for_each_concurrent(64, change).await;
        let applied = self.wait_for(&names, 1).await;
        applied.into_iter().map(|at| at.saturating_duration_since(started)).collect()
    }
}

async fn set_ready(models: &Api<DynamicObject>, name: &str, is_ready: bool) {
    let status = if is_ready { "True" } else { "False" };
    let patch = json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
    models.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

fn quantile(times: &mut [Duration], quantile: f64) -> String {
    times.sort();
    let index = ((times.len() as f64 * quantile).ceil() as usize).clamp(1, times.len()) - 1;
    format!("{:.1} ms", times[index].as_secs_f64() * 1e3)
}

/// Resident memory of a controller in MiB.
fn memory(controller: &Controller) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", controller.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    format!("{:.0} MiB", kib / 1024.0)
}

/// Waits until all routemaps were reconciled.
fn wait_until_consistent(controller: &Controller, count: usize, started: Instant) -> Duration {
    let done = |result: &str| {
        controller.metric(&format!("iter8_controller_reconciles_total{{result=\"{result}\"}}")).unwrap_or_default()
    };
    while done("applied") + done("unchanged") < count as f64 {
        assert!(started.elapsed() < Duration::from_secs(900), "{}", controller.log.text());
        std::thread::sleep(Duration::from_millis(20));
    }
    started.elapsed()
}

#[test]
#[allow(clippy::print_stdout)]
#[ignore = "a benchmark: benches/controller/run"]
fn changes_reach_the_routes() {
    let sizes = std::env::var("ITER8_BENCH_ROUTEMAPS").unwrap_or_else(|_| "200".to_owned());
    let mut rows: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    for count in sizes.split(',').map(|size| size.trim().parse::<usize>().unwrap()) {
        let Some(bench) = Bench::new(count) else { return };
        let mut row = Vec::new();
        let mut add = |what: &str, value: String| row.push((what.to_owned(), value));
        let started = Instant::now();
        let controller = bench.start();
        block_on(bench.wait_for(&bench.names(count), 2));
        add("first start to consistent", format!("{:.1} s", started.elapsed().as_secs_f64()));
        wait_until_consistent(&controller, count, started);
        add("memory after the first start", memory(&controller));
        let applies = || controller.metric("iter8_controller_apply_duration_seconds_count").unwrap_or_default();
        let before = applies();
        let mut times = block_on(bench.single());
        add("one change, p50", quantile(&mut times, 0.5));
        add("one change, p99", quantile(&mut times, 0.99));
        add("applies per change", format!("{:.2}", (applies() - before) / (2.0 * CHANGES as f64)));
        let mut times = block_on(bench.burst());
        add("200 changes at once, p50", quantile(&mut times, 0.5));
        add("200 changes at once, max", quantile(&mut times, 1.0));
        add("memory", memory(&controller));
        drop(controller);
        let started = Instant::now();
        let controller = bench.start();
        let restart = wait_until_consistent(&controller, count, started);
        add("restart to consistent", format!("{:.1} s", restart.as_secs_f64()));
        add(
            "applies after the restart",
            format!("{}", controller.metric("iter8_controller_apply_duration_seconds_count").unwrap_or_default()),
        );
        add("memory after the restart", memory(&controller));
        drop(controller);
        bench.case.case.cluster.stop();
        rows.insert(count, row);
    }
    for (count, row) in &rows {
        println!("\n| {count} routemaps | |\n|---|---|");
        for (what, value) in row {
            println!("| {what} | {value} |");
        }
    }
}
