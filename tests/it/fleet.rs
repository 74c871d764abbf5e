//! Several peers run one experiment: the requests they send together, the merged results, and failures of peers.

mod faults;
pub mod peers;
mod together;
