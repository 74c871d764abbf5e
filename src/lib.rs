//! iter8 runs *experiments*: a pipeline of tasks produces one experiment document, from which `assert` makes an exit code and
//! `report` a text, HTML or JSON report.
//!
//! ```text
//! values (-f, --set) ─► spec ─► pipeline: ready → http → assess → notify ─► experiment document (file | Secret)
//!                                 │ events                             │
//!                                 └─► progress (stderr)      assert ◄──┼──► report
//! ```
//!
//! # Layers
//!
//! A module may name only what its row lists; there are no cycles. `tests/it/layers.rs` reads this table and holds the code to it.
//!
//! | layer | what lives there | may use |
//! |---|---|---|
//! | `model` | data only: spec, experiment document, metrics, SLOs, verdicts; the YAML codec | |
//! | `logic` | pure functions: values, statistics, assessment, conditions, pacing, what a launch makes; no clock, environment, I/O or async | model |
//! | `ports` | what the core needs from outside, as traits, and the events it emits | model |
//! | `net` | what every outgoing connection needs: TLS settings | model |
//! | `load` | one load loop, generic over the protocol; HTTP and gRPC plug in | model, logic, ports, net |
//! | `adapters` | the outside world: file store, web client, Kubernetes, shell, clock; recordings of it | model, logic, ports, net |
//! | `tasks` | one file per task, one registry | model, logic, ports, net, load |
//! | `report` | one file per format, one registry; pure functions of the document | model, logic |
//! | `pipeline` | runs tasks in order, saves after each, emits events | model, logic, ports, tasks |
//! | `sample` | a model service with two versions: the demo's target and the tests' fixture | model, logic |
//! | `cli` | one file per subcommand, progress, error printing, exit codes; the only place that prints | model, logic, ports, net, load, adapters, tasks, report, pipeline, sample |

pub mod adapters;
pub mod cli;
pub mod load;
pub mod logic;
pub mod model;
pub mod net;
pub mod pipeline;
pub mod ports;
pub mod report;
pub mod sample;
pub mod tasks;
