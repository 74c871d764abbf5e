//! Time that a controller may need to notice a change. Until then the status of an object is stale, and may say that it is ready.
//!
//! An `observedGeneration` shows that the controller has noticed. Without one, the API server's record of changes (`managedFields`) shows
//! if the status was written after the spec. A controller that has nothing to say never writes it, so the wait is limited.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// Time after a change in which the status may be stale. KServe makes a new revision within a few seconds.
pub(super) const SETTLING: Duration = Duration::from_secs(10);

/// Evidence that the controller has noticed the last change of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The status was written after the spec.
    NewerStatus,
    /// Time only. KServe writes a status as soon as it has noticed a change, before Knative has made the new revision; that includes
    /// changes of labels and annotations.
    Time,
}

/// Returns the time to wait for a newer status; `None` if the status cannot be from before the last change.
pub(super) fn settling(object: &Value, evidence: Evidence, now: DateTime<Utc>) -> Option<Duration> {
    let changed = last_change(object, |fields| is_of_spec(fields, evidence))?;
    let reported = last_change(object, |fields| fields.contains_key("f:status"));
    if evidence == Evidence::NewerStatus && reported > Some(changed) {
        return None;
    }
    let limit = TimeDelta::from_std(SETTLING).ok()?;
    // The clock of the API server may be ahead.
    let remaining = (limit - (now - changed)).min(limit).to_std().ok()?;
    (!remaining.is_zero()).then_some(remaining)
}

/// Returns true if these are fields of a spec, and not also of a status: controllers may write both at once.
fn is_of_spec(fields: &Map<String, Value>, evidence: Evidence) -> bool {
    !fields.contains_key("f:status") && fields.keys().any(|key| evidence == Evidence::Time || key != "f:metadata")
}

/// Returns the time of the newest change of such fields.
fn last_change(object: &Value, is_such: impl Fn(&Map<String, Value>) -> bool) -> Option<DateTime<Utc>> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    let such = entries.iter().filter(|entry| entry["fieldsV1"].as_object().is_some_and(&is_such));
    such.filter_map(|entry| entry["time"].as_str()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    /// An object whose fields were changed at these seconds.
    fn changed(changes: &[(&[&str], i64)]) -> Value {
        let entry = |(fields, seconds): &(&[&str], i64)| {
            let fields: Map<String, Value> = fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
            json!({"manager": "m", "operation": "Update", "time": at(*seconds).to_rfc3339(), "fieldsV1": fields})
        };
        json!({"metadata": {"managedFields": changes.iter().map(entry).collect::<Vec<_>>()}})
    }

    #[track_caller]
    fn expect(changes: &[(&[&str], i64)], evidence: Evidence, now: i64, seconds: Option<u64>) {
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(settling(&changed(changes), evidence, at(now)), expected, "{changes:?} at {now}");
    }

    #[test]
    fn a_status_from_before_the_last_change_is_not_used_for_a_while() {
        use Evidence::NewerStatus;
        let (spec, status): (&[&str], &[&str]) = (&["f:metadata", "f:spec"], &["f:status"]);
        expect(&[(spec, 100), (status, 90)], NewerStatus, 103, Some(7));
        expect(&[(spec, 100), (status, 101)], NewerStatus, 103, None);
        // Times have no fractions, so equal ones say nothing.
        expect(&[(spec, 100), (status, 100)], NewerStatus, 103, Some(7));
        // The newest change counts, whoever made it.
        expect(&[(spec, 100), (status, 101), (spec, 102)], NewerStatus, 103, Some(9));
        // A controller that has nothing to change never writes the status.
        expect(&[(spec, 100), (status, 90)], NewerStatus, 110, None);
        expect(&[(spec, 100)], NewerStatus, 103, Some(7));
        // A clock that is ahead makes the wait no longer.
        expect(&[(spec, 500), (status, 90)], NewerStatus, 103, Some(10));
        // Labels and annotations change no status.
        expect(&[(spec, 50), (status, 60), (&["f:metadata"], 100)], NewerStatus, 103, None);
        // A controller that writes spec and status at once.
        expect(&[(&["f:spec", "f:status"], 102)], NewerStatus, 103, None);
    }

    #[test]
    fn a_change_at_the_end_of_time_does_not_prolong_the_wait() {
        let entry = json!({"time": "+262142-12-31T23:59:59Z", "fieldsV1": {"f:spec": {}}});
        let object = json!({"metadata": {"managedFields": [entry]}});
        assert_eq!(settling(&object, Evidence::Time, at(0)), Some(SETTLING));
    }

    #[test]
    fn only_time_shows_that_kserve_has_noticed() {
        let (spec, status): (&[&str], &[&str]) = (&["f:spec"], &["f:status"]);
        expect(&[(spec, 100), (status, 102)], Evidence::Time, 103, Some(7));
        expect(&[(spec, 50), (&["f:metadata"], 100), (status, 60)], Evidence::Time, 103, Some(7));
        expect(&[(spec, 100), (status, 102)], Evidence::Time, 110, None);
    }

    #[test]
    fn objects_without_a_record_of_changes_are_taken_as_they_are() {
        for object in [json!({}), json!({"metadata": {"managedFields": [{}, {"fieldsV1": {"f:spec": {}}, "time": 5}]}})]
        {
            assert_eq!(settling(&object, Evidence::Time, at(0)), None, "{object}");
        }
    }
}
