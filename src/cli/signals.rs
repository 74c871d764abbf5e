//! Signals: the first one ends the run and keeps its measurements, a later one ends the program.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use crate::app::error::AppError;

/// Signals within this time after the first one repeat it: `timeout` signals the program and its process group, and so do terminals.
const REPETITION: Duration = Duration::from_secs(1);

/// State of SIGINT, SIGTERM and SIGHUP.
#[derive(Clone, Default)]
pub(crate) struct Interruption {
    /// Cancelled by the first signal: stop, and keep the measurements.
    pub stop: CancellationToken,
    /// Cancelled by a later signal: exit immediately. The document was last saved when the current task started, and stays readable.
    pub abort: CancellationToken,
    code: Arc<AtomicU8>,
}

impl Interruption {
    /// Starts to listen for signals.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, AppError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).map_err(|error| AppError::outside("cannot listen for signals").caused_by(error));
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        // Under nohup, the signal stays ignored.
        let mut hangup = if hangs_up() { Some(listen(SignalKind::hangup())?) } else { None };
        let interruption = Self::default();
        let state = interruption.clone();
        tokio::spawn(async move {
            let mut received = Received::default();
            loop {
                let exit = tokio::select! {
                    Some(()) = interrupt.recv() => Exit::Interrupted,
                    Some(()) = terminate.recv() => Exit::Terminated,
                    Some(()) = async { hangup.as_mut()?.recv().await } => Exit::HungUp,
                    else => return,
                };
                match received.next(Instant::now()) {
                    Action::Stop => {
                        state.code.store(exit as u8, Ordering::Relaxed);
                        state.stop.cancel();
                    }
                    Action::Repeat => {}
                    Action::Abort => state.abort.cancel(),
                }
            }
        });
        Ok(interruption)
    }

    /// Exit code of the first signal.
    pub(crate) fn exit(&self) -> Exit {
        let code = self.code.load(Ordering::Relaxed);
        [Exit::Terminated, Exit::HungUp].into_iter().find(|exit| *exit as u8 == code).unwrap_or(Exit::Interrupted)
    }
}

/// Returns false if SIGHUP is ignored, as under nohup, or if this is unknown and there is no terminal that could be closed.
fn hangs_up() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| ignores_hangup(&status))
        .map_or_else(|| std::io::stderr().is_terminal(), |is_ignored| !is_ignored)
}

/// Reads the mask of ignored signals in `/proc/PID/status`; SIGHUP is the lowest bit.
fn ignores_hangup(status: &str) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok().map(|mask| mask & 1 == 1)
}

/// Time of the first signal.
#[derive(Default)]
struct Received(Option<Instant>);

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Stop,
    Repeat,
    Abort,
}

impl Received {
    fn next(&mut self, now: Instant) -> Action {
        match self.0 {
            None => {
                self.0 = Some(now);
                Action::Stop
            }
            Some(first) if now.duration_since(first) < REPETITION => Action::Repeat,
            Some(_) => Action::Abort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_abort_only_some_time_after_the_first_one() {
        let start = Instant::now();
        let mut received = Received::default();
        let actions = [0, 20, 999, 1_000, 1_001].map(|ms| received.next(start + Duration::from_millis(ms)));
        assert_eq!(actions, [Action::Stop, Action::Repeat, Action::Repeat, Action::Abort, Action::Abort]);
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(ignores_hangup("Name:\titer8\nSigIgn:\t0000000000001001\n"), Some(true));
        assert_eq!(ignores_hangup("SigIgn:\t0000000000001000\n"), Some(false));
        assert_eq!(ignores_hangup("SigIgn:\tx\n"), None);
        assert_eq!(ignores_hangup(""), None);
    }
}
