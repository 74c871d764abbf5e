//! Experiments in a cluster: their documents, runs and pods, for the commands of `iter8 k` and for controllers.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::error::AppError;
use super::launch::PodFiles;
use super::resolve::{self, from_value, is_same_spec, spec_from_values};
use crate::adapters::clock::SystemClock;
use crate::manifests::names::JOB_VARIABLE;
use crate::manifests::settings::Settings;
use crate::model::document::{Experiment, ExperimentResult};
use crate::model::shard::Share;
use crate::pipeline::{self, Prepared, ResultPolicy};
use crate::ports::{Clock, Files};

use super::run::has_unfinished_rollout;
pub(crate) use crate::adapters::kubernetes::{
    ConnectOptions, Connection, CronJobState, GroupDeletion, GroupState, LatestDocument, LazyCluster, LogLine,
    NoCluster, PodFleet, SecretStore, ShardIndex, Stored, connect, delete_group, follow_logs, groups, launch,
    namespace_without_connecting, pod_problem, print_logs, run_end,
};
pub(crate) use crate::manifests::names::Group;
pub(crate) use crate::manifests::settings::Runner;

/// Variable with the index of a pod in an Indexed Job, set by the Job controller.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// Returns the current time.
pub(crate) fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// Builds the document of values that have not run yet.
pub(crate) fn planned(values: &Value, revision: i64) -> Option<Experiment> {
    let resolved = spec_from_values(values).ok()?;
    Some(pipeline::planned(resolved.redacted_spec(&PodFiles::default()), revision, None))
}

/// Returns the index of this pod among several; `None` if the experiment runs in a single process.
pub(crate) fn shard_index(
    group: &Group,
    values: Option<&Value>,
    files: &dyn Files,
) -> Result<Option<ShardIndex>, AppError> {
    let Some(values) = values else { return Ok(None) };
    let settings = Settings::from_values(values).map_err(AppError::in_values)?;
    if settings.parallelism == 1 {
        return Ok(None);
    }
    let variable = |name: &str| files.env(name).filter(|text| !text.is_empty());
    let (Some(index), Some(job)) = (variable(INDEX_VARIABLE), variable(JOB_VARIABLE)) else {
        let pods = settings.parallelism;
        tracing::warn!("this is not a pod of an Indexed Job: one process generates the load of all {pods} pods");
        return Ok(None);
    };
    let share = index.parse().ok().and_then(|index| Share::new(index, settings.parallelism as usize));
    let share = share.ok_or_else(|| {
        let message = format!("{INDEX_VARIABLE} is `{index}`, but parallelism is {}", settings.parallelism);
        AppError::input(message).with_hint("the Job belongs to another launch; launch the experiment again")
    })?;
    Ok(Some(ShardIndex { group: group.clone(), job, share, start_timeout: settings.start_timeout.0 }))
}

/// Returns `Fresh`, or `Resume` if the experiment has a rollout to continue. The pod of a Job also continues a rollout that has ended, because
/// the previous pod may have been killed before it released its claim.
pub(crate) fn policy_of_new_run(stored: &Stored, revision: i64, is_job: bool) -> ResultPolicy {
    let result = stored.document.as_ref().and_then(|document| document.result.as_ref());
    let result = result.filter(|result| result.revision.is_none_or(|of_result| of_result == revision));
    match result {
        Some(result) if has_unfinished_rollout(result) || (is_job && result.rollout.is_some()) => ResultPolicy::Resume,
        _ => ResultPolicy::Fresh,
    }
}

/// Prepares the experiment in the Secret.
pub(crate) fn prepare_stored(
    stored: Stored,
    revision: i64,
    policy: ResultPolicy,
    location: &str,
    files: &dyn Files,
) -> Result<Prepared, AppError> {
    let has_digest = stored.has_digest();
    // Ignore results of earlier launches.
    let is_ours = |result: &ExperimentResult| result.revision.is_none_or(|of_result| of_result == revision);
    let earlier = stored.document.as_ref().and_then(|document| document.result.clone()).filter(is_ours);
    let base = earlier.filter(|_| policy != ResultPolicy::Fresh).unwrap_or_default();
    let with_origin = |result| ExperimentResult {
        revision: Some(revision),
        values_digest: stored.values.as_ref().map(|values| stored.key.digest(values)),
        ..result
    };
    let (result, fresh) = (Some(with_origin(base)), with_origin(ExperimentResult::default()));
    match (stored.values, stored.document) {
        (Some(values), document) => {
            let resolved = from_value(&values).map_err(AppError::in_values)?;
            for warning in &resolved.warnings {
                tracing::warn!("{warning}");
            }
            // Tools that only render charts change the values but not the revision.
            let has_same_spec = || document.is_none_or(|document| is_same_spec(&document.spec, &resolved.spec));
            let is_same = has_digest.unwrap_or_else(has_same_spec);
            let result = if is_same { result } else { Some(fresh) };
            resolved.prepare(result, files).map_err(AppError::in_values)
        }
        (None, Some(document)) => {
            let experiment = Experiment { result, ..document };
            resolve::document(experiment, policy, location, files)
                .map_err(|errors| AppError::in_document(location, errors))
        }
        (None, None) => Err(AppError::input(format!("{location} contains neither values.yaml nor experiment.yaml"))
            .with_hint("launch an experiment with `iter8 k launch`")),
    }
}
