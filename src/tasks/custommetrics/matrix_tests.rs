//! Every response of `testdata/providers/matrix.yaml` under every policy and limit, from the body to the verdict and the exit code of `assert`.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::QueryResult;
use super::measurement;
use crate::metrics::insights::merge;
use crate::model::codec::value_from_yaml;
use crate::model::contribution::{Contribution, VersionMetrics};
use crate::model::document::{Experiment, ExperimentResult, TaskSpec};
use crate::model::insights::Insights;
use crate::model::missing::{MissingCause, NoDataPolicy, OnErrorPolicy, Policies};
use crate::model::number::Number;
use crate::model::slo::{Bound, Outcome, Slo, SloLimits, Verdict};
use crate::providers::ProviderSpec;
use crate::providers::response::{Reading, Response, read};
use crate::providers::sample_time::Asked;
use crate::slo::assertion::{AssertCondition, judge};
use crate::slo::assess::assess;

/// The time that the queries ask for, in seconds since 1970.
const ASKED: f64 = 1_800_000_000.0;

#[derive(Deserialize)]
struct Matrix {
    limits: BTreeMap<Bound, f64>,
    decisions: Decisions,
    responses: Vec<Row>,
}

type ByBound = BTreeMap<Bound, Expected>;

#[derive(Deserialize)]
struct Decisions {
    value: ByBound,
    absence: BTreeMap<String, ByBound>,
    error: BTreeMap<String, ByBound>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expected {
    verdict: Outcome,
    exit: u8,
    value: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    status: Option<u16>,
    body: Option<String>,
    connection: Option<String>,
    jq: Option<String>,
    reduce: Option<Value>,
    r#type: Option<String>,
    partial: Option<Value>,
    on_warning: Option<Value>,
    /// Age of the samples whose time is `TIME`, in seconds.
    sample_age: Option<f64>,
    class: Class,
    /// The policy for errors that the row's own settings imply.
    policy: Option<String>,
    #[serde(default)]
    says: String,
    #[serde(default, rename = "only-program")]
    only_program: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Class {
    Missing(MissingCause),
    Value(ValueClass),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ValueClass {
    Value,
}

fn policy<T: for<'de> Deserialize<'de>>(name: &str) -> Option<T> {
    (name != "unset").then(|| serde_json::from_value(json!(name)).unwrap())
}

impl Row {
    fn reads_from_body(&self) -> bool {
        self.connection.is_none() && !self.only_program
    }

    fn template(&self) -> String {
        let jq = match self.jq.as_deref() {
            None => json!(".data.result[0].value[1] | tonumber"),
            Some("none") => Value::Null,
            Some(other) => json!(other),
        };
        let metric = json!({
            "name": "m", "jqExpression": jq, "reduce": self.reduce, "type": self.r#type, "partial": self.partial, "onWarning": self.on_warning,
        });
        json!({"url": "http://p", "metrics": [metric]}).to_string()
    }

    fn reading(&self, spec: &ProviderSpec) -> Reading {
        let time = (ASKED - self.sample_age.unwrap_or_default()).to_string();
        let body = self.body.as_deref().unwrap_or_default().replace("TIME", &time);
        let asked = Some(Asked::Instant(ASKED));
        read(&spec.metrics[0], Response { status: self.status.unwrap_or(200), body: body.as_bytes(), asked })
    }
}

impl Matrix {
    fn read() -> Self {
        let text = include_str!("../../../testdata/providers/matrix.yaml");
        serde_json::from_value(value_from_yaml(text).unwrap()).unwrap()
    }

    fn expected(&self, row: &Row, no_data: &str, on_error: &str) -> &ByBound {
        let on_error = row.policy.as_deref().unwrap_or(on_error);
        match row.class {
            Class::Value(ValueClass::Value) => &self.decisions.value,
            Class::Missing(MissingCause::Absent | MissingCause::NothingToCount) => &self.decisions.absence[no_data],
            Class::Missing(MissingCause::Error(_)) => &self.decisions.error[on_error],
            Class::Missing(other) => panic!("{other:?}"),
        }
    }
}

/// Judges one objective on the metric of a response, as the pipeline does: its verdict, and the exit code of `assert`.
fn judged(spec: &ProviderSpec, reading: Reading, bound: Bound, limit: f64) -> (Verdict, u8) {
    let result = QueryResult {
        reading,
        source: "http://p".to_owned(),
        query: None,
        status: None,
        attempts: 1,
        skew: None,
        tls: None,
    };
    let measured = measurement(&spec.metrics[0], result, DateTime::UNIX_EPOCH);
    let version = VersionMetrics { metrics: [("p/m".to_owned(), measured)].into(), ..VersionMetrics::default() };
    let mut insights = Insights::default();
    merge(&mut insights, &Contribution { versions: vec![version], ..Contribution::default() }).unwrap();
    let slo = vec![Slo { metric: "p/m".into(), limit: Number(limit) }];
    let limits = match bound {
        Bound::Upper => SloLimits { upper: slo, ..SloLimits::default() },
        Bound::Lower => SloLimits { lower: slo, ..SloLimits::default() },
    };
    let assessment = assess(&insights, &limits);
    merge(&mut insights, &Contribution { assessment: Some(assessment), ..Contribution::default() }).unwrap();
    let verdict = insights.verdicts[0].clone();
    let with = Some(json!({"SLOs": limits}));
    let spec = vec![TaskSpec { task: Some("assess".to_owned()), with, ..TaskSpec::default() }];
    let record = json!([{"task": "assess", "status": "done"}]);
    let result = ExperimentResult {
        insights: Some(insights),
        num_loops: 1,
        num_completed_tasks: 1,
        tasks: serde_json::from_value(record).unwrap(),
        ..ExperimentResult::default()
    };
    let experiment = Experiment { spec, result: Some(result), ..Experiment::default() };
    let text = serde_json::to_string(&experiment).unwrap();
    let judgement = judge(&serde_json::from_str(&text).unwrap(), AssertCondition::Slos);
    let exit = if judgement.holds {
        0
    } else if judgement.inconclusive {
        5
    } else {
        1
    };
    (verdict, exit)
}

#[test]
fn each_response_is_classified_with_the_reason() {
    let matrix = Matrix::read();
    assert!(matrix.responses.len() >= 270, "only {} responses", matrix.responses.len());
    for row in matrix.responses.iter().filter(|row| row.reads_from_body()) {
        let reading = row.reading(&ProviderSpec::read(&row.template()).unwrap());
        match (&reading.outcome, row.class) {
            (Ok(_), Class::Value(_)) => {}
            (Err(missing), Class::Missing(cause)) => {
                assert_eq!(missing.cause, cause, "{}: {missing:?}", row.name);
                assert!(missing.reason.contains(&row.says), "{}: {}", row.name, missing.reason);
            }
            _ => panic!("{}: {reading:?}", row.name),
        }
    }
}

#[test]
fn the_verdict_follows_from_class_policies_and_limit_as_the_table_says() {
    let matrix = Matrix::read();
    let mut cells = 0;
    for row in matrix.responses.iter().filter(|row| row.reads_from_body()) {
        for no_data in ["unset", "fail", "pass", "inconclusive", "zero"] {
            for on_error in ["unset", "inconclusive", "fail"] {
                let mut spec = ProviderSpec::read(&row.template()).unwrap();
                let (task, provider) = (policy::<NoDataPolicy>(no_data), policy::<OnErrorPolicy>(on_error));
                spec.inherit(Policies { no_data: task, on_error: provider, ..Policies::default() });
                let reading = row.reading(&spec);
                for (bound, expected) in matrix.expected(row, no_data, on_error) {
                    let (verdict, exit) = judged(&spec, reading.clone(), *bound, matrix.limits[bound]);
                    let value = if matches!(row.class, Class::Value(_)) { Some(3.0) } else { expected.value };
                    let found = (verdict.verdict, exit, verdict.value);
                    let cell = format!("{} with noData {no_data}, onError {on_error}, {bound:?}", row.name);
                    assert_eq!(found, (expected.verdict, expected.exit, value), "{cell}: {verdict:?}");
                    cells += 1;
                }
            }
        }
    }
    assert!(cells >= 7_000, "only {cells} cells");
}

/// Classes that no body has, such as those of broken connections, are decided alike.
#[test]
fn an_error_never_satisfies_an_objective_and_never_becomes_a_value() {
    use crate::metrics::missing::{Decision, decide};
    let matrix = Matrix::read();
    for row in &matrix.responses {
        let Class::Missing(cause @ MissingCause::Error(_)) = row.class else { continue };
        for no_data in ["unset", "fail", "pass", "inconclusive", "zero"] {
            for on_error in ["unset", "inconclusive", "fail"] {
                let decision = decide(cause, policy(no_data), policy(on_error));
                let expected = &matrix.decisions.error[on_error][&Bound::Upper];
                let (verdict, exit) = match decision {
                    Decision::ByPolicy(Outcome::Inconclusive) => (Outcome::Inconclusive, 5),
                    Decision::ByPolicy(outcome) => (outcome, 1),
                    Decision::Open => (Outcome::Inconclusive, 1),
                    Decision::Zero => panic!("{}: zero", row.name),
                };
                assert_eq!((verdict, exit), (expected.verdict, expected.exit), "{}: {no_data} {on_error}", row.name);
            }
        }
    }
}
