//! Aggregation of several series.

use std::collections::BTreeMap;

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
    /// Aggregates values; `None` if there are none. `Jq` takes the first one, because the expression has aggregated already.
    ///
    /// The result is NaN if any value is, except for `First`. An infinite value takes precedence over NaN, so that infinity is never
    /// mistaken for missing data.
    pub(crate) fn of(self, values: &[f64]) -> Option<f64> {
        let sum = || values.iter().sum::<f64>();
        let extreme = |pick: fn(f64, f64) -> f64| {
            values
                .iter()
                .copied()
                .reduce(|one, other| if one.is_nan() || other.is_nan() { f64::NAN } else { pick(one, other) })
        };
        let value = match self {
            _ if values.is_empty() => None,
            Self::Sum => Some(sum()),
            Self::Avg => Some(sum() / values.len() as f64),
            Self::Max => extreme(f64::max),
            Self::Min => extreme(f64::min),
            Self::First | Self::Jq => return values.first().copied(),
        };
        let infinite = || values.iter().copied().find(|value| value.is_infinite());
        value.map(|value| if value.is_nan() { infinite().unwrap_or(f64::NAN) } else { value })
    }

    /// Aggregates series instant by instant; a series without a value at an instant is left out.
    pub(crate) fn of_series(self, series: &[Vec<(f64, f64)>]) -> Vec<f64> {
        if matches!(self, Self::First | Self::Jq) {
            return series.first().into_iter().flatten().map(|(_, value)| *value).collect();
        }
        let mut by_time: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (time, value) in series.iter().flatten() {
            // Prometheus's timestamps are positive and whole milliseconds.
            by_time.entry((time * 1e3).round() as u64).or_default().push(*value);
        }
        by_time.values().filter_map(|values| self.of(values)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_become_one() {
        let of = |reduce: Reduce| reduce.of(&[3.0, -1.0, 4.0]).unwrap();
        use Reduce::{Avg, First, Max, Min, Sum};
        assert_eq!([Sum, Max, Min, Avg, First].map(of), [6.0, 4.0, -1.0, 2.0, 3.0]);
        assert_eq!(Sum.of(&[]), None);
    }

    #[test]
    fn a_nan_is_not_dropped_and_infinity_goes_before_it() {
        use Reduce::{Avg, First, Max, Min, Sum};
        for reduce in [Sum, Max, Min, Avg] {
            for values in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0], [1.0, 2.0, f64::NAN]] {
                assert!(reduce.of(&values).unwrap().is_nan(), "{reduce:?} {values:?}");
            }
            assert!(reduce.of(&[1.0, f64::NAN, f64::INFINITY]).unwrap().is_infinite(), "{reduce:?}");
        }
        assert!(Sum.of(&[f64::INFINITY, f64::NEG_INFINITY]).unwrap().is_infinite());
        assert_eq!(First.of(&[1.0, f64::NAN]), Some(1.0));
    }

    #[test]
    fn several_series_become_one_instant_by_instant() {
        let series = [vec![(10.0, 1.0), (20.0, 2.0)], vec![(20.0, 5.0), (30.0, 7.0)]];
        assert_eq!(Reduce::Sum.of_series(&series), [1.0, 7.0, 7.0]);
        assert_eq!(Reduce::Avg.of_series(&series), [1.0, 3.5, 7.0]);
        assert_eq!(Reduce::First.of_series(&series), [1.0, 2.0]);
        assert!(Reduce::Sum.of_series(&[]).is_empty());
    }
}
