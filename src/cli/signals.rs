//! Signals: the first one ends the run and keeps what was measured, the second one ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::exit::Exit;

/// Which signal came, if one did.
#[derive(Clone, Default)]
pub struct Interruption {
    /// Cancelled by the first signal: end, and keep what was measured.
    pub stop: CancellationToken,
    /// Cancelled by the second one: end at once. The document was saved when the current task started, and stays readable.
    pub at_once: CancellationToken,
    code: Arc<AtomicU8>,
}

impl Interruption {
    /// Listens for SIGINT and SIGTERM from now on.
    #[cfg(unix)]
    pub fn listen() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind)
                .map_err(|error| CliError::new(Exit::OutsideWorld, "cannot listen for signals").caused_by(error))
        };
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let interruption = Self::default();
        let told = interruption.clone();
        tokio::spawn(async move {
            loop {
                let exit = tokio::select! {
                    Some(()) = interrupt.recv() => Exit::Interrupted,
                    Some(()) = terminate.recv() => Exit::Terminated,
                    else => return,
                };
                told.code.store(exit as u8, Ordering::Relaxed);
                if told.stop.is_cancelled() {
                    told.at_once.cancel();
                }
                told.stop.cancel();
            }
        });
        Ok(interruption)
    }

    /// The exit code that belongs to the signal.
    pub fn exit(&self) -> Exit {
        if self.code.load(Ordering::Relaxed) == Exit::Terminated as u8 { Exit::Terminated } else { Exit::Interrupted }
    }
}
