//! HDR histograms: encoding, percentiles, buckets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::model::insights::{EncodedHistogram, HistogramBucket};

/// A histogram of microseconds.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// Largest value a histogram holds: one hour, in µs.
pub const HIGHEST: u64 = 3_600_000_000;

/// Why a text is not an encoded histogram.
#[derive(Debug, thiserror::Error)]
#[error("not an encoded histogram: {0}")]
pub struct HistogramError(String);

/// An empty histogram: 1 µs to 1 h, 3 significant digits.
pub fn new() -> Histogram {
    match Histogram::new_with_bounds(1, HIGHEST, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("constant bounds"),
    }
}

/// The histogram as it stands in a document.
pub fn encode(histogram: &Histogram) -> EncodedHistogram {
    let mut bytes = Vec::new();
    let written = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    let data = if written.is_ok() { STANDARD.encode(bytes) } else { String::new() };
    EncodedHistogram { unit: "usec".into(), count: histogram.len(), data }
}

/// The reverse of [`encode`].
pub fn decode(encoded: &EncodedHistogram) -> Result<Histogram, HistogramError> {
    let bytes = STANDARD.decode(&encoded.data).map_err(|error| HistogramError(error.to_string()))?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| HistogramError(error.to_string()))
}

/// At most `max` buckets that hold all values, in msec.
pub fn buckets(histogram: &Histogram, max: usize) -> Vec<HistogramBucket> {
    if histogram.is_empty() || max == 0 {
        return Vec::new();
    }
    let (low, high) = (histogram.min(), histogram.max());
    let step = (high - low + 1).div_ceil(max as u64).max(1);
    (0..max as u64)
        .map(|i| (low + i * step, low + (i + 1) * step))
        .filter(|(lower, _)| *lower <= high)
        .map(|(lower, upper)| HistogramBucket {
            lower: lower as f64 / 1000.0,
            upper: upper as f64 / 1000.0,
            count: histogram.count_between(lower, upper - 1),
        })
        .collect()
}

/// Percentile `p` (0 to 100), in msec.
pub fn percentile_ms(histogram: &Histogram, p: f64) -> f64 {
    histogram.value_at_quantile(p / 100.0).min(histogram.max()) as f64 / 1000.0
}

/// How percentile `p` is spelled in metric names: `p50`, `p99.9`.
pub fn percentile_name(p: f64) -> String {
    format!("p{p}")
}
