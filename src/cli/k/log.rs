//! `iter8 k log`.

use clap::Args;
use parking_lot::Mutex;

use super::args::{GroupArgs, no_document};
use crate::app::cluster::{LogLine, follow_logs, print_logs};
use crate::app::error::AppError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::signals::Interruption;
use crate::model::text::one_line;

/// Flags of `k log`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iter8 k log\n  iter8 k log -g canary -n shop -f")]
pub(crate) struct LogArgs {
    /// Follow the logs until the run is over
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    group: GroupArgs,
}

/// Prints the logs of the group's pods.
pub(crate) async fn run(args: LogArgs) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let (connection, group, store) = args.group.store().await?;
    let stored = store.open().await.map_err(|error| no_document(error, &group))?;
    let last = Mutex::new(String::new());
    let print = |line: LogLine<'_>| match line {
        LogLine::Line(pod, text) => {
            // Print the pod's name when it changes.
            let mut text = format!("{}\n", one_line(text));
            let mut last = last.lock();
            if *last != pod {
                output::to_stderr(&format!("==> pod/{pod} <==\n"));
                pod.clone_into(&mut last);
            }
            // Nothing left to do if the reader has closed the pipe.
            if output::to_stdout(&text).is_err() {
                text.clear();
            }
        }
        LogLine::PodProblem(pod, problem) => output::to_stderr(&format!("pod/{pod}: {}\n", one_line(problem))),
        LogLine::NoPod(reason) => output::to_stderr(&format!("group {} has {}\n", group.name, one_line(reason))),
    };
    let printing = async {
        match args.follow {
            true => follow_logs(&connection, &group, stored.revision, &print).await,
            false => print_logs(&connection, &group, stored.revision, &print).await,
        }
    };
    tokio::select! {
        printed = printing => {
            printed?;
            Ok(Exit::Done)
        }
        () = interruption.stop.cancelled() => Ok(interruption.exit()),
    }
}
