//! The experiment document, its spec, metrics, SLOs and verdicts: plain data.
//!
//! Nothing here reads a clock or does I/O. The serde attributes of these types *are* the file format: keys of Iter8 v0.13 keep their
//! spelling and meaning, and our own keys are added beside them.

pub mod codec;
pub mod contribution;
pub mod counts;
pub mod document;
pub mod duration;
pub(crate) mod grpc_status;
pub mod histogram;
pub mod insights;
pub(crate) mod limit;
pub mod load;
pub mod loops;
pub mod metric;
pub mod metric_name;
pub mod missing;
pub mod number;
pub mod object;
pub mod objectives;
pub mod path;
pub mod readable;
pub mod reward;
pub mod rollout;
pub mod secret_key;
pub(crate) mod serde_words;
pub mod series;
pub mod shard;
pub mod slo;
pub mod split;
pub(crate) mod text;
pub mod tls;
pub mod tls_problem;
