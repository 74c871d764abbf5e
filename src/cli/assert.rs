//! `iter8 assert`: judges conditions on a document, and turns the verdict into an exit code.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args};

use super::document::DocumentArgs;
use super::exit::Exit;
use super::output;
use super::style::{Style, label};
use crate::app::assert::{AssertCondition, Assertion, FILE_POLL, Judgement, Judgements, Source, assert};
use crate::app::error::AppError;
use crate::model::document::Experiment;
use crate::model::duration::GoDuration;
use crate::model::text::one_line;
use crate::ports::{BoxFuture, StoreError};

/// Flags of `assert`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 assert -c completed -c nofailure -c slos\n  \
    iter8 assert -c completed,nofailure,slos --timeout 60s && kubectl apply -f new.yaml")]
pub(crate) struct AssertArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    conditions: ConditionArgs,
}

/// Conditions and timeout.
#[derive(Debug, Args)]
pub(crate) struct ConditionArgs {
    /// Condition: completed, nofailure or slos; all must hold (repeatable, comma-separated)
    #[arg(short, long = "condition", value_name = "CONDITION", required = true, value_delimiter = ',', value_parser = ConditionParser)]
    condition: Vec<AssertCondition>,
    /// Maximum time to wait for the conditions to hold; ends early once the outcome is decided
    #[arg(short, long, value_name = "DURATION", default_value = "0s", allow_hyphen_values = true)]
    timeout: GoDuration,
}

/// Parses conditions, in upper case too, and names them for completion.
#[derive(Clone)]
pub(crate) struct ConditionParser;

impl TypedValueParser for ConditionParser {
    type Value = AssertCondition;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&Arg>, value: &OsStr) -> Result<Self::Value, clap::Error> {
        str::parse::<AssertCondition>.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(AssertCondition::ALL.into_iter().map(|condition| PossibleValue::new(condition.name()))))
    }
}

impl Source for DocumentArgs {
    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(DocumentArgs::load(self))
    }

    fn poll(&self) -> Option<Duration> {
        self.can_change().then_some(FILE_POLL)
    }
}

/// Judges the document.
pub(crate) async fn run(args: AssertArgs) -> Result<Exit, AppError> {
    decide(&args.conditions, &args.document, &AppError::from).await
}

/// Judges the conditions and prints the judgements. `unreadable` converts the error of a document that cannot be read.
pub(crate) async fn decide(
    args: &ConditionArgs,
    source: &dyn Source,
    unreadable: &(dyn Fn(StoreError) -> AppError + Sync),
) -> Result<Exit, AppError> {
    let assertion = assert(&args.condition, args.timeout, source).await.map_err(unreadable)?;
    match &assertion {
        Assertion::Judged { judgements, is_replayed, warning } => {
            print(judgements)?;
            if *is_replayed {
                tracing::warn!("these results were replayed from a recording");
            }
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
        }
        Assertion::Missing(message) => output::to_stdout(&format!("FAILED  {}\n", one_line(message)))?,
    }
    Ok(assertion.verdict().into())
}

/// Prints one line per condition.
pub(crate) fn print(judgements: &Judgements) -> Result<(), AppError> {
    output::to_stdout(&judgements.iter().map(line).collect::<String>())
}

fn line((condition, judgement): &(AssertCondition, Judgement)) -> String {
    let (mark, colour) = match judgement {
        Judgement { holds: true, .. } => ("ok    ", "32"),
        Judgement { inconclusive: true, .. } => ("inconclusive", "33"),
        _ => ("FAILED", "31"),
    };
    let mark = label(mark, colour, Style::of(&std::io::stdout()));
    format!("{mark}  {condition}: {}\n", one_line(&judgement.sentence))
}
