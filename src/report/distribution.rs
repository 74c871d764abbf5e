//! A metric's distribution, wherever the document keeps it: our histograms, Iter8's buckets, or samples.

use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::{HistogramBucket, Insights};

/// How many values lie between two edges, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub lower: f64,
    pub upper: f64,
    pub count: u64,
}

/// A distribution that has one value at least.
pub(super) struct Distribution {
    /// In ascending order, none empty.
    pub cells: Vec<Cell>,
    /// Values in all cells.
    pub count: u64,
    exact: Option<Histogram>,
}

impl Distribution {
    /// The newest distribution of a metric for a version, if the document has one that can be read.
    pub fn find(insights: &Insights, version: usize, metric: &str) -> Option<Self> {
        let hdr = insights.histograms.get(version).and_then(|m| m.get(metric)).and_then(|h| histogram::decode(h).ok());
        let buckets = || insights.hist_metric_values.get(version)?.get(metric).map(Vec::as_slice);
        let samples = || insights.non_hist_metric_values.get(version)?.get(metric).map(Vec::as_slice);
        let found = hdr.map(Self::of_histogram).or_else(|| buckets().map(Self::of_buckets));
        found.or_else(|| samples().map(Self::of_samples)).filter(|d| d.count > 0)
    }

    fn of_histogram(histogram: Histogram) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let cells = histogram
            .iter_recorded()
            .map(|cell| {
                let lower = histogram.lowest_equivalent(cell.value_iterated_to());
                let upper = histogram.next_non_equivalent(lower);
                Cell { lower: ms(lower), upper: ms(upper), count: cell.count_at_value() }
            })
            .collect();
        Self { cells, count: histogram.len(), exact: Some(histogram) }
    }

    fn of_buckets(buckets: &[HistogramBucket]) -> Self {
        let is_sound =
            |b: &&HistogramBucket| b.count > 0 && b.lower.is_finite() && b.upper.is_finite() && b.lower <= b.upper;
        let cell = |b: &HistogramBucket| Cell { lower: b.lower, upper: b.upper, count: b.count };
        Self::of_cells(buckets.iter().filter(is_sound).map(cell).collect())
    }

    fn of_samples(samples: &[f64]) -> Self {
        let cell = |value: &f64| Cell { lower: *value, upper: *value, count: 1 };
        Self::of_cells(samples.iter().filter(|s| s.is_finite()).map(cell).collect())
    }

    fn of_cells(mut cells: Vec<Cell>) -> Self {
        cells.sort_by(|a, b| a.lower.total_cmp(&b.lower).then(a.upper.total_cmp(&b.upper)));
        let count = cells.iter().fold(0_u64, |sum, cell| sum.saturating_add(cell.count));
        Self { cells, count, exact: None }
    }

    /// The value that `p` percent (0 to 100) of all values do not exceed; within a wide cell, values are taken to lie evenly.
    pub fn percentile(&self, p: f64) -> f64 {
        if let Some(histogram) = &self.exact {
            return histogram::percentile_ms(histogram, p);
        }
        let rank = (p / 100.0).clamp(0.0, 1.0) * self.count as f64;
        let mut below = 0.0;
        for cell in &self.cells {
            let count = cell.count as f64;
            if below + count >= rank {
                return cell.lower + (cell.upper - cell.lower) * ((rank - below) / count).clamp(0.0, 1.0);
            }
            below += count;
        }
        self.max()
    }

    /// The mean; of a wide cell, its middle counts.
    pub fn mean(&self) -> f64 {
        let middle =
            |cell: &Cell| (cell.lower + (cell.upper - cell.lower) / 2.0) * (cell.count as f64 / self.count as f64);
        self.exact.as_ref().map_or_else(|| self.cells.iter().map(middle).sum(), histogram::mean_ms)
    }

    /// The lowest value.
    pub fn min(&self) -> f64 {
        self.exact.as_ref().map_or_else(|| self.cells.first().map_or(0.0, |c| c.lower), |h| h.min() as f64 / 1000.0)
    }

    /// The highest value.
    pub fn max(&self) -> f64 {
        let highest = || self.cells.iter().map(|c| c.upper).fold(0.0, f64::max);
        self.exact.as_ref().map_or_else(highest, |h| h.max() as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(lower: f64, upper: f64, count: u64) -> HistogramBucket {
        HistogramBucket { lower, upper, count }
    }

    #[test]
    fn percentiles_of_buckets_lie_within_their_bucket_and_rise() {
        let found = Distribution::of_buckets(&[bucket(10.0, 20.0, 50), bucket(0.0, 10.0, 50), bucket(20.0, 20.0, 0)]);
        assert_eq!(found.count, 100);
        assert_eq!([found.percentile(0.0), found.percentile(25.0), found.percentile(50.0)], [0.0, 5.0, 10.0]);
        assert_eq!([found.percentile(75.0), found.percentile(100.0), found.percentile(900.0)], [15.0, 20.0, 20.0]);
        assert_eq!([found.min(), found.mean(), found.max()], [0.0, 10.0, 20.0]);
    }

    #[test]
    fn unsound_buckets_and_samples_are_left_out() {
        let found =
            Distribution::of_buckets(&[bucket(f64::NAN, 1.0, 1), bucket(5.0, 1.0, 1), bucket(0.0, f64::INFINITY, 1)]);
        assert_eq!(found.count, 0);
        assert_eq!(Distribution::of_samples(&[f64::NAN, 3.0, 1.0]).percentile(100.0), 3.0);
    }

    #[test]
    fn our_histogram_wins_over_buckets_and_an_unreadable_one_does_not() {
        let mut recorded = histogram::new();
        recorded.record_n(2_000, 10).unwrap();
        let encoded = histogram::encode(&recorded).unwrap();
        let buckets = vec![[("m".to_owned(), vec![bucket(1.0, 2.0, 4)])].into()];
        let mut insights = Insights { hist_metric_values: buckets, ..Insights::default() };
        assert_eq!(Distribution::find(&insights, 0, "m").unwrap().count, 4);
        insights.histograms = vec![[("m".to_owned(), encoded.clone())].into()];
        let found = Distribution::find(&insights, 0, "m").unwrap();
        assert_eq!((found.count, found.percentile(50.0)), (10, 2.0));
        let damaged = crate::model::insights::EncodedHistogram { data: "AAAA".to_owned(), ..encoded };
        insights.histograms = vec![[("m".to_owned(), damaged)].into()];
        assert_eq!(Distribution::find(&insights, 0, "m").unwrap().count, 4);
        assert!(Distribution::find(&insights, 1, "m").is_none());
    }
}
