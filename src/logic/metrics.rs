//! Metric names, and looking up a metric's value in a document.
//!
//! A stand-in with the agreed interface, until the real module is merged.

use crate::model::insights::Insights;
use crate::model::metric::Reading;

/// The newest value of `name` (`provider/metric`, or `provider/metric/aggregation`) for a version, or why there is none.
pub fn reading(insights: &Insights, version: usize, name: &str) -> Reading {
    if let Some(value) = insights.non_hist_metric_values.get(version).and_then(|m| m.get(name)).and_then(|v| v.last()) {
        return Reading::Value(*value);
    }
    let aggregate = name.rsplit_once('/').and_then(|(base, aggregation)| {
        let samples = insights.non_hist_metric_values.get(version).and_then(|m| m.get(base));
        if let Some(samples) = samples.filter(|s| !s.is_empty()) {
            return of_samples(samples, aggregation);
        }
        let summary = insights.summary_metric_values.get(version)?.get(base)?.last()?;
        let [count, sum, min, max, squares] = summary.get(..5)?.try_into().ok()?;
        let mean = sum / count;
        match aggregation {
            "count" => Some(count),
            "mean" => Some(mean),
            "min" => Some(min),
            "max" => Some(max),
            "stddev" => Some((squares / count - mean * mean).max(0.0).sqrt()),
            _ => None,
        }
    });
    let observed = insights.observations.get(version).and_then(|o| o.get(name)).and_then(|o| o.no_data.clone());
    match aggregate {
        Some(value) => Reading::Value(value),
        None => Reading::NoData(observed.unwrap_or_else(|| "the document has no value for this metric".to_owned())),
    }
}

fn of_samples(samples: &[f64], aggregation: &str) -> Option<f64> {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    match aggregation {
        "count" => Some(count),
        "mean" => Some(mean),
        "min" => samples.iter().copied().reduce(f64::min),
        "max" => samples.iter().copied().reduce(f64::max),
        "stddev" => Some((samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt()),
        _ => {
            let p: f64 = aggregation.strip_prefix('p')?.parse().ok()?;
            let mut sorted = samples.to_vec();
            sorted.sort_by(f64::total_cmp);
            let rank = (p / 100.0 * count).ceil().clamp(1.0, count) as usize;
            sorted.get(rank - 1).copied()
        }
    }
}
