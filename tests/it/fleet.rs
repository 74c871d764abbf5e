//! Several peers that run one experiment: what they send together, what is merged, and what becomes of those that fail.

mod faults;
pub mod peers;
mod together;
