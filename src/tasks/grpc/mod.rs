//! The `grpc` task: load over gRPC that measures latencies and errors.
//!
//! `values` reads the input, `plan` turns it into loads, `prepare` reads files, downloads and the service's description,
//! `calls` builds the calls, and [`crate::load`] runs the load.

mod builtin;
mod calls;
mod data;
pub mod descriptor_pool;
mod descriptors;
mod editions;
mod field;
mod ghz;
mod metadata;
mod method;
mod plan;
mod prepare;
mod values;
mod version_field;
mod well_known;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use self::plan::GrpcLoad;
use self::values::{CHECK_TLS, TLS_FIELDS};
use super::loadgen::{self, Distribution, JobContext, JobEnd, Load, Plan, Scalars, run_load, unless_stopped};
use super::{Measured, SharedLoad, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::load::attribution::Attribution;
use crate::load::grpc::status_name;
use crate::load::histograms::HistogramKind;
use crate::load::outcome::LoadOutcome;
use crate::load::pacing::Pacer;
use crate::load::plan::{FailureKind, LoadError, LoadPlan};
use crate::metrics::catalog::MetricNames;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::document::TaskSpec;
use crate::model::load::LoadRecord;
use crate::model::metric::MetricType;
use crate::model::objectives::Objectives;
use crate::ports::{BoxFuture, Files};
use crate::values::input::InputError;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "grpc",
    value_names: &["grpc"],
    summary: "load gRPC methods, streams included; measure latencies and errors",
    from_values,
    parse,
    with_schema,
    values_schema,
    permissions: None,
};

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    plan::plan(values, "")?;
    Ok(vec![TaskSpec { task: Some("grpc".into()), with: Some(values.clone()), ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    let plan = plan::plan(spec.with.as_ref().unwrap_or(&Value::Null), "with")?;
    Ok(Box::new(GrpcTask { plan }))
}

fn with_schema(generator: &mut SchemaGenerator) -> Schema {
    let settings = Value::from(generator.subschema_for::<values::GrpcValues>());
    json_schema!({"anyOf": [settings, ghz::written_by_iter8()]})
}

fn values_schema(_: &str, generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<values::GrpcValues>()
}

/// A parsed `grpc` task.
struct GrpcTask {
    plan: Plan<GrpcLoad>,
}

impl Task for GrpcTask {
    fn facts(&self) -> TaskFacts {
        self.plan.facts()
    }

    fn measures(&self, _: &dyn Files) -> Vec<Measured> {
        self.plan.measures()
    }

    fn check_objectives(&self, objectives: Option<&Objectives>) -> Result<(), InputError> {
        self.plan.check_objectives(objectives)
    }

    fn check_pods(&self, pods: u32) -> Result<(), InputError> {
        self.plan.check_pods(pods)
    }

    fn as_load(&self) -> Option<&dyn SharedLoad> {
        Some(&self.plan)
    }

    fn secrets(&self, files: &dyn Files) -> Vec<String> {
        self.plan.loads.iter().flat_map(|load| prepare::secrets(load, files)).collect()
    }

    fn check(&self, files: &dyn Files) -> Result<(), InputError> {
        self.plan.loads.iter().try_for_each(|load| prepare::check(load, files))
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(self.plan.run(Vec::new(), cx))
    }
}

impl Load for GrpcLoad {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn version(&self) -> usize {
        self.version
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn plan(&self) -> LoadPlan {
        LoadPlan {
            in_flight: self.concurrency,
            timeout: self.timeout,
            allow_initial_errors: self.allow_initial_errors,
            stop_mode: self.stop_mode,
            max_duration: self.max_duration,
            skip_first: self.skip_first,
            versions: self.attribution.as_ref().map(|attribution| attribution.versions.clone()).unwrap_or_default(),
            ..LoadPlan::new(format!("{} of {}", self.call, self.display_host()), self.pacer.clone(), self.connections)
        }
    }

    fn attribution(&self) -> Option<&Attribution> {
        self.attribution.as_deref()
    }

    fn is_tls(&self) -> bool {
        self.encryption.is_some()
    }

    fn warmup(&self) -> Option<Pacer> {
        self.warmup.clone()
    }

    fn run<'a>(&'a self, job: &'a JobContext<'a>) -> BoxFuture<'a, JobEnd> {
        Box::pin(async move {
            let prepared = unless_stopped(job, prepare::protocol(self, job.env)).await;
            let protocol = match prepared {
                None => return JobEnd::Interrupted,
                Some(Err(error)) => return JobEnd::Failed(error),
                Some(Ok(protocol)) => Arc::new(protocol),
            };
            match run_load(self, &protocol, job).await {
                JobEnd::Measured(outcome) => {
                    JobEnd::Measured(Box::new(LoadOutcome { status_messages: protocol.status_messages(), ..*outcome }))
                }
                ended => ended,
            }
        })
    }

    fn metric_names(&self) -> MetricNames {
        // Only its description says if a method streams its responses, and that is not read yet.
        loadgen::planned(&distributions(self), self.attribution.is_some())
    }

    fn add(&self, outcome: &LoadOutcome, start: DateTime<Utc>, into: &mut VersionMetrics) {
        let record = LoadRecord {
            url: self.display_host(),
            method: self.call.to_string(),
            statuses: outcome.statuses.clone(),
            version_from: self.attribution.as_ref().map(|attribution| attribution.source.record()),
            ..LoadRecord::default()
        };
        let mut distributions = distributions(self);
        // Only streamed responses have these.
        let streamed = [HistogramKind::First, HistogramKind::Between];
        distributions.retain(|one| !streamed.contains(&one.of) || !outcome.histograms[one.of].is_empty());
        loadgen::add(&self.provider, outcome, &distributions, start, record, into);
    }

    fn notes(&self, outcome: &LoadOutcome) -> Vec<String> {
        let advice = "check `call`, `data` and `metadata`";
        let all_failed = loadgen::all_failed(&self.label, outcome, |code| status_name(code).to_owned(), advice);
        let mut notes: Vec<String> = all_failed.into_iter().chain(loadgen::notes(&self.label, outcome)).collect();
        for (code, count) in outcome.statuses.iter().filter(|(code, _)| **code != 0) {
            let first =
                outcome.status_messages.get(code).map(|text| format!(", the first: {text}")).unwrap_or_default();
            notes.push(format!("{}: {} ×{count}{first}", self.label, status_name(*code)));
        }
        notes
    }

    fn hint(&self, error: &LoadError) -> Option<String> {
        let LoadError::InitialErrors { kind, .. } = error else { return error.hint() };
        let hint = match kind {
            FailureKind::Tls(problem) => return Some(problem.hint(TLS_FIELDS)),
            FailureKind::Unreached => format!("{CHECK_TLS}; --set grpc.allowInitialErrors=true measures anyway"),
            FailureKind::ClientLimit | FailureKind::Proxy | FailureKind::Redirect | FailureKind::UnknownHost => {
                return error.hint();
            }
        };
        Some(hint)
    }
}

/// Returns the distributions of a load, which are read with an aggregation such as `grpc/latency/p99`.
fn distributions(load: &GrpcLoad) -> Vec<Distribution<'_>> {
    let distribution =
        |name, quantity, of| Distribution { name, quantity, of, kind: MetricType::Histogram, scalars: Scalars::None };
    let first_message = "time to the first message of a response, from the instant its request was due";
    vec![
        Distribution {
            // Same type as in Iter8.
            kind: MetricType::Sample,
            scalars: Scalars::Percentiles(&load.percentiles),
            ..distribution("latency", "latency, from the instant a request was due", HistogramKind::Latency)
        },
        distribution("service-time", "service time, from the instant a request was sent", HistogramKind::ServiceTime),
        distribution("success-latency", "latency of successful responses", HistogramKind::SuccessLatency),
        distribution("connect", "time to open a connection, TLS included", HistogramKind::Connect),
        distribution("first-message", first_message, HistogramKind::First),
        distribution("between-messages", "time between two messages of a response", HistogramKind::Between),
    ]
}
