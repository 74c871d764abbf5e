//! Response headers, as defined by RFC 9110.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Cap on the delay requested by a server.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Parses an HTTP date in any of its three forms (section 5.6.7).
pub(super) fn date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text.trim()).ok().map(DateTime::from)
}

/// Parses `Retry-After`: a number of seconds or a date (section 10.2.3). The date is relative to `server_time`, or to our clock if
/// the server did not send its time.
pub(super) fn retry_after(text: &str, server_time: Option<DateTime<Utc>>) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit exceeds the cap.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        (date(text)? - server_time.unwrap_or_else(Utc::now)).to_std().unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

/// Returns the lead of the server's clock over ours, in whole seconds. The server dated its response at `date`, between `sent` and
/// `received` on our clock, so only the excess counts.
pub(super) fn ahead(date: DateTime<Utc>, sent: DateTime<Utc>, received: DateTime<Utc>) -> TimeDelta {
    let ahead = (date - received).max(TimeDelta::zero()) + (date - sent).min(TimeDelta::zero());
    TimeDelta::try_seconds(ahead.num_seconds()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_parse_in_three_forms() {
        let expected: DateTime<Utc> = "1994-11-06T08:49:37Z".parse().unwrap();
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(date(text), Some(expected), "{text}");
        }
        for text in ["", "now", "1994-11-06T08:49:37Z", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn clock_skew_is_the_excess_outside_the_exchange() {
        let at = |seconds: i64| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(seconds * 1000 + 250);
        for (date, expected) in [(-90, -100), (9, -1), (10, 0), (15, 0), (20, 0), (21, 1), (7_220, 7_200)] {
            assert_eq!(ahead(at(date), at(10), at(20)), TimeDelta::seconds(expected), "{date}");
        }
        ahead(DateTime::<Utc>::MAX_UTC, at(0), at(0));
        ahead(DateTime::<Utc>::MIN_UTC, at(0), at(0));
    }

    #[test]
    fn retry_after_is_in_seconds_or_a_date_by_the_servers_clock() {
        let received = date("Sun, 06 Nov 1994 08:49:37 GMT");
        let wait = |text| retry_after(text, received).map(|wait| wait.as_secs());
        assert_eq!(wait(" 120 "), Some(120));
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        // A date in the past.
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", None), Some(Duration::ZERO));
        for text in ["99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(wait(text), Some(24 * 3600), "{text}");
        }
        for text in ["", "-1", "1.5", "+3", "soon", "1 second"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }
}
