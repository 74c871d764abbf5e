//! `iter8 k rollout`, with KServe's real manager on a real control plane.

mod changes;
mod counted;
mod extensions;
mod faults;
mod gateway;
mod job;
mod kill_points;
mod llm;
mod measured;
mod new_model;
mod observed;
pub mod refusals;
mod replays;
mod rollout_case;
mod routemap;
mod standard;
mod standard_split;
mod status;
mod step_faults;
mod steps;
mod tutorials;
