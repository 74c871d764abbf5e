//! `iter8 k rollout status`.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::TargetArgs;
use crate::app::cluster::now;
use crate::app::error::AppError;
use crate::app::rollout::{Component, Service, ServiceState, Share, Split, Traffic};
use crate::cli::exit::Exit;
use crate::cli::k::table::{duration, table};
use crate::cli::output;
use crate::cli::signals::Interruption;

/// Flags of `k rollout status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k rollout status sklearn-iris\n  \
    iter8 k rollout status sklearn-iris --watch\n  \
    iter8 k rollout status sklearn-iris -o json")]
pub(crate) struct StatusArgs {
    /// Format
    #[arg(short = 'o', long = "output", value_enum, default_value = "text")]
    format: Format,
    /// Print the state again after each change
    #[arg(short, long)]
    watch: bool,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    target: TargetArgs,
}

/// Format of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Prints the state.
pub(super) async fn run(args: StatusArgs) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let place = args.target.cluster().await?;
    let rollout = args.target.rollout(&place)?;
    if !args.watch {
        tokio::select! {
            state = rollout.state() => show(&state?, args.format)?,
            () = interruption.stop.cancelled() => return Ok(interruption.exit()),
        }
        return Ok(Exit::Done);
    }
    let mut last = None;
    let following = rollout.follow(|state| {
        // The version of the object also changes with what is not shown.
        let shown = rendered(state, args.format, None)?;
        if last.as_ref() != Some(&shown) {
            last = Some(shown);
            show(state, args.format)?;
        }
        Ok(())
    });
    tokio::select! {
        followed = following => followed.map(|()| Exit::Done),
        () = interruption.stop.cancelled() => Ok(interruption.exit()),
    }
}

fn show(state: &ServiceState, format: Format) -> Result<(), AppError> {
    output::to_stdout(&rendered(state, format, Some(now()))?)
}

fn rendered(state: &ServiceState, format: Format, now: Option<DateTime<Utc>>) -> Result<String, AppError> {
    let json = match (format, state) {
        (Format::Text, ServiceState::Revisions(service)) => return Ok(text(service, now)),
        (Format::Text, ServiceState::Split(split)) => return Ok(split_text(split)),
        (Format::Json, ServiceState::Revisions(service)) => serde_json::to_string_pretty(service),
        (Format::Json, ServiceState::Split(split)) => serde_json::to_string_pretty(split),
    };
    Ok(json.map_err(|error| AppError::outside("cannot write the state").caused_by(error))? + "\n")
}

/// Renders a split: the verdict, a table with a row per version, and problems.
fn split_text(split: &Split) -> String {
    let head = ["VERSION", "ROLE", "REQUESTED", "PERCENT", "READY"].map(str::to_owned);
    let row = |(role, share): (&str, &Share)| {
        let percent = share.percent.map(|percent| percent.to_string()).unwrap_or_default();
        let ready = if share.ready { "True" } else { "False" };
        [share.version.clone(), role.to_owned(), share.requested.to_string(), percent, ready.to_owned()]
    };
    let candidate = split.candidate.iter().map(|candidate| ("candidate", candidate));
    let rows: Vec<[String; 5]> =
        std::iter::once(head).chain(candidate.chain([("stable", &split.stable)]).map(row)).collect();
    let mut text = format!("{}\n\n{}", split.verdict(), table(&rows));
    for problem in &split.problems {
        text.push_str(&format!("{problem}\n"));
    }
    text
}

/// Names of the columns: those of `kubectl get inferenceservice`.
const HEAD: [&str; 8] =
    ["NAME", "URL", "READY", "PREV", "LATEST", "PREVROLLEDOUTREVISION", "LATESTREADYREVISION", "AGE"];

/// Renders the state: the verdict, the table that kubectl prints, URLs of revisions, and problems.
fn text(service: &Service, now: Option<DateTime<Utc>>) -> String {
    let previous = service.traffic.iter().find(|entry| entry.tag.as_deref() == Some("prev"));
    let latest = service.traffic.iter().find(|entry| entry.latest);
    let percent = |entry: Option<&Traffic>| entry.map(|entry| entry.percent.to_string()).unwrap_or_default();
    let revision = |entry: Option<&Traffic>| entry.map(|entry| entry.revision.clone()).unwrap_or_default();
    let age = service.created.zip(now).map(|(created, now)| duration(created, now));
    let row = [
        service.name.clone(),
        service.url.clone().unwrap_or_default(),
        service.condition("Ready").to_owned(),
        percent(previous),
        percent(latest),
        revision(previous),
        revision(latest),
        age.unwrap_or_default(),
    ];
    let mut text = format!("{}\n\n{}", verdict_of_revisions(service), table(&[HEAD.map(str::to_owned), row]));
    for entry in &service.traffic {
        if let (Some(tag), Some(url)) = (&entry.tag, &entry.url) {
            text.push_str(&format!("{tag}: {url} ({})\n", entry.revision));
        }
    }
    for other in &service.other_components {
        text.push_str(&format!("{}\n", component(other)));
    }
    for problem in problems(service) {
        text.push_str(&format!("{problem}\n"));
    }
    text
}

/// Describes the traffic in one line.
pub(super) fn verdict(state: &ServiceState) -> String {
    match state {
        ServiceState::Revisions(service) => verdict_of_revisions(service),
        ServiceState::Split(split) => split.verdict(),
    }
}

/// Describes the traffic of each revision in one line.
fn verdict_of_revisions(service: &Service) -> String {
    let revisions = revisions(&service.traffic);
    let role = |revision: &str| match (service.candidate(), service.latest_rolledout_revision.as_deref()) {
        (Some(candidate), _) if candidate == revision => " (candidate)",
        (_, Some(stable)) if stable == revision => " (stable)",
        _ => "",
    };
    let shares: Vec<String> = revisions
        .iter()
        .rev()
        .map(|revision| format!("{} % to {revision}{}", service.percent_of(revision), role(revision)))
        .collect();
    match shares.is_empty() {
        true => format!("{}: no revision gets traffic", service.name),
        false => format!("{}: {}", service.name, shares.join(", ")),
    }
}

fn problems(service: &Service) -> Vec<String> {
    let mut problems: Vec<String> = service.unready().into_iter().collect();
    problems.extend(service.halted.iter().map(|reason| format!("KServe does not act on changes: {reason}")));
    if let Some(field) = service.canary_traffic_percent {
        let newest = service.latest_created_revision.as_deref().unwrap_or_default();
        let percent = service.percent_of(newest);
        if percent != field {
            problems.push(format!(
                "canaryTrafficPercent is {field}, but revision {newest} gets {percent} % of the traffic"
            ));
        }
    }
    problems
}

/// Describes a component besides the predictor, whose traffic a rollout does not change.
fn component(component: &Component) -> String {
    let percent = |revision: &str| -> i64 {
        let entries = component.traffic.iter().filter(|entry| entry.revision == revision);
        entries.map(|entry| entry.percent).sum()
    };
    let shares: Vec<String> = revisions(&component.traffic)
        .iter()
        .rev()
        .map(|revision| format!("{} % to {revision}", percent(revision)))
        .collect();
    match shares.is_empty() {
        true => format!("{}: no revision gets traffic", component.name),
        false => format!(
            "{}: {}; it has a split of its own, which rollouts do not change",
            component.name,
            shares.join(", ")
        ),
    }
}

/// Returns the names of revisions, the oldest first.
fn revisions(traffic: &[Traffic]) -> Vec<&str> {
    let mut revisions: Vec<&str> = traffic.iter().map(|entry| entry.revision.as_str()).collect();
    revisions.sort_unstable();
    revisions.dedup();
    revisions
}
