//! Validity of a load. If it missed its rate, its measurements do not describe the requested load and are inconclusive.

use std::time::Duration;

use crate::metrics::Distribution;
use crate::metrics::histogram;
use crate::model::counts::Counts;
use crate::model::load::{CLIENT_LIMIT, LoadRecord, Shards};
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::readable::{show, show_pair};
use crate::model::slo::Bound;

/// Minimum share of the requested rate that a valid load achieves.
const MIN_ACHIEVED: f64 = 0.95;

/// Maximum share of due requests that a valid load drops.
const MAX_DROPPED: f64 = 0.05;

/// Maximum share of requests that are sent again because their connection ended within a round trip. Idle closes rarely look like this; a
/// service that drops requests always does.
const MAX_IDLE_CLOSED: f64 = 0.01;

/// Seconds of the requested load that a valid load may miss even if that is a large share of it: a hiccup of the machine.
const SLACK: f64 = 0.05;

/// Share of the missing time that the load generator's pauses must reach to be named as the cause.
const MIN_EXPLAINED: f64 = 0.5;

/// Share of requests that the load generator may delay without a remark.
const MAX_OWN_LATE: f64 = 0.01;

/// Maximum pods that are listed one by one.
const MAX_LISTED: usize = 8;

/// Explains why a load's measurements are inconclusive, in a sentence without a final period. `None` if the load is valid. The record of
/// a version to which responses were attributed is as valid as the whole load.
pub fn inconclusive_reason(load: &LoadRecord) -> Option<String> {
    let counts = load.whole_counts();
    let Counts { requests, dropped, idle_closed, .. } = counts;
    if load.interrupted {
        return Some(format!("the load was interrupted after {requests} requests"));
    }
    if load.aborted {
        return Some(format!("the load was aborted after {requests} requests, all of which failed"));
    }
    if let Some(count) = load.whole_causes().get(CLIENT_LIMIT).filter(|count| **count > 0) {
        return Some(format!(
            "{count} of {requests} requests could not be sent: the load generator ran out of files, ports or memory"
        ));
    }
    if idle_closed > 1 && idle_closed as f64 > MAX_IDLE_CLOSED * requests as f64 {
        return Some(format!(
            "{idle_closed} of {requests} requests were sent again because their connections closed at once: the service may have \
             dropped them"
        ));
    }
    if let Some(gap) = load.shards.as_ref().and_then(gap) {
        return Some(gap);
    }
    let requested = load.requested_rate?;
    let cause = || {
        let missing = missing_time(requested, load.achieved_rate, &counts, load.duration.0);
        let own = load.paused.and_then(|paused| own_pause(paused.0, missing));
        own.unwrap_or_else(|| "too few connections, or the service cannot keep up".to_owned())
    };
    if is_missed(requested, load.achieved_rate, requests, load.duration.0) {
        let (achieved, requested) = (rounded(load.achieved_rate), rounded(requested));
        return Some(format!("the load achieved {achieved} of {requested} requests/s: {}", cause()));
    }
    let due = requests.saturating_add(dropped);
    let missed = dropped as f64;
    if missed > MAX_DROPPED * due as f64 && missed > SLACK * requested {
        return Some(format!("the load dropped {dropped} of {due} requests that were due: {}", cause()));
    }
    None
}

/// Returns true if the load achieved less than its rate, and not for a hiccup alone.
pub fn is_missed(requested: f64, achieved: f64, requests: u64, duration: Duration) -> bool {
    let is_hiccup = requests > 0 && achieved > 0.0 && overrun(requested, achieved, requests, duration) <= SLACK;
    achieved < MIN_ACHIEVED * requested && !is_hiccup
}

/// Returns the seconds of the requested load that were missed: the load took longer, or requests were dropped.
pub fn missing_time(requested: f64, achieved: f64, counts: &Counts, duration: Duration) -> f64 {
    overrun(requested, achieved, counts.requests, duration).max(counts.dropped as f64 / requested)
}

/// Names the load generator's pauses if they explain the `missing` seconds.
pub fn own_pause(paused: Duration, missing: f64) -> Option<String> {
    let seconds = paused.as_secs_f64();
    let is_cause = !paused.is_zero() && seconds >= missing * MIN_EXPLAINED;
    is_cause.then(|| format!("the load generator was stopped or got no CPU time for {} s", rounded(seconds)))
}

/// Returns the seconds that requests took longer than planned; infinite if none was sent.
fn overrun(requested: f64, achieved: f64, requests: u64, duration: Duration) -> f64 {
    // Some requests may be sent and not counted: those at the start of a connection, for example.
    let at_most_sent = achieved * duration.as_secs_f64();
    let sent = if requests as f64 >= at_most_sent / 2.0 { requests as f64 } else { at_most_sent };
    if achieved > 0.0 { sent * (1.0 / achieved - 1.0 / requested) } else { f64::INFINITY }
}

/// Returns true if the load generator itself delayed so many requests that readers should know.
pub fn is_disturbed(counts: &Counts) -> bool {
    counts.own_late as f64 > MAX_OWN_LATE * counts.requests as f64
}

/// Explains that the load generator's own delays alone violate the upper limit of `slo`; `None` if they do not.
pub fn own_delay(load: &LoadRecord, name: &MetricName, limit: f64) -> Option<String> {
    let undelayed = undelayed(load, name)?;
    let (value, limit_text) = show_pair(undelayed, limit);
    Bound::Upper.admits(undelayed, limit).then(|| {
        format!(
            "but only {value} without the delays of the load generator, within {limit_text}: it sent {} of {} requests late although a \
             connection was free",
            load.counts.own_late, load.counts.requests
        )
    })
}

/// Returns the value of a metric without the load generator's own delays; `None` if it had none.
pub(super) fn undelayed(load: &LoadRecord, name: &MetricName) -> Option<f64> {
    let (key, aggregation) = name.distribution().or_else(|| named_statistic(name))?;
    let encoded = load.undelayed.get(key.strip_prefix(&name.provider)?.strip_prefix('/')?)?;
    // One that cannot be read proves nothing.
    Distribution::of_histogram(histogram::decode(encoded).ok()?).aggregate(aggregation)
}

/// Splits `http/latency-mean`, a statistic that is a metric of its own.
pub(crate) fn named_statistic(name: &MetricName) -> Option<(String, Aggregation)> {
    let (base, statistic) = name.metric.rsplit_once('-')?;
    Some((format!("{}/{base}", name.provider), Aggregation::parse(statistic)?))
}

/// Lists the pods without measurements and their reasons, in a sentence without a final period. `None` if all reported.
pub fn gap(shards: &Shards) -> Option<String> {
    let missing = &shards.missing;
    if missing.is_empty() {
        return None;
    }
    let listed: Vec<_> =
        missing.iter().take(MAX_LISTED).map(|one| format!("index {} ({})", one.index, one.reason)).collect();
    let more = match missing.len() - listed.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let whose = if missing.len() == 1 { "its" } else { "their" };
    let (count, total, list) = (missing.len(), shards.count, listed.join(", "));
    Some(format!(
        "{count} of {total} pods reported no measurements: {list}{more}; {whose} share of the load is missing"
    ))
}

/// Lists the pods that started after the others, in a sentence without a final period. `None` if none did.
pub fn lateness(shards: &Shards) -> Option<String> {
    let late: Vec<_> = shards.late.iter().take(MAX_LISTED).map(u64::to_string).collect();
    let more = match shards.late.len() - late.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let pods = match late.as_slice() {
        [] => return None,
        [one] => format!("pod {one} started"),
        many => format!("pods {}{more} started", many.join(", ")),
    };
    Some(format!("{pods} after the others: the full load was never generated at once"))
}

/// Formats a rate with two decimals, or none from 100 on: `480`, `12.5`.
pub fn rounded(rate: f64) -> String {
    let scale = if rate >= 100.0 { 1.0 } else { 100.0 };
    show((rate * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::duration::GoDuration;
    use std::collections::BTreeMap;

    use crate::model::load::{MissingShard, VersionFrom};

    fn load(requested: Option<f64>, achieved: f64, requests: u64, dropped: u64) -> LoadRecord {
        LoadRecord {
            requested_rate: requested,
            achieved_rate: achieved,
            counts: Counts { requests, dropped, ..Counts::default() },
            ..LoadRecord::default()
        }
    }

    #[test]
    fn a_load_within_five_percent_of_the_requested_rate_is_valid() {
        assert_eq!(inconclusive_reason(&load(Some(1000.0), 950.0, 9_500, 500)), None);
        assert_eq!(inconclusive_reason(&load(None, 1.0, 10, 0)), None);
        // A schedule of random arrivals may be empty.
        assert_eq!(inconclusive_reason(&load(Some(0.0), 0.0, 0, 0)), None);
    }

    #[test]
    fn a_version_is_as_valid_as_the_whole_load() {
        let part = |whole: LoadRecord, requests: u64| {
            let counts = Counts { requests, ..whole.counts };
            let version_from =
                VersionFrom { counts: whole.counts, causes: whole.causes.clone(), ..VersionFrom::default() };
            inconclusive_reason(&LoadRecord {
                counts,
                causes: BTreeMap::new(),
                version_from: Some(version_from),
                ..whole
            })
        };
        // A fifth of the requests went to this version, as planned, or none.
        assert_eq!(
            (part(load(Some(100.0), 100.0, 1_000, 0), 200), part(load(Some(100.0), 100.0, 1_000, 0), 0)),
            (None, None)
        );
        assert!(
            part(load(Some(100.0), 48.0, 480, 0), 480).unwrap().starts_with("the load achieved 48 of 100 requests/s")
        );
        let dropped = part(load(Some(100.0), 96.0, 800, 200), 200).unwrap();
        assert!(dropped.starts_with("the load dropped 200 of 1000 requests that were due"), "{dropped}");
        let limited = LoadRecord { causes: [(CLIENT_LIMIT.to_owned(), 3)].into(), ..load(None, 10.0, 400, 0) };
        assert!(part(limited, 100).unwrap().starts_with("3 of 400 requests could not be sent"));
    }

    #[test]
    fn a_missed_rate_is_explained() {
        let cause = "too few connections, or the service cannot keep up";
        assert_eq!(
            inconclusive_reason(&load(Some(1000.0), 479.9, 4_799, 0)).unwrap(),
            format!("the load achieved 480 of 1000 requests/s: {cause}")
        );
        assert_eq!(
            inconclusive_reason(&load(Some(12.5), 3.1441, 4, 0)).unwrap(),
            format!("the load achieved 3.14 of 12.50 requests/s: {cause}")
        );
        assert_eq!(
            inconclusive_reason(&load(Some(1000.0), 951.0, 9_499, 501)).unwrap(),
            format!("the load dropped 501 of 10000 requests that were due: {cause}")
        );
    }

    #[test]
    fn a_load_generator_that_was_stopped_is_the_cause_of_a_missed_rate() {
        let reason = |paused, load: LoadRecord| {
            let paused = Some(GoDuration(Duration::from_millis(paused)));
            inconclusive_reason(&LoadRecord { paused, ..load }).unwrap()
        };
        let cause = "the load generator was stopped or got no CPU time for 2 s";
        assert_eq!(
            reason(2_000, load(Some(100.0), 50.0, 200, 0)),
            format!("the load achieved 50 of 100 requests/s: {cause}")
        );
        assert_eq!(
            reason(2_000, load(Some(100.0), 96.0, 800, 200)),
            format!("the load dropped 200 of 1000 requests that were due: {cause}")
        );
        // 10 s are missing, or 5, or no request was sent at all.
        for load in
            [load(Some(100.0), 50.0, 1_000, 0), load(Some(100.0), 96.0, 8_000, 500), load(Some(100.0), 0.0, 0, 0)]
        {
            let reason = reason(2_000, load);
            assert!(reason.ends_with("the service cannot keep up"), "{reason}");
        }
        assert!(reason(5_000, load(Some(100.0), 50.0, 1_000, 0)).ends_with("no CPU time for 5 s"));
        // A pause during a load that was complete.
        let complete = LoadRecord { paused: Some(GoDuration(Duration::from_secs(2))), ..load(Some(10.0), 10.0, 90, 0) };
        assert_eq!(inconclusive_reason(&complete), None);
    }

    #[test]
    fn limits_of_the_load_generator_are_not_the_services_failures() {
        let limited = LoadRecord { causes: [(CLIENT_LIMIT.to_owned(), 3)].into(), ..load(None, 10.0, 400, 0) };
        assert_eq!(
            inconclusive_reason(&limited).unwrap(),
            "3 of 400 requests could not be sent: the load generator ran out of files, ports or memory"
        );
    }

    #[test]
    fn requests_that_a_service_may_have_dropped_are_not_hidden() {
        let resent = |idle_closed| {
            let mut load = load(None, 10.0, 400, 0);
            load.counts.idle_closed = idle_closed;
            inconclusive_reason(&load)
        };
        assert_eq!(resent(4), None);
        assert_eq!(
            resent(5).unwrap(),
            "5 of 400 requests were sent again because their connections closed at once: the service may have dropped them"
        );
    }

    #[test]
    fn a_hiccup_of_a_short_load_is_not_a_missed_rate() {
        // 40 requests planned in 0.1 s.
        let late_by = |seconds: f64| load(Some(400.0), 40.0 / (0.1 + seconds), 40, 0);
        assert_eq!(inconclusive_reason(&late_by(0.01)), None);
        assert!(inconclusive_reason(&late_by(0.06)).unwrap().contains("achieved"));
        // 1,000 requests at a fifth of the rate, of which only the last 10 are measured.
        let mut skipped = load(Some(1_000.0), 200.0, 10, 0);
        skipped.duration = GoDuration(Duration::from_secs(5));
        assert!(inconclusive_reason(&skipped).unwrap().contains("achieved"));
        let dropped = |count| load(Some(400.0), 400.0, 40 - count, count);
        assert_eq!(inconclusive_reason(&dropped(20)), None);
        assert!(inconclusive_reason(&dropped(21)).unwrap().contains("dropped"));
    }

    /// A load whose 100 requests took 1 ms or, for 5 of them, 40 ms without the delays of the load generator.
    fn delayed() -> LoadRecord {
        let mut undelayed = histogram::new();
        undelayed.record_n(1_000, 95).unwrap();
        undelayed.record_n(40_000, 5).unwrap();
        let undelayed = [("latency".to_owned(), histogram::encode(&undelayed).unwrap())].into();
        let mut record = LoadRecord { undelayed, ..load(Some(100.0), 100.0, 100, 0) };
        record.counts.own_late = 12;
        record
    }

    #[test]
    fn own_delays_that_alone_violate_a_limit_are_explained() {
        let reason = |metric: &str, limit| own_delay(&delayed(), &metric.parse().unwrap(), limit);
        assert_eq!(
            reason("http/latency-p99", 50.0).unwrap(),
            "but only 40.03 without the delays of the load generator, within 50: it sent 12 of 100 requests late although a \
             connection was free"
        );
        assert_eq!(reason("http/latency-p99", 39.0), None, "violated without them, too");
        assert!(reason("http/latency-p95", 1.1).is_some() && reason("http/latency/p95", 1.1).is_some());
        assert!(reason("http/latency-mean", 3.0).is_some() && reason("http/latency-mean", 2.9).is_none());
        assert!(reason("http/latency-max", 41.0).is_some());
        for other in ["http/service-time-p99", "http/error-rate", "http/success-latency/p99", "other/x"] {
            assert_eq!(reason(other, 1e9), None, "{other}");
        }
    }

    #[test]
    fn a_load_with_more_than_a_percent_of_own_delays_is_remarked() {
        let counts = |own_late| Counts { requests: 100, own_late, ..Counts::default() };
        assert!(!is_disturbed(&counts(1)) && is_disturbed(&counts(2)) && !is_disturbed(&Counts::default()));
    }

    fn shards(missing: u64, late: &[u64]) -> Shards {
        let one = |index| MissingShard { index, reason: format!("reason {index}") };
        Shards { count: 12, missing: (1..=missing).map(one).collect(), late: late.to_vec() }
    }

    #[test]
    fn a_missing_share_is_inconclusive_at_any_rate() {
        let with = |shards| LoadRecord { shards: Some(shards), ..load(Some(100.0), 99.0, 990, 0) };
        assert_eq!(
            inconclusive_reason(&with(shards(2, &[]))).unwrap(),
            "2 of 12 pods reported no measurements: index 1 (reason 1), index 2 (reason 2); their share of the load is missing"
        );
        assert_eq!(
            inconclusive_reason(&with(shards(1, &[]))).unwrap(),
            "1 of 12 pods reported no measurements: index 1 (reason 1); its share of the load is missing"
        );
        assert!(inconclusive_reason(&with(shards(11, &[]))).unwrap().contains("index 8 (reason 8) and 3 more; their"));
        // A late share is still complete.
        assert_eq!(inconclusive_reason(&with(shards(0, &[3]))), None);
        assert_eq!(
            inconclusive_reason(&LoadRecord { interrupted: true, ..with(shards(1, &[])) }).unwrap(),
            "the load was interrupted after 990 requests"
        );
    }

    #[test]
    fn late_shares_are_explained() {
        let after = "after the others: the full load was never generated at once";
        assert_eq!(lateness(&shards(1, &[])), None);
        assert_eq!(lateness(&shards(0, &[3])).unwrap(), format!("pod 3 started {after}"));
        assert_eq!(lateness(&shards(0, &[3, 5])).unwrap(), format!("pods 3, 5 started {after}"));
    }

    #[test]
    fn an_interrupted_load_says_so_whatever_its_rate() {
        let interrupted = LoadRecord { interrupted: true, ..load(None, 10.0, 7, 0) };
        assert_eq!(inconclusive_reason(&interrupted).unwrap(), "the load was interrupted after 7 requests");
    }
}
