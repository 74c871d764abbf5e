//! The time window of a version's metrics: from its start to the evaluation.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::values::input::InputError;

/// Tolerated difference of clocks: a start may be this far in the future.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Variable with a version's start.
pub(crate) const STARTING_TIME: &str = "startingTime";

/// Variable with the length of the window, in seconds.
pub(crate) const ELAPSED: &str = "elapsedTimeSeconds";

/// Variables of templates that are integers; the numbers of users' values are floats.
pub(crate) const INTEGERS: &[&str] = &[ELAPSED];

/// A time window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Length in whole seconds, at least 1 because PromQL rejects empty ranges.
    pub seconds: i64,
    /// Distance of the start into the future, if it is.
    pub ahead: Option<TimeDelta>,
}

/// Reads the start from a version's variables, if they have one. The error's path is relative to the variables.
pub(crate) fn starting_time(variables: &Map<String, Value>) -> Result<Option<DateTime<Utc>>, InputError> {
    let Some(value) = variables.get(STARTING_TIME).filter(|value| !value.is_null()) else { return Ok(None) };
    let parsed = value.as_str().map(|text| DateTime::parse_from_rfc3339(text.trim()));
    match parsed {
        Some(Ok(time)) => Ok(Some(time.with_timezone(&Utc))),
        _ => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(InputError::new(
                STARTING_TIME,
                format!("`{text}` is not a time; expected RFC 3339, such as 2026-01-31T10:20:30Z"),
            ))
        }
    }
}

/// Returns the window from `start` to `instant`; fails if the start is too far in the future.
pub(crate) fn window(start: DateTime<Utc>, instant: DateTime<Utc>) -> Result<Window, String> {
    let elapsed = instant - start;
    if elapsed < -SKEW {
        return Err(format!(
            "{} is {} s in the future",
            start.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            -elapsed.num_seconds()
        ));
    }
    let ahead = (elapsed < TimeDelta::zero()).then_some(-elapsed);
    Ok(Window { seconds: elapsed.num_seconds().max(1), ahead })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn windows_have_whole_seconds_and_at_least_one() {
        let seconds = |start, end| window(at(start), at(end)).unwrap().seconds;
        assert_eq!(seconds(0, 90), 90);
        assert_eq!(seconds(0, 0), 1);
        assert_eq!(window(at(0), at(1) + TimeDelta::milliseconds(999)).unwrap().seconds, 1);
    }

    #[test]
    fn a_start_in_the_future_is_an_error_beyond_the_tolerance() {
        assert_eq!(window(at(59), at(0)), Ok(Window { seconds: 1, ahead: Some(TimeDelta::seconds(59)) }));
        assert_eq!(window(at(61), at(0)).unwrap_err(), "2023-11-14T22:14:21Z is 61 s in the future");
    }

    #[test]
    fn the_starting_time_is_rfc_3339() {
        let read = |value: Value| starting_time(json!({ "startingTime": value }).as_object().unwrap());
        assert_eq!(read(json!("2023-11-14T23:13:20+01:00")), Ok(Some(at(0))));
        assert_eq!(read(Value::Null), Ok(None));
        for wrong in [json!("yesterday"), json!(17), json!("2023-11-14 23:13:20"), json!("")] {
            let error = read(wrong).unwrap_err();
            assert!(error.to_string().contains("is not a time; expected RFC 3339"), "{error}");
        }
    }
}
