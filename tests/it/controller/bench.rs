//! The benchmark of the controller: `benches/controller/run` starts it. Prints a table; it asserts only that the routes are right.
//! All figures except memory come from the API server, so that another controller can be measured beside this one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::GroupVersionKind;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::controller_case::{CONFIG, Controller, ControllerCase, model, routemap, weights};
use crate::support::runtime::{block_on, spawn};

/// Requests of the benchmark at the same time.
const CONCURRENCY: usize = 16;

/// Single changes that are timed.
const CHANGES: usize = 100;

/// Changes of the burst.
const BURST: usize = 200;

/// Longest wait for routes.
const TIMEOUT: Duration = Duration::from_secs(900);

/// Resources whose API calls are counted for a change.
const RESOURCES: [&str; 3] = ["configmaps", "inferenceservices", "virtualservices"];

/// Those, and what a controller writes later.
const ALL: [&str; 4] = ["configmaps", "events", "inferenceservices", "virtualservices"];

/// A cluster with routemaps `m0`, `m1`, … and two InferenceServices each.
struct Bench {
    case: ControllerCase,
    client: kube::Client,
    /// Program of the other controller; `None` for ours.
    original: Option<String>,
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
    fn new(count: usize, original: Option<String>) -> Option<Self> {
        let case = ControllerCase::own()?;
        let bench = Self { client: case.case.cluster.client(), case, original, count, seen: Arc::default() };
        block_on(bench.create());
        bench.watch();
        Some(bench)
    }

    fn models(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("serving.kserve.io", "v1beta1", "InferenceService");
        Api::namespaced_with(self.client.clone(), &self.case.case.namespace, &ApiResource::from_gvk(&kind))
    }

    async fn create(&self) {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.case.case.namespace);
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

    /// Waits until these VirtualServices have this many destinations. Returns the times of their last changes.
    async fn wait_for(&self, names: &[String], destinations: usize) -> Vec<Instant> {
        let deadline = Instant::now() + TIMEOUT;
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
            let (done, all) = (times.len(), names.len());
            assert!(Instant::now() < deadline, "{done} of {all} VirtualServices have {destinations} destinations");
            let _ = tokio::time::timeout(Duration::from_secs(1), changed).await;
        }
    }

    /// Names of so many routemaps, evenly spread over all.
    fn names(&self, count: usize) -> Vec<String> {
        let count = count.min(self.count);
        (0..count).map(|index| format!("m{}", index * self.count / count)).collect()
    }

    fn start(&self) -> Controller {
        match &self.original {
            Some(program) => self.case.original(program, "iter8-0", CONFIG),
            None => self.case.controller("iter8-0", CONFIG, &["--version-metrics=false", "--leader-elect=false"]),
        }
    }

    /// Calls about these resources that the API server answered, without watches and without the changes of status of the benchmark.
    fn calls(&self, resources: &[&str]) -> f64 {
        let text = self.case.case.cluster.kubectl_ok(&["get", "--raw", "/metrics"]);
        let is_counted = |line: &&str| {
            line.starts_with("apiserver_request_total{")
                && !line.contains(r#"verb="WATCH""#)
                && !line.contains(r#"subresource="status""#)
                && resources.iter().any(|resource| line.contains(&format!(r#"resource="{resource}""#)))
        };
        text.lines().filter(is_counted).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// Waits until the controller has made no call for three seconds: its Events outlast its routes. Returns the number of calls about
    /// [`RESOURCES`] so far.
    fn wait_until_at_rest(&self) -> f64 {
        let started = Instant::now();
        let mut calls = self.calls(&ALL);
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(3) {
            assert!(started.elapsed() < TIMEOUT, "the controller does not come to rest");
            std::thread::sleep(Duration::from_millis(250));
            let now = self.calls(&ALL);
            if now != calls {
                (calls, since) = (now, Instant::now());
            }
        }
        self.calls(&RESOURCES)
    }

    /// Makes the second versions of these routemaps ready or not, at once.
    async fn set_all_ready(&self, names: &[String], is_ready: bool) {
        let models = self.models();
        let change = |name: &String| {
            let (models, model) = (models.clone(), format!("{name}-1"));
            async move { set_ready(&models, &model, is_ready).await }
        };
        stream::iter(names).for_each_concurrent(64, change).await;
    }

    /// Times one change after the other.
    async fn single(&self) -> Vec<Duration> {
        let models = self.models();
        let mut times = Vec::new();
        for name in self.names(CHANGES) {
            set_ready(&models, &format!("{name}-1"), false).await;
            let started = Instant::now();
            let applied = self.wait_for(&[name], 1).await;
            times.push(applied[0].saturating_duration_since(started));
        }
        times
    }

    /// Times many changes at once.
    async fn burst(&self) -> Vec<Duration> {
        let names = self.names(BURST);
        let started = Instant::now();
        self.set_all_ready(&names, false).await;
        let applied = self.wait_for(&names, 1).await;
        applied.into_iter().map(|at| at.saturating_duration_since(started)).collect()
    }

    /// Makes all versions ready again.
    fn restore(&self) {
        let names = self.names(self.count);
        block_on(self.set_all_ready(&names, true));
        block_on(self.wait_for(&names, 2));
    }

    /// The figures of one controller, each with its name.
    fn figures(&self) -> Vec<(&'static str, String)> {
        let started = Instant::now();
        let controller = self.start();
        block_on(self.wait_for(&self.names(self.count), 2));
        let first_start = started.elapsed();
        self.wait_until_at_rest();
        let first_memory = memory(&controller);
        controller.kill();

        let changed = self.names(BURST);
        block_on(self.set_all_ready(&changed, false));
        let started = Instant::now();
        let controller = self.start();
        block_on(self.wait_for(&changed, 1));
        let restart = started.elapsed();
        self.restore();

        let before = self.wait_until_at_rest();
        let mut single = block_on(self.single());
        let calls = (self.wait_until_at_rest() - before) / single.len() as f64;
        self.restore();
        self.wait_until_at_rest();
        let mut burst = block_on(self.burst());
        vec![
            ("first start to consistent", seconds(first_start)),
            ("restart to consistent, 200 changes", seconds(restart)),
            ("one change at rest, p50", quantile(&mut single, 0.5)),
            ("one change at rest, p99", quantile(&mut single, 0.99)),
            ("API calls per change", format!("{calls:.2}")),
            ("200 changes at once, p50", quantile(&mut burst, 0.5)),
            ("200 changes at once, max", quantile(&mut burst, 1.0)),
            ("memory after the first start", first_memory),
            ("memory at the end", memory(&controller)),
        ]
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

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[test]
#[allow(clippy::print_stdout)]
#[ignore = "a benchmark: benches/controller/run"]
fn changes_reach_the_routes() {
    let sizes = std::env::var("ITER8_BENCH_ROUTEMAPS").unwrap_or_else(|_| "200".to_owned());
    let original = std::env::var("ITER8_ORIGINAL").ok();
    let controllers = [Some(None), original.map(Some)].into_iter().flatten();
    let mut tables = Vec::new();
    for count in sizes.split(',').map(|size| size.trim().parse::<usize>().unwrap()) {
        let mut columns = Vec::new();
        for program in controllers.clone() {
            let Some(bench) = Bench::new(count, program) else { return };
            columns.push(bench.figures());
            bench.case.case.cluster.stop();
        }
        tables.push((count, columns));
    }
    for (count, columns) in &tables {
        let is_paired = columns.len() > 1;
        println!("\n| {count} routemaps | iter8 |{}", if is_paired { " the original |" } else { "" });
        println!("|---|---|{}", if is_paired { "---|" } else { "" });
        for (row, (what, _)) in columns[0].iter().enumerate() {
            let values: Vec<&str> = columns.iter().map(|column| column[row].1.as_str()).collect();
            println!("| {what} | {} |", values.join(" | "));
        }
    }
}
