//! Geometry of an interval drawn against its limit, in whole steps: characters or pixels.
//!
//! A drawing never contradicts its verdict. Rounding moves no end across the limit, and an interval that does not fit its verdict, which
//! only an edited document has, is not drawn.

use super::view::SloReport;
use crate::model::slo::{Bound, Outcome};

/// Multiple of the distances from the limit that matter, beyond which intervals are cut.
const REACH: f64 = 4.0;
/// Share of the drawing that is empty on each side.
const MARGIN: f64 = 0.1;

/// Range of values, the same for all drawings of one SLO.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Creates the scale of all verdicts on one SLO; `None` if there is nothing to draw.
    pub fn of<'a>(slos: impl Iterator<Item = &'a SloReport> + Clone) -> Option<Self> {
        let slos = slos.filter(|slo| slo.limit.is_finite() && has_drawing(slo));
        let distance = |slo: &SloReport, point: f64| (point - slo.limit).abs();
        // The value and the nearer end decide. The other end may be far away.
        let need = |slo: &SloReport| {
            let ends = slo.interval.into_iter().flatten().flatten().map(|end| distance(slo, end));
            let near = ends.clone().fold(f64::INFINITY, f64::min);
            let value = slo.value.filter(|value| value.is_finite()).map(|value| distance(slo, value));
            let near = if near.is_finite() { near } else { 0.0 };
            (near.max(value.unwrap_or(0.0)), ends.fold(0.0, f64::max))
        };
        let limit = slos.clone().next()?.limit;
        let (near, far) = slos.clone().map(need).fold((0.0, 0.0), |(a, b), (c, d)| (f64::max(a, c), f64::max(b, d)));
        let reach = [near * REACH, far, limit.abs(), 1.0].into_iter().find(|reach| *reach > 0.0)?;
        let points = slos.flat_map(|slo| slo.interval.into_iter().flatten().flatten().chain(slo.value));
        let points = points.filter(|point| point.is_finite()).map(|point| point.clamp(limit - reach, limit + reach));
        let (low, high) = points.fold((limit, limit), |(low, high), point| (low.min(point), high.max(point)));
        let margin = if high > low { (high - low) * MARGIN } else { reach };
        let scale = Self { low: low - margin, high: high + margin };
        (scale.high - scale.low).is_finite().then_some(scale)
    }

    /// Creates a scale from zero to beyond the limit, so that a bar shows the share of the limit that is used. Limits that are relative or
    /// negative, and negative values, have the scale around the limit.
    pub fn from_zero<'a>(slos: impl Iterator<Item = &'a SloReport> + Clone) -> Option<Self> {
        let first = slos.clone().find(|slo| slo.limit.is_finite())?;
        let ends = |slo: &SloReport| slo.interval.filter(|_| has_drawing(slo)).into_iter().flatten().flatten();
        let points = slos.clone().flat_map(|slo| ends(slo).chain(slo.value)).filter(|point| point.is_finite());
        if first.comparison.is_some() || first.limit < 0.0 || points.clone().any(|point| point < 0.0) {
            return Self::of(slos);
        }
        let reach = if first.limit > 0.0 { first.limit * REACH } else { f64::MAX };
        let top = points.map(|point| point.min(reach)).fold(first.limit, f64::max);
        let scale = Self { low: 0.0, high: if top > 0.0 { top * (1.0 + MARGIN) } else { 1.0 } };
        scale.high.is_finite().then_some(scale)
    }

    pub fn is_from_zero(self) -> bool {
        self.low == 0.0
    }

    /// Maps a value to a step, 0 to `last`.
    fn step(self, value: f64, last: usize) -> usize {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        (share * last as f64).round() as usize
    }

    fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A drawn interval, in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub low: End,
    pub high: End,
    /// The value, if it lies in the interval.
    pub value: Option<usize>,
    pub limit: usize,
}

/// An end of a drawn interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub at: usize,
    /// True if the interval goes on: its end is unknown, or off the scale.
    pub is_open: bool,
}

/// Returns true if a verdict has an interval that fits it.
pub(super) fn has_drawing(slo: &SloReport) -> bool {
    slo.interval.is_some() && !contradicts(slo)
}

/// Returns true if the interval would contradict the verdict. Limits are inclusive, and an end may have been moved to
/// the limit because values are rounded outward.
pub(super) fn contradicts(slo: &SloReport) -> bool {
    let Some([low, high]) = slo.interval else { return false };
    let fits = match (slo.verdict, slo.bound) {
        (Some(Outcome::Satisfied), Bound::Upper) => high.is_some_and(|high| high <= slo.limit),
        (Some(Outcome::Satisfied), Bound::Lower) => low.is_some_and(|low| low >= slo.limit),
        (Some(Outcome::Violated), Bound::Upper) => low.is_some_and(|low| low >= slo.limit),
        (Some(Outcome::Violated), Bound::Lower) => high.is_some_and(|high| high <= slo.limit),
        (Some(Outcome::Inconclusive) | None, _) => true,
    };
    !fits
}

impl Bar {
    /// Draws an interval in `steps` steps, at least `gap` of them between each end and the limit. `None` if it has no drawing or the
    /// steps are too few.
    pub fn of(slo: &SloReport, scale: Scale, steps: usize, gap: usize) -> Option<Self> {
        let [low, high] = slo.interval.filter(|_| has_drawing(slo) && slo.limit.is_finite())?;
        let room = 2 * gap + 1;
        let last = steps.checked_sub(1).filter(|last| *last >= 2 * room)?;
        let limit = scale.step(slo.limit, last).clamp(room, last - room);
        let is_below = |point: f64| match (slo.verdict, slo.bound) {
            (Some(Outcome::Satisfied), bound) => bound == Bound::Upper,
            (Some(Outcome::Violated), bound) => bound == Bound::Lower,
            (_, Bound::Upper) => point <= slo.limit,
            (_, Bound::Lower) => point < slo.limit,
        };
        let place = |point: f64| match is_below(point) {
            true => scale.step(point, last).min(limit - gap),
            false => scale.step(point, last).max(limit + gap),
        };
        let end = |end: Option<f64>, edge: usize| {
            let at = end.map_or(edge, place);
            End { at, is_open: end.is_none_or(|point| at == edge && !scale.holds(point)) }
        };
        let (mut low, mut high) = (end(low, 0), end(high, last));
        // An interval that is shorter than a step is drawn as long as the gap, away from the limit.
        if high.at < low.at + gap {
            match low.at < limit {
                true => {
                    low.at = high.at.saturating_sub(gap);
                    high.at = high.at.max(low.at + gap);
                }
                false => {
                    high.at = (low.at + gap).min(last);
                    low.at = low.at.min(high.at.saturating_sub(gap));
                }
            }
        }
        let value = slo.value.filter(|value| is_within(slo, *value)).map(|value| match value == slo.limit {
            true if low.at < limit && high.at > limit => limit,
            _ => place(value).clamp(low.at, high.at),
        });
        Some(Self { low, high, value, limit })
    }
}

/// A drawn value without an interval, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub at: usize,
    pub limit: usize,
}

impl Point {
    /// Draws a value on the side of the limit that its verdict names. `None` if it is on the other side, or there is nothing to draw.
    pub fn of(slo: &SloReport, scale: Scale, steps: usize, gap: usize) -> Option<Self> {
        let value = slo.value.filter(|value| value.is_finite() && slo.limit.is_finite())?;
        let fits = match slo.verdict? {
            Outcome::Satisfied => slo.bound.admits(value, slo.limit),
            Outcome::Violated => !slo.bound.admits(value, slo.limit),
            Outcome::Inconclusive => true,
        };
        let last = steps.checked_sub(1).filter(|last| *last >= 4 * gap && fits)?;
        let limit = scale.step(slo.limit, last).clamp(2 * gap, last - 2 * gap);
        let is_below = match slo.bound {
            Bound::Upper => slo.bound.admits(value, slo.limit),
            Bound::Lower => !slo.bound.admits(value, slo.limit),
        };
        let at = scale.step(value, last);
        let at = if is_below { at.min(limit - gap) } else { at.max(limit + gap) };
        Some(Self { at, limit })
    }
}

fn is_within(slo: &SloReport, value: f64) -> bool {
    let [low, high] = slo.interval.unwrap_or_default();
    value.is_finite() && low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high)
}
