//! Times of samples. A response to an earlier query, for example from a cache, has samples outside the requested time.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

use super::prometheus::Data;
use crate::model::duration::GoDuration;

/// Tolerated distance of a sample, in seconds: stores may round times, or return the sample before.
const TOLERANCE: f64 = 300.0;

/// Distance up to which a sample belongs to another query, in seconds: 30 days. No cache keeps a response that long; stores and test
/// doubles that set times of their own are farther away.
const CACHED: f64 = 30.0 * 86_400.0;

/// Seconds since 1970 that are times: others are milliseconds, or numbers.
const PLAUSIBLE: std::ops::Range<f64> = 1e8..1e11;

/// The time, or the range of times, that a query asks for, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Asked {
    /// An instant query.
    Instant(f64),
    /// A range query: start and end.
    Range(f64, f64),
}

impl Asked {
    /// Reads the time from the parameters of a query; `None` if they name none.
    pub(crate) fn of<'a>(params: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<Self> {
        let param = |wanted: &str| seconds(params.clone().find(|(name, _)| *name == wanted)?.1);
        match (param("time"), param("start"), param("end")) {
            (Some(time), ..) => Some(Self::Instant(time)),
            (None, Some(start), Some(end)) => Some(Self::Range(start, end)),
            _ => None,
        }
    }
}

/// Reads a time as Prometheus does: seconds since 1970, or RFC 3339.
fn seconds(text: &str) -> Option<f64> {
    let parsed = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis() as f64 / 1e3);
    text.parse().ok().or_else(parsed).filter(|seconds| PLAUSIBLE.contains(seconds))
}

/// Describes a sample outside the requested time.
pub(super) fn of_another_time(data: &Data, asked: Option<Asked>) -> Option<String> {
    let (times, from, to): (Vec<f64>, f64, f64) = match (data, asked?) {
        (Data::Vector(samples), Asked::Instant(time)) => (samples.iter().map(|(time, _)| *time).collect(), time, time),
        (Data::Scalar((sample, _)), Asked::Instant(time)) => (vec![*sample], time, time),
        (Data::Matrix(series), Asked::Range(start, end)) => {
            (series.iter().flatten().map(|(time, _)| *time).collect(), start, end)
        }
        _ => return None,
    };
    times.into_iter().find_map(|time| {
        let (distance, relation) = if time < from { (from - time, "before") } else { (time - to, "after") };
        let is_other = distance > TOLERANCE && distance <= CACHED;
        let written = DateTime::from_timestamp_millis((time * 1e3) as i64).filter(|_| is_other)?;
        let distance = GoDuration(Duration::from_secs(distance.round() as u64));
        Some(format!(
            "a sample is of {}, {distance} {relation} the requested time: the response belongs to another query; bypass the cache in front of the provider",
            written.to_rfc3339_opts(SecondsFormat::Secs, true)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_800_000_000.0;

    fn vector(time: f64) -> Data {
        Data::Vector(vec![(NOW, "1".into()), (time, "1".into())])
    }

    #[test]
    fn samples_of_another_query_are_found() {
        for (distance, expected) in [
            (-3_600.0, "1h0m0s before the requested time"),
            (86_400.0, "24h0m0s after the requested time"),
            (-301.0, "5m1s before"),
        ] {
            let found = of_another_time(&vector(NOW + distance), Some(Asked::Instant(NOW))).unwrap();
            assert!(found.contains(expected), "{found}");
            let range = Data::Matrix(vec![vec![(NOW - 60.0, "1".into()), (NOW + distance, "1".into())]]);
            assert!(of_another_time(&range, Some(Asked::Range(NOW - 120.0, NOW))).is_some() || distance == -301.0);
        }
        let scalar = Data::Scalar((NOW - 86_400.0, "1".into()));
        let found = of_another_time(&scalar, Some(Asked::Instant(NOW))).unwrap();
        assert!(found.starts_with("a sample is of 2027-01-14T08:00:00Z, 24h0m0s before"), "{found}");
    }

    #[test]
    fn rounded_times_and_those_of_test_doubles_are_accepted() {
        for time in [NOW, NOW - 299.0, NOW + 30.0, 0.0, 1.0, 1_700_000_000.0, NOW * 1e3, f64::NAN] {
            assert_eq!(of_another_time(&vector(time), Some(Asked::Instant(NOW))), None, "{time}");
        }
        assert_eq!(of_another_time(&vector(NOW - 3_600.0), None), None);
        // An instant query for a range has the samples of that range.
        let range = Data::Matrix(vec![vec![(NOW - 3_600.0, "1".into())]]);
        assert_eq!(of_another_time(&range, Some(Asked::Instant(NOW))), None);
    }

    #[test]
    fn the_time_is_that_of_the_query() {
        let of = |params: &[(&'static str, &'static str)]| Asked::of(params.iter().copied());
        assert_eq!(of(&[("query", "up"), ("time", "1800000000.5")]), Some(Asked::Instant(1_800_000_000.5)));
        assert_eq!(of(&[("time", "2027-01-15T08:00:00Z")]), Some(Asked::Instant(NOW)));
        assert_eq!(of(&[("start", "1800000000"), ("end", "1800000060")]), Some(Asked::Range(NOW, NOW + 60.0)));
        for params in [
            &[("query", "up")][..],
            &[("time", "now-5m")],
            &[("time", "1800000000000000000")],
            &[("start", "1800000000")],
        ] {
            assert_eq!(of(params), None, "{params:?}");
        }
    }
}
