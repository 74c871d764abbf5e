//! Requests whose latency is not known. Those that timed out would have taken longer without the timeout; those without a response, such as
//! refused ones, have no latency at all. Both count as beyond every upper limit.

use crate::confidence::percentile;
use crate::metrics::histogram::{self, HIGHEST, Histogram};
use crate::model::insights::Insights;

/// Cause of requests that timed out.
const TIMEOUT: &str = "timeout";
/// Distribution that includes timeouts, and the one of the same latencies without errors.
const LATENCY: &str = "latency";
const SUCCESS_LATENCY: &str = "success-latency";
/// The other one that includes timeouts.
const SERVICE_TIME: &str = "service-time";
/// A distribution of all responses, without timeouts.
const FIRST_BYTE: &str = "first-byte";

/// Timeouts among the values of a distribution of one version, and requests without a value.
#[derive(Default)]
pub(super) struct Timeouts {
    /// Number of timeouts.
    pub count: u64,
    /// Number of requests that got no response, so that the distribution lacks them.
    pub lost: u64,
    /// The values of requests without an error, if they are known: none of them timed out.
    successes: Option<Histogram>,
}

impl Timeouts {
    /// Finds those of a version, or of unknown origin, in the distribution under `key`.
    pub fn of(insights: &Insights, version: usize, key: &str) -> Self {
        let of_all = [LATENCY, SERVICE_TIME, FIRST_BYTE];
        let Some((provider, name)) = key.split_once('/').filter(|(_, name)| of_all.contains(name)) else {
            return Self::default();
        };
        let load = insights.load.get(version).and_then(|loads| loads.get(provider));
        let timed_out = load.and_then(|load| load.causes.get(TIMEOUT)).copied().unwrap_or(0);
        let requests = load.map_or(0, |load| load.counts.requests);
        let encoded = |key: &str| insights.histograms.get(version)?.get(key);
        let lost = requests.saturating_sub(encoded(key).map_or(0, |values| values.count));
        let successes = encoded(&format!("{provider}/{SUCCESS_LATENCY}")).filter(|_| name == LATENCY);
        let successes = successes.and_then(|encoded| histogram::decode(encoded).ok());
        Self { count: if name == FIRST_BYTE { 0 } else { timed_out }, lost, successes }
    }

    /// Finds those of unknown origin; none unless requests were attributed to versions by their responses.
    pub fn of_unknown(insights: &Insights, key: &str) -> Self {
        match insights.unknown_version {
            Some(version) => Self::of(insights, version, key),
            None => Self::default(),
        }
    }

    /// Highest possible number of them that were recorded within a limit in µs. A latency counts from the time when its request was due, and
    /// the timeout from its start, so some may be within the limit while others are over it.
    pub fn within(&self, values: &Histogram, limit: u64) -> u64 {
        let within = |values: &Histogram, at: usize| values.len() - percentile::over(values, limit)[at];
        let successes = self.successes.as_ref().map_or(0, |successes| within(successes, 1));
        self.count.min(within(values, 0).saturating_sub(successes))
    }

    /// Copies the values with the highest value of a histogram for each request that got no response or may have timed out: the shortest ones
    /// without a success.
    pub fn without_end(&self, values: &Histogram) -> Histogram {
        let mut rest = self.count.min(values.len());
        let mut all = histogram::new();
        all.saturating_record_n(HIGHEST, rest.saturating_add(self.lost));
        for cell in values.iter_recorded() {
            let value = cell.value_iterated_to();
            let successes = self.successes.as_ref().map_or(0, |successes| successes.count_at(value));
            let moved = cell.count_at_value().saturating_sub(successes).min(rest);
            all.saturating_record_n(value, cell.count_at_value() - moved);
            rest -= moved;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::confidence::testing::{fast, insights, record};

    /// Values in µs with their counts.
    fn values(cells: &[(u64, u64)]) -> Histogram {
        let mut values = histogram::new();
        cells.iter().for_each(|(micros, count)| values.saturating_record_n(*micros, *count));
        values
    }

    #[test]
    fn only_distributions_that_include_timeouts_have_some() {
        let mut document = insights(&[fast()]);
        record(&mut document, 0).causes = [("timeout".to_owned(), 7), ("connect".to_owned(), 2)].into();
        let successes = histogram::encode(&values(&[(10_000, 2)])).unwrap();
        document.histograms[0].insert("http/success-latency".to_owned(), successes);
        let of = |key: &str| Timeouts::of(&document, 0, key);
        let counts =
            ["http/latency", "http/service-time", "http/success-latency", "grpc/latency"].map(|key| of(key).count);
        assert_eq!(counts, [7, 7, 0, 0]);
        // Successes are those of the latency.
        assert_eq!(["http/latency", "http/service-time"].map(|key| of(key).successes.is_some()), [true, false]);
        assert_eq!(Timeouts::of_unknown(&document, "http/latency").count, 0);
        // The distributions have 3,000 values each.
        record(&mut document, 0).counts.requests = 3_004;
        assert_eq!(["http/latency", "http/service-time"].map(|key| Timeouts::of(&document, 0, key).lost), [4, 4]);
    }

    #[test]
    fn timeouts_within_a_limit_are_at_most_the_failures_that_may_be_within_it() {
        // Cells are 31 µs wide at 60 ms: those with the limit may be on either side.
        let (all, limit) = (values(&[(10_000, 3), (60_000, 5), (70_000, 9)]), 60_010);
        let within = |count, successes: Option<&[(u64, u64)]>| {
            Timeouts { count, lost: 7, successes: successes.map(values) }.within(&all, limit)
        };
        assert_eq!([within(20, None), within(6, None), within(0, None)], [8, 6, 0]);
        assert_eq!(within(20, Some(&[(10_000, 2), (60_000, 2)])), 6);
        assert_eq!(within(20, Some(&[(10_000, 3), (60_000, 5)])), 5);
    }

    #[test]
    fn the_shortest_failures_may_have_been_the_longest() {
        let all = values(&[(10_000, 3), (60_000, 5)]);
        let longest = |count, successes: Option<&[(u64, u64)]>| {
            let longest = Timeouts { count, lost: 0, successes: successes.map(values) }.without_end(&all);
            [10_000, 60_000, HIGHEST].map(|micros| longest.count_at(micros))
        };
        assert_eq!([longest(0, None), longest(4, None), longest(9, None)], [[3, 5, 0], [0, 4, 4], [0, 0, 8]]);
        assert_eq!(longest(3, Some(&[(10_000, 2)])), [2, 3, 3]);
        // Requests without a response are added.
        let lost = Timeouts { lost: 2, ..Timeouts::default() }.without_end(&all);
        assert_eq!((lost.len(), lost.count_at(HIGHEST)), (10, 2));
    }
}
