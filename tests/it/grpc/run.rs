//! Runs of the `grpc` task against the tests' server, and readings of what they measured.

use iter8::load::grpc::status_name;
use iter8::model::contribution::{Contribution, Values};
use iter8::model::load::LoadRecord;
use iter8::tasks::TaskError;
use iter8::tasks::grpc::KIND;
use serde_json::{Value, json};

use super::server::{PROTO, Server};
use crate::support::env::TestEnv;

/// An environment with the proto file of the tests' service.
pub fn proto_env() -> TestEnv {
    TestEnv::default().file("t.proto", PROTO)
}

/// Runs the task in this environment.
pub async fn run_in(env: &TestEnv, with: Value) -> Result<Contribution, TaskError> {
    env.run_task(&KIND, with).await
}

/// Runs the task.
pub async fn run(with: Value) -> Result<Contribution, TaskError> {
    run_in(&proto_env(), with).await
}

/// Loads a method of the tests' service with the usual fields, changed by `fields`.
pub async fn load(server: &Server, method: &str, fields: Value) -> Contribution {
    run(with(server, method, fields)).await.unwrap()
}

/// The usual fields, changed by `fields`.
pub fn with(server: &Server, method: &str, fields: Value) -> Value {
    let mut with = json!({
        "host": server.host(), "call": format!("t.Echo/{method}"), "proto": "t.proto",
        "total": 20, "concurrency": 4, "timeout": "5s", "allowInitialErrors": true,
    });
    for (name, value) in fields.as_object().unwrap() {
        with[name] = value.clone();
    }
    with
}

/// The record of the only load.
pub fn record(contribution: &Contribution) -> &LoadRecord {
    contribution.versions[0].load.values().next().unwrap()
}

/// Number of values of a distribution; 0 without one.
pub fn samples(contribution: &Contribution, name: &str) -> u64 {
    match contribution.versions[0].metrics.get(name).map(|metric| &metric.values) {
        Some(Values::Distribution { histogram, .. }) => histogram.count,
        _ => 0,
    }
}

/// Codes and causes of the only load with their counts, as text.
pub fn outcomes(contribution: &Contribution) -> String {
    let record = record(contribution);
    let codes = record.statuses.iter().map(|(code, count)| (status_name(*code), *count));
    let all = codes.chain(record.causes.iter().map(|(cause, count)| (cause.clone(), *count)));
    all.map(|(name, count)| format!("{name}×{count}")).collect::<Vec<_>>().join(" ")
}
