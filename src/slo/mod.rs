//! Verdicts on SLOs: judging one loop or several, conditions of tasks, and `assert`.

pub(crate) mod assertion;
pub mod assess;
pub(crate) mod compare;
pub(crate) mod comparison;
pub(crate) mod condition;
mod confidence;
pub(crate) mod contradictions;
pub(crate) mod failed_requests;
pub(crate) mod judge;
pub(crate) mod load_validity;
pub mod loops;
pub(crate) mod next_load;
mod planned_slos;
pub(crate) mod relative;
pub(crate) mod reward;
pub(crate) mod rollout;
pub(crate) mod sample_minimum;
pub(crate) mod split;
pub(crate) mod summary;
mod timeouts;
mod unknown_origin;
