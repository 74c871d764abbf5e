//! Verdicts: how SLOs are judged, kept over loops, asked for in conditions and asserted.

pub mod assertion;
pub mod assess;
pub mod condition;
pub mod load_validity;
pub mod loops;
