//! The `custommetrics` task: queries Prometheus, or any JSON API, for metrics of each version.
//!
//! `values` reads the input and `plan` turns it into providers and versions. A template, or a block of queries (`native`), is
//! rendered for each version; `client` sends the requests that [`crate::providers`] defines, all evaluated at one instant. A metric
//! without a value keeps the reason, as do its objectives: nothing is dropped silently.

mod access;
mod builtin;
mod client;
mod native;
mod plan;
mod values;
mod values_from;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use self::access::{Credentials, tls_hint};
use self::client::{ProviderClient, QueryResult, max_response};
use self::plan::{Origin, Plan, Provider, Version, plan};
use super::loadgen::random_bits;
use super::text_source::TextError;
use super::{Measured, OnStop, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::metrics::missing;
use crate::model::contribution::{Contribution, Measurement, Values, VersionMetrics};
use crate::model::document::TaskSpec;
use crate::model::insights::Observation;
use crate::ports::{BoxFuture, Files};
use crate::providers::window::window;
use crate::providers::{Found, MetricSpec, ProviderSpec};
use crate::redact::{RequestSecrets, pieces};
use crate::values::input::InputError;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "custommetrics",
    value_names: &["custommetrics"],
    summary: "read metrics of each version from Prometheus or any JSON API",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<values::CustomMetricsValues>(),
    values_schema,
    permissions: None,
};

/// Returns the names of the built-in provider templates.
pub(crate) fn builtin_templates() -> impl Iterator<Item = &'static str> {
    builtin::BUILTINS.iter().map(|(name, _)| *name)
}

/// Maximum number of notes on metrics without a value.
const MAX_NOTES: usize = 20;

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    plan(values, "")?;
    Ok(vec![TaskSpec { task: Some(KIND.name.to_owned()), with: Some(values.clone()), ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    Ok(Box::new(CustomMetrics { plan: plan(spec.with.as_ref().unwrap_or(&Value::Null), "with")? }))
}

fn values_schema(_: &str, generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<values::CustomMetricsValues>()
}

/// Returns the secrets in the requests to a provider: in its headers, the parameters and the bodies.
fn secrets_of(spec: &ProviderSpec) -> Vec<String> {
    let headers: Vec<(String, String)> =
        spec.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut secrets = RequestSecrets::of(&spec.url, &headers).into_values();
    for metric in &spec.metrics {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&metric.params).finish();
        for body in [Some(&form), metric.body.as_ref()].into_iter().flatten() {
            secrets.extend(RequestSecrets::default().with_body(body.as_bytes()).into_values());
        }
    }
    secrets
}

struct CustomMetrics {
    plan: Plan,
}

/// One metric to query.
struct Job<'a> {
    provider: &'a Provider,
    version: usize,
    metric: &'a MetricSpec,
    client: ProviderClient<'a>,
}

impl Task for CustomMetrics {
    fn facts(&self) -> TaskFacts {
        TaskFacts {
            providers: self.plan.providers.iter().map(|provider| provider.name.clone()).collect(),
            versions: Some(self.plan.versions.len()),
            on_stop: OnStop::Finish,
            ..TaskFacts::default()
        }
    }

    fn measures(&self, files: &dyn Files) -> Vec<Measured> {
        let measured = |provider: &Provider| Measured {
            provider: provider.name.clone(),
            metrics: provider.metric_names(&self.plan, files),
            versions: self.plan.versions.iter().map(|version| version.name.clone()).collect(),
        };
        self.plan.providers.iter().map(measured).collect()
    }

    fn secrets(&self, files: &dyn Files) -> Vec<String> {
        let secrets = |provider: &Provider| provider.secrets(&self.plan, files);
        let variables = self.plan.values_from.secrets(files);
        self.plan.providers.iter().flat_map(secrets).chain(variables).collect()
    }

    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        self.plan.values_from.read(files)?;
        for provider in &self.plan.providers {
            provider.access.credentials(files)?;
            let Some(text) = provider.text(files).filter(|_| files.knows_content()) else { continue };
            let text = text.map_err(|message| InputError::new(&provider.at, message))?;
            provider.check(text.as_deref())?;
        }
        Ok(())
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(self.measure(cx))
    }
}

impl CustomMetrics {
    async fn measure(&self, cx: &TaskContext<'_>) -> Result<Contribution, TaskError> {
        let instant = cx.env.clock.now();
        let mut notes = Vec::new();
        let elapsed: Vec<i64> = self
            .plan
            .versions
            .iter()
            .map(|version| window_seconds(version, cx, instant, &mut notes))
            .collect::<Result<_, _>>()?;
        let secrets = self.plan.values_from.read(cx.env.files)?;
        let mut specs: Vec<(&Provider, Credentials, Vec<ProviderSpec>)> = Vec::new();
        for provider in &self.plan.providers {
            let mut credentials = provider.access.credentials(cx.env.files)?;
            credentials.secrets.extend(secrets.values().flat_map(|secret| pieces(secret)));
            // Also what the spec has as a secret and a template sends as something else.
            credentials.secrets.extend_from_slice(cx.secrets.values());
            let text = match &provider.origin {
                Origin::Native(_) => None,
                Origin::Template(source) => {
                    let text = cx.unless_stopped(source.fetch(cx.env.files, cx.env.web)).await?;
                    Some(text.map_err(|TextError { message, hint }| {
                        TaskError::failed(format!("template of `{}`: {message}", provider.name)).with_hint(hint)
                    })?)
                }
            };
            let versions = self.plan.versions.iter().zip(&elapsed);
            let version_spec = |(version, elapsed): (&Version, &i64)| {
                let mut spec = provider.spec(
                    text.as_deref(),
                    &version.variables(*elapsed, &secrets, cx.experiment.rollout()),
                    instant,
                )?;
                spec.inherit(provider.access.policies.or(self.plan.policies));
                Ok::<_, InputError>(spec)
            };
            let version_specs: Result<Vec<ProviderSpec>, InputError> = versions.map(version_spec).collect();
            // The error may quote a variable.
            let known = RequestSecrets::from_values(credentials.secrets.clone());
            let redacted = |error: InputError| InputError { message: known.redact(&error.message), ..error };
            let version_specs = version_specs.map_err(redacted)?;
            notes.extend(name_note(provider, &version_specs));
            specs.push((provider, credentials, version_specs));
        }
        let random = random_bits();
        let mut jobs = Vec::new();
        for (provider, credentials, versions) in &specs {
            for (version, spec) in versions.iter().enumerate() {
                let client = ProviderClient {
                    env: cx.env,
                    spec,
                    access: &provider.access,
                    credentials,
                    random: &random,
                    instant,
                    max_response: max_response(self.plan.concurrency),
                };
                jobs.extend(spec.metrics.iter().map(|metric| Job { provider, version, metric, client }));
            }
        }
        let queries: Vec<_> = jobs.iter().map(|job| job.client.query(job.metric)).collect();
        let results: Vec<QueryResult> =
            futures_util::stream::iter(queries).buffered(self.plan.concurrency).collect().await;
        results.iter().for_each(QueryResult::log);
        let results = jobs.into_iter().zip(results).collect();
        let mut contribution = self.contribution(results, instant, notes);
        self.name_versions(cx, &mut contribution);
        contribution.interrupted = cx.env.stop.is_cancelled();
        let sent = specs.iter().flat_map(|(_, _, versions)| versions).flat_map(secrets_of);
        let read = specs.iter().flat_map(|(_, credentials, _)| credentials.secrets.iter().cloned());
        contribution.secrets = sent.chain(read).collect();
        Ok(contribution)
    }

    /// Names versions by their variables if the document has no names.
    fn name_versions(&self, cx: &TaskContext<'_>, contribution: &mut Contribution) {
        let insights = cx.experiment.result.as_ref().and_then(|result| result.insights.as_ref());
        if insights.is_none_or(|insights| insights.version_names.is_empty()) {
            for (metrics, version) in contribution.versions.iter_mut().zip(&self.plan.versions) {
                metrics.name.clone_from(&version.name);
            }
        }
    }

    fn contribution(
        &self,
        results: Vec<(Job<'_>, QueryResult)>,
        instant: DateTime<Utc>,
        mut notes: Vec<String>,
    ) -> Contribution {
        let mut versions = vec![VersionMetrics::default(); self.plan.versions.len()];
        let mut missing: Vec<(String, String, usize)> = Vec::new();
        let (mut warnings, mut hints) = (BTreeSet::new(), BTreeSet::new());
        let mut skews: BTreeMap<&str, TimeDelta> = BTreeMap::new();
        for (job, result) in results {
            let name = format!("{}/{}", job.provider.name, job.metric.name);
            let label = match &self.plan.versions[job.version].name {
                _ if versions.len() < 2 => name.clone(),
                Some(version) => format!("{version}: {name}"),
                None => format!("version {}: {name}", job.version),
            };
            for warning in &result.reading.warnings {
                warnings.insert(format!("{name}: warning from the provider: {warning}"));
            }
            if let Some(problem) = result.tls {
                let name = &job.provider.name;
                hints.insert(format!("{name}: {}", tls_hint(problem, name)));
            }
            warnings.extend(result.reading.remark.iter().map(|remark| format!("{label}: {remark}")));
            if let Some(skew) = result.skew {
                let largest = skews.entry(&job.provider.name).or_insert(skew);
                *largest = std::cmp::max_by_key(*largest, skew, TimeDelta::abs);
            }
            let measurement = measurement(job.metric, result, instant);
            if let Some(reason) = measurement.observation.as_ref().and_then(|observation| observation.no_data.as_ref())
            {
                match missing.iter_mut().find(|(_, other, _)| other == reason) {
                    Some((_, _, more)) => *more += 1,
                    None => missing.push((label, reason.clone(), 0)),
                }
            }
            versions[job.version].metrics.insert(name, measurement);
        }
        notes.extend(skews.into_iter().map(|(provider, skew)| {
            let direction = if skew < TimeDelta::zero() { "behind" } else { "ahead" };
            let seconds = skew.num_seconds().abs();
            format!("{provider}: the provider's clock is {seconds} s {direction}; query windows are off by that much")
        }));
        let more = missing.len().saturating_sub(MAX_NOTES);
        notes.extend(warnings.into_iter().take(MAX_NOTES));
        notes.extend(missing.into_iter().take(MAX_NOTES).map(|(label, reason, others)| match others {
            0 => format!("{label} has no value: {reason}"),
            _ => format!("{label} and {others} more have no value: {reason}"),
        }));
        if more > 0 {
            notes.push(format!("{more} more reasons for metrics without a value are in the report"));
        }
        notes.extend(hints);
        Contribution { versions, notes, ..Contribution::default() }
    }
}

/// Returns the length of a version's window, in seconds.
fn window_seconds(
    version: &Version,
    cx: &TaskContext<'_>,
    instant: DateTime<Utc>,
    notes: &mut Vec<String>,
) -> Result<i64, TaskError> {
    let experiment = cx.experiment.result.as_ref().and_then(|result| result.start_time);
    // Before the step, the traffic was split differently.
    let step = cx.experiment.rollout().and_then(|rollout| rollout.current()?.reached);
    let start = version.start.or(step).or(experiment).unwrap_or(instant);
    match (window(start, instant), version.start) {
        (Ok(window), _) => {
            if let Some(ahead) = window.ahead {
                let note = format!("the window starts {} ms in the future (clock skew)", ahead.num_milliseconds());
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            Ok(window.seconds)
        }
        (Err(message), Some(_)) => Err(InputError::new(&version.at, message).into()),
        (Err(message), None) => Err(TaskError::failed(format!(
            "the start of the window {message}: the clock was set back, or the clock of another machine is ahead"
        ))),
    }
}

/// Note on a template whose provider name differs from the user's.
fn name_note(provider: &Provider, specs: &[ProviderSpec]) -> Option<String> {
    let name = specs.iter().find_map(|spec| spec.provider.as_deref()).filter(|name| *name != provider.name)?;
    let name = crate::model::text::truncate(name, 100);
    Some(format!("the template of `{0}` names its provider `{name}`; metrics are still named `{0}/…`", provider.name))
}

/// Converts the result of a query to a measurement.
fn measurement(metric: &MetricSpec, result: QueryResult, instant: DateTime<Utc>) -> Measurement {
    let QueryResult { reading, source, query, status, attempts, .. } = result;
    let mut observation = Observation {
        source: Some(source),
        query,
        time: Some(instant),
        status,
        attempts: Some(attempts),
        series: reading.series,
        raw: reading.raw,
        warnings: reading.warnings.into_iter().chain(reading.remark).collect(),
        ..Observation::default()
    };
    let values = match reading.outcome {
        Ok(Found::One(value)) => Values::Scalar(value),
        Ok(Found::Many(samples)) => {
            observation.samples = Some(samples.len() as u64);
            Values::Samples(samples)
        }
        Err(missing) => missing::record(&mut observation, missing, &metric.policies, metric.is_range),
    };
    Measurement { meta: metric.meta.clone(), values, observation: Some(observation) }
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod matrix_tests;
