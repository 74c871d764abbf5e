//! Distribution of a metric's values, in whichever form the document keeps them.
//!
//! This is the one place where many values become one. Percentiles are nearest-rank: the smallest value that `p` percent of all values
//! do not exceed. Inside one of Iter8's buckets, values are assumed to be spread evenly, so percentiles are interpolated between its
//! edges, and mean and deviation use midpoints. Standard deviations are those of the whole population; a summary's is that of a sample, as in
//! Iter8.

use super::histogram::{self, Histogram};
use crate::model::insights::HistogramBucket;
use crate::model::metric_name::Aggregation;

/// Number of values between two edges, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    pub lower: f64,
    pub upper: f64,
    pub count: u64,
}

/// Values of one metric.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    form: Form,
    has_rejected: bool,
}

#[derive(Clone, Debug)]
enum Form {
    /// Microseconds; read in milliseconds.
    Histogram(Histogram),
    /// In ascending order, none empty.
    Buckets(Vec<Cell>),
    /// In ascending order. The moments are computed in the document's order, which decides their last digit.
    Samples {
        sorted: Vec<f64>,
        mean: f64,
        stddev: f64,
    },
    Summary {
        count: f64,
        sum: f64,
        min: f64,
        max: f64,
        squares: f64,
    },
}

impl Distribution {
    pub fn of_histogram(histogram: Histogram) -> Self {
        Self { form: Form::Histogram(histogram), has_rejected: false }
    }

    /// Builds a distribution from Iter8's buckets, leaving out empty ones and those that are not a range.
    pub fn of_buckets(buckets: &[HistogramBucket]) -> Self {
        let is_range = |b: &HistogramBucket| b.lower.is_finite() && b.upper.is_finite() && b.lower <= b.upper;
        let filled = || buckets.iter().filter(|b| b.count > 0);
        let cell = |b: &HistogramBucket| Cell { lower: b.lower, upper: b.upper, count: b.count };
        let mut cells: Vec<Cell> = filled().filter(|b| is_range(b)).map(cell).collect();
        cells.sort_by(|a, b| a.lower.total_cmp(&b.lower).then(a.upper.total_cmp(&b.upper)));
        Self { form: Form::Buckets(cells), has_rejected: filled().any(|b| !is_range(b)) }
    }

    /// Builds a distribution from samples, leaving out those that are not finite.
    pub fn of_samples(samples: &[f64]) -> Self {
        let mut sorted: Vec<f64> = samples.iter().copied().filter(|sample| sample.is_finite()).collect();
        let count = sorted.len() as f64;
        // Divided before they are summed, so that large values do not overflow.
        let mean = sorted.iter().map(|value| value / count).sum::<f64>();
        let stddev = sorted.iter().map(|value| (value - mean).powi(2) / count).sum::<f64>().sqrt();
        sorted.sort_by(f64::total_cmp);
        let has_rejected = sorted.len() < samples.len();
        Self { form: Form::Samples { sorted, mean, stddev }, has_rejected }
    }

    /// Builds a distribution from count, sum, minimum, maximum and sum of squares. It has no percentiles.
    pub fn of_summary([count, sum, min, max, squares]: [f64; 5]) -> Self {
        Self { form: Form::Summary { count, sum, min, max, squares }, has_rejected: false }
    }

    /// Returns true if the document has samples or buckets that had to be left out.
    pub fn has_rejected(&self) -> bool {
        self.has_rejected
    }

    /// Number of values, saturating.
    pub fn count(&self) -> u64 {
        match &self.form {
            Form::Histogram(histogram) => histogram.len(),
            Form::Buckets(cells) => cells.iter().fold(0, |sum, cell| sum.saturating_add(cell.count)),
            Form::Samples { sorted, .. } => sorted.len() as u64,
            Form::Summary { count, .. } => *count as u64,
        }
    }

    /// Reduces the values to one number; `None` if there are no values, or for a percentile of a summary.
    pub fn aggregate(&self, aggregation: Aggregation) -> Option<f64> {
        match (aggregation, &self.form) {
            // These two forms can record a count of 0.
            (Aggregation::Count, Form::Histogram(histogram)) => Some(histogram.len() as f64),
            (Aggregation::Count, Form::Summary { count, .. }) => Some(*count),
            (Aggregation::Percentile(_), Form::Summary { .. }) => None,
            (Aggregation::StdDev, Form::Summary { count, .. }) if *count <= 1.0 => None,
            _ if self.is_empty() => None,
            (Aggregation::Count, _) => Some(self.count() as f64),
            (Aggregation::Mean, _) => Some(self.mean()),
            (Aggregation::StdDev, _) => Some(self.stddev()),
            (Aggregation::Min, _) => Some(self.min()),
            (Aggregation::Max, _) => Some(self.max()),
            (Aggregation::Percentile(p), _) => Some(self.percentile(p)),
        }
    }

    fn is_empty(&self) -> bool {
        match &self.form {
            Form::Histogram(histogram) => histogram.is_empty(),
            Form::Buckets(cells) => cells.is_empty(),
            Form::Samples { sorted, .. } => sorted.is_empty(),
            Form::Summary { count, .. } => *count <= 0.0,
        }
    }

    /// Smallest value; 0 if there is none.
    pub fn min(&self) -> f64 {
        match &self.form {
            Form::Histogram(histogram) => histogram::min_ms(histogram),
            Form::Buckets(cells) => cells.first().map_or(0.0, |cell| cell.lower),
            Form::Samples { sorted, .. } => sorted.first().copied().unwrap_or(0.0),
            Form::Summary { min, .. } => *min,
        }
    }

    /// Largest value; 0 if there is none.
    pub fn max(&self) -> f64 {
        match &self.form {
            Form::Histogram(histogram) => histogram::max_ms(histogram),
            Form::Buckets(cells) => cells.iter().map(|cell| cell.upper).reduce(f64::max).unwrap_or(0.0),
            Form::Samples { sorted, .. } => sorted.last().copied().unwrap_or(0.0),
            Form::Summary { max, .. } => *max,
        }
    }

    /// Arithmetic mean; 0 if there are no values.
    pub fn mean(&self) -> f64 {
        match &self.form {
            Form::Histogram(histogram) => histogram::mean_ms(histogram),
            Form::Buckets(cells) => weighted(cells, Cell::middle),
            Form::Samples { mean, .. } => *mean,
            Form::Summary { count, sum, .. } if *count > 0.0 => sum / count,
            Form::Summary { .. } => 0.0,
        }
    }

    /// Standard deviation; 0 if there are too few values.
    pub fn stddev(&self) -> f64 {
        match &self.form {
            Form::Histogram(histogram) => histogram::stddev_ms(histogram),
            Form::Buckets(cells) => {
                let mean = self.mean();
                weighted(cells, |cell| (cell.middle() - mean).powi(2)).sqrt()
            }
            Form::Samples { stddev, .. } => *stddev,
            // Rounding can push the difference of two large numbers below zero.
            Form::Summary { count, sum, squares, .. } if *count > 1.0 => {
                ((squares - sum * (sum / count)).max(0.0) / (count - 1.0)).sqrt()
            }
            Form::Summary { .. } => 0.0,
        }
    }

    /// Smallest value that `p` percent (0 to 100) of all values do not exceed; the maximum of a summary.
    pub fn percentile(&self, p: f64) -> f64 {
        let share = (p / 100.0).clamp(0.0, 1.0);
        match &self.form {
            Form::Histogram(histogram) => histogram::percentile_ms(histogram, p),
            Form::Buckets(cells) => self.interpolated(cells, share),
            Form::Samples { sorted, .. } => {
                let rank = (share * sorted.len() as f64).ceil() as usize;
                sorted.get(rank.max(1) - 1).copied().unwrap_or_else(|| self.max())
            }
            Form::Summary { max, .. } => *max,
        }
    }

    fn interpolated(&self, cells: &[Cell], share: f64) -> f64 {
        let rank = share * self.count() as f64;
        let mut below = 0.0;
        for cell in cells {
            let count = cell.count as f64;
            if below + count >= rank {
                return cell.lower + (cell.upper - cell.lower) * ((rank - below) / count).clamp(0.0, 1.0);
            }
            below += count;
        }
        self.max()
    }

    /// Returns the values in ranges, in ascending order, none empty. A summary has one.
    pub fn cells(&self) -> Vec<Cell> {
        match &self.form {
            Form::Histogram(histogram) => {
                let ms = |micros: u64| micros as f64 / 1000.0;
                let cell = |lower: u64, count: u64| {
                    let upper = histogram.next_non_equivalent(lower);
                    Cell { lower: ms(lower), upper: ms(upper), count }
                };
                let recorded = histogram.iter_recorded();
                recorded
                    .map(|step| cell(histogram.lowest_equivalent(step.value_iterated_to()), step.count_at_value()))
                    .collect()
            }
            Form::Buckets(cells) => cells.clone(),
            Form::Samples { sorted, .. } => {
                sorted.iter().map(|value| Cell { lower: *value, upper: *value, count: 1 }).collect()
            }
            Form::Summary { min, max, .. } => vec![Cell { lower: *min, upper: *max, count: self.count() }],
        }
    }
}

impl Cell {
    fn middle(&self) -> f64 {
        self.lower + (self.upper - self.lower) / 2.0
    }
}

/// Mean of a function of the cells, weighted by their counts.
fn weighted(cells: &[Cell], value: impl Fn(&Cell) -> f64) -> f64 {
    let total = cells.iter().fold(0_u64, |sum, cell| sum.saturating_add(cell.count)) as f64;
    cells.iter().map(|cell| value(cell) * (cell.count as f64 / total)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Aggregation; 6] = [
        Aggregation::Mean,
        Aggregation::StdDev,
        Aggregation::Min,
        Aggregation::Max,
        Aggregation::Count,
        Aggregation::Percentile(75.0),
    ];

    fn bucket(lower: f64, upper: f64, count: u64) -> HistogramBucket {
        HistogramBucket { lower, upper, count }
    }

    fn all(distribution: &Distribution) -> [Option<f64>; 6] {
        ALL.map(|aggregation| distribution.aggregate(aggregation))
    }

    #[test]
    fn samples_aggregate_as_by_hand() {
        let aggregates = all(&Distribution::of_samples(&[4.0, 2.0, 8.0, 6.0]));
        assert_eq!(aggregates, [5.0, 5.0_f64.sqrt(), 2.0, 8.0, 4.0, 6.0].map(Some));
        assert_eq!(all(&Distribution::of_samples(&[])), [None; 6]);
    }

    #[test]
    fn the_highest_of_negative_samples_is_negative() {
        assert_eq!(Distribution::of_samples(&[-3.0, -1.0, -2.0]).max(), -1.0);
        assert_eq!(Distribution::of_buckets(&[bucket(-3.0, -2.0, 1), bucket(-9.0, -8.0, 1)]).max(), -2.0);
    }

    #[test]
    fn summaries_aggregate_as_by_hand() {
        let aggregates = all(&Distribution::of_summary([4.0, 20.0, 2.0, 8.0, 120.0]));
        assert_eq!(aggregates, [Some(5.0), Some((20.0_f64 / 3.0).sqrt()), Some(2.0), Some(8.0), Some(4.0), None]);
        let single = Distribution::of_summary([1.0, 7.0, 7.0, 7.0, 49.0]);
        assert_eq!([Aggregation::Mean, Aggregation::StdDev].map(|a| single.aggregate(a)), [Some(7.0), None]);
        let rounded = Distribution::of_summary([2.0, 2.0, 1.0, 1.0, 2.0 - 1e-12]);
        assert_eq!(rounded.aggregate(Aggregation::StdDev), Some(0.0));
        let empty = Distribution::of_summary([0.0; 5]);
        assert_eq!([Aggregation::Count, Aggregation::Mean].map(|a| empty.aggregate(a)), [Some(0.0), None]);
    }

    #[test]
    fn buckets_aggregate_by_interpolation() {
        let buckets = [bucket(10.0, 20.0, 50), bucket(20.0, 40.0, 40), bucket(40.0, 50.0, 0), bucket(90.0, 100.0, 10)];
        let distribution = Distribution::of_buckets(&buckets);
        let p = |p| distribution.percentile(p);
        assert_eq!([p(0.0), p(25.0), p(50.0), p(70.0), p(95.0), p(100.0)], [10.0, 15.0, 20.0, 30.0, 95.0, 100.0]);
        assert_eq!(distribution.aggregate(Aggregation::Mean), Some(29.0));
        assert_eq!(distribution.aggregate(Aggregation::Count), Some(100.0));
        assert_eq!(Distribution::of_buckets(&[]).aggregate(Aggregation::Count), None);
        assert_eq!(Distribution::of_buckets(&[bucket(1.0, 2.0, 0)]).aggregate(Aggregation::Mean), None);
    }

    #[test]
    fn percentiles_of_buckets_lie_within_their_bucket_and_rise() {
        let distribution =
            Distribution::of_buckets(&[bucket(10.0, 20.0, 50), bucket(0.0, 10.0, 50), bucket(20.0, 20.0, 0)]);
        assert_eq!(distribution.count(), 100);
        assert_eq!(
            [distribution.percentile(0.0), distribution.percentile(25.0), distribution.percentile(50.0)],
            [0.0, 5.0, 10.0]
        );
        assert_eq!(
            [distribution.percentile(75.0), distribution.percentile(100.0), distribution.percentile(900.0)],
            [15.0, 20.0, 20.0]
        );
        assert_eq!([distribution.min(), distribution.mean(), distribution.max()], [0.0, 10.0, 20.0]);
    }

    #[test]
    fn unsound_buckets_and_samples_are_left_out() {
        let distribution =
            Distribution::of_buckets(&[bucket(f64::NAN, 1.0, 1), bucket(5.0, 1.0, 1), bucket(0.0, f64::INFINITY, 1)]);
        assert_eq!((distribution.count(), distribution.has_rejected()), (0, true));
        let distribution = Distribution::of_samples(&[f64::NAN, 3.0, 1.0]);
        assert_eq!((distribution.percentile(100.0), distribution.has_rejected()), (3.0, true));
        assert!(!Distribution::of_samples(&[3.0, 1.0]).has_rejected());
    }

    proptest! {
        #[test]
        fn sample_percentiles_are_samples_and_rise(
            samples in prop::collection::vec(-1e6_f64..1e6, 1..50), a in 0.0_f64..=100.0, b in 0.0_f64..=100.0,
        ) {
            let distribution = Distribution::of_samples(&samples);
            prop_assert!(samples.contains(&distribution.percentile(a)));
            prop_assert!(distribution.percentile(a.min(b)) <= distribution.percentile(a.max(b)));
        }

        #[test]
        fn every_form_of_the_same_values_has_the_same_extremes(samples in prop::collection::vec(-1e6_f64..1e6, 1..50)) {
            let single: Vec<_> = samples.iter().map(|value| bucket(*value, *value, 1)).collect();
            let (samples, buckets) = (Distribution::of_samples(&samples), Distribution::of_buckets(&single));
            for aggregation in [Aggregation::Min, Aggregation::Max, Aggregation::Count, Aggregation::Percentile(50.0)] {
                prop_assert_eq!(samples.aggregate(aggregation), buckets.aggregate(aggregation));
            }
        }

        #[test]
        fn buckets_of_a_histogram_read_nearly_as_the_histogram(values in prop::collection::vec(1_u64..10_000_000, 1..80), p in 0.0_f64..=100.0) {
            let mut histogram = histogram::new();
            for value in values {
                histogram.saturating_record(value);
            }
            let coarse = Distribution::of_buckets(&histogram::buckets(&histogram, 1_000)).percentile(p);
            let fine = Distribution::of_histogram(histogram).percentile(p);
            prop_assert!((coarse / fine - 1.0).abs() < 0.01 || (coarse - fine).abs() <= 0.001, "{coarse} {fine}");
        }
    }
}
