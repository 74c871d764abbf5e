//! A timer with a resolution of about 50 µs. Tokio's resolution is 1 ms, which would show in every latency at 1,000 requests per
//! second. On Linux it is a timerfd in the runtime's reactor, elsewhere tokio's timer.

use std::time::{Duration, Instant};

/// Longest single wait; callers wait again.
const LONGEST: Duration = Duration::from_secs(600);

#[cfg(target_os = "linux")]
pub(super) struct Timer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Timer {
    /// Creates a timer of the current runtime.
    pub(super) fn new() -> std::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // Deprecated because it trusts `T` to keep its descriptor open and unchanged, which `OwnedFd` does. Its successor is `unsafe`.
        #[allow(deprecated)]
        let fd = tokio::io::unix::AsyncFd::with_interest(fd, tokio::io::Interest::READABLE)?;
        Ok(Self(fd))
    }

    /// Waits until `instant`, never less, at most ten minutes. Cancel safe.
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
            // The descriptor may still be marked readable by an earlier expiry, so only a successful read counts.
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
    /// Creates a timer of the current runtime.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits until `instant`, never less, at most ten minutes. Cancel safe.
    pub(super) async fn until(&self, instant: Instant) {
        tokio::time::sleep(instant.saturating_duration_since(Instant::now()).min(LONGEST)).await;
    }
}
