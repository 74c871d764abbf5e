//! Payloads of `notify`: built-in ones, and the data of payload templates.

mod reduced;
mod types;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use self::reduced::Extent;
use self::reduced::reduced;
use crate::model::document::Experiment;
use crate::model::slo::{Outcome, Verdict};
use crate::model::text::one_line;
use crate::redact;
use crate::slo::assertion::{AssertCondition, judge, sentence};
use crate::slo::rollout;
use crate::slo::summary::loop_verdict;
use crate::templates::{Dialect, Template, TemplateError};

/// Number of objectives that a chat message lists.
const MAX_LISTED: usize = 10;

/// Builds the report of a payload, with Iter8's keys. `index` is the position of the notifying task in the spec. It and later tasks
/// do not count against completion; otherwise, the last task could never report a completed experiment.
///
/// Secrets are redacted.
fn report(
    experiment: &Experiment,
    index: usize,
    now: DateTime<Utc>,
    extent: Extent,
) -> Result<Value, serde_json::Error> {
    let mut report = summary(experiment, index, now);
    if extent != Extent::Nothing {
        report["experiment"] = redact::redact(&serde_json::to_value(reduced(experiment, extent))?);
    }
    Ok(report)
}

/// Builds the report without the experiment.
fn summary(experiment: &Experiment, index: usize, now: DateTime<Utc>) -> Value {
    let result = experiment.result.clone().unwrap_or_default();
    json!({
        "timeStamp": now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "completed": is_completed(experiment, index),
        "noTaskFailures": !result.failure,
        "numTasks": experiment.spec.len(),
        "numCompletedTasks": result.num_completed_tasks,
        "numLoops": result.num_loops,
    })
}

fn is_completed(experiment: &Experiment, index: usize) -> bool {
    let remaining_notify = experiment.spec.iter().skip(index).all(|task| task.name() == "notify");
    let result = experiment.result.as_ref();
    remaining_notify && result.is_some_and(|result| result.num_completed_tasks >= index && !result.failure)
}

/// Parses a payload template without an experiment. In Go's dialect, undefined fields are errors.
pub fn check(dialect: Dialect, text: &str) -> Result<(), TemplateError> {
    // Any instant will do: parsing does not depend on it.
    Template::parse(dialect, text, DateTime::UNIX_EPOCH, types::ROOT, BTreeMap::new()).map(drop)
}

/// Parses a payload template for an experiment. Its fields are named as in documents or, in Go's dialect, as in Iter8's Go code, whose
/// methods it may call.
pub fn template(
    dialect: Dialect,
    text: &str,
    experiment: &Experiment,
    index: usize,
    now: DateTime<Utc>,
) -> Result<Template, TemplateError> {
    let methods = types::methods(experiment, is_completed(experiment, index));
    Template::parse(dialect, text, now, types::ROOT, methods)
}

/// Builds the data of a payload template.
pub fn values(
    experiment: &Experiment,
    index: usize,
    now: DateTime<Utc>,
    extent: Extent,
) -> Result<Value, serde_json::Error> {
    Ok(json!({ "Report": report(experiment, index, now, extent)? }))
}

/// Builds `{"text": …}` for Slack and other chat webhooks: a headline and the objectives that are not satisfied, each in one line.
pub fn slack(experiment: &Experiment, index: usize, now: DateTime<Utc>) -> Value {
    let slos = judge(experiment, AssertCondition::Slos);
    let report = summary(experiment, index, now);
    let insights = experiment.result.as_ref().and_then(|result| result.insights.as_ref());
    let assessed = insights.is_some_and(|insights| insights.slos_satisfied.is_some());
    let headline = match (report["noTaskFailures"].as_bool(), slos.holds, assessed) {
        (Some(true), true, _) => "all SLOs satisfied",
        (Some(true), false, true) => "SLOs not satisfied",
        (Some(true), false, false) => "no SLO assessed",
        _ => "a task failed",
    };
    // The SLOs of a rollout are those of a step, which say nothing about the next one.
    let (headline, of_step) = match experiment.rollout() {
        Some(record) => (redact::redact_text(&rollout::sentence(record)), Some(loop_verdict(experiment))),
        None => (headline.to_owned(), None),
    };
    let mut lines = vec![
        format!("Iter8 experiment: {headline}"),
        format!(
            "{} of {} tasks completed, loop {}",
            report["numCompletedTasks"], report["numTasks"], report["numLoops"]
        ),
    ];
    match of_step {
        Some(verdict) => lines.push(verdict.to_string()),
        None if !assessed => lines.push(slos.sentence),
        None => {}
    }
    let verdicts = insights.map(|insights| insights.verdicts.as_slice()).unwrap_or_default();
    let unmet: Vec<_> = verdicts.iter().filter(|verdict| verdict.verdict != Outcome::Satisfied).collect();
    let line = |verdict: &&Verdict| {
        format!("• {}", insights.map_or_else(|| verdict.reason.clone(), |insights| sentence(insights, verdict)))
    };
    lines.extend(unmet.iter().take(MAX_LISTED).map(line));
    if unmet.len() > MAX_LISTED {
        lines.push(format!("… and {} more", unmet.len() - MAX_LISTED));
    }
    let lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
    json!({ "text": lines.join("\n") })
}

/// Builds GitHub's repository dispatch with Iter8's event type.
pub fn github(
    experiment: &Experiment,
    index: usize,
    now: DateTime<Utc>,
    extent: Extent,
) -> Result<Value, serde_json::Error> {
    Ok(json!({ "event_type": "iter8", "client_payload": report(experiment, index, now, extent)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a message in the middle of a rollout whose newest step has satisfied its SLO.
    fn text(phase: &str) -> String {
        let verdict = json!({"metric": "http/error-count", "bound": "upper", "limit": 0, "version": 0, "value": 0,
            "verdict": "satisfied", "reason": "0 equals the limit of 0"});
        let document = json!({
            "spec": [{"task": "rollout"}, {"task": "assess"}, {"task": "notify"}],
            "result": {
                "startTime": "2025-03-04T10:15:00Z", "numLoops": 2, "numCompletedTasks": 2, "failure": false,
                "tasks": [{"task": "rollout", "status": "done"}, {"task": "assess", "status": "done"}],
                "rollout": {"target": "InferenceService iris", "uid": "1", "stable": "iris-1", "candidate": "iris-2",
                    "phase": phase, "step": 1, "judgedLoop": 1, "start": "2025-03-04T10:15:00Z",
                    "steps": [{"percent": 10, "start": "2025-03-04T10:15:00Z"}, {"percent": 50}]},
                "insights": {"numVersions": 1, "SLOs": {"upper": [{"metric": "http/error-count", "limit": 0}]},
                    "SLOsSatisfied": {"upper": [[true]]}, "verdicts": [verdict]},
            },
        });
        let experiment: Experiment = serde_json::from_value(document).unwrap();
        slack(&experiment, 2, DateTime::UNIX_EPOCH)["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_headline_of_a_rollout_is_its_state_and_not_that_of_its_newest_loop() {
        let below = "2 of 3 tasks completed, loop 2\nSLOs: 1 of 1 satisfied";
        let headline = |state: &str| format!("Iter8 experiment: {state}\n{below}");
        assert_eq!(text("progressing"), headline("the rollout of iris-2 is at 50 %, step 2 of 2"));
        assert_eq!(text("rolledBack"), headline("iris-2 was rolled back"));
    }
}
