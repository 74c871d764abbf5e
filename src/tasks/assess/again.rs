//! Judging a saved document again, with other settings than those of its `assess`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::earlier::same_limits;
use super::values::{AssessValues, from_values, no_slos, with_escape_hint};
use super::with::read;
use super::{Assess, KIND, this_loop};
use crate::model::contribution::Contribution;
use crate::model::document::{ExperimentResult, TaskSpec};
use crate::model::duration::GoDuration;
use crate::model::insights::Insights;
use crate::model::limit::Limit;
use crate::model::metric_name::MetricName;
use crate::model::objectives::Objectives;
use crate::model::path::{FieldPath, Segment};
use crate::redact::find_redacted;
use crate::values::input::{InputError, typed};
use crate::values::without_nulls;

/// Settings with objectives, whose form in values is not that of a spec.
const OBJECTIVES: [&str; 2] = ["SLOs", "relative"];

/// Settings that judge several loops. A document has the measurements of its newest loop only.
const RULES: [&str; 2] = ["consecutive", "failureLimit"];

/// Returns an entry of the spec with other settings: each key of `values` replaces that of the entry as a whole, and `null` removes it. Paths
/// of errors start at the values.
pub(crate) fn with_settings(entry: &TaskSpec, values: &Map<String, Value>) -> Result<TaskSpec, InputError> {
    let given = without_nulls(Value::Object(values.clone()));
    typed::<AssessValues>(&given, "").map_err(|error| with_escape_hint(error, &given))?;
    let mut with = match entry.with.clone().map(without_nulls) {
        Some(Value::Object(with)) => with,
        _ => Map::new(),
    };
    if values.contains_key("SLOs") {
        // Iter8's other spelling.
        with.remove("slos");
    }
    values.keys().for_each(|key| drop(with.remove(key)));
    let (objectives, others): (Map<_, _>, Map<_, _>) = match given {
        Value::Object(given) => given.into_iter().partition(|(key, _)| OBJECTIVES.contains(&key.as_str())),
        _ => Default::default(),
    };
    if !objectives.is_empty() {
        let entries = from_values(KIND.name, &Value::Object(objectives))?;
        with.extend(entries.into_iter().filter_map(|entry| entry.with).flat_map(|with| match with {
            Value::Object(with) => with,
            _ => Map::new(),
        }));
    }
    with.extend(others);
    if let Some(rule) = RULES.iter().find(|rule| with.contains_key(**rule)) {
        let message = "judges several loops, but a document has the measurements of its newest loop only";
        let hint = format!("judge that loop by itself: --set assess.{rule}=null");
        return Err(InputError::new(*rule, message).with_hint(hint));
    }
    if let Some(path) = find_redacted(&Value::Object(with.clone())) {
        let hint = "documents contain no secrets: give all SLOs again with --set";
        return Err(InputError::new(path, "contains a redacted secret").with_hint(hint));
    }
    let with_map =
        |with| TaskSpec { task: Some(KIND.name.to_owned()), with: Some(Value::Object(with)), ..entry.clone() };
    let assess = read(&with_map(with.clone())).map_err(in_values)?;
    if assess.has_no_slos() {
        return Err(no_slos("SLOs"));
    }
    write_numbers(&mut with, &assess);
    Ok(with_map(with))
}

/// Refuses limits with a unit on metrics that no load of the document has measured: a template may be named like a load, but its units are its
/// own. Paths of errors start at the values.
pub(crate) fn check_units(values: &Map<String, Value>, insights: Option<&Insights>) -> Result<(), InputError> {
    let is_load = |name: &MetricName| {
        insights.is_some_and(|insights| insights.load.iter().any(|loads| loads.contains_key(&name.provider)))
    };
    for (bound, limits) in values.get("SLOs").and_then(Value::as_object).into_iter().flatten() {
        for (metric, limit) in limits.as_object().into_iter().flatten() {
            let has_unit = limit.as_str().and_then(Limit::parse).is_some_and(|limit| limit.has_unit());
            // Other names have an error already.
            if let Some(name) = metric.parse::<MetricName>().ok().filter(|name| has_unit && !is_load(name)) {
                let message = format!("the unit of `{name}` is not known: no load of the document measured it");
                let hint = "write a plain number in the unit of the metric";
                let path = FieldPath::root().key("SLOs").key(bound).key(metric);
                return Err(InputError::new(path, message).with_hint(hint));
            }
        }
    }
    Ok(())
}

/// Writes the settings that are numbers as a run does: `--set` gives some of them as strings.
fn write_numbers(with: &mut Map<String, Value>, assess: &Assess) {
    let confidence = assess.objectives.confidence;
    let settings = [
        ("confidence", confidence.map(|confidence| json!(confidence.level))),
        ("burst", confidence.map(|confidence| json!(GoDuration(confidence.burst)))),
        ("minSamples", Some(json!(assess.objectives.min_samples))),
    ];
    for (name, setting) in settings {
        if let (Some(old), Some(setting)) = (with.get_mut(name), setting) {
            *old = setting;
        }
    }
}

/// Reads objectives that two documents are compared on; there may be none. Paths of errors start at the values.
pub(crate) fn relative_objectives(values: &Map<String, Value>) -> Result<Objectives, InputError> {
    const KEYS: [&str; 3] = ["relative", "confidence", "strict"];
    let given = without_nulls(Value::Object(values.clone()));
    typed::<AssessValues>(&given, "").map_err(|error| with_escape_hint(error, &given))?;
    let mut given = if let Value::Object(given) = given { given } else { Map::new() };
    if let Some(key) = given.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let message = format!("has no effect on a comparison; only {} have", KEYS.join(", "));
        return Err(InputError::new(key.as_str(), message).with_hint("judge one document with `iter8 assess`"));
    }
    let limits = given.remove("relative");
    let mut with = Value::Object(given);
    if let Some(limits) = limits {
        let entries = from_values(KIND.name, &json!({ "relative": limits }))?;
        let limits = entries.into_iter().find_map(|entry| entry.with?.get("relative").cloned());
        with["relative"] = limits.unwrap_or_default();
    }
    read(&TaskSpec { with: Some(with), ..TaskSpec::default() }).map(|assess| assess.objectives).map_err(in_values)
}

/// Returns true if the verdicts of a document are on the objectives of this entry.
pub(crate) fn has_same_objectives(entry: &TaskSpec, result: &ExperimentResult) -> bool {
    let insights = result.insights.as_ref();
    insights.is_none_or(|insights| read(entry).is_ok_and(|assess| same_limits(insights, &assess.objectives).is_ok()))
}

/// Judges the newest loop of a document, which has measured these providers. Paths of errors start at the values.
pub(crate) fn judge(
    entry: &TaskSpec,
    result: &ExperimentResult,
    measured: &BTreeSet<String>,
) -> Result<Contribution, InputError> {
    let assess = read(entry).map_err(in_values)?;
    assess.judge(result.insights.as_ref(), &this_loop(result, measured)).map_err(in_values)
}

/// Converts a path in the spec's entry into one in the values.
fn in_values(error: InputError) -> InputError {
    let path = match error.path.segments() {
        [Segment::Key(with), inner @ ..] if with == "with" => FieldPath::from(inner.to_vec()),
        _ => error.path.clone(),
    };
    InputError { path, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(with: Value) -> TaskSpec {
        TaskSpec { task: Some("assess".to_owned()), with: Some(with), ..TaskSpec::default() }
    }

    fn settings(with: Value, values: Value) -> Result<Value, String> {
        let Value::Object(values) = values else { unreachable!() };
        with_settings(&entry(with), &values).map(|entry| entry.with.unwrap()).map_err(|error| error.with_next_step())
    }

    #[test]
    fn given_settings_replace_those_of_the_document_and_null_removes_them() {
        let slos = json!({"upper": [{"metric": "http/error-rate", "limit": 0}]});
        let old = json!({"SLOs": slos, "confidence": 0.9, "minSamples": 5});
        // `--set` gives fractions as strings.
        let confidence = settings(old.clone(), json!({"confidence": "0.95"}));
        assert_eq!(confidence.unwrap(), json!({"SLOs": slos, "confidence": 0.95, "minSamples": 5}));
        let values = json!({"SLOs": {"lower": {"http/request-count": 9}}, "confidence": null});
        let lower = json!({"lower": [{"metric": "http/request-count", "limit": 9}]});
        assert_eq!(settings(old.clone(), values.clone()).unwrap(), json!({"SLOs": lower, "minSamples": 5}));
        // Iter8's other spelling is the same setting.
        assert_eq!(settings(json!({"slos": slos}), values).unwrap(), json!({"SLOs": lower}));
        let relative = settings(old, json!({"SLOs": null, "relative": {"upper": {"http/latency-p95": 1.1}}}));
        let limits = json!({"upper": [{"metric": "http/latency-p95", "limit": 1.1}]});
        assert_eq!(relative.unwrap(), json!({"relative": limits, "confidence": 0.9, "minSamples": 5}));
    }

    #[test]
    fn units_need_a_load_that_has_measured_the_metric() {
        let loads = [("http-home".to_owned(), Default::default())];
        let insights = Insights { load: vec![loads.into()], ..Insights::default() };
        let check = |metric: &str, limit: Value, insights| {
            let values = json!({"SLOs": {"upper": {metric: limit}}});
            check_units(values.as_object().unwrap(), insights).map_err(|error| error.to_string())
        };
        let unknown = "SLOs.upper.http-prom/latency-p99: the unit of `http-prom/latency-p99` is not known: no load of the document measured it";
        assert_eq!(check("http-prom/latency-p99", json!("60ms"), Some(&insights)), Err(unknown.to_owned()));
        assert_eq!(check("http-home/latency-p99", json!("60ms"), Some(&insights)), Ok(()));
        assert_eq!(check("http-prom/latency-p99", json!("60"), Some(&insights)), Ok(()));
        assert_eq!(check("http-prom/latency-p99", json!(60), None), Ok(()));
        assert!(check("http-home/latency-p99", json!("60ms"), None).is_err());
    }

    #[test]
    fn settings_that_cannot_be_judged_again_are_refused_with_their_path() {
        let slos = json!({"upper": [{"metric": "http/error-rate", "limit": 0}]});
        let refused = |with: Value, values: Value| settings(with, values).unwrap_err();
        let cases = [
            (json!({"SLOs": slos, "consecutive": 2}), json!({}), "consecutive: judges several loops"),
            (json!({"SLOs": slos}), json!({"failureLimit": 2}), "failureLimit: judges several loops"),
            (json!({"SLOs": slos}), json!({"confidence": 95}), "confidence: 95 is out of range"),
            (json!({"SLOs": slos}), json!({"confidense": 0.9}), "confidense: unknown field `confidense`"),
            (json!({"SLOs": slos}), json!({"SLOs": null}), "SLOs: at least one SLO is required"),
            (json!({"SLOs": slos}), json!({"SLOs": {"upper": {}}}), "SLOs: at least one SLO is required"),
            (
                json!({"SLOs": {"upper": [{"metric": "[hidden]", "limit": 0}]}}),
                json!({"confidence": 0.95}),
                "SLOs.upper[0].metric: contains a redacted secret",
            ),
        ];
        for (with, values, expected) in cases {
            let message = refused(with, values);
            assert!(message.starts_with(expected), "{message}");
        }
        let hint = refused(json!({"SLOs": slos, "consecutive": 2}), json!({}));
        assert!(hint.ends_with("--set assess.consecutive=null)"), "{hint}");
    }
}
