//! Axes of charts: the mapping from values to positions, and ticks.

use serde::Serialize;

use crate::report::show::grouped;

/// Mapping from values to positions along one direction of a chart, linear or logarithmic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    values: (f64, f64),
    places: (f64, f64),
    is_log: bool,
}

/// A marked value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Tick {
    pub at: f64,
    pub label: String,
}

impl Axis {
    /// Creates a linear axis from `values` to `places`; an empty range is widened.
    pub fn linear(values: (f64, f64), places: (f64, f64)) -> Self {
        let values = if values.1 > values.0 { values } else { (values.0, values.0 + 1.0) };
        Self { values, places, is_log: false }
    }

    /// Creates a logarithmic axis; values of 0 or less lie at its start.
    pub fn log(values: (f64, f64), places: (f64, f64)) -> Self {
        let low = values.0.max(1e-6);
        Self { values: (low, values.1.max(low * 1.01)), places, is_log: true }
    }

    pub fn is_log(&self) -> bool {
        self.is_log
    }

    /// Maps a value to a position, clamped to the axis.
    pub fn place(&self, value: f64) -> f64 {
        let share = |v: f64| if self.is_log { v.max(self.values.0).ln() } else { v };
        let (low, high) = (share(self.values.0), share(self.values.1));
        let t = ((share(value) - low) / (high - low)).clamp(0.0, 1.0);
        round(self.places.0 + t * (self.places.1 - self.places.0))
    }

    /// Returns the value at a fraction of the axis, 0 to 1.
    pub fn value(&self, t: f64) -> f64 {
        let (low, high) = self.values;
        if self.is_log { low * (high / low).powf(t) } else { low + t * (high - low) }
    }

    /// Places ticks at round values, at least `gap` apart.
    pub fn ticks(&self, gap: f64) -> Vec<Tick> {
        let candidates = if self.is_log { self.log_values() } else { self.linear_values() };
        let mut ticks: Vec<Tick> = Vec::new();
        for value in candidates {
            let at = self.place(value);
            if ticks.last().is_none_or(|last| (last.at - at).abs() >= gap) {
                ticks.push(Tick { at, label: label(value) });
            }
        }
        ticks
    }

    fn linear_values(&self) -> Vec<f64> {
        let (low, high) = self.values;
        let rough = (high - low) / 5.0;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * magnitude).find(|s| *s >= rough).unwrap_or(rough);
        let first = (low / step).ceil();
        // Seven at most, because the step is at least a fifth of the range.
        (0..8).map(|n| (first + f64::from(n)) * step).filter(|v| *v <= high * (1.0 + 1e-9)).collect()
    }

    fn log_values(&self) -> Vec<f64> {
        let (low, high) = self.values;
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let steps: &[f64] = if high / low > 2_000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let all = decades.take(40).flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        all.filter(|v| *v >= low * (1.0 - 1e-9) && *v <= high * (1.0 + 1e-9)).collect()
    }
}

/// Selects the unit of a time axis: its name, and its length in seconds.
pub(super) fn time_unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        seconds if seconds <= 300.0 => ("seconds", 1.0),
        seconds if seconds <= 10_800.0 => ("minutes", 60.0),
        _ => ("hours", 3600.0),
    }
}

/// Rounds a position to one decimal, finer than any screen.
pub(super) fn round(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

fn label(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{value:.0e}"),
        size if size == 0.0 || size >= 1.0 => {
            let text = format!("{value:.1}");
            grouped(text.trim_end_matches('0').trim_end_matches('.'))
        }
        size if size >= 1e-4 => format!("{value:.4}").trim_end_matches('0').to_owned(),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_few_and_apart() {
        let labels = |axis: Axis| axis.ticks(40.0).into_iter().map(|t| t.label).collect::<Vec<_>>();
        assert_eq!(labels(Axis::linear((0.0, 173.0), (0.0, 400.0))), ["0", "50", "100", "150"]);
        assert_eq!(labels(Axis::linear((0.0, 0.9), (300.0, 0.0))), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(Axis::log((3.0, 459.0), (0.0, 400.0))), ["5", "10", "20", "50", "100", "200"]);
        assert_eq!(labels(Axis::linear((5.0, 5.0), (0.0, 400.0))).len(), 6);
    }

    #[test]
    fn places_stay_within_the_axis_and_values_come_back() {
        for axis in [Axis::linear((0.0, 10.0), (0.0, 100.0)), Axis::log((0.0, 10.0), (0.0, 100.0))] {
            for value in [-1.0, 0.0, 3.0, 99.0, f64::INFINITY] {
                assert!((0.0..=100.0).contains(&axis.place(value)), "{value}");
            }
            assert!((axis.place(axis.value(0.5)) - 50.0).abs() < 0.2);
        }
    }
}
