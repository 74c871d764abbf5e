//! Logs of a group's pods, and the reasons why there are none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{AsyncBufReadExt, FutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, ResourceExt};

use super::events::newest_warning;
use super::log_lines::NewLines;
use super::pods::{PodState, are_kept, pods, state};
use super::runs::{RunState, no_pod_reason, run_state, suspension};
use crate::adapters::kubernetes::client::{Connection, INTERACTIVE, Operation, kind_of, with_retry};
use crate::manifests::names::{CONTAINER, Group};
use crate::ports::cluster::{ClusterError, ClusterErrorKind};

/// Poll interval for new pods.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Polls after which a wait that is usual at first is reported.
const PATIENCE: u32 = 4;

/// Polls between two searches for the reason why there is no pod.
const SEARCH_INTERVAL: u32 = 10;

/// A line of a pod's log, or the reason why there is none.
pub enum LogLine<'a> {
    /// Pod and line.
    Line(&'a str, &'a str),
    /// Pod and its problem.
    PodProblem(&'a str, &'a str),
    /// Reason why there is no pod.
    NoPod(&'a str),
}

/// Receives the lines.
pub type Print<'a> = &'a (dyn Fn(LogLine<'_>) + Sync);

/// Passes the logs of the group's pods to `print`, oldest pod first.
pub async fn print_logs(
    connection: &Connection,
    group: &Group,
    revision: Option<i64>,
    print: Print<'_>,
) -> Result<(), ClusterError> {
    let pods = pods(connection, group).await?;
    if pods.is_empty() {
        print(LogLine::NoPod(&no_pod_reason(connection, group, revision).await));
    }
    for pod in &pods {
        let (name, state) = (pod.name_any(), state(pod));
        match &state {
            PodState::Waiting { .. } => {
                print(LogLine::PodProblem(&name, &waiting_reason(connection, pod, &state).await.unwrap_or_default()));
            }
            _ => {
                let end = print_log(connection, group, name.clone(), false, NewLines::default(), print).await;
                let problems = end.problem.into_iter().chain(state.problems());
                problems.for_each(|problem| print(LogLine::PodProblem(&name, &problem)));
            }
        }
    }
    Ok(())
}

/// Passes the logs of the group's pods to `print` as they are written, with the problems of pods, until the run of this revision has ended;
/// without a revision, until the future is dropped.
pub async fn follow_logs(
    connection: &Connection,
    group: &Group,
    revision: Option<i64>,
    print: Print<'_>,
) -> Result<(), ClusterError> {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut streams = FuturesUnordered::new();
    let (mut polls_without, mut last_reason) = (0, String::new());
    loop {
        // Check before listing pods: once the run has ended, no further pod appears.
        let run = match revision {
            // Permission to read logs does not imply permission to read Jobs.
            Some(revision) => run_state(connection, group, revision).await.unwrap_or(RunState::Repeated),
            None => RunState::Repeated,
        };
        let pods = match pods(connection, group).await {
            // It responded before, so it is probably restarting.
            Err(error) if !known.is_empty() && error.kind == ClusterErrorKind::Unreachable => Vec::new(),
            pods => pods?,
        };
        for pod in &pods {
            let (name, state) = (pod.name_any(), state(pod));
            let known = known.entry(name.clone()).or_default();
            if let Some(seen) = known.open(&state) {
                streams.push(print_log(connection, group, name, true, seen, print).boxed());
            } else if known.is_worth_reporting(&state) {
                let waiting = waiting_reason(connection, pod, &state).await;
                known.report(&name, waiting.into_iter().chain(state.problems()), print);
            }
        }
        let is_over = match (run, revision) {
            (RunState::Over, _) => true,
            (RunState::Once { active }, Some(revision)) => are_kept(&pods, revision, active),
            _ => false,
        };
        if is_over {
            while let Some(end) = streams.next().await {
                known.entry(end.pod.clone()).or_default().close(end, print);
            }
            for pod in &pods {
                let name = pod.name_any();
                known.entry(name.clone()).or_default().report(&name, state(pod).problems(), print);
            }
        }
        if known.is_empty() {
            polls_without += 1;
            if is_over || polls_without % SEARCH_INTERVAL == PATIENCE {
                let reason = no_pod_reason(connection, group, revision).await;
                if reason != last_reason {
                    print(LogLine::NoPod(&reason));
                    last_reason = reason;
                }
            }
        }
        if is_over {
            return Ok(());
        }
        let pause = tokio::time::sleep(POLL_INTERVAL);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                Some(end) = streams.next() => known.entry(end.pod.clone()).or_default().close(end, print),
            }
        }
    }
}

/// A pod whose log is followed.
#[derive(Default)]
struct Known {
    log: Log,
    polls_waiting: u32,
    reported: BTreeSet<String>,
}

#[derive(Default)]
enum Log {
    #[default]
    Unopened,
    Open,
    /// The container has ended, or the stream broke with a stopping API server.
    Closed(NewLines),
}

impl Known {
    /// Returns the lines seen so far if the log is to be opened.
    fn open(&mut self, state: &PodState) -> Option<NewLines> {
        let opens = match (&self.log, state) {
            (Log::Unopened, state) => !matches!(state, PodState::Waiting { .. }),
            (Log::Closed(_), state) => *state == PodState::Running,
            (Log::Open, _) => false,
        };
        opens.then(|| match std::mem::replace(&mut self.log, Log::Open) {
            Log::Closed(seen) => seen,
            Log::Unopened | Log::Open => NewLines::default(),
        })
    }

    fn close(&mut self, end: LogEnd, print: Print<'_>) {
        self.log = Log::Closed(end.seen);
        self.report(&end.pod, end.problem, print);
    }

    /// Returns true if the state is to be reported now: problems follow the log, and usual waits are reported once they are long.
    fn is_worth_reporting(&mut self, state: &PodState) -> bool {
        match state {
            PodState::Waiting { is_usual, .. } => {
                self.polls_waiting = self.polls_waiting.saturating_add(1);
                !is_usual || self.polls_waiting % SEARCH_INTERVAL == PATIENCE
            }
            PodState::Running => false,
            PodState::Ended { .. } => !matches!(self.log, Log::Open),
        }
    }

    /// Reports each problem once.
    fn report(&mut self, pod: &str, problems: impl IntoIterator<Item = String>, print: Print<'_>) {
        for problem in problems {
            if !self.reported.contains(&problem) {
                print(LogLine::PodProblem(pod, &problem));
                self.reported.insert(problem);
            }
        }
    }
}

/// Returns the reason why a pod has not started; `None` if it has. An event explains a wait that is usual at first.
async fn waiting_reason(connection: &Connection, pod: &Pod, state: &PodState) -> Option<String> {
    match state {
        PodState::Waiting { reason, is_usual: false } => Some(reason.clone()),
        PodState::Waiting { reason, is_usual: true } => {
            Some(newest_warning(connection, pod).await.unwrap_or_else(|| reason.clone()))
        }
        PodState::Running | PodState::Ended { .. } => None,
    }
}

/// Returns the reason why the newest pod of a group does not run or has failed, or why there is none; `None` if it runs or has succeeded.
pub async fn pod_problem(
    connection: &Connection,
    group: &Group,
    revision: Option<i64>,
) -> Result<Option<String>, ClusterError> {
    let pods = pods(connection, group).await?;
    let Some(pod) = pods.last() else {
        return Ok(Some(no_pod_reason(connection, group, revision).await));
    };
    let state = state(pod);
    let waiting = waiting_reason(connection, pod, &state).await;
    let problems: Vec<String> = waiting.into_iter().chain(state.problems()).collect();
    match (problems.is_empty(), revision) {
        (false, _) => Ok(Some(format!("pod/{}: {}", pod.name_any(), problems.join("; ")))),
        (true, Some(revision)) if state != PodState::Running => Ok(suspension(connection, group, revision).await),
        (true, _) => Ok(None),
    }
}

/// End of a log's stream.
struct LogEnd {
    pod: String,
    /// Position in the log.
    seen: NewLines,
    /// Reason why the log is incomplete.
    problem: Option<String>,
}

/// Passes the lines of a pod's log that were not seen yet to `print`.
async fn print_log(
    connection: &Connection,
    group: &Group,
    pod: String,
    follow: bool,
    mut seen: NewLines,
    print: Print<'_>,
) -> LogEnd {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &group.namespace);
    let since_time = seen.since();
    let container = Some(CONTAINER.to_owned());
    let params = LogParams { follow, since_time, container, timestamps: true, ..LogParams::default() };
    let mut kind = kind_of::<Pod>();
    kind.resource.push_str("/log");
    let operation = Operation::new("get", &kind, &group.namespace, &pod);
    let stream = match with_retry(INTERACTIVE, &operation, || api.log_stream(&pod, &params)).await {
        Ok(stream) => stream,
        // The logs of other pods may still be readable.
        Err(error) => return LogEnd { pod, seen, problem: Some(error.message) },
    };
    let mut lines = stream.lines();
    let mut problem = None;
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => {
                if let Some(line) = seen.take(&line) {
                    print(LogLine::Line(&pod, line));
                }
            }
            Err(error) => {
                problem = Some(format!("its log is incomplete: {error}"));
                break;
            }
        }
    }
    LogEnd { pod, seen, problem }
}
