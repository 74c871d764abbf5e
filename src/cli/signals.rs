//! Signals: the first one ends the run and keeps its measurements, the second one ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use crate::app::error::AppError;

/// State of SIGINT and SIGTERM.
#[derive(Clone, Default)]
pub(crate) struct Interruption {
    /// Cancelled by the first signal: stop, and keep the measurements.
    pub stop: CancellationToken,
    /// Cancelled by the second signal: exit immediately. The document was last saved when the current task started, and stays
    /// readable.
    pub abort: CancellationToken,
    code: Arc<AtomicU8>,
}

impl Interruption {
    /// Starts to listen for SIGINT and SIGTERM.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, AppError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).map_err(|error| AppError::outside("cannot listen for signals").caused_by(error));
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let interruption = Self::default();
        let state = interruption.clone();
        tokio::spawn(async move {
            loop {
                let exit = tokio::select! {
                    Some(()) = interrupt.recv() => Exit::Interrupted,
                    Some(()) = terminate.recv() => Exit::Terminated,
                    else => return,
                };
                state.code.store(exit as u8, Ordering::Relaxed);
                if state.stop.is_cancelled() {
                    state.abort.cancel();
                }
                state.stop.cancel();
            }
        });
        Ok(interruption)
    }

    /// Exit code of the signal.
    pub(crate) fn exit(&self) -> Exit {
        if self.code.load(Ordering::Relaxed) == Exit::Terminated as u8 { Exit::Terminated } else { Exit::Interrupted }
    }
}
