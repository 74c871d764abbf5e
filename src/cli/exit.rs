//! Exit codes. Tests compare those in the README and in the manual with these.

use crate::app::assert::Verdict;
use crate::app::error::ErrorKind;

/// Exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; asserted conditions hold.
    Done = 0,
    /// An asserted condition does not hold, or did not hold before the timeout.
    AssertionFailed = 1,
    /// Invalid input: flags, values, experiment, template.
    BadInput = 2,
    /// A task failed while running; the document has the task and the reason.
    TaskFailed = 3,
    /// A store, a cluster, a values URL or the file system is unreachable or access is denied.
    OutsideWorld = 4,
    /// The measurements are inconclusive: the load missed its rate, too few loops have succeeded so far, the traffic is not split as expected,
    /// too few requests for the confidence, or a metric without a value has the policy `inconclusive` (`noData`, `onError`).
    Inconclusive = 5,
    /// The terminal was closed (SIGHUP); the partial document is saved.
    HungUp = 129,
    /// Interrupted by SIGINT; the partial document is saved.
    Interrupted = 130,
    /// Terminated by SIGTERM; the partial document is saved.
    Terminated = 143,
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::BadInput => Self::BadInput,
            ErrorKind::TaskFailed => Self::TaskFailed,
            ErrorKind::OutsideWorld => Self::OutsideWorld,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Done,
            Verdict::Fails => Self::AssertionFailed,
            Verdict::Inconclusive => Self::Inconclusive,
        }
    }
}

impl Exit {
    /// All codes with their meanings, in order.
    pub const DESCRIPTIONS: &'static [(Self, &'static str)] = &[
        (Self::Done, "success; asserted conditions hold"),
        (Self::AssertionFailed, "an asserted condition does not hold, or did not hold before the timeout"),
        (Self::BadInput, "invalid input: flags, values, experiment, template, or a file of these that does not exist"),
        (Self::TaskFailed, "a task failed while running; the document has the task and the reason"),
        (
            Self::OutsideWorld,
            "a cluster or a values URL is unreachable, or access is denied; a directory does not exist, or a file cannot be written",
        ),
        (
            Self::Inconclusive,
            "inconclusive: the load missed its rate by more than 5 %, too few loops have succeeded so far, the traffic is not split as expected, too many requests failed, too few requests for the confidence, or a metric has no value and its policy is inconclusive (noData, onError)",
        ),
        (Self::HungUp, "the terminal was closed (SIGHUP); the partial document is saved"),
        (Self::Interrupted, "interrupted (SIGINT); the partial document is saved"),
        (Self::Terminated, "terminated (SIGTERM); the partial document is saved"),
    ];
}
