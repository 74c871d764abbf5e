//! `iter8 report`.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::document::{DocumentArgs, required};
use super::exit::Exit;
use super::github::GithubArg;
use super::output;
use crate::app::error::AppError;
use crate::app::push::push;
use crate::app::report::{OPENMETRICS, Report, formats, is_gate, parse_label, render, render_metrics};
use crate::model::document::Experiment;

/// Flags of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 report\n  \
    iter8 report -o html --outputFile report.html\n  \
    iter8 report -o json | jq '.verdicts[] | select(.verdict != \"satisfied\")'\n  \
    iter8 report -o junit --outputFile slo.xml       # test results for Jenkins, GitLab and others\n  \
    iter8 report -o markdown | gh pr comment --body-file -\n  \
    iter8 report --github                            # annotations and step summary for GitHub Actions\n  \
    iter8 report -o openmetrics --label experiment=shop --outputFile /var/lib/node_exporter/iter8.prom\n  \
    iter8 report -o openmetrics --push http://pushgateway:9091/metrics/job/iter8/experiment/shop\n  \
    iter8 report -o csv --outputFile report.csv")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Format and destination of the report.
#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// Format of the report
    #[arg(short = 'o', long = "outputFormat", visible_alias = "output-format", default_value = "text", value_parser = format_parser())]
    format: String,
    /// Output file, replaced atomically; - for standard output
    #[arg(long = "outputFile", visible_aliases = ["output-file", "out"], value_name = "FILE", default_value = "-")]
    output_file: PathBuf,
    #[command(flatten)]
    github: GithubArg,
    /// Push the metrics to a Pushgateway instead of printing them; with -o openmetrics
    #[arg(long, value_name = "URL", conflicts_with = "output_file")]
    push: Option<String>,
    /// Add a label to every series; with -o openmetrics (repeatable)
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
}

fn format_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(formats().map(|(name, summary)| PossibleValue::new(name).help(summary)))
}

impl FormatArgs {
    /// Returns true if a pipeline decides from the report.
    pub(crate) fn is_gate(&self) -> bool {
        self.github.is_given() || is_gate(&self.format)
    }

    /// Prints, writes or pushes the report on an experiment; `location` is that of its document.
    pub(crate) async fn write(&self, experiment: &Experiment, location: &str) -> Result<Exit, AppError> {
        let is_metrics = self.format == OPENMETRICS;
        for (flag, is_given) in [("--push", self.push.is_some()), ("--label", !self.labels.is_empty())] {
            if is_given && !is_metrics {
                return Err(AppError::input(format!("{flag}: requires `-o {OPENMETRICS}`, not `-o {}`", self.format)));
            }
        }
        let mut names = HashSet::new();
        if let Some((name, _)) = self.labels.iter().find(|(name, _)| !names.insert(name)) {
            return Err(AppError::input(format!("--label: `{name}` is given twice; give each label once")));
        }
        let report = Report::of(experiment);
        let text = match is_metrics {
            true => render_metrics(&report, &self.labels, location)?,
            false => render(&report, &self.format, location)?,
        };
        match &self.push {
            Some(url) => push(url, text).await?,
            None => output::to_file(&self.output_file, &text)?,
        }
        self.github.announce(&report, location)?;
        Ok(Exit::Done)
    }
}

/// Prints or writes the report.
pub(crate) async fn run(args: ReportArgs) -> Result<Exit, AppError> {
    let experiment = required(&args.document).await?;
    args.format.write(&experiment, &args.document.location()).await
}
