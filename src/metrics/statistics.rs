//! One number from many: aggregations over samples, summaries, buckets and HDR histograms.
//!
//! Percentiles take the nearest rank (the smallest value that `p` percent of all do not exceed); standard deviations treat the values
//! as the whole population. Everything answers `None` where there are no values.

use std::fmt;

use crate::metrics::histogram::{self, Histogram};
use crate::model::insights::HistogramBucket;

/// How a metric of many values becomes one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    /// Arithmetic mean.
    Mean,
    /// Standard deviation.
    StdDev,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// How many values.
    Count,
    /// The value that this percentage (0 to 100) of all values do not exceed.
    Percentile(f64),
}

impl Aggregation {
    /// Spellings of all aggregations, percentiles as `pX`.
    pub const NAMES: [&'static str; 6] = ["mean", "stddev", "min", "max", "count", "pX"];

    /// Reads `mean`, `p99.9` and so on.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "mean" => Self::Mean,
            "stddev" => Self::StdDev,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            _ => Self::Percentile(percentile(text)?),
        })
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::StdDev => "stddev",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Percentile(p) => return f.write_str(&histogram::percentile_name(*p)),
        })
    }
}

/// The percentage in `p99.9`, `p95.0` or `p'90'`; `None` for anything else.
pub fn percentile(text: &str) -> Option<f64> {
    let number = text.strip_prefix('p')?.trim_matches(['\'', '"']);
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let p = number.parse().ok().filter(|_| plain)?;
    (0.0..=100.0).contains(&p).then_some(p)
}

/// Over single values.
pub fn of_samples(samples: &[f64], aggregation: Aggregation) -> Option<f64> {
    let count = samples.len() as f64;
    if samples.is_empty() {
        return None;
    }
    // Divided before they are summed, so that large values do not overflow.
    let mean = || samples.iter().map(|value| value / count).sum::<f64>();
    Some(match aggregation {
        Aggregation::Mean => mean(),
        Aggregation::StdDev => {
            let mean = mean();
            samples.iter().map(|value| (value - mean).powi(2) / count).sum::<f64>().sqrt()
        }
        Aggregation::Min => samples.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregation::Max => samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregation::Count => count,
        Aggregation::Percentile(p) => {
            let mut sorted = samples.to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = (p / 100.0 * count).ceil() as usize;
            sorted.get(rank.clamp(1, sorted.len()) - 1).copied()?
        }
    })
}

/// Over a summary: count, sum, minimum, maximum, sum of squares. It has no percentiles.
pub fn of_summary(summary: [f64; 5], aggregation: Aggregation) -> Option<f64> {
    let [count, sum, min, max, squares] = summary;
    if aggregation == Aggregation::Count {
        return Some(count);
    }
    if count <= 0.0 {
        return None;
    }
    match aggregation {
        Aggregation::Mean => Some(sum / count),
        // Rounding can push the difference of two large numbers below zero.
        Aggregation::StdDev => Some((squares / count - (sum / count).powi(2)).max(0.0).sqrt()),
        Aggregation::Min => Some(min),
        Aggregation::Max => Some(max),
        Aggregation::Count | Aggregation::Percentile(_) => None,
    }
}

/// Over Iter8's buckets, in their unit. Values are taken to lie evenly within their bucket, so a percentile is interpolated between
/// the edges, and mean and deviation rest on midpoints: as exact as the buckets are narrow.
pub fn of_buckets(buckets: &[HistogramBucket], aggregation: Aggregation) -> Option<f64> {
    let mut filled: Vec<_> = buckets.iter().filter(|bucket| bucket.count > 0).collect();
    filled.sort_by(|a, b| a.lower.total_cmp(&b.lower));
    let (first, last) = (filled.first()?, filled.last()?);
    let total: f64 = filled.iter().map(|bucket| bucket.count as f64).sum();
    let middle = |bucket: &HistogramBucket| (bucket.lower + bucket.upper) / 2.0;
    let mean = || filled.iter().map(|bucket| middle(bucket) * (bucket.count as f64 / total)).sum::<f64>();
    Some(match aggregation {
        Aggregation::Mean => mean(),
        Aggregation::StdDev => {
            let mean = mean();
            let square = |bucket: &&HistogramBucket| (middle(bucket) - mean).powi(2) * (bucket.count as f64 / total);
            filled.iter().map(square).sum::<f64>().sqrt()
        }
        Aggregation::Min => first.lower,
        Aggregation::Max => last.upper,
        Aggregation::Count => total,
        Aggregation::Percentile(p) => {
            let mut rank = p / 100.0 * total;
            for bucket in &filled {
                let count = bucket.count as f64;
                if rank <= count {
                    return Some(bucket.lower + (bucket.upper - bucket.lower) * (rank / count).clamp(0.0, 1.0));
                }
                rank -= count;
            }
            last.upper
        }
    })
}

/// Over an HDR histogram, in milliseconds.
pub fn of_histogram(histogram: &Histogram, aggregation: Aggregation) -> Option<f64> {
    if aggregation == Aggregation::Count {
        return Some(histogram.len() as f64);
    }
    if histogram.is_empty() {
        return None;
    }
    Some(match aggregation {
        Aggregation::Mean => histogram::mean_ms(histogram),
        Aggregation::StdDev => histogram::stddev_ms(histogram),
        Aggregation::Min => histogram::min_ms(histogram),
        Aggregation::Max | Aggregation::Count => histogram::max_ms(histogram),
        Aggregation::Percentile(p) => histogram::percentile_ms(histogram, p),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Aggregation; 6] = [
        Aggregation::Mean,
        Aggregation::StdDev,
        Aggregation::Min,
        Aggregation::Max,
        Aggregation::Count,
        Aggregation::Percentile(75.0),
    ];

    #[test]
    fn aggregations_are_spelled_as_they_are_read() {
        for (text, spelled) in [
            ("mean", "mean"),
            ("stddev", "stddev"),
            ("count", "count"),
            ("p95.0", "p95"),
            ("p'90'", "p90"),
            ("p99.9", "p99.9"),
        ] {
            assert_eq!(Aggregation::parse(text).unwrap().to_string(), spelled);
        }
        for text in ["", "p", "p101", "p-1", "pinf", "p1e1", "pNaN", "median", "P99"] {
            assert_eq!(Aggregation::parse(text), None, "{text}");
        }
    }

    #[test]
    fn samples_aggregate_as_by_hand() {
        let samples = [4.0, 2.0, 8.0, 6.0];
        let got: Vec<f64> = ALL.iter().map(|a| of_samples(&samples, *a).unwrap()).collect();
        assert_eq!(got, [5.0, 5.0_f64.sqrt(), 2.0, 8.0, 4.0, 6.0]);
        assert!(ALL.iter().all(|a| of_samples(&[], *a).is_none()));
    }

    #[test]
    fn summaries_aggregate_as_by_hand() {
        let summary = [4.0, 20.0, 2.0, 8.0, 120.0];
        let got: Vec<Option<f64>> = ALL.iter().map(|a| of_summary(summary, *a)).collect();
        assert_eq!(got, [Some(5.0), Some(5.0_f64.sqrt()), Some(2.0), Some(8.0), Some(4.0), None]);
        assert_eq!(of_summary([1.0, 1.0, 1.0, 1.0, 1.0 - 1e-12], Aggregation::StdDev), Some(0.0));
        assert_eq!(of_summary([0.0; 5], Aggregation::Count), Some(0.0));
        assert_eq!(of_summary([0.0; 5], Aggregation::Mean), None);
    }

    #[test]
    fn buckets_aggregate_by_interpolation() {
        let bucket = |lower, upper, count| HistogramBucket { lower, upper, count };
        let buckets = [bucket(10.0, 20.0, 50), bucket(20.0, 40.0, 40), bucket(40.0, 50.0, 0), bucket(90.0, 100.0, 10)];
        let p = |p| of_buckets(&buckets, Aggregation::Percentile(p)).unwrap();
        assert_eq!([p(0.0), p(25.0), p(50.0), p(70.0), p(95.0), p(100.0)], [10.0, 15.0, 20.0, 30.0, 95.0, 100.0]);
        assert_eq!(of_buckets(&buckets, Aggregation::Mean), Some(29.0));
        assert_eq!(of_buckets(&buckets, Aggregation::Count), Some(100.0));
        assert_eq!(of_buckets(&[], Aggregation::Count), None);
        assert_eq!(of_buckets(&[bucket(1.0, 2.0, 0)], Aggregation::Mean), None);
    }

    proptest! {
        #[test]
        fn sample_percentiles_are_samples_and_rise(
            samples in prop::collection::vec(-1e6_f64..1e6, 1..50), a in 0.0_f64..=100.0, b in 0.0_f64..=100.0,
        ) {
            let at = |p| of_samples(&samples, Aggregation::Percentile(p)).unwrap();
            prop_assert!(samples.contains(&at(a)));
            prop_assert!(at(a.min(b)) <= at(a.max(b)));
        }

        #[test]
        fn buckets_of_a_histogram_read_nearly_as_the_histogram(values in prop::collection::vec(1_u64..10_000_000, 1..80), p in 0.0_f64..=100.0) {
            let mut histogram = histogram::new();
            for value in values {
                histogram.saturating_record(value);
            }
            let buckets = histogram::buckets(&histogram, 1_000);
            let fine = of_histogram(&histogram, Aggregation::Percentile(p)).unwrap();
            let coarse = of_buckets(&buckets, Aggregation::Percentile(p)).unwrap();
            prop_assert!((coarse / fine - 1.0).abs() < 0.01 || (coarse - fine).abs() <= 0.001, "{coarse} {fine}");
        }
    }
}
