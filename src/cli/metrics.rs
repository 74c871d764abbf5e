//! `iter8 metrics`: lists names of metrics.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::output;
use super::text::{indented, json, wrapped_to};
use super::values::{ValueArgs, resolve};
use crate::app::env::{Adapters, LocalFiles};
use crate::app::error::AppError;
use crate::app::metrics::{self, ListedMetric, MetricList};
use crate::app::values::Network;
use crate::model::text::one_line;

/// Columns of the list, which narrow terminals have, too.
const WIDTH: usize = 60;

/// Columns before the meaning of a metric.
const INDENT: usize = 6;

/// Flags of `metrics`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 metrics\n  \
    iter8 metrics -f values.yaml             # those that these values will measure\n  \
    iter8 metrics -o json | jq -r '.metrics[].name'")]
pub(crate) struct MetricsArgs {
    #[command(flatten)]
    values: ValueArgs,
    /// Format of the output
    #[arg(short = 'o', long = "outputFormat", visible_alias = "output-format", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Human-readable list
    Text,
    /// One JSON object
    Json,
}

/// Lists the metrics of all tasks, or those of the values.
pub(crate) async fn run(args: MetricsArgs) -> Result<Exit, AppError> {
    let (list, is_of_values) = if args.values.is_given() {
        let adapters = Adapters::default();
        let resolved = resolve(&args.values.merged(Network::Through(adapters.web())).await?)?;
        (metrics::of_values(&resolved, &LocalFiles), true)
    } else {
        (metrics::all()?, false)
    };
    let text = match args.format {
        Format::Json => json(&list)?,
        Format::Text => format!("{}{}", listed(&list), if is_of_values { "" } else { NOTES }),
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}

/// Notes on names that depend on the values.
const NOTES: &str = "
An endpoint NAME is a provider of its own:
http-NAME/latency-p99, grpc-NAME/error-rate.
`split` needs `versionFrom`. Percentiles of built-in
templates are those in `values.latencyPercentiles`.
Queries of `custommetrics.prometheus` are metrics of the
provider `prometheus`: prometheus/NAME.
The names for your values: iter8 metrics -f values.yaml
";

/// Prints what is known about one metric.
pub(crate) fn explain(name: &str, is_json: bool) -> Result<(), AppError> {
    let list = metrics::all()?;
    let metric = metrics::find(&list, name)?;
    if is_json {
        return output::to_stdout(&json(metric)?);
    }
    let (unit, kind) = (unit(metric), kind(metric));
    let kind = if unit.is_empty() { kind } else { format!("{kind}, {unit}") };
    let mut text = format!("{} <{kind}>\n  {}\n\n  task      {}\n", metric.name, metric.description, metric.task);
    if !metric.aggregations.is_empty() {
        let form = |aggregation: &&str| format!("{}/{aggregation}", metric.name);
        text.push_str(&format!(
            "  read as   {}\n",
            metric.aggregations.iter().map(form).collect::<Vec<_>>().join(", ")
        ));
    }
    if !metric.short.is_empty() {
        text.push_str(&format!("  in --slo  {}\n", metric.short.join(", ")));
    }
    text.push_str("  all       iter8 metrics\n");
    output::to_stdout(&text)
}

/// Renders the list.
fn listed(list: &MetricList) -> String {
    let mut text = String::new();
    if list.versions.len() > 1 {
        let name = |(index, name): (usize, &Option<String>)| match name {
            Some(name) => format!("{index} ({})", one_line(name)),
            None => index.to_string(),
        };
        let names: Vec<String> = list.versions.iter().enumerate().map(name).collect();
        text.push_str(&format!("Each metric is measured for versions {}.\n\n", names.join(", ")));
    }
    let has_short = list.metrics.iter().any(|metric| !metric.short.is_empty());
    let mut task = None;
    for metric in &list.metrics {
        if task != Some(&metric.task) {
            text.push_str(&format!("{}{}\n", if task.is_some() { "\n" } else { "" }, one_line(&metric.task)));
            task = Some(&metric.task);
        }
        text.push_str(&entry(metric));
    }
    let has_percentiles = list.metrics.iter().any(|metric| metric.name.ends_with("-pX"));
    let distribution = list.metrics.iter().find(|metric| !metric.aggregations.is_empty());
    if let Some(ListedMetric { name, aggregations, .. }) = distribution {
        let list = aggregations.join(", ");
        let note = format!("A distribution is read with an aggregation, such as {}/p99: {list}.", one_line(name));
        text.push_str(&format!("\n{}\n", wrapped_to(&note, WIDTH)));
    }
    if has_percentiles || distribution.is_some() {
        text.push_str("pX is any percentile: p50, p99, p99.9.\n");
    }
    if has_short {
        let note = "Names in parentheses are for --slo in one line: iter8 run URL --slo 'p99 < 60ms'.";
        text.push_str(&format!("{}\n", wrapped_to(note, WIDTH)));
    }
    for unknown in &list.unknown {
        let provider = one_line(&unknown.provider);
        text.push_str(&format!("{provider}/… ({}): known only after the run\n", unknown.task));
    }
    if text.is_empty() {
        text.push_str("no metrics: none of these tasks measures any\n");
    }
    text
}

/// Renders a metric: its name, and below it the meaning with unit and kind.
fn entry(metric: &ListedMetric) -> String {
    let short = if metric.short.is_empty() { String::new() } else { format!(" ({})", metric.short.join(", ")) };
    let unit = unit(metric);
    let unit = if unit.is_empty() { unit } else { format!("{unit}, ") };
    // Names and descriptions may be those of a user's template.
    let meaning = format!("{} [{unit}{}]", one_line(&metric.description), kind(metric));
    format!("  {}{short}\n{}", one_line(&metric.name), indented(&wrapped_to(&meaning, WIDTH - INDENT), INDENT))
}

fn unit(metric: &ListedMetric) -> String {
    match metric.units.as_deref() {
        // Iter8's word for it.
        Some("msec") => "ms".to_owned(),
        units => one_line(units.unwrap_or_default()),
    }
}

fn kind(metric: &ListedMetric) -> String {
    match metric.aggregations {
        [] => format!("{:?}", metric.kind).to_lowercase(),
        _ => "distribution".to_owned(),
    }
}
