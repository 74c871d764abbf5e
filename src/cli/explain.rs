//! `iter8 explain`: describes values, as `kubectl explain` does objects.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::metrics;
use super::output;
use super::text::{indented, json, wrapped};
use crate::app::error::AppError;
use crate::app::fields::{self, Field};

/// Flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 explain\n  \
    iter8 explain http.qps\n  \
    iter8 explain assess.SLOs.upper\n  \
    iter8 explain http --recursive\n  \
    iter8 explain http/latency-p99          # a metric; iter8 metrics lists all")]
pub(crate) struct ExplainArgs {
    /// Path of a value, such as http.qps, or name of a metric [default: all values]
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
    /// List the fields of all fields
    #[arg(long)]
    recursive: bool,
    /// Format of the output
    #[arg(short = 'o', long = "outputFormat", visible_alias = "output-format", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Human-readable text
    Text,
    /// One JSON object
    Json,
}

/// Prints the description of a value or a metric.
pub(crate) fn run(args: &ExplainArgs) -> Result<Exit, AppError> {
    if is_metric(&args.path) {
        metrics::explain(&args.path, args.format == Format::Json)?;
        return Ok(Exit::Done);
    }
    let all = fields::values();
    let field = all.find(&args.path)?;
    let text = match (args.format, args.recursive) {
        (Format::Json, true) => json(field)?,
        (Format::Json, false) => json(&field.shallow())?,
        (Format::Text, true) => format!("{}{}", head(field), tree(field, 0)),
        (Format::Text, false) => format!("{}{}", head(field), list(field)),
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}

/// Recognizes the name of a metric: its provider, the first part, has no dot.
fn is_metric(path: &str) -> bool {
    path.split_once('/').is_some_and(|(provider, _)| !provider.contains('.'))
}

/// Renders everything about the field itself.
fn head(field: &Field) -> String {
    if field.path.is_empty() {
        return "Values of an experiment, as -f and --set take them. Explain one with `iter8 explain PATH`.\n"
            .to_owned();
    }
    let mut text = title(field);
    text.push_str(&indented(&wrapped(&field.description, 2), 2));
    let allowed: Vec<&str> = field.allowed.iter().map(|allowed| allowed.value.as_str()).collect();
    let of_entry = field.entry.as_ref().filter(|_| allowed.is_empty());
    let entries: Vec<&str> =
        of_entry.iter().flat_map(|entry| &entry.allowed).map(|allowed| allowed.value.as_str()).collect();
    let rows = [
        ("default", field.default.clone()),
        ("range", field.range.clone()),
        ("one of", Some(allowed.join(", ")).filter(|list| !list.is_empty())),
        ("any of", Some(entries.join(", ")).filter(|list| !list.is_empty())),
        ("example", field.example.as_ref().map(|example| flag(&field.path, example))),
    ];
    let rows: String = rows.iter().filter_map(|(label, value)| Some(row(label, value.as_ref()?))).collect();
    let meanings = field.allowed.iter().filter_map(|allowed| Some(row(&allowed.value, allowed.meaning.as_ref()?)));
    let meanings: String = meanings.collect();
    for block in [rows, meanings] {
        if !block.is_empty() {
            text.push_str(&format!("\n{block}"));
        }
    }
    let entry = field.entry.as_ref().filter(|entry| entry.is_leaf() && !entry.description.is_empty());
    if let Some(entry) = entry {
        text.push_str(&format!("\nENTRIES\n{}", item(entry, &entry.path)));
    }
    if field.path.starts_with("assess.") && (field.is_map() || field.name == "NAME") {
        text.push_str("\n  names of metrics: iter8 metrics\n");
    }
    text
}

fn title(field: &Field) -> String {
    let required = if field.required { ", required" } else { "" };
    format!("{} <{}>{required}\n", field.path, field.kind)
}

fn row(label: &str, value: &str) -> String {
    format!("  {label:<9} {value}\n")
}

/// Renders the fields with the first sentence of each.
fn list(field: &Field) -> String {
    let children = field.children();
    if field.path.is_empty() {
        let (tasks, others): (Vec<&Field>, Vec<&Field>) = children.iter().partition(|child| child.is_task());
        let (list, settings): (Vec<&Field>, Vec<&Field>) = others.into_iter().partition(|child| child.name == "tasks");
        let section = |heading: &str, fields: &[&Field]| {
            let items: String = fields.iter().map(|child| item(child, &child.name)).collect();
            format!("\n{heading}\n{items}")
        };
        return section("TASKS", &[list, tasks].concat()) + &section("RUNS IN KUBERNETES", &settings);
    }
    let items: String = children.iter().map(|child| item(child, &child.name)).collect();
    match children.first() {
        None => String::new(),
        Some(_) if field.fields.is_empty() => format!("\nFIELDS of each entry\n{items}"),
        Some(_) => format!("\nFIELDS\n{items}"),
    }
}

fn item(field: &Field, name: &str) -> String {
    let required = if field.required { ", required" } else { "" };
    format!("  {name} <{}>{required}\n{}", field.kind, indented(&wrapped(field.summary(), 6), 6))
}

/// Renders names and types of all fields below.
fn tree(field: &Field, depth: usize) -> String {
    let line = |child: &Field| {
        format!("{:indent$}{} <{}>\n{}", "", child.name, child.kind, tree(child, depth + 1), indent = 2 * depth + 2)
    };
    let lines: String = field.children().iter().map(line).collect();
    if depth == 0 && !lines.is_empty() { format!("\nFIELDS\n{lines}") } else { lines }
}

/// Renders the flag that sets a value, quoted for a shell.
fn flag(path: &str, value: &str) -> String {
    let path = path.replace("[]", "[0]");
    let value = value.replace(',', "\\,");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:/=%+@".contains(c);
    match format!("{path}={value}") {
        text if text.chars().all(is_plain) => format!("--set {text}"),
        text => format!("--set '{text}'"),
    }
}
