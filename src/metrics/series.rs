//! Points of a document's series, and halving of series.
//!
//! A document may have been edited, so columns of different lengths and intervals without length are tolerated.

use std::time::Duration;

use crate::model::duration::GoDuration;
use crate::model::series::{Over, Series};

/// Relative tolerance when looking for the column of a latency: its counts come from cells of two significant digits.
pub const COLUMN_DISTANCE: f64 = 0.02;

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
    let columns = joined_counts(series, &ends);
    Series {
        interval: GoDuration(interval),
        last: (rest != interval).then_some(GoDuration(rest)),
        requests: joined(&series.requests, &ends, u64::saturating_add),
        errors: joined(&series.errors, &ends, u64::saturating_add),
        p50: joined(&series.p50, &ends, larger),
        p99: joined(&series.p99, &ends, larger),
        ..columns
    }
}

/// Returns the columns of a load with a confidence, joined; none of them if their lengths do not match, because a column that was padded
/// would claim what nobody counted.
fn joined_counts(series: &Series, ends: &[usize]) -> Series {
    let count = series.requests.len();
    let is_optional = |column: &[u64]| column.is_empty() || column.len() == count;
    let are_whole = series.over.iter().all(|over| over.counts.len() == count);
    if !is_optional(&series.timed) || !is_optional(&series.sum) || !are_whole {
        return Series::default();
    }
    let join =
        |column: &Vec<u64>| if column.is_empty() { Vec::new() } else { joined(column, ends, u64::saturating_add) };
    let over = |over: &Over| Over { counts: join(&over.counts), ..over.clone() };
    Series {
        timed: join(&series.timed),
        sum: join(&series.sum),
        over: series.over.iter().map(over).collect(),
        ..Series::default()
    }
}

/// Returns the index of the column without which verdicts lose least; `None` if there is none. Percentiles of the load only stand in for
/// limits of later verdicts, except p90, which shows the dependence that too few exceedances of a higher limit hide.
pub(super) fn least_needed(columns: &[Over]) -> Option<usize> {
    let need = |over: &Over| match over.percentile {
        Some(90.0) => 2,
        Some(_) => 0,
        None => 1,
    };
    (0..columns.len()).rev().min_by_key(|at| need(&columns[*at]))
}

/// Returns the largest latency in whole µs within a limit in msec. Latencies over it exceed the limit.
pub fn limit_micros(ms: f64) -> u64 {
    // Limits are decimal numbers, so a product may be just below the whole number that was meant. The cast saturates.
    let micros = ms * 1000.0;
    (micros + 1e-9 + micros * 1e-15).floor() as u64
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

    /// Returns a series with the columns of a load with a confidence.
    fn counted(requests: Vec<u64>, last_ms: u64) -> Series {
        let part = |divisor: u64| requests.iter().map(|n| n / divisor).collect::<Vec<u64>>();
        Series {
            timed: part(2),
            sum: requests.iter().map(|n| n * 1_234).collect(),
            over: vec![
                Over { limit: 50.0, percentile: None, counts: part(3) },
                Over { limit: 9.0, percentile: Some(90.0), counts: part(10) },
            ],
            ..series(requests, last_ms)
        }
    }

    #[test]
    fn counts_of_a_load_with_confidence_add_up() {
        let half = halved(&counted(vec![10, 30, 0, 0, 20], 1_200));
        assert_eq!((half.timed, half.sum), (vec![20, 0, 10], vec![49_360, 0, 24_680]));
        let [limit, p90] = &half.over[..] else { panic!("two columns") };
        assert_eq!((limit.limit, limit.percentile, &limit.counts), (50.0, None, &vec![13, 0, 6]));
        assert_eq!((p90.percentile, &p90.counts), (Some(90.0), &vec![4, 0, 2]));
        let half = halved(&Series { timed: Vec::new(), ..counted(vec![1, 2, 3, 4], 1_000) });
        assert_eq!((half.timed.len(), half.sum.len()), (0, 2), "requests with a latency are all requests");
    }

    #[test]
    fn columns_of_unequal_length_are_dropped_instead_of_padded() {
        let whole = counted(vec![1, 2, 3, 4], 1_000);
        let mut odd = [(); 3].map(|()| whole.clone());
        odd[0].timed.pop();
        odd[1].sum.push(7);
        odd[2].over[1].counts.clear();
        for series in odd {
            let half = halved(&series);
            assert_eq!((half.timed.len(), half.sum.len(), half.over.len(), half.requests.len()), (0, 0, 0, 2));
            assert_eq!(points(&series).len(), 4);
        }
        let mut huge = whole;
        huge.over[0].counts = vec![u64::MAX; 4];
        assert_eq!(halved(&huge).over[0].counts, [u64::MAX; 2], "more than there are requests: left to the verdict");
    }

    #[test]
    fn p90_is_needed_most_and_limits_of_slos_more_than_other_percentiles() {
        let over = |percentile| Over { percentile, ..Over::default() };
        let mut columns = vec![over(None), over(None), over(Some(50.0)), over(Some(90.0)), over(Some(99.0))];
        let mut order = Vec::new();
        while let Some(least) = least_needed(&columns) {
            order.push(columns.remove(least).percentile);
        }
        assert_eq!(order, [Some(99.0), Some(50.0), None, None, Some(90.0)]);
    }

    #[test]
    fn limits_in_msec_are_whole_microseconds() {
        let cases = [
            (50.0, 50_000),
            (0.033, 33),
            (1.1, 1_100),
            (0.000_4, 0),
            (2.000_9, 2_000),
            (4.35, 4_350),
            (-1.0, 0),
            (f64::NAN, 0),
            (1e300, u64::MAX),
        ];
        for (ms, micros) in cases {
            assert_eq!(limit_micros(ms), micros, "{ms}");
        }
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
        fn limits_of_columns_are_read_as_they_were_written(micros in 0_u64..=crate::metrics::histogram::HIGHEST) {
            prop_assert_eq!(limit_micros(micros as f64 / 1000.0), micros);
        }

        #[test]
        fn halving_keeps_totals_and_time(requests in prop::collection::vec(0_u64..1_000, 1..40), last_ms in 500_u64..1_500) {
            let before = counted(requests, last_ms);
            let after = halved(&before);
            prop_assert!(after.requests.len() <= before.requests.len().div_ceil(2));
            prop_assert_eq!(after.requests.len(), after.p99.len());
            prop_assert_eq!(before.requests.iter().sum::<u64>(), after.requests.iter().sum::<u64>());
            prop_assert_eq!(before.errors.iter().sum::<u64>(), after.errors.iter().sum::<u64>());
            let totals = |s: &Series| {
                let over: Vec<_> = s.over.iter().map(|over| (over.limit, over.counts.iter().sum::<u64>())).collect();
                (s.timed.iter().sum::<u64>(), s.sum.iter().sum::<u64>(), over)
            };
            prop_assert_eq!(totals(&before), totals(&after));
            prop_assert!(after.over.iter().all(|over| over.counts.len() == after.requests.len()));
            let time = |s: &Series| points(s).iter().map(|p| p.length).sum::<f64>();
            prop_assert!((time(&before) - time(&after)).abs() < 1e-6);
            let last = points(&after).last().map(|p| (p.length, after.interval.0.as_secs_f64())).unwrap();
            prop_assert!(after.requests.len() == 1 || last.0 * 2.0 >= last.1);
        }
    }
}
