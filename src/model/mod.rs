//! Data only: the experiment document, its spec, metrics, SLOs and verdicts.
//!
//! Nothing here computes, reads a clock or does I/O. The serde attributes on these types *are* the file format: Iter8 v0.13's
//! keys keep their spelling and meaning, and this project's own keys stand beside them.

pub mod codec;
pub mod contribution;
pub mod counts;
pub mod document;
pub mod duration;
pub(crate) mod grpc_status;
pub mod insights;
pub mod load;
pub mod loops;
pub mod metric;
pub mod number;
pub mod object;
pub mod path;
pub mod readable;
pub mod series;
pub mod shard;
pub mod slo;
pub mod tls;
