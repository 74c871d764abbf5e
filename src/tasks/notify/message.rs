//! Payloads of `notify`: built-in ones, and the data of payload templates.

mod fields;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::model::document::Experiment;
use crate::model::slo::{Outcome, Verdict};
use crate::redact;
use crate::slo::assertion::{AssertCondition, judge, sentence};
use crate::templates::{Dialect, Template, TemplateError};

/// GitHub accepts at most 64 KiB of `client_payload`; larger reports omit the experiment.
const MAX_EXPERIMENT_BYTES: usize = 48 << 10;

/// Number of objectives that a chat message lists.
const MAX_LISTED: usize = 10;

/// Builds the report of a payload, with Iter8's keys. `index` is the position of the notifying task in the spec. It and later tasks
/// do not count against completion; otherwise, the last task could never report a completed experiment.
///
/// Secrets are redacted. Distributions and load series are omitted because they are too large for a message.
pub fn report(experiment: &Experiment, index: usize, now: DateTime<Utc>) -> Result<Value, serde_json::Error> {
    let mut report = summary(experiment, index, now);
    let mut shared = experiment.clone();
    if let Some(insights) = shared.result.as_mut().and_then(|result| result.insights.as_mut()) {
        insights.histograms.clear();
        insights.hist_metric_values.clear();
        insights.load.iter_mut().flat_map(|loads| loads.values_mut()).for_each(|load| load.series = None);
    }
    report["experiment"] = redact::redact(&serde_json::to_value(shared)?);
    Ok(report)
}

/// Builds the report without the experiment.
fn summary(experiment: &Experiment, index: usize, now: DateTime<Utc>) -> Value {
    let result = experiment.result.clone().unwrap_or_default();
    let remaining_notify = experiment.spec.iter().skip(index).all(|task| task.name() == "notify");
    json!({
        "timeStamp": now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "completed": remaining_notify && result.num_completed_tasks >= index && !result.failure,
        "noTaskFailures": !result.failure,
        "numTasks": experiment.spec.len(),
        "numCompletedTasks": result.num_completed_tasks,
        "numLoops": result.num_loops,
    })
}

/// Parses a payload template. Its fields are named as in documents or, in Go's dialect, as in Iter8's Go code.
pub fn template(dialect: Dialect, text: &str, now: DateTime<Utc>) -> Result<Template, TemplateError> {
    match dialect {
        Dialect::Go => Template::parse(dialect, &fields::as_in_documents(text), now),
        Dialect::Handlebars => Template::parse(dialect, text, now),
    }
}

/// Builds the data of a payload template.
pub fn values(experiment: &Experiment, index: usize, now: DateTime<Utc>) -> Result<Value, serde_json::Error> {
    Ok(json!({ "Report": report(experiment, index, now)? }))
}

/// Builds `{"text": …}` for Slack and other chat webhooks: a headline and the objectives that are not satisfied.
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
    let mut lines = vec![
        format!("Iter8 experiment: {headline}"),
        format!(
            "{} of {} tasks completed, loop {}",
            report["numCompletedTasks"], report["numTasks"], report["numLoops"]
        ),
    ];
    if !assessed {
        lines.push(slos.sentence);
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
    json!({ "text": lines.join("\n") })
}

/// Builds GitHub's repository dispatch with Iter8's event type.
pub fn github(experiment: &Experiment, index: usize, now: DateTime<Utc>) -> Result<Value, serde_json::Error> {
    let mut report = report(experiment, index, now)?;
    if report["experiment"].to_string().len() > MAX_EXPERIMENT_BYTES {
        report = summary(experiment, index, now);
    }
    Ok(json!({ "event_type": "iter8", "client_payload": report }))
}
