//! Points of a document's series, and halving of series.
//!
//! A document may have been edited, so columns of different lengths and intervals without length are tolerated.

use std::time::Duration;

use crate::model::duration::GoDuration;
use crate::model::series::Series;

/// One interval of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Start in seconds, from that of the load.
    pub start: f64,
    /// Length in seconds.
    pub length: f64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Median latency in msec.
    pub p50: Option<f64>,
    /// 99th percentile of the latency in msec.
    pub p99: Option<f64>,
}

/// Returns the points of a series, one per entry of `requests`; none if its intervals have no length.
pub fn points(series: &Series) -> Vec<Point> {
    let interval = series.interval.0.as_secs_f64();
    let last = series.last.map_or(interval, |last| last.0.as_secs_f64());
    let count = series.requests.len();
    let known = |column: &[Option<f64>], at: usize| column.get(at).copied().flatten().filter(|ms| ms.is_finite());
    let point = |(at, requests): (usize, &u64)| Point {
        start: interval * at as f64,
        length: if at + 1 == count && last > 0.0 { last } else { interval },
        requests: *requests,
        errors: series.errors.get(at).copied().unwrap_or(0),
        p50: known(&series.p50, at),
        p99: known(&series.p99, at),
    };
    if interval > 0.0 { series.requests.iter().enumerate().map(point).collect() } else { Vec::new() }
}

/// Doubles the length of intervals: requests and errors of neighbours add up, and the larger of their percentiles is kept, because the
/// percentile of both lies between them. A series of one point stays as it is.
pub fn halved(series: &Series) -> Series {
    let count = series.requests.len();
    if count < 2 {
        return series.clone();
    }
    let interval = series.interval.0.saturating_mul(2);
    let last = series.last.map_or(series.interval.0, |last| last.0);
    let mut ends: Vec<usize> = (1..=count.div_ceil(2)).map(|group| (group * 2).min(count)).collect();
    let mut rest = if count.is_multiple_of(2) { last.saturating_add(series.interval.0) } else { last };
    if is_scrap(rest, interval) && ends.len() > 1 {
        ends.remove(ends.len() - 2);
        rest = rest.saturating_add(interval);
    }
    Series {
        interval: GoDuration(interval),
        last: (rest != interval).then_some(GoDuration(rest)),
        requests: joined(&series.requests, &ends, u64::saturating_add),
        errors: joined(&series.errors, &ends, u64::saturating_add),
        p50: joined(&series.p50, &ends, larger),
        p99: joined(&series.p99, &ends, larger),
        timed: Vec::new(),
        sum: Vec::new(),
        over: Vec::new(),
    }
}

/// Returns true if the last interval is too short for a point of its own: one request in a few milliseconds would look like a burst. It
/// belongs to the interval before it, then.
pub fn is_scrap(last: Duration, interval: Duration) -> bool {
    last.saturating_mul(2) < interval
}

/// Joins the entries of a column up to each of `ends`.
fn joined<T: Copy + Default>(column: &[T], ends: &[usize], join: fn(T, T) -> T) -> Vec<T> {
    let mut start = 0;
    let group = |end: &usize| {
        let entries = start..*end;
        start = *end;
        entries.filter_map(|at| column.get(at).copied()).reduce(join).unwrap_or_default()
    };
    ends.iter().map(group).collect()
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(requests: Vec<u64>, last_ms: u64) -> Series {
        let p50 = requests.iter().map(|n| (*n > 0).then_some(*n as f64)).collect();
        Series {
            interval: GoDuration(Duration::from_secs(1)),
            last: Some(GoDuration(Duration::from_millis(last_ms))),
            errors: requests.iter().map(|n| n / 10).collect(),
            p99: vec![None; requests.len()],
            requests,
            p50,
            ..Series::default()
        }
    }

    #[test]
    fn neighbours_add_up_and_the_larger_percentile_stays() {
        let half = halved(&series(vec![10, 30, 0, 0, 20], 1_200));
        assert_eq!(half.requests, [40, 0, 20]);
        assert_eq!(half.errors, [4, 0, 2]);
        assert_eq!(half.p50, [Some(30.0), None, Some(20.0)]);
        assert_eq!((half.interval.to_string(), half.last.unwrap().to_string()), ("2s".into(), "1.2s".into()));
    }

    #[test]
    fn a_short_rest_becomes_part_of_the_last_interval() {
        let half = halved(&series(vec![10, 30, 5], 700));
        assert_eq!((half.requests, half.last.unwrap().to_string()), (vec![45], "2.7s".to_owned()));
    }

    #[test]
    fn an_edited_series_is_tolerated() {
        let mut odd = series(vec![1, 2, 3, 4], 1_000);
        odd.errors = vec![1];
        odd.p50 = vec![Some(f64::NAN); 9];
        odd.requests[0] = u64::MAX;
        assert_eq!(halved(&odd).requests[0], u64::MAX);
        assert_eq!(points(&odd).iter().map(|p| (p.errors, p.p50)).collect::<Vec<_>>()[..2], [(1, None), (0, None)]);
        odd.interval = GoDuration(Duration::ZERO);
        assert!(points(&odd).is_empty());
        assert!(points(&halved(&Series::default())).is_empty());
    }

    proptest! {
        #[test]
        fn halving_keeps_totals_and_time(requests in prop::collection::vec(0_u64..1_000, 1..40), last_ms in 500_u64..1_500) {
            let before = series(requests, last_ms);
            let after = halved(&before);
            prop_assert!(after.requests.len() <= before.requests.len().div_ceil(2));
            prop_assert_eq!(after.requests.len(), after.p99.len());
            prop_assert_eq!(before.requests.iter().sum::<u64>(), after.requests.iter().sum::<u64>());
            prop_assert_eq!(before.errors.iter().sum::<u64>(), after.errors.iter().sum::<u64>());
            let time = |s: &Series| points(s).iter().map(|p| p.length).sum::<f64>();
            prop_assert!((time(&before) - time(&after)).abs() < 1e-6);
            let last = points(&after).last().map(|p| (p.length, after.interval.0.as_secs_f64())).unwrap();
            prop_assert!(after.requests.len() == 1 || last.0 * 2.0 >= last.1);
        }
    }
}
