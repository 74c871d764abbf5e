//! A whole run of a prepared experiment: the check against an earlier result, one loop, and the end of a distributed run.

use super::check::Prepared;
use super::distributed::finish;
use super::document::Document;
use super::rollout;
use super::run_loop::run_loop;
use super::{PipelineError, ResultPolicy, RunEnd};
use crate::model::document::Experiment;
use crate::model::path::FieldPath;
use crate::ports::{DocumentStore, Env};
use crate::tasks::Task;
use crate::values::input::{InputError, InputErrors};

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its end, or its failure.
    pub end: Result<RunEnd, PipelineError>,
    /// The document in the form that was saved.
    pub experiment: Experiment,
}

impl Prepared {
    /// Runs one loop and saves its outcome, even a failure, in the document. In a distributed run, this is the coordinator's part.
    pub async fn run(self, policy: ResultPolicy, store: &dyn DocumentStore, env: &Env<'_>) -> Finished {
        let Self { experiment, tasks, secrets, is_saved_redacted } = self;
        let checked = match policy {
            ResultPolicy::Fresh | ResultPolicy::Resume => Ok(()),
            ResultPolicy::Reuse => check_earlier(&experiment, &tasks).map_err(PipelineError::Input),
        };
        let mut document = Document::new(experiment, secrets, is_saved_redacted, store);
        let end = match checked {
            Ok(()) => {
                let rollout = tasks.iter().enumerate().find_map(|(index, task)| Some((index, task.as_rollout()?)));
                match rollout {
                    Some(rollout) => rollout::run(&mut document, &tasks, rollout, policy, env).await,
                    // There is nothing to resume.
                    None if policy == ResultPolicy::Resume => {
                        run_loop(&mut document, &tasks, ResultPolicy::Fresh, env).await
                    }
                    None => run_loop(&mut document, &tasks, policy, env).await,
                }
            }
            Err(error) => Err(error),
        };
        // Keep the workers of an interrupted coordinator waiting, because the Job may restart it.
        if let Some(fleet) = env.fleet.filter(|_| !matches!(end, Ok(RunEnd::Interrupted))) {
            finish(fleet, tasks.len().saturating_sub(1), env).await;
        }
        Finished { end, experiment: document.into_saved() }
    }
}

/// Finds tasks that do not fit the earlier result to which this run adds a loop.
fn check_earlier(experiment: &Experiment, tasks: &[Box<dyn Task>]) -> Result<(), InputErrors> {
    let result = experiment.result.as_ref();
    let Some(insights) = result.and_then(|result| result.insights.as_ref()) else { return Ok(()) };
    let mut errors = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let at = FieldPath::root().key("spec").index(index);
        errors.extend(task.check_earlier(insights).err().map(|error| error.under(&at)));
        if let Some(count) = task.facts().versions.filter(|count| ![0, *count].contains(&insights.num_versions)) {
            let message =
                format!("measures {count} versions, but the earlier loops measured {}", insights.num_versions);
            errors.push(InputError::new(at, message).with_hint("run without --reuseResult to start over"));
        }
    }
    InputErrors::check(errors, ())
}
