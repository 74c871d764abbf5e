//! Comparison of a task's settings with the recorded ones: a recorded outcome says nothing about other settings.
//!
//! Secrets are redacted on both sides and are not compared; neither are files that settings name, nor conditions, which a replay evaluates.

use serde_json::Value;

use crate::model::text::{one_line, truncate};
use crate::ports::RecordedTask;
use crate::redact::REDACTED;

/// Maximum number of differences in a message.
const MAX_LISTED: usize = 5;

/// Maximum length of a value in a message, in characters.
const MAX_VALUE: usize = 80;

/// Describes the differences between the tasks of a replay and the recorded ones; `None` if there are none.
pub(super) fn differences(recorded: &[RecordedTask], given: &[RecordedTask]) -> Option<String> {
    let mut all = Vec::new();
    for RecordedTask { number, spec } in given {
        let name = spec.name();
        let Some(earlier) = recorded.iter().find(|task| task.number == *number) else {
            all.push(format!("task {number} (`{}`) was not recorded", one_line(name)));
            continue;
        };
        if earlier.spec.name() != name {
            let recorded = one_line(earlier.spec.name());
            all.push(format!("task {number} is `{}`; recorded: `{recorded}`", one_line(name)));
            continue;
        }
        let mut found = Vec::new();
        compare(
            "run",
            earlier.spec.run.clone().map(Value::from).as_ref(),
            spec.run.clone().map(Value::from).as_ref(),
            &mut found,
        );
        compare("", earlier.spec.with.as_ref(), spec.with.as_ref(), &mut found);
        all.extend(found.into_iter().map(|difference| format!("task {number} (`{}`): {difference}", one_line(name))));
    }
    let is_missing = |task: &&RecordedTask| given.iter().all(|given| given.number != task.number);
    all.extend(recorded.iter().filter(is_missing).map(|task| {
        format!("task {} (`{}`) was recorded, but is not in this experiment", task.number, one_line(task.spec.name()))
    }));
    let more = all.len().saturating_sub(MAX_LISTED);
    all.truncate(MAX_LISTED);
    match (all.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(all.join("; ")),
        (false, more) => Some(format!("{}; and {more} more", all.join("; "))),
    }
}

/// Adds the differences at this path and below.
fn compare(path: &str, recorded: Option<&Value>, given: Option<&Value>, found: &mut Vec<String>) {
    let [recorded, given] = [recorded, given].map(|value| value.filter(|value| !value.is_null()));
    match (recorded, given) {
        (Some(Value::Object(recorded)), Some(Value::Object(given))) => {
            let further = given.keys().filter(|key| !recorded.contains_key(*key));
            for key in recorded.keys().chain(further) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, recorded.get(key), given.get(key), found);
            }
        }
        (Some(Value::Array(recorded)), Some(Value::Array(given))) => {
            for index in 0..recorded.len().max(given.len()) {
                compare(&format!("{path}[{index}]"), recorded.get(index), given.get(index), found);
            }
        }
        (Some(recorded), Some(given)) if is_same(recorded, given) => {}
        (None, None) => {}
        (recorded, given) => {
            let path = if path.is_empty() { "with" } else { path };
            let shown = |value: Option<&Value>| match value {
                Some(Value::String(text)) => format!("`{}`", truncate(&one_line(text), MAX_VALUE)),
                Some(value) => format!("`{}`", truncate(&one_line(&value.to_string()), MAX_VALUE)),
                None => "not set".to_owned(),
            };
            found.push(format!("`{}` is {}; recorded: {}", one_line(path), shown(given), shown(recorded)));
        }
    }
}

fn is_same(recorded: &Value, given: &Value) -> bool {
    match (recorded, given) {
        (Value::String(recorded), Value::String(given)) => is_match(recorded, given) || is_match(given, recorded),
        (Value::Number(recorded), Value::Number(given)) => recorded == given || recorded.as_f64() == given.as_f64(),
        _ => recorded == given,
    }
}

/// Returns true if the texts are equal but for secrets that are redacted in `redacted`: in a replay, a secret may not be known as one.
fn is_match(redacted: &str, text: &str) -> bool {
    let parts: Vec<&str> = redacted.split(REDACTED).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return redacted == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tasks(all: &[Value]) -> Vec<RecordedTask> {
        all.iter().map(|task| serde_json::from_value(task.clone()).unwrap()).collect()
    }

    fn of_http(recorded: Value, given: Value) -> Option<String> {
        let task = |with: Value| tasks(&[json!({"number": 1, "task": "http", "with": with})]);
        differences(&task(recorded), &task(given))
    }

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        for (recorded, given, expected) in [
            (json!({"qps": 8}), json!({"qps": 200}), "`qps` is `200`; recorded: `8`"),
            (json!({}), json!({"qps": 200}), "`qps` is `200`; recorded: not set"),
            (json!({"qps": 8}), json!({}), "`qps` is not set; recorded: `8`"),
            (json!({"qps": 8}), json!({"qps": "8"}), "`qps` is `8`; recorded: `8`"),
            (json!({"url": "http://a/"}), json!({"url": "http://b/"}), "`url` is `http://b/`; recorded: `http://a/`"),
            (
                json!({"versionValues": [{"url": "a"}]}),
                json!({"versionValues": [{"url": "a"}, {"url": "b"}]}),
                "`versionValues[1]` is `{\"url\":\"b\"}`; recorded: not set",
            ),
            (json!({"a": {"b": [1]}}), json!({"a": {"b": [2]}}), "`a.b[0]` is `2`; recorded: `1`"),
            (json!({"a": true}), json!({"a": {"b": 1}}), "`a` is `{\"b\":1}`; recorded: `true`"),
        ] {
            assert_eq!(of_http(recorded, given), Some(format!("task 1 (`http`): {expected}")));
        }
    }

    #[test]
    fn equal_settings_may_be_written_differently() {
        for (recorded, given) in [
            (json!({"qps": 8}), json!({"qps": 8.0})),
            (json!({"qps": null}), json!({})),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1})),
            (json!({"token": "[hidden]"}), json!({"token": "SECRET"})),
            (json!({"url": "http://replayed/x"}), json!({"url": "http://[hidden]/x"})),
        ] {
            assert_eq!(of_http(recorded.clone(), given.clone()), None, "{recorded} {given}");
        }
    }

    #[test]
    fn only_redacted_parts_may_differ() {
        assert!(is_match("a [hidden] b [hidden]", "a 1 b 2"));
        assert!(is_match("[hidden]", ""));
        for text in ["b 1 b 2", "a 1 c 2", "a 1"] {
            assert!(!is_match("a [hidden] b [hidden]", text), "{text}");
        }
        assert!(!is_match("[hidden]/a", "x/b") && !is_match("a", "b") && is_match("a", "a"));
    }

    #[test]
    fn tasks_that_are_added_removed_or_replaced_differ() {
        let script = |number: u64, script: &str| json!({"number": number, "run": script});
        let load = json!({"number": 2, "task": "http", "with": {}});
        for (recorded, given, expected) in [
            (vec![script(1, "a")], vec![script(1, "b")], "task 1 (`run`): `run` is `b`; recorded: `a`"),
            (vec![script(1, "a")], vec![script(1, "a"), load.clone()], "task 2 (`http`) was not recorded"),
            (vec![load.clone()], vec![], "task 2 (`http`) was recorded, but is not in this experiment"),
            (vec![load.clone()], vec![script(2, "a")], "task 2 is `run`; recorded: `http`"),
        ] {
            assert_eq!(differences(&tasks(&recorded), &tasks(&given)).as_deref(), Some(expected));
        }
        let many: Vec<Value> = (1..=9).map(|number| script(number, "a")).collect();
        assert!(differences(&tasks(&many), &[]).unwrap().ends_with("; and 4 more"));
        assert_eq!(differences(&tasks(&many), &tasks(&many)), None);
    }
}
