//! Experiments in a cluster: launching a group, reading and writing its document in a Secret, listing, logs, and removal.

mod deletion_plan;
mod events;
mod groups;
mod iter8_v013;
mod launch;
mod log_lines;
mod logs;
mod ownership;
mod pods;
mod provenance;
mod remove;
mod requirements;
mod runs;
mod secret_data;
mod secret_store;
mod suspension;

pub use deletion_plan::GroupDeletion;
pub use groups::{CronJobState, GroupState, groups};
pub use launch::{Launched, launch};
pub use logs::{LogLine, follow_logs, pod_problem, print_logs};
pub use remove::delete_group;
pub use runs::run_end;
pub use secret_data::MAX_SECRET_BYTES;
pub use secret_store::{LatestDocument, SecretStore, Stored};

pub(crate) use secret_data::{document, put, remove as remove_document};
