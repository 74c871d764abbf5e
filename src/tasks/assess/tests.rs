use std::time::Duration;

use serde_json::{Value, json};

use super::values::from_values;
use super::with::read;
use super::*;
use crate::model::objectives::Confidence;
use crate::model::objectives::RelativeLimits;
use crate::model::path::FieldPath;
use crate::model::slo::SloLimits;

fn judge(
    insights: Option<&Insights>,
    limits: &SloLimits,
    rule: Option<LoopRule>,
    this: &ThisLoop,
) -> Result<Contribution, InputError> {
    let objectives = Objectives { limits: limits.clone(), ..Objectives::default() };
    Assess { objectives, rewards: Rewards::default(), rule }.judge(insights, this)
}

fn spec(values: Value) -> Result<TaskSpec, InputError> {
    from_values("assess", &values).map(|mut specs| specs.remove(0))
}

fn rejected(with: Value) -> InputError {
    let spec = TaskSpec { task: Some("assess".into()), with: Some(with), ..TaskSpec::default() };
    parse(&spec).err().expect("should be rejected")
}

#[test]
fn a_document_may_have_no_objectives() {
    for with in
        [None, Some(json!(null)), Some(json!({})), Some(json!({"SLOs": null})), Some(json!({"slos": {"upper": null}}))]
    {
        let spec = TaskSpec { task: Some("assess".into()), with, ..TaskSpec::default() };
        assert!(parse(&spec).is_ok(), "{spec:?}");
    }
}

fn limits(value: Value) -> SloLimits {
    serde_json::from_value(value).unwrap()
}

#[test]
fn values_become_sorted_lists_that_parse() {
    let spec = spec(json!({"SLOs": {
        "upper": {"http/latency-p99.9": "100.5", "http/error-count": 0},
        "Lower": {"prom/accuracy": 0.9},
    }}))
    .unwrap();
    assert_eq!(
        spec.with,
        Some(json!({"SLOs": {
            "upper": [{"metric": "http/error-count", "limit": 0}, {"metric": "http/latency-p99.9", "limit": 100.5}],
            "lower": [{"metric": "prom/accuracy", "limit": 0.9}],
        }}))
    );
    assert_eq!(spec.name(), "assess");
    parse(&spec).map(|_| ()).unwrap();
}

#[test]
fn invalid_values_are_rejected_with_their_path() {
    let cases = [
        (json!({"SLO": {}}), "SLO: unknown field `SLO`"),
        (json!({"SLOs": {"uper": {}}}), "SLOs.uper: unknown field `uper`"),
        (
            json!({"SLOs": {"upper": {"http/latency-mean": "fast"}}}),
            "SLOs.upper.http/latency-mean: `fast` is not a number",
        ),
        (json!({"SLOs": {"upper": {"latency": 5}}}), "SLOs.upper.latency: `latency` is not a metric name"),
        (json!({"SLOs": {"lower": {"grpc/latency/median": 5}}}), "SLOs.lower.grpc/latency/median: `median` in"),
        (
            json!({"relative": {"upper": {"http/latency-max": 1.1}}}),
            "relative.upper.http/latency-max: `http/latency-max` cannot be compared with",
        ),
        (
            json!({"relative": {"upper": {"http/error-count": 1}}}),
            "relative.upper.http/error-count: `http/error-count` cannot be compared with",
        ),
        (
            json!({"relative": {"upper": {"http/latency-p95": 0}}}),
            "relative.upper.http/latency-p95: 0 is not a ratio; expected",
        ),
        (
            json!({"relative": {"upper": {"http/error-rate": "+5"}}}),
            "relative.upper.http/error-rate: 5 is not a difference of two",
        ),
        (json!({"SLOs": {"upper": {"http/error-rate": "500%"}}}), "SLOs.upper.http/error-rate: `500%` is a limit that"),
        (json!({"SLOs": {"Upper": {"grpc/error-rate": "100%"}}}), "SLOs.upper.grpc/error-rate: `100%` is a limit that"),
        (json!({"relative": {"lower": {"a/b": 1}}}), "relative.lower: unknown field `lower`"),
        (json!({"relative": {}}), "SLOs: at least one SLO is required"),
        (json!(null), "SLOs: at least one SLO is required"),
        (json!({}), "SLOs: at least one SLO is required"),
        (json!({"SLOs": {"upper": {}}}), "SLOs: at least one SLO is required"),
    ];
    for (values, expected) in cases {
        let error = spec(values).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn a_dot_in_a_metric_name_is_no_step_of_its_path() {
    let error = spec(json!({"SLOs": {"upper": {"http/latency-p99.9/median": 5}}})).unwrap_err();
    assert_eq!(error.path, FieldPath::root().key("SLOs").key("upper").key("http/latency-p99.9/median"));
}

#[test]
fn a_split_metric_name_gets_a_hint_about_escaping_dots() {
    let error = spec(json!({"SLOs": {"Upper": {"a/b": 1, "http/latency-p99": {"9": 5}}}})).unwrap_err();
    assert!(error.to_string().ends_with(r#"http/latency-p99: `{"9":5}` is not a number"#), "{error}");
    let hint = r"escape the dot in the metric's name in --set: `http/latency-p99\.9`";
    assert_eq!(error.hint.as_deref(), Some(hint));
    let error = spec(json!({"SLOs": {"upper": {"a/b": "fast"}}})).unwrap_err();
    assert_eq!(error.hint, None);
}

#[test]
fn invalid_specs_are_rejected_with_their_path() {
    let cases = [
        (json!({"SLOs": {"upper": [{"metric": "a/b", "limt": 1}]}}), "with.SLOs.upper[0].limt: unknown field"),
        (
            json!({"SLOs": {"Upper": [{"metric": "ab", "limit": 1}]}}),
            "with.SLOs.upper[0].metric: `ab` is not a metric name",
        ),
        (json!({"Slos": {}}), "with.Slos: unknown field"),
    ];
    for (with, expected) in cases {
        let error = rejected(with);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn every_unsatisfied_objective_has_a_note() {
    let limits = limits(json!({"upper": [{"metric": "a/b", "limit": 1}, {"metric": "a/cost", "limit": 1}]}));
    let insights = Insights {
        num_versions: 2,
        non_hist_metric_values: vec![[("a/b".to_owned(), vec![2.0])].into(), [("a/b".to_owned(), vec![1.0])].into()],
        ..Insights::default()
    };
    let contribution = judge(Some(&insights), &limits, None, &ThisLoop::default()).unwrap();
    assert_eq!(
        contribution.notes,
        [
            "version 0: a/b is 2, above the limit of 1",
            "version 0: a/cost: no data: provider `a` has no metric `cost`; known metrics: b",
            "version 1: a/cost: no data: provider `a` has no metric `cost`; known metrics: b",
        ]
    );
    assert_eq!(contribution.assessment.unwrap().satisfied.upper, [[false, true], [false, false]]);
    assert!(contribution.versions.is_empty());
}

#[test]
fn changed_objectives_are_rejected() {
    let earlier = limits(json!({"upper": [{"metric": "a/p-p50.0", "limit": 1}, {"metric": "a/b", "limit": 2}]}));
    let insights = Insights { slos: Some(earlier), ..Insights::default() };
    let same = limits(json!({"upper": [{"metric": "a/b", "limit": 2}, {"metric": "a/p-p50", "limit": 1}]}));
    judge(Some(&insights), &same, None, &ThisLoop::default()).unwrap();
    let other = limits(json!({"upper": [{"metric": "a/b", "limit": 3}]}));
    let error = judge(Some(&insights), &other, None, &ThisLoop::default()).unwrap_err();
    assert_eq!(error.path, "with.SLOs");
    assert!(error.hint.unwrap().contains("--reuseResult"));
}

#[test]
fn changed_objectives_relative_to_version_0_are_rejected() {
    let relative = |value: Value| serde_json::from_value::<RelativeLimits>(value).unwrap();
    let objectives = |relative| Objectives { relative, ..Objectives::default() };
    let earlier = relative(json!({"upper": [{"metric": "a/latency-p50", "limit": 1.1}]}));
    let insights =
        Insights { slos: Some(SloLimits::default()), relative: Some(earlier.clone()), ..Insights::default() };
    same_limits(&insights, &objectives(earlier.clone())).unwrap();
    let other = relative(json!({"upper": [{"metric": "a/latency-p50", "limit": 1.2}]}));
    for other in [other, RelativeLimits::default()] {
        assert!(same_limits(&insights, &objectives(other)).is_err());
    }
    let without = Insights { slos: Some(SloLimits::default()), ..Insights::default() };
    assert!(same_limits(&without, &objectives(earlier.clone())).is_err());
    same_limits(&Insights::default(), &objectives(earlier)).unwrap();
}

#[test]
fn a_load_counts_for_the_objectives_that_are_judged_with_a_confidence() {
    let task = |values: Value| parse(&spec(values).unwrap()).unwrap();
    let plain = |limit: u64| task(json!({"SLOs": {"upper": {"a/b": limit}}}));
    let sure = task(json!({"SLOs": {"upper": {"a/b": 3}}, "confidence": 0.95}));
    let tasks = vec![plain(1), plain(2), sure, plain(4)];
    let limit = |index: usize| {
        crate::tasks::objectives_after(&tasks, index).map(|objectives| objectives.limits.upper[0].limit.0)
    };
    assert_eq!([0, 1, 2, 3].map(limit), [Some(3.0), Some(3.0), Some(4.0), None]);
}

#[test]
fn limits_relative_to_version_0_need_no_others() {
    let values = json!({"relative": {"upper": {"http/latency-p95": 1.10, "http/error-rate": "+0.005"}}});
    let spec = spec(values).unwrap();
    let upper = json!([{"metric": "http/error-rate", "limit": 0.005}, {"metric": "http/latency-p95", "limit": 1.1}]);
    assert_eq!(spec.with, Some(json!({"relative": {"upper": upper}})));
    let task = parse(&spec).unwrap();
    let objectives = task.judges().unwrap();
    assert_eq!((objectives.relative.upper.len(), objectives.confidence), (2, None));
}

#[test]
fn a_confidence_is_a_fraction_between_one_half_and_one() {
    let with = |mut values: Value| {
        values["SLOs"] = json!({"upper": {"a/b": 1}});
        spec(values)
    };
    for (level, hint) in
        [(95.0, "0.95"), (99.9, "0.999"), (1.0, "0.95"), (0.5, "0.95"), (-1.0, "0.95"), (0.99991, "0.95")]
    {
        let error = with(json!({"confidence": level})).unwrap_err();
        assert!(error.to_string().contains("is out of range; expected more than 0.5 and at most 0.9999"), "{error}");
        assert_eq!(error.hint.unwrap(), format!("confidence is a fraction of 1, such as {hint}"));
    }
    let spec = with(json!({"confidence": "0.95", "burst": 0, "strict": true})).unwrap();
    let objectives = parse(&spec).unwrap().judges().unwrap().clone();
    let expected = Confidence { level: 0.95, burst: Duration::ZERO, is_strict: true };
    assert_eq!(objectives.confidence, Some(expected));
    let spec = with(json!({"confidence": 0.9999, "burst": "1s"})).unwrap();
    assert_eq!(spec.with.as_ref().unwrap()["burst"], "1s");
    assert_eq!(parse(&spec).unwrap().judges().unwrap().confidence.unwrap().burst, Duration::from_secs(1));
    let spec = with(json!({"confidence": 0.9})).unwrap();
    assert_eq!(parse(&spec).unwrap().judges().unwrap().confidence.unwrap().burst, Confidence::DEFAULT_BURST);
    for (values, expected) in [
        (json!({"strict": true}), "strict: has no effect without `confidence`"),
        (json!({"burst": "1s"}), "burst: has no effect without `confidence`"),
        (json!({"confidence": 0.9, "burst": 5}), "burst: `5` is not a duration"),
    ] {
        let error = with(values).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert!(with(json!({"confidence": null})).unwrap().with.unwrap().get("confidence").is_none());
}

#[test]
fn loop_rules_are_exclusive_and_bounded() {
    let with = |mut rule: Value| {
        rule["SLOs"] = json!({"upper": {"a/b": 1}});
        spec(rule).map(|spec| spec.with.unwrap())
    };
    assert_eq!(with(json!({"consecutive": "3"})).unwrap()["consecutive"], 3);
    assert_eq!(with(json!({"failureLimit": 0, "consecutive": null})).unwrap()["failureLimit"], 0);
    let none = with(json!({})).unwrap();
    assert!(none.get("consecutive").is_none() && none.get("failureLimit").is_none());
    let cases = [
        (json!({"consecutive": 0}), "consecutive: 0 is out of range; expected 1 to 100 loops"),
        (json!({"consecutive": "101"}), "consecutive: 101 is out of range; expected 1 to 100 loops"),
        (json!({"failureLimit": 101}), "failureLimit: 101 is out of range; expected 0 to 100 loops"),
        (json!({"failureLimit": -1}), "failureLimit: -1 is not a non-negative integer"),
        (json!({"consecutive": "few"}), "consecutive: `few` is not a non-negative integer"),
        (json!({"consecutive": 2, "failureLimit": 2}), "failureLimit: cannot be combined with `consecutive`"),
    ];
    for (rule, expected) in cases {
        let error = with(rule.clone()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        let mut entry = rule;
        entry["SLOs"] = json!({"upper": [{"metric": "a/b", "limit": 1}]});
        let error = rejected(entry);
        assert!(error.to_string().starts_with(&format!("with.{expected}")), "{error}");
    }
}

#[test]
fn reordered_objectives_are_judged_in_the_earlier_order() {
    let values = |name: &str, value: f64| (name.to_owned(), vec![value]);
    let mut insights = Insights {
        num_versions: 1,
        non_hist_metric_values: vec![[values("a/b", 9.0), values("a/c", 0.0)].into()],
        ..Insights::default()
    };
    let this = |number: u64| ThisLoop { number, measured: BTreeSet::from(["a".to_owned()]), ..ThisLoop::default() };
    let first = limits(json!({"upper": [{"metric": "a/c", "limit": 1}, {"metric": "a/b", "limit": 1}]}));
    let contribution = judge(Some(&insights), &first, None, &this(1)).unwrap();
    crate::metrics::insights::merge(&mut insights, &contribution).unwrap();
    let other = limits(json!({"upper": [{"metric": "a/b", "limit": 1}, {"metric": "a/c", "limit": 1}]}));
    let rule = Some(LoopRule::Consecutive(2));
    let again = judge(Some(&insights), &other, rule, &this(2)).unwrap().assessment.unwrap();
    assert_eq!(again.limits, first);
    let verdicts: Vec<(&str, Outcome)> = again.verdicts.iter().map(|v| (v.metric.as_str(), v.verdict)).collect();
    assert_eq!(verdicts, [("a/c", Outcome::Satisfied), ("a/b", Outcome::Violated)]);
}

#[test]
fn an_error_rate_that_every_load_satisfies_has_a_warning() {
    let limits = json!({"http/error-rate": 5, "grpc/error-rate": 0.99, "prom/error-rate": 5, "http/error-count": 5});
    let spec = spec(json!({"SLOs": {"upper": limits, "lower": {"http-cart/error-rate": 1}}})).unwrap();
    let expected = "every value satisfies the limit of 5 on http/error-rate; write a share such as 0.01";
    assert_eq!(read(&spec).unwrap().vacuous_limits(), [expected]);
}
