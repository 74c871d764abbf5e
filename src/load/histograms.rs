//! The histograms of a load, indexed by what they measure.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::LazyLock;
use std::time::Duration;

use crate::metrics::histogram::{self, HIGHEST, Histogram, HistogramError};
use crate::model::histogram::EncodedHistogram;

/// Quantity that a histogram measures, in whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistogramKind {
    /// Latency of responses and timeouts, from the instant a request was due (at maximum rate: was sent).
    Latency,
    /// The same from the instant a connection took over the request; includes opening a connection, if needed.
    ServiceTime,
    /// Latency of successful responses.
    SuccessLatency,
    /// From the instant a request was due to the first byte of its response, or its first message; empty if the protocol does not
    /// report it.
    First,
    /// Opening a connection, TLS included.
    Connect,
    /// Between two messages of a stream.
    Between,
    /// From the instant a request was due to the instant it was sent; empty at maximum rate.
    Lateness,
    /// The part of it that passed until a connection was free. Only requests that waited so have a value, here and below.
    Waiting,
    /// The rest, if it is longer than 1 ms: this process was late although a connection was free.
    OwnLateness,
    /// Latency of requests with such a delay.
    DelayedLatency,
    /// The same without the delay.
    UndelayedLatency,
    /// Latency of successful responses with such a delay.
    DelayedSuccess,
    /// The same without the delay.
    UndelayedSuccess,
    /// Time to the first byte or message with such a delay.
    DelayedFirst,
    /// The same without the delay.
    UndelayedFirst,
}

impl HistogramKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [HistogramKind; 15] = [
        HistogramKind::Latency,
        HistogramKind::ServiceTime,
        HistogramKind::SuccessLatency,
        HistogramKind::First,
        HistogramKind::Connect,
        HistogramKind::Between,
        HistogramKind::Lateness,
        HistogramKind::Waiting,
        HistogramKind::OwnLateness,
        HistogramKind::DelayedLatency,
        HistogramKind::UndelayedLatency,
        HistogramKind::DelayedSuccess,
        HistogramKind::UndelayedSuccess,
        HistogramKind::DelayedFirst,
        HistogramKind::UndelayedFirst,
    ];

    /// Returns the kinds of the values with a delay of this process and of those without, for quantities that count from the instant
    /// a request was due.
    fn delayed(self) -> Option<(Self, Self)> {
        match self {
            Self::Latency => Some((Self::DelayedLatency, Self::UndelayedLatency)),
            Self::SuccessLatency => Some((Self::DelayedSuccess, Self::UndelayedSuccess)),
            Self::First => Some((Self::DelayedFirst, Self::UndelayedFirst)),
            _ => None,
        }
    }

    /// Returns the name in a shard.
    pub fn name(self) -> &'static str {
        match self {
            HistogramKind::Latency => "latency",
            HistogramKind::ServiceTime => "serviceTime",
            HistogramKind::SuccessLatency => "successLatency",
            HistogramKind::First => "first",
            HistogramKind::Connect => "connect",
            HistogramKind::Between => "between",
            HistogramKind::Lateness => "lateness",
            HistogramKind::Waiting => "waiting",
            HistogramKind::OwnLateness => "ownLateness",
            HistogramKind::DelayedLatency => "delayedLatency",
            HistogramKind::UndelayedLatency => "undelayedLatency",
            HistogramKind::DelayedSuccess => "delayedSuccessLatency",
            HistogramKind::UndelayedSuccess => "undelayedSuccessLatency",
            HistogramKind::DelayedFirst => "delayedFirst",
            HistogramKind::UndelayedFirst => "undelayedFirst",
        }
    }
}

/// One histogram per kind, allocated when the first value is recorded.
#[derive(Clone, Debug, Default)]
pub struct Histograms([Option<Histogram>; HistogramKind::ALL.len()]);

impl Index<HistogramKind> for Histograms {
    type Output = Histogram;

    fn index(&self, kind: HistogramKind) -> &Histogram {
        static EMPTY: LazyLock<Histogram> = LazyLock::new(histogram::new);
        self.0[kind as usize].as_ref().unwrap_or(&EMPTY)
    }
}

impl Histograms {
    /// Returns the histogram of a kind, to record in.
    pub(super) fn get_mut(&mut self, kind: HistogramKind) -> &mut Histogram {
        self.0[kind as usize].get_or_insert_with(histogram::new)
    }

    /// Records a time.
    pub(super) fn record(&mut self, kind: HistogramKind, time: Duration) {
        self.get_mut(kind).saturating_record(micros(time));
    }

    /// Records `time` as a value that includes `delay` of this process, besides the histogram of all values of the `kind`.
    pub(super) fn record_delayed(&mut self, kind: HistogramKind, time: Duration, delay: Duration) {
        if let Some((delayed, undelayed)) = kind.delayed() {
            self.record(delayed, time);
            self.record(undelayed, time.saturating_sub(delay));
        }
    }

    /// Returns the values of a kind without delays of this process; `None` if there were none.
    pub fn undelayed(&self, kind: HistogramKind) -> Option<Histogram> {
        let (delayed, undelayed) = kind.delayed()?;
        if self[delayed].is_empty() {
            return None;
        }
        let mut all = self[kind].clone();
        // Each of them is among all values, unless a shard was damaged.
        all.subtract(&self[delayed]).ok()?;
        histogram::merge(&mut all, &self[undelayed]);
        Some(all)
    }

    /// Replaces the histogram of a kind.
    pub(super) fn set(&mut self, kind: HistogramKind, histogram: Histogram) {
        self.0[kind as usize] = Some(histogram);
    }

    /// Adds the histograms of another worker or pod.
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if let Some(theirs) = theirs {
                histogram::merge(mine.get_or_insert_with(histogram::new), theirs);
            }
        }
    }

    /// Encodes the histograms that hold a value, by name.
    pub(super) fn encode(&self) -> Result<BTreeMap<String, EncodedHistogram>, HistogramError> {
        let recorded = HistogramKind::ALL.into_iter().filter(|kind| !self[*kind].is_empty());
        recorded.map(|kind| Ok((kind.name().to_owned(), histogram::encode(&self[kind])?))).collect()
    }

    /// Decodes what [`Histograms::encode`] wrote; an error names its histogram. Unknown names are ignored.
    pub(super) fn decode(encoded: &BTreeMap<String, EncodedHistogram>) -> Result<Self, (&'static str, HistogramError)> {
        let mut histograms = Self::default();
        for kind in HistogramKind::ALL {
            if let Some(encoded) = encoded.get(kind.name()) {
                histograms.set(kind, histogram::decode(encoded).map_err(|error| (kind.name(), error))?);
            }
        }
        Ok(histograms)
    }
}

/// Converts a time to whole microseconds, rounded, within the histograms' bounds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from((time.as_nanos() + 500) / 1000).unwrap_or(HIGHEST).clamp(1, HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_in_the_order_of_their_discriminants() {
        for (index, kind) in HistogramKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn delays_of_this_process_can_be_taken_out() {
        let mut histograms = Histograms::default();
        assert!(histograms.undelayed(HistogramKind::Latency).is_none());
        let ms = Duration::from_millis;
        for time in [3, 50, 4] {
            histograms.record(HistogramKind::Latency, ms(time));
        }
        histograms.record_delayed(HistogramKind::Latency, ms(50), ms(45));
        let undelayed = histograms.undelayed(HistogramKind::Latency).unwrap();
        assert_eq!((undelayed.len(), undelayed.max().div_ceil(10), undelayed.min().div_ceil(10)), (3, 501, 300));
        assert!(histograms.undelayed(HistogramKind::First).is_none());
        assert!(histograms.undelayed(HistogramKind::ServiceTime).is_none());
    }

    #[test]
    fn a_kind_without_values_reads_as_an_empty_histogram() {
        let mut histograms = Histograms::default();
        histograms.record(HistogramKind::Connect, Duration::from_millis(3));
        assert_eq!(histograms[HistogramKind::Connect].len(), 1);
        assert!(histograms[HistogramKind::Lateness].is_empty());
        let encoded = histograms.encode().unwrap();
        assert_eq!(encoded.keys().collect::<Vec<_>>(), ["connect"]);
    }
}
