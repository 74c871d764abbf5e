//! Comparing two saved documents.

use serde_json::{Map, Value, json};

use super::assess::{KEY, settings};
use super::error::AppError;
use super::values::Values;
use crate::model::document::Experiment;
use crate::model::insights::Insights;
use crate::model::objectives::Confidence;
use crate::model::path::FieldPath;
use crate::report::comparison;
use crate::slo::assertion::{RunState, progress};
use crate::slo::compare::{Compared, Side, compare};
use crate::tasks::assess::again::relative_objectives;
use crate::values::input::InputError;

/// Confidence of intervals unless the values name another one.
const LEVEL: f64 = 0.95;

/// A document to compare.
pub(crate) struct Document {
    pub(crate) experiment: Experiment,
    pub(crate) location: String,
    /// Name or index of the version; `None` for the only one.
    pub(crate) version: Option<String>,
}

/// Documents that were compared.
pub(crate) struct Comparison {
    compared: Compared,
    names: [String; 2],
}

/// Compares B with A.
pub(crate) fn run(a: &Document, b: &Document, values: &Values) -> Result<Comparison, AppError> {
    let in_values = |error: InputError| AppError::in_values(values.origins.locate(error.into()));
    let mut settings: Map<String, Value> = settings(&values.value).map_err(in_values)?;
    if settings.get("confidence").is_none_or(Value::is_null) {
        settings.insert("confidence".to_owned(), json!(LEVEL));
    }
    let objectives =
        relative_objectives(&settings).map_err(|error| in_values(error.under(FieldPath::root().key(KEY))))?;
    let default = Confidence { level: LEVEL, burst: Confidence::DEFAULT_BURST, is_strict: false };
    let confidence = objectives.confidence.unwrap_or(default);
    let (insights_a, insights_b) = (insights(a)?, insights(b)?);
    let sides = [
        Side { insights: insights_a, version: version(a, insights_a, "--versionA")?, name: "A" },
        Side { insights: insights_b, version: version(b, insights_b, "--versionB")?, name: "B" },
    ];
    let mut compared = compare(sides[0], sides[1], &objectives.relative, confidence);
    let names = [(a, sides[0]), (b, sides[1])].map(|(document, side)| {
        let label = (side.insights.num_versions > 1).then(|| side.insights.version_label(side.version));
        document.location.clone() + &label.map(|label| format!(", {label}")).unwrap_or_default()
    });
    let partial = [("A", a), ("B", b)].into_iter().filter_map(|(name, document)| {
        let progress = progress(&document.experiment);
        (progress.state != RunState::Completed).then(|| format!("{name} is not complete: {}", progress.sentence()))
    });
    compared.differences.extend(partial);
    if compared.metrics.is_empty() && compared.verdicts.is_empty() {
        return Err(AppError::input("the documents have no load in common")
            .with_hint("compare documents whose `http` or `grpc` tasks measured the same endpoints"));
    }
    Ok(Comparison { compared, names })
}

impl Comparison {
    /// Returns the verdict on the limits; `Holds` if there are none.
    pub(crate) fn verdict(&self) -> super::assert::Verdict {
        use super::assert::Verdict::{Fails, Holds, Inconclusive};
        use crate::model::slo::Outcome;
        match self.compared.outcome {
            None | Some(Outcome::Satisfied) => Holds,
            Some(Outcome::Violated) => Fails,
            Some(Outcome::Inconclusive) => Inconclusive,
        }
    }

    /// Renders the comparison as text.
    pub(crate) fn text(&self) -> String {
        comparison::text(&self.compared, &self.names)
    }

    /// Renders the comparison as JSON.
    pub(crate) fn json(&self) -> Result<String, AppError> {
        comparison::json(&self.compared, &self.names)
            .map_err(|error| AppError::input("cannot write the comparison as JSON").caused_by(error))
    }
}

fn insights(document: &Document) -> Result<&Insights, AppError> {
    let insights = document.experiment.result.as_ref().and_then(|result| result.insights.as_ref());
    insights.filter(|insights| insights.num_versions > 0).ok_or_else(|| {
        AppError::input(format!("{} has no measurements", document.location)).with_hint("run the experiment first")
    })
}

/// Returns the index of the version to compare; `flag` selects it.
fn version(document: &Document, insights: &Insights, flag: &str) -> Result<usize, AppError> {
    let location = &document.location;
    let labels: Vec<String> =
        (0..insights.num_versions.min(MAX_VERSIONS)).map(|at| insights.version_label(at)).collect();
    let hint = format!("name one: {}", labels.join(", "));
    match &document.version {
        None if insights.num_versions == 1 => Ok(0),
        None => {
            Err(AppError::input(format!("{location} has {} versions; select one with {flag}", insights.num_versions))
                .with_hint(hint))
        }
        Some(name) => {
            let names = insights.version_names.iter().take(labels.len());
            let by_name = labels.iter().position(|label| label == name);
            let by_name =
                by_name.or_else(|| names.into_iter().position(|own| own.version == *name || own.track == *name));
            let by_index = || name.parse().ok().filter(|index| *index < insights.num_versions);
            let unknown = || AppError::input(format!("{location} has no version `{name}`")).with_hint(hint);
            by_name.or_else(by_index).ok_or_else(unknown)
        }
    }
}

/// Maximum versions that have a name here; further ones are selected by index.
const MAX_VERSIONS: usize = 1_000;
