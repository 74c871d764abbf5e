//! `iter8 k routes`.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use similar::TextDiff;
use tokio::time::{Instant, timeout_at};

use super::args::ClusterArgs;
use super::table::{age, table};
use crate::app::cluster::now;
use crate::app::controllers::{RoutePhase, RouteState, RoutemapState, Routes, RoutesOptions, VersionState, projection};
use crate::app::error::AppError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::signals::Interruption;
use crate::model::codec::to_yaml;
use crate::model::duration::GoDuration;
use crate::model::text::{one_line, printable, printable_json};

/// Longest time between two checks while waiting, so that failed comparisons are retried.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Flags of `k routes`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k routes\n  \
    iter8 k routes wisdom-routemap --watch\n  \
    helm template traffic charts/traffic-templates -f values.yaml | iter8 k routes --plan -f -\n  \
    iter8 k routes wisdom-routemap --wait --timeout 60s")]
pub(crate) struct RoutesArgs {
    /// Routemaps to show [default: all]
    #[arg(value_name = "ROUTEMAP")]
    names: Vec<String>,
    /// Show the routemaps of all namespaces
    #[arg(short = 'A', long = "all-namespaces")]
    all: bool,
    /// Format
    #[arg(short = 'o', long = "output", value_enum, default_value = "text")]
    format: Format,
    /// Print the state again after each change
    #[arg(short, long)]
    watch: bool,
    /// Wait until all routes are in place; exit code 1 if they are not in place before the timeout
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
    /// Timeout of --wait
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "wait")]
    timeout: GoDuration,
    /// Show what the routemaps in the file of -f would change
    #[arg(long, requires = "file")]
    plan: bool,
    /// File with routemaps; - for standard input
    #[arg(short, long = "filename", id = "file", value_name = "FILE", requires = "plan")]
    file: Option<PathBuf>,
    /// Configuration of the controller: resource types and scope [default: Iter8's resource types]
    #[arg(long, value_name = "FILE", env = "CONFIG_FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Format of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A list of routemaps
    Json,
}

/// Prints the states of routemaps.
pub(crate) async fn run(args: RoutesArgs) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let options = RoutesOptions {
        config: args.config.clone(),
        all_namespaces: args.all,
        plan: args.file.clone(),
        names: args.names.clone(),
    };
    let showing = async {
        let deadline = Instant::now() + args.timeout.0;
        let opening = async { Routes::open(args.cluster.connect().await?, options).await };
        let mut routes = match args.wait {
            true => timeout_at(deadline, opening).await.unwrap_or_else(|_| Err(unread(&args)))?,
            false => opening.await?,
        };
        if args.watch {
            return watch(&mut routes, &args).await;
        }
        if !args.wait {
            let states = routes.states().await;
            show(&states, &routes.place, &args)?;
            // The controller would never apply this plan.
            let is_refused = args.plan && states.iter().any(RoutemapState::is_refused);
            return Ok(if is_refused { Exit::BadInput } else { Exit::Done });
        }
        let (states, exit) = match timeout_at(deadline, wait(&mut routes)).await {
            Ok(states) => (states, Exit::Done),
            Err(_) => (routes.states().await, Exit::AssertionFailed),
        };
        show(&states, &routes.place, &args)?;
        Ok(exit)
    };
    tokio::select! {
        shown = showing => shown,
        () = interruption.stop.cancelled() => Ok(interruption.exit()),
    }
}

async fn watch(routes: &mut Routes, args: &RoutesArgs) -> Result<Exit, AppError> {
    let mut last = String::new();
    loop {
        let states = routes.states().await;
        // Times since a change grow without a change.
        let without_times = text(&states, &routes.place, args, None);
        if without_times != last {
            show(&states, &routes.place, args)?;
            last = without_times;
        }
        routes.changed().await;
    }
}

/// Returns the states as soon as all routes are in place.
async fn wait(routes: &mut Routes) -> Vec<RoutemapState> {
    loop {
        let states = routes.states().await;
        if !states.is_empty() && states.iter().all(RoutemapState::is_in_place) {
            return states;
        }
        let _ = tokio::time::timeout(RETRY_INTERVAL, routes.changed()).await;
    }
}

/// Returns the error for a cluster that could not be read in time.
fn unread(args: &RoutesArgs) -> AppError {
    AppError::outside(format!("the routes could not be read within {}", args.timeout))
        .with_hint("check that the API server is reachable, or raise --timeout")
}

fn show(states: &[RoutemapState], place: &str, args: &RoutesArgs) -> Result<(), AppError> {
    let text = match args.format {
        Format::Json => {
            let text = serde_json::to_string_pretty(states);
            let text = text.map_err(|error| AppError::outside("cannot write the states").caused_by(error))?;
            printable_json(&text) + "\n"
        }
        Format::Text => text(states, place, args, Some(now())),
    };
    output::to_stdout(&text)
}

/// Renders the states: the verdict first.
fn text(states: &[RoutemapState], place: &str, args: &RoutesArgs, now: Option<DateTime<Utc>>) -> String {
    let waiting = states.iter().filter(|state| !state.is_in_place()).count();
    let count = |count: usize| format!("{count} routemap{}", if count == 1 { "" } else { "s" });
    let mut text = match (states.len(), waiting) {
        (0, _) => format!("no routemaps in {place}\n"),
        (all, 0) => format!("{}: all routes are in place\n", count(all)),
        (all, waiting) => format!("{}: routes of {waiting} are not in place\n", count(all)),
    };
    for state in states {
        text.push('\n');
        text.push_str(&routemap(state, args, now));
    }
    text
}

fn routemap(state: &RoutemapState, args: &RoutesArgs, now: Option<DateTime<Utc>>) -> String {
    let mut text = match args.all {
        true => format!("{}/{}\n", state.namespace, state.name),
        false => format!("{}\n", state.name),
    };
    for mistake in &state.mistakes {
        text.push_str(&format!("  not valid: {}\n", one_line(mistake)));
    }
    for reason in &state.unreadable {
        text.push_str(&format!("  not decided: {reason}\n"));
    }
    for reason in &state.missing_types {
        text.push_str(&format!("  missing type: {reason}\n"));
    }
    let head = ["  VERSION", "WEIGHT", "AVAILABLE"].map(str::to_owned);
    let version = |(number, version): (usize, &VersionState)| {
        let problems = version.problems.join("; ");
        let availability = match (version.available, version.held_until) {
            (false, _) => format!("no: {problems}"),
            (true, Some(until)) => format!("until {}: {problems}", until.format("%H:%M:%S UTC")),
            (true, None) if problems.is_empty() => "yes".to_owned(),
            (true, None) => format!("yes; {problems}"),
        };
        [format!("  {number}"), version.weight.to_string(), availability]
    };
    if !state.versions.is_empty() {
        let rows: Vec<[String; 3]> =
            std::iter::once(head).chain(state.versions.iter().enumerate().map(version)).collect();
        text.push_str(&table(&rows));
    }
    for route in &state.routes {
        text.push_str(&format!("  {}\n", one_line(&describe(route, now))));
        if args.plan {
            text.push_str(&difference(route));
        }
    }
    text
}

fn describe(route: &RouteState, now: Option<DateTime<Utc>>) -> String {
    let object = if route.object.is_empty() { format!("template `{}`", route.template) } else { route.object.clone() };
    let detail = route.detail.as_deref().unwrap_or_default();
    let state = match route.state {
        RoutePhase::InPlace => "in place".to_owned(),
        RoutePhase::Differs => format!("differs in {detail}"),
        RoutePhase::Missing => "does not exist yet".to_owned(),
        RoutePhase::Refused => format!("not applied: {detail}"),
        RoutePhase::Empty => "renders nothing".to_owned(),
        RoutePhase::Unknown => format!("state unknown: {detail}"),
        RoutePhase::Pending => "is not read yet".to_owned(),
    };
    match (route.changed, now) {
        (Some(changed), Some(now)) => format!("{object}: {state}, changed {}", age(changed, now)),
        _ => format!("{object}: {state}"),
    }
}

/// Renders the difference between the live and the desired object, in the fields that are desired.
fn difference(route: &RouteState) -> String {
    let Some(desired) = &route.desired else { return String::new() };
    let ours = route.live.as_ref().map(|live| projection(desired, live));
    let yaml = |value: Option<&serde_json::Value>| value.and_then(|value| to_yaml(value).ok()).unwrap_or_default();
    let (before, after) = (yaml(ours.as_ref()), yaml(Some(desired)));
    if before == after {
        return String::new();
    }
    let diff = TextDiff::from_lines(&before, &after);
    let lines = diff.unified_diff().context_radius(3).header("live", "planned").to_string();
    lines.lines().map(|line| format!("    {}\n", printable(line))).collect()
}
