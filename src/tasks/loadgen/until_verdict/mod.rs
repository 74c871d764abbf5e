//! Ends loads once their verdicts are decided (`until: verdict`).
//!
//! After each second from the tenth on, every load of a group hands in its series, and all objectives are judged on them: a *look*. The
//! requests of all seconds count, and a verdict that is given at the first look that allows it is wrong no more often than asked
//! ([`crate::confidence::evidence`]). Half of the admitted error is for the looks; the other half is left for the verdict at the end of a
//! load that no look decided.
//!
//! | file | contents |
//! |---|---|
//! | [`target`] | a load, as looks need to know it |
//! | [`check`] | loads that no look can end, rejected before they run |
//! | [`claim`] | the objectives on a load, and the statistic that decides each |
//! | [`share`] | one look at a share of bad requests: errors, or requests over a limit |
//! | [`comparison`] | one look at two versions |
//! | [`judge`] | all looks at the loads of a group, and the decision to end them |

mod check;
mod claim;
mod comparison;
mod judge;
mod share;
mod target;

pub(super) use check::{check, check_loads};
pub(super) use judge::Judge;
pub(super) use target::Target;
