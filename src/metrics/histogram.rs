//! HDR histograms of latencies: encoding, percentiles, Iter8's buckets.
//!
//! Values are recorded in whole microseconds and read in milliseconds, the unit of every latency metric. Encoded histograms come from
//! files that anyone may have edited, so sizes are bounded before memory is allocated, and fields checked before they are used.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::model::histogram::EncodedHistogram;
use crate::model::insights::HistogramBucket;
use crate::model::text::prefix;

/// A histogram of whole microseconds.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// Unit of the recorded values, as the document names it.
pub const UNIT: &str = "usec";

/// Highest recorded value: one hour, in microseconds.
pub const HIGHEST: u64 = 3_600_000_000;
/// Shortest and longest recordable value: 1 µs and 1 h, in microseconds.
const RANGE: (u64, u64) = (1, HIGHEST);
/// Significant digits of recorded values.
const DIGITS: u8 = 3;
/// Longest base64 string that is decoded, more than twice that of a full histogram of this program.
const MAX_BASE64: usize = 512 * 1024;
/// Largest inflated histogram: every cell of a full one takes at most 9 bytes, and there are fewer than 24,000.
const MAX_INFLATED: usize = 256 * 1024;
/// Highest upper bound that a decoded histogram may state, which limits the memory for its cells.
const MAX_HIGH: u64 = 1 << 40;
/// Cookies of HdrHistogram's V2 format, compressed and plain. The low bits are the width of a cell; 16 means variable.
const COOKIES: (u32, u32) = (0x1c84_9304, 0x1c84_9303);
const WORD_SIZE: u32 = 0x10;
/// Length of the plain format's header.
const HEADER: usize = 40;

/// A histogram cannot be decoded or encoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HistogramError {
    /// Its unit is not [`UNIT`].
    #[error("the histogram is in `{0}`, expected `{UNIT}`")]
    Unit(String),
    /// It is larger than any histogram of this program.
    #[error("the histogram is larger than {0} bytes")]
    TooLarge(usize),
    /// It is not valid base64.
    #[error("the histogram is not base64")]
    Base64,
    /// It is not in HdrHistogram's V2 format with DEFLATE, or has impossible cells.
    #[error("the histogram is damaged: {0}")]
    Damaged(&'static str),
    /// A cell holds more values than the format can express.
    #[error("the histogram holds more values than its format can express")]
    TooMany,
    /// Its number of values does not match its count.
    #[error("the histogram has {held} values, but states {stated}")]
    Count {
        /// Values in the histogram.
        held: u64,
        /// Values according to its count.
        stated: u64,
    },
}

/// Creates an empty histogram: 1 µs to 1 h, 3 significant digits.
pub fn new() -> Histogram {
    with_digits(DIGITS)
}

/// Creates an empty histogram with fewer significant digits (1 to 3).
#[expect(clippy::expect_used, reason = "the bounds are constants that the crate accepts; a test makes them all")]
pub fn with_digits(digits: u8) -> Histogram {
    Histogram::new_with_bounds(RANGE.0, RANGE.1, digits.clamp(1, DIGITS)).expect("valid bounds")
}

/// Adds all values of `from` to `into`, clamped to its range.
pub fn merge(into: &mut Histogram, from: &Histogram) {
    if into.add(from).is_err() {
        for cell in from.iter_recorded() {
            into.saturating_record_n(cell.value_iterated_to(), cell.count_at_value());
        }
    }
}

/// Returns the values with fewer significant digits (1 to 3), which takes less space.
pub fn coarser(histogram: &Histogram, digits: u8) -> Histogram {
    let mut coarse = with_digits(digits);
    merge(&mut coarse, histogram);
    coarse
}

/// Encodes a histogram in HdrHistogram's V2 format with DEFLATE, in base64.
///
/// Fails on a cell with 2^63 or more values. No load reaches that, but merged histograms of an edited document may.
pub fn encode(histogram: &Histogram) -> Result<EncodedHistogram, HistogramError> {
    let mut bytes = Vec::new();
    match V2DeflateSerializer::new().serialize(histogram, &mut bytes) {
        Ok(_) => Ok(EncodedHistogram { unit: UNIT.to_owned(), count: histogram.len(), data: STANDARD.encode(bytes) }),
        Err(_) => Err(HistogramError::TooMany),
    }
}

/// Decodes the result of [`encode`]. Hostile input is rejected at bounded cost: at most 256 KiB are inflated.
pub fn decode(encoded: &EncodedHistogram) -> Result<Histogram, HistogramError> {
    if encoded.unit != UNIT {
        return Err(HistogramError::Unit(prefix(&encoded.unit, 20).to_owned()));
    }
    if encoded.data.len() > MAX_BASE64 {
        return Err(HistogramError::TooLarge(MAX_BASE64));
    }
    let packed = STANDARD.decode(&encoded.data).map_err(|_| HistogramError::Base64)?;
    let plain = inflate(&packed)?;
    check(&plain)?;
    let histogram: Histogram = Deserializer::new()
        .deserialize(&mut plain.as_slice())
        .map_err(|_| HistogramError::Damaged("it is not in HdrHistogram's V2 format"))?;
    if histogram.len() != encoded.count {
        return Err(HistogramError::Count { held: histogram.len(), stated: encoded.count });
    }
    Ok(histogram)
}

/// Inflates the compressed format's body, which is the plain format.
fn inflate(packed: &[u8]) -> Result<Vec<u8>, HistogramError> {
    if word(packed, 0) != Some(COOKIES.0 | WORD_SIZE) {
        return Err(HistogramError::Damaged("it does not start with the cookie of the compressed V2 format"));
    }
    let body = packed.get(8..).unwrap_or_default();
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(body)
        .take(MAX_INFLATED as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| HistogramError::Damaged("its compressed part cannot be inflated"))?;
    if plain.len() > MAX_INFLATED {
        return Err(HistogramError::TooLarge(MAX_INFLATED));
    }
    Ok(plain)
}

/// Checks what the crate's decoder trusts: it allocates what the header says, and its sums may overflow.
fn check(plain: &[u8]) -> Result<(), HistogramError> {
    let damaged = HistogramError::Damaged;
    let cells = plain.get(HEADER..).ok_or(damaged("it ends within its header"))?;
    if word(plain, 0) != Some(COOKIES.1 | WORD_SIZE) {
        return Err(damaged("its inner part does not start with the cookie of the V2 format"));
    }
    if word(plain, 4).map(|len| len as usize) != Some(cells.len()) {
        return Err(damaged("its length differs from the one in its header"));
    }
    let long = |at| Some(u64::from(word(plain, at)?) << 32 | u64::from(word(plain, at + 4)?));
    if !word(plain, 12).is_some_and(|digits| (1..=u32::from(DIGITS)).contains(&digits)) {
        return Err(damaged("its significant digits are not between 1 and 3"));
    }
    if long(16) != Some(RANGE.0) || !long(24).is_some_and(|high| (2..=MAX_HIGH).contains(&high)) {
        return Err(damaged("its range does not fit latencies"));
    }
    let (mut rest, mut total, mut index) = (cells, 0_u64, 0_u64);
    while !rest.is_empty() {
        let (cell, tail) = varint(rest).ok_or(damaged("it ends within a cell"))?;
        rest = tail;
        let steps = if cell < 0 { cell.unsigned_abs() } else { 1 };
        index = index.saturating_add(steps);
        total = total.saturating_add(cell.max(0).unsigned_abs());
        if total > i64::MAX.unsigned_abs() || index > MAX_INFLATED as u64 {
            return Err(damaged("it has more values or cells than a histogram can hold"));
        }
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_be_bytes)
}

/// Decodes one cell: a count, or a negated run of empty cells. ZigZag in at most nine bytes of seven bits, the ninth with eight.
fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (position, byte) in bytes.iter().take(9).enumerate() {
        let bits = if position == 8 { *byte } else { byte & 0x7f };
        value |= u64::from(bits) << (7 * position);
        if position == 8 || byte & 0x80 == 0 {
            let decoded = (value >> 1) as i64 ^ -((value & 1) as i64);
            return Some((decoded, &bytes[position + 1..]));
        }
    }
    None
}

/// Returns at most `max` non-empty buckets in milliseconds, in order; their counts add up to the histogram's. If there are more distinct
/// values, neighbours share a bucket, on a logarithmic scale so that the tail keeps its shape.
pub fn buckets(histogram: &Histogram, max: usize) -> Vec<HistogramBucket> {
    let mut merged: Vec<(usize, HistogramBucket)> = Vec::new();
    if max == 0 || histogram.is_empty() {
        return Vec::new();
    }
    let log = |micros: u64| (micros.max(1) as f64).ln();
    let first = log(histogram.lowest_equivalent(histogram.min()));
    let span = log(histogram.next_non_equivalent(histogram.max())) - first;
    let single = histogram.iter_recorded().count() <= max;
    for (position, cell) in histogram.iter_recorded().enumerate() {
        let lower = histogram.lowest_equivalent(cell.value_iterated_to());
        let upper = to_ms(histogram.next_non_equivalent(lower));
        let share = (log(lower) - first) / span;
        let place = if single { position } else { ((share * max as f64) as usize).min(max - 1) };
        match merged.last_mut() {
            Some((last, bucket)) if *last == place => {
                bucket.upper = upper;
                bucket.count += cell.count_at_value();
            }
            _ => merged.push((place, HistogramBucket { lower: to_ms(lower), upper, count: cell.count_at_value() })),
        }
    }
    merged.into_iter().map(|(_, bucket)| bucket).collect()
}

fn to_ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// Percentile `p` (0 to 100) in milliseconds; 0 for an empty histogram.
pub fn percentile_ms(histogram: &Histogram, p: f64) -> f64 {
    let p = if p.is_nan() { 0.0 } else { p.clamp(0.0, 100.0) };
    let micros = histogram.value_at_quantile(p / 100.0);
    to_ms(micros.clamp(histogram.min(), histogram.max().max(histogram.min())))
}

/// Mean in milliseconds; 0 for an empty histogram.
pub fn mean_ms(histogram: &Histogram) -> f64 {
    histogram.mean() / 1000.0
}

/// Population standard deviation in milliseconds; 0 for an empty histogram.
pub fn stddev_ms(histogram: &Histogram) -> f64 {
    histogram.stdev() / 1000.0
}

/// Shortest value in milliseconds; 0 for an empty histogram.
pub fn min_ms(histogram: &Histogram) -> f64 {
    to_ms(histogram.min())
}

/// Longest value in milliseconds; 0 for an empty histogram.
pub fn max_ms(histogram: &Histogram) -> f64 {
    to_ms(histogram.max())
}

/// `p50`, `p99.9`, `p99.95`: the shortest spelling of a percentile.
pub fn percentile_name(p: f64) -> String {
    format!("p{p}")
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
