//! Several machines that run one experiment: what they send together, what is merged, and what becomes of those that fail.

pub mod crew;
mod faults;
mod together;
