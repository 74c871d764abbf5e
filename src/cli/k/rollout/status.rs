//! `iter8 k rollout status`.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::ServiceArgs;
use crate::app::cluster::now;
use crate::app::error::AppError;
use crate::app::rollout::{Service, Traffic};
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
    #[command(flatten)]
    service: ServiceArgs,
    /// Format
    #[arg(short = 'o', long = "output", value_enum, default_value = "text")]
    format: Format,
    /// Print the state again after each change
    #[arg(short, long)]
    watch: bool,
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
    let place = args.service.cluster().await?;
    let rollout = args.service.rollout(&place);
    if !args.watch {
        show(&rollout.service().await?, args.format)?;
        return Ok(Exit::Done);
    }
    let mut last = None;
    let following = rollout.follow(|service| {
        // The version of the object also changes with what is not shown.
        let shown = rendered(service, args.format, None)?;
        if last.as_ref() != Some(&shown) {
            last = Some(shown);
            show(service, args.format)?;
        }
        Ok(())
    });
    tokio::select! {
        followed = following => followed.map(|()| Exit::Done),
        () = interruption.stop.cancelled() => Ok(interruption.exit()),
    }
}

fn show(service: &Service, format: Format) -> Result<(), AppError> {
    output::to_stdout(&rendered(service, format, Some(now()))?)
}

fn rendered(service: &Service, format: Format, now: Option<DateTime<Utc>>) -> Result<String, AppError> {
    match format {
        Format::Text => Ok(text(service, now)),
        Format::Json => {
            let json = serde_json::to_string_pretty(service);
            Ok(json.map_err(|error| AppError::outside("cannot write the state").caused_by(error))? + "\n")
        }
    }
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
    let mut text = format!("{}\n\n{}", verdict(service), table(&[HEAD.map(str::to_owned), row]));
    for entry in &service.traffic {
        if let (Some(tag), Some(url)) = (&entry.tag, &entry.url) {
            text.push_str(&format!("{tag}: {url} ({})\n", entry.revision));
        }
    }
    for problem in problems(service) {
        text.push_str(&format!("{problem}\n"));
    }
    text
}

/// Describes the traffic of each revision in one line.
pub(super) fn verdict(service: &Service) -> String {
    let mut revisions: Vec<&str> = service.traffic.iter().map(|entry| entry.revision.as_str()).collect();
    revisions.sort_unstable();
    revisions.dedup();
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
    for component in &service.other_components {
        problems.push(format!("the {component} has a split of its own, which is not shown"));
    }
    problems
}
