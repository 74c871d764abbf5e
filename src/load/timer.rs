//! A timer that wakes within some 50 µs: tokio's has a resolution of 1 ms, which at 1,000 requests per second would show in every
//! latency. On Linux it is a timerfd in the runtime's own reactor; elsewhere tokio's timer has to do.

use std::time::{Duration, Instant};

/// Longest single wait; callers ask again.
const LONGEST: Duration = Duration::from_secs(600);

#[cfg(target_os = "linux")]
pub(super) struct Timer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Timer {
    /// A timer of the current runtime.
    pub(super) fn new() -> std::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // Deprecated as it trusts `T` to keep its descriptor open and unchanged; an `OwnedFd` does. Its successor is `unsafe`.
        #[allow(deprecated)]
        let fd = tokio::io::unix::AsyncFd::with_interest(fd, tokio::io::Interest::READABLE)?;
        Ok(Self(fd))
    }

    /// Waits until `instant`, never less, but at most ten minutes. May be dropped and asked again.
    pub(super) async fn until(&self, instant: Instant) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        while let Some(wait) = instant.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            let wait = wait.min(LONGEST);
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos() as _ };
            let setting = Itimerspec { it_interval: zero, it_value: value };
            if timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &setting).is_err() {
                return tokio::time::sleep(wait).await;
            }
            // An earlier setting may have left the descriptor marked readable; only a successful read counts as an expiry.
            loop {
                let Ok(mut guard) = self.0.readable().await else { return tokio::time::sleep(wait).await };
                match guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0_u8; 8])?)) {
                    Ok(_) => break,
                    Err(_would_block) => {}
                }
            }
            if wait == LONGEST {
                return;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    /// A timer of the current runtime.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits until `instant`, never less, but at most ten minutes. May be dropped and asked again.
    pub(super) async fn until(&self, instant: Instant) {
        tokio::time::sleep(instant.saturating_duration_since(Instant::now()).min(LONGEST)).await;
    }
}
