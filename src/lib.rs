//! iter8 runs *experiments*: a pipeline of tasks produces one experiment document, from which `assert` derives an exit code and `report`
//! renders a report for people or machines.
//!
//! ```text
//! values (-f, --set) ─► spec ─► pipeline: ready → http → assess → notify ─► experiment document (file | Secret)
//!                                 │ events                             │
//!                                 └─► progress (stderr)      assert ◄──┼──► report
//! ```
//!
//! # Layers
//!
//! A module may only use the layers in its row; there are no cycles. `tests/it/layers.rs` reads this table and enforces it.
//!
//! | layer | contents | may use |
//! |---|---|---|
//! | `model` | plain data: spec, experiment document, metrics, SLOs, verdicts; the YAML and JSON codec (pure) | |
//! | `redact` | finds and redacts secrets (pure) | model |
//! | `values` | `--set` grammar, merging, typed reading with field paths (pure) | model, redact |
//! | `metrics` | metric names, histograms, statistics, insights within bounds (pure) | model |
//! | `confidence` | limits of shares, percentiles, means and comparisons, from requests that depend on each other (pure) | model, metrics |
//! | `slo` | verdicts, loops, conditions, assertions (pure) | model, redact, metrics, confidence |
//! | `templates` | provider, payload and request templates in their dialects; jq (pure) | model, values |
//! | `providers` | metric providers: specs, responses and retries (pure) | model, redact, values, templates |
//! | `routing` | routemap + observed objects → weights → desired objects + reasons (pure) | model, values |
//! | `rollout` | the state of a target of rollouts, its planned changes, and the test that they took effect (pure) | model, routing |
//! | `manifests` | Kubernetes objects of an experiment (pure) | model, values |
//! | `ports` | traits for everything outside the core, and the events it emits | model |
//! | `traffic` | moves the traffic of a target, and waits until the cluster shows it | model, ports, rollout |
//! | `load` | the load engine: pacing, workers, HTTP/1.1, HTTP/2, gRPC, TLS | model, redact, metrics, confidence, templates, ports |
//! | `adapters` | the outside world: file store, web client, Kubernetes, shell, clock; recordings of it | model, redact, values, metrics, confidence, slo, templates, providers, manifests, ports, load |
//! | `tasks` | one file or folder per task, one registry | model, redact, values, metrics, confidence, slo, templates, providers, routing, rollout, manifests, ports, traffic, load |
//! | `report` | one file per format, one registry; functions of the document (pure) | model, redact, metrics, confidence, slo |
//! | `pipeline` | runs tasks in order, saves after each, emits events; drives rollouts in steps | model, redact, values, metrics, confidence, slo, rollout, ports, traffic, tasks |
//! | `controller` | release controller: watches, decides, applies; leader election, metrics, health | model, values, ports, adapters, routing |
//! | `app` | use cases behind the commands: resolve values, run, launch, assert, report; nothing here prints | model, redact, values, confidence, slo, manifests, ports, adapters, tasks, report, pipeline, routing, rollout, traffic, controller |
//! | `cli` | one file per subcommand, progress, error printing, exit codes; the only place that prints | model, ports, app |
//!
//! Independent parts are crates: `crates/yaml` (YAML as Helm reads it), `crates/gotemplate` (Go templates within bounds),
//! `crates/suggest` (the nearest valid name), `crates/sample-model` (the demo's model service).

pub mod adapters;
pub mod app;
pub mod cli;
pub mod confidence;
pub mod controller;
pub mod load;
pub mod manifests;
pub mod metrics;
pub mod model;
pub mod pipeline;
pub mod ports;
pub mod providers;
pub mod redact;
pub mod report;
pub mod rollout;
pub mod routing;
pub mod slo;
pub mod tasks;
pub mod templates;
mod traffic;
pub mod values;
