//! Use cases behind the commands: resolve values, run, launch, assert, report.
//!
//! Nothing here prints or knows exit codes.

pub(crate) mod assert;
pub(crate) mod assess;
pub(crate) mod candidates;
pub(crate) mod cluster;
pub(crate) mod compare;
pub(crate) mod controllers;
pub(crate) mod dry;
pub(crate) mod env;
pub(crate) mod error;
pub(crate) mod examples;
pub(crate) mod fields;
pub(crate) mod launch;
pub(crate) mod metrics;
pub(crate) mod push;
pub(crate) mod report;
pub mod resolve;
pub(crate) mod rollout;
pub(crate) mod rollout_commands;
pub(crate) mod rollout_target;
pub(crate) mod run;
pub(crate) mod schema;
mod task_list;
pub(crate) mod values;
