//! Aggregation of several series.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Aggregation of several series; without one, several series are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reduce {
    /// Sum.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Arithmetic mean.
    Avg,
    /// The first one in the provider's order.
    First,
    /// The value of the metric's `jqExpression`.
    Jq,
}

impl Reduce {
    /// Aggregates the values of several series. `Jq` takes the first one, because the expression has aggregated already.
    ///
    /// A value that is not finite makes the aggregate unusable, beside whatever values: a fraction of nothing (NaN) in one series says
    /// nothing about the others, and infinity is an error. `First` ignores the other series as long as the first one has a value.
    pub(crate) fn of(self, values: &[f64]) -> Aggregate {
        let Some(first) = values.first() else { return Aggregate::Empty };
        let nans = values.iter().filter(|value| value.is_nan()).count();
        let is_first = matches!(self, Self::First | Self::Jq);
        if nans == values.len() {
            return Aggregate::Nan;
        }
        let of_interest = if is_first && !first.is_nan() { &values[..1] } else { values };
        if let Some(infinite) = of_interest.iter().find(|value| value.is_infinite()) {
            return Aggregate::Infinite(*infinite);
        }
        if of_interest.iter().any(|value| value.is_nan()) {
            return Aggregate::Mixed { nans, of: values.len() };
        }
        let sum = || values.iter().sum::<f64>();
        let value = match self {
            Self::Sum => sum(),
            Self::Avg => sum() / values.len() as f64,
            Self::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Self::First | Self::Jq => *first,
        };
        if value.is_finite() { Aggregate::Value(value) } else { Aggregate::Infinite(value) }
    }

    /// Aggregates series instant by instant; a series without a sample at an instant is left out. `First` has the instants of the first
    /// series.
    pub(crate) fn of_series(self, series: &[Vec<(f64, f64)>]) -> Vec<Aggregate> {
        // Prometheus's timestamps are positive and whole milliseconds.
        let instant = |time: f64| (time * 1e3).round() as u64;
        let mut by_time: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (time, value) in series.iter().flatten() {
            by_time.entry(instant(*time)).or_default().push(*value);
        }
        if matches!(self, Self::First | Self::Jq) {
            let first: BTreeSet<u64> = series.first().into_iter().flatten().map(|(time, _)| instant(*time)).collect();
            by_time.retain(|time, _| first.contains(time));
        }
        by_time.values().map(|values| self.of(values)).collect()
    }
}

/// Result of an aggregation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aggregate {
    /// A finite number.
    Value(f64),
    /// There are no values.
    Empty,
    /// Every value is NaN: there is nothing to count.
    Nan,
    /// Some values are NaN, beside others.
    Mixed {
        /// Number of NaN values.
        nans: usize,
        /// Number of values.
        of: usize,
    },
    /// At least one value, or the aggregate, is infinite.
    Infinite(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_become_one() {
        let of = |reduce: Reduce| reduce.of(&[3.0, -1.0, 4.0]);
        use Reduce::{Avg, First, Max, Min, Sum};
        assert_eq!([Sum, Max, Min, Avg, First].map(of), [6.0, 4.0, -1.0, 2.0, 3.0].map(Aggregate::Value));
        assert_eq!(Sum.of(&[]), Aggregate::Empty);
        assert_eq!(Sum.of(&[f64::MAX, f64::MAX]), Aggregate::Infinite(f64::INFINITY));
    }

    #[test]
    fn a_nan_beside_values_is_neither_dropped_nor_does_it_drop_them() {
        use Reduce::{Avg, First, Max, Min, Sum};
        for reduce in [Sum, Max, Min, Avg] {
            for values in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0], [1.0, 2.0, f64::NAN]] {
                assert_eq!(reduce.of(&values), Aggregate::Mixed { nans: 1, of: 3 }, "{reduce:?} {values:?}");
            }
        }
        assert_eq!(First.of(&[f64::NAN, 1.0]), Aggregate::Mixed { nans: 1, of: 2 });
        assert_eq!(First.of(&[1.0, f64::NAN]), Aggregate::Value(1.0));
        for reduce in [Sum, Max, Min, Avg, First] {
            assert_eq!(reduce.of(&[f64::NAN, f64::NAN]), Aggregate::Nan, "{reduce:?}");
        }
    }

    #[test]
    fn infinity_beside_values_and_nan_is_never_dropped() {
        use Reduce::{Avg, First, Max, Min, Sum};
        for infinite in [f64::INFINITY, f64::NEG_INFINITY] {
            for reduce in [Sum, Max, Min, Avg] {
                assert_eq!(reduce.of(&[1.0, infinite]), Aggregate::Infinite(infinite), "{reduce:?}");
                assert_eq!(reduce.of(&[1.0, f64::NAN, infinite]), Aggregate::Infinite(infinite), "{reduce:?}");
            }
            assert_eq!(First.of(&[infinite, 1.0]), Aggregate::Infinite(infinite));
            assert_eq!(First.of(&[f64::NAN, infinite]), Aggregate::Infinite(infinite));
            assert_eq!(First.of(&[1.0, infinite]), Aggregate::Value(1.0));
        }
    }

    #[test]
    fn several_series_become_one_instant_by_instant() {
        let series = [vec![(10.0, 1.0), (20.0, 2.0)], vec![(20.0, 5.0), (30.0, 7.0)]];
        let values = |reduce: Reduce, expected: &[f64]| {
            let expected: Vec<Aggregate> = expected.iter().copied().map(Aggregate::Value).collect();
            assert_eq!(reduce.of_series(&series), expected, "{reduce:?}");
        };
        values(Reduce::Sum, &[1.0, 7.0, 7.0]);
        values(Reduce::Avg, &[1.0, 3.5, 7.0]);
        values(Reduce::First, &[1.0, 2.0]);
        assert!(Reduce::Sum.of_series(&[]).is_empty());
        let gaps = [vec![(10.0, f64::NAN), (20.0, f64::NAN)], vec![(20.0, 5.0)]];
        for reduce in [Reduce::Max, Reduce::First] {
            let expected = [Aggregate::Nan, Aggregate::Mixed { nans: 1, of: 2 }];
            assert_eq!(reduce.of_series(&gaps), expected, "{reduce:?}");
        }
    }
}
