//! `iter8 assert`: an exit code from a document, waited for if need be.

use std::time::{Duration, Instant};

use clap::Args;

use super::document::DocumentArgs;
use super::error::CliError;
use super::exit::Exit;
use super::output;
use crate::model::document::Experiment;
use crate::model::duration::GoDuration;
use crate::ports::cluster::ClusterErrorKind;
use crate::ports::{BoxFuture, StoreError};
use crate::slo::assertion::{AssertCondition, Judgement, judge};

/// How often the document is looked at while waiting.
const POLL: Duration = Duration::from_millis(250);

/// Flags of `assert`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 assert -c completed -c nofailure -c slos\n  \
    iter8 assert -c completed,nofailure,slos --timeout 60s && kubectl apply -f new.yaml")]
pub struct AssertArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// What is asserted, and how long it may take to come true.
#[derive(Debug, Args)]
pub struct ConditionArgs {
    /// A condition: completed, nofailure or slos; all must hold (repeatable, comma lists)
    #[arg(short, long = "condition", value_name = "CONDITION", required = true, value_delimiter = ',')]
    condition: Vec<AssertCondition>,
    /// How long to wait for the conditions to hold; ends early once the outcome is decided
    #[arg(short, long, value_name = "DURATION", default_value = "0s", allow_hyphen_values = true)]
    timeout: GoDuration,
}

/// A document that may change while it is waited for.
pub trait Source: Sync {
    /// Reads it.
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>>;

    /// How often it is looked at while waiting; none where it can't change.
    fn poll(&self) -> Option<Duration>;

    /// What holds up the run that is to write it, where that is known.
    fn held_up(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    /// Why nobody will write it any more, where that is known.
    fn over(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }
}

impl Source for DocumentArgs {
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(DocumentArgs::load(self))
    }

    fn poll(&self) -> Option<Duration> {
        self.can_change().then_some(POLL)
    }
}

/// Judges the document.
pub async fn run(args: AssertArgs) -> Result<Exit, CliError> {
    decide(&args.conditions, &args.document, &CliError::from).await
}

/// Judges the conditions until all hold, one surely does not, nobody writes the document any more, or time is up. `told` says that
/// there is no document.
pub async fn decide(
    args: &ConditionArgs,
    source: &dyn Source,
    told: &(dyn Fn(StoreError) -> CliError + Sync),
) -> Result<Exit, CliError> {
    let deadline = Instant::now() + args.timeout.0.min(Duration::from_secs(366 * 24 * 3600));
    let mut over = None;
    loop {
        let last = source.poll().is_none() || Instant::now() >= deadline || over.is_some();
        match source.load().await {
            Ok(experiment) => {
                let judgements: Vec<_> =
                    args.condition.iter().map(|condition| (*condition, judge(&experiment, *condition))).collect();
                let hold = judgements.iter().all(|(_, judgement)| judgement.holds);
                let lost = judgements.iter().any(|(_, judgement)| !judgement.holds && judgement.decided);
                if hold || lost || last {
                    output::to_stdout(&shown(&judgements))?;
                    match &over {
                        Some(over) if !hold => {
                            let why = source.held_up().await.map(|why| format!("; {why}")).unwrap_or_default();
                            tracing::warn!("nothing will change any more: {over}{why}");
                        }
                        None if !hold && !lost && !args.timeout.0.is_zero() => {
                            let why = source.held_up().await.map(|why| format!(": {why}")).unwrap_or_default();
                            tracing::warn!("the conditions did not hold within {}{why}", args.timeout);
                        }
                        _ => {}
                    }
                    return Ok(exit(&judgements));
                }
            }
            // It may not have been written yet.
            Err(StoreError::Missing { .. }) if !last => {}
            // A cluster that is away for a while comes back.
            Err(StoreError::Cluster { source, .. }) if !last && source.kind == ClusterErrorKind::Unreachable => {
                tracing::debug!("{source}");
            }
            Err(error @ StoreError::Missing { .. }) if !args.timeout.0.is_zero() => {
                let why = match (&over, source.held_up().await) {
                    (Some(over), _) => format!("and none will come: {over}"),
                    (None, Some(why)) => format!("and none came within {}: {why}", args.timeout),
                    (None, None) => format!("and none came within {}", args.timeout),
                };
                output::to_stdout(&format!("FAILED  {error}, {why}\n"))?;
                return Ok(Exit::AssertionFailed);
            }
            Err(error) => return Err(told(error)),
        }
        // What was written last is read once more.
        over = source.over().await;
        if over.is_none() {
            let pause = source.poll().unwrap_or(POLL);
            tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }
}

/// What is inconclusive does not hold, but it is no failure where it is all that does not.
fn exit(judgements: &[(AssertCondition, Judgement)]) -> Exit {
    let lost = || judgements.iter().map(|(_, judgement)| judgement).filter(|judgement| !judgement.holds);
    if lost().next().is_none() {
        Exit::Done
    } else if lost().all(|judgement| judgement.inconclusive) {
        Exit::Inconclusive
    } else {
        Exit::AssertionFailed
    }
}

fn shown(judgements: &[(AssertCondition, Judgement)]) -> String {
    let line = |(condition, judgement): &(AssertCondition, Judgement)| {
        let mark = match judgement {
            Judgement { holds: true, .. } => "ok    ",
            Judgement { inconclusive: true, .. } => "OPEN  ",
            _ => "FAILED",
        };
        format!("{mark}  {condition}: {}\n", judgement.sentence)
    };
    judgements.iter().map(line).collect()
}
