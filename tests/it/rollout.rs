//! `iter8 k rollout`, with KServe's real manager on a real control plane.

mod changes;
mod faults;
mod gateway;
mod job;
mod kill_points;
mod measured;
mod refusals;
mod replays;
mod rollout_case;
mod status;
mod step_faults;
mod steps;
mod tutorials;
