//! What the tasks that make load share: running loads one after the other or together, their metrics, their notes.

mod levels;
mod made;
mod measure;
mod meeting;
mod offer;
mod places;
mod plan;
mod random;
mod run;
mod shared;
mod time;

pub(super) use levels::{Leveled, Rules, below_base, endpoints_schema, forget, levels, required};
pub(super) use measure::{Distribution, Scalars, add, notes};
pub(super) use offer::{Ended, Go, Load, offer, unless_stopped};
pub(super) use places::Places;
pub(super) use plan::Plan;
pub(super) use random::random_bits;
pub(super) use time::Time;
