//! Lengths of names: Kubernetes limits those of Jobs and CronJobs.

use super::names::Group;
use super::settings::{Runner, Settings};
use crate::values::input::InputError;

/// Maximum length of a Job name, which becomes a label of its pods.
const MAX_JOB: usize = 63;

/// Maximum length of a CronJob name, which is extended by the time in the names of its Jobs.
const MAX_CRON_JOB: usize = 52;

/// Revision that must still fit when a group is launched for the first time.
const LATER_REVISION: i64 = 9_999;

/// Rejects names that are too long for the Job or CronJob.
pub(super) fn check(group: &Group, revision: i64, settings: &Settings) -> Result<(), InputError> {
    // The host name of an Indexed Job's pod consists of the Job's name and the index.
    let index = match settings.parallelism {
        1 => 0,
        pods => 1 + (pods - 1).to_string().len(),
    };
    // A new group has room for its later revisions.
    let checked = if revision == 1 { LATER_REVISION } else { revision };
    let (kind, name, max) = match settings.runner {
        Runner::Job => ("Job", group.job(checked), MAX_JOB),
        Runner::CronJob => ("CronJob", group.cron_job(checked), MAX_CRON_JOB),
        Runner::None => return Ok(()),
    };
    let max = max - index;
    if name.len() <= max {
        return Ok(());
    }
    let message =
        format!("the name of its {kind}, `{name}` in revision {checked}, would be longer than {max} characters");
    Err(InputError::new("--group", message).with_hint("use a shorter group name"))
}
