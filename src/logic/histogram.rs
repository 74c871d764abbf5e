//! HDR histograms of latencies: encoding and percentiles.
//!
//! A stand-in with the agreed interface, until the real module is merged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::model::insights::EncodedHistogram;

/// A histogram of whole microseconds.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// Why an encoded histogram can't be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the histogram can't be read")]
pub struct HistogramError;

/// An empty histogram: 1 µs to 1 h, 3 significant digits.
#[expect(clippy::expect_used, reason = "the bounds are constants that the crate accepts")]
pub fn new() -> Histogram {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("valid bounds")
}

/// HdrHistogram V2 with DEFLATE, in base64.
pub fn encode(histogram: &Histogram) -> EncodedHistogram {
    let mut bytes = Vec::new();
    if V2DeflateSerializer::new().serialize(histogram, &mut bytes).is_err() {
        bytes.clear();
    }
    EncodedHistogram { unit: "usec".to_owned(), count: histogram.len(), data: STANDARD.encode(bytes) }
}

/// Reads what [`encode`] wrote.
pub fn decode(encoded: &EncodedHistogram) -> Result<Histogram, HistogramError> {
    let bytes = STANDARD.decode(&encoded.data).map_err(|_| HistogramError)?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| HistogramError)
}

/// The value in milliseconds that `p` percent (0 to 100) of all values do not exceed; 0 for an empty histogram.
pub fn percentile_ms(histogram: &Histogram, p: f64) -> f64 {
    let micros = histogram.value_at_quantile(p.clamp(0.0, 100.0) / 100.0);
    micros.clamp(histogram.min(), histogram.max().max(histogram.min())) as f64 / 1000.0
}
