//! Load generation shared by `http` and `grpc`: layers of values, sequential and parallel loads, pods, metrics and notes.

mod all_failed;
mod concurrency;
mod field_paths;
mod job;
mod layer_schemas;
mod layers;
mod live_slos;
mod measure;
mod merge;
mod metrics;
mod pairs;
mod plan;
mod random;
mod rendezvous;
mod run;
mod shared;
mod start_barrier;
mod targets;
mod time;
mod until;
mod until_verdict;
mod version_from;
mod watched;

pub(super) use self::all_failed::all_failed;
pub(super) use self::plan::Plan;
pub(super) use field_paths::FieldPaths;
pub(super) use job::{JobContext, JobEnd, Load, run_load, unless_stopped};
pub(super) use layer_schemas::{Endpoints, LayeredValues, VersionLevel, remove_fields, required};
pub(super) use layers::{Layered, Rules, plan};
pub(super) use measure::{add, notes};
pub(super) use metrics::{Distribution, Scalars, planned};
pub(super) use random::random_bits;
pub(super) use time::Time;
pub(super) use until::Until;
pub(super) use version_from::{ResponseKind, VersionFrom, grpc_schema, http_schema};
