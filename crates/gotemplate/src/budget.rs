//! Budget of renderings, which several of them may share.

use super::bounds::{MAX_STEPS, MAX_WORK};

/// Steps and units of work that are left.
#[derive(Clone, Debug)]
pub struct Budget {
    steps: u64,
    work: usize,
    is_exhausted: bool,
}

impl Default for Budget {
    /// The budget of one rendering.
    fn default() -> Self {
        Self::new(MAX_STEPS, MAX_WORK)
    }
}

impl Budget {
    /// Creates a budget of this size.
    pub const fn new(steps: u64, work: usize) -> Self {
        Self { steps, work, is_exhausted: false }
    }

    /// Runs `run` with a part of this budget: `most`, or what is left.
    pub fn lend<T>(&mut self, most: &Self, run: impl FnOnce(&mut Self) -> T) -> T {
        let (steps, work) = (self.steps.min(most.steps), self.work.min(most.work));
        let mut lent = Self::new(steps, work);
        let result = run(&mut lent);
        self.steps -= steps.saturating_sub(lent.steps).min(self.steps);
        self.work -= work.saturating_sub(lent.work).min(self.work);
        self.is_exhausted |= lent.is_exhausted;
        result
    }

    /// Spends units of work; false if fewer are left.
    pub fn spend(&mut self, units: usize) -> bool {
        let left = self.work.checked_sub(units);
        self.work = left.unwrap_or(self.work);
        self.is_exhausted |= left.is_none();
        left.is_some()
    }

    /// Returns true if something needed more than was left.
    pub fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn work(&self) -> usize {
        self.work
    }

    /// Takes over what a rendering left.
    pub(crate) fn settle(&mut self, steps: u64, work: usize, is_exhausted: bool) {
        (self.steps, self.work) = (steps, work);
        self.is_exhausted |= is_exhausted;
    }
}
