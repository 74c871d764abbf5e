//! The `assess` task: judges objectives on the metrics that earlier tasks measured.
//!
//! `consecutive` and `failureLimit` also consider earlier loops. Unlike objectives, both may change between loops, because they
//! judge the per-loop records of the document. So may `confidence`, which says how sure the verdicts on a loop are.

pub(crate) mod again;
mod confidence;
mod relative;

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use self::confidence::{Burst, confidence, lacks_level, level_schema};
use self::relative::RelativeMap;
use super::schema_fragments::{METRIC, anything, given, some_entry};
use super::{AfterFailedLoad, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::model::contribution::{Assessment, Contribution};
use crate::model::document::{ExperimentResult, TaskSpec, TaskStatus};
use crate::model::duration::GoDuration;
use crate::model::insights::Insights;
use crate::model::loops::LoopRule;
use crate::model::metric_name::MetricRef;
use crate::model::number::{Count, Number};
use crate::model::objectives::{Objectives, RelativeLimits};
use crate::model::path::FieldPath;
use crate::model::reward::Rewards;
use crate::model::slo::{Outcome, Slo, SloLimits, with_capitals};
use crate::ports::BoxFuture;
use crate::slo::assertion::sentence;
use crate::slo::judge::judge_objectives;
use crate::slo::loops::{self, MAX_RULE, ThisLoop};
use crate::slo::{reward, sample_minimum};
use crate::values::input::{InputError, typed};
use crate::values::without_nulls;

/// Registry entry.
pub const KIND: TaskKind = TaskKind {
    name: "assess",
    value_names: &["assess"],
    summary: "check service level objectives (SLOs): upper and lower limits on metrics",
    from_values,
    parse,
    with_schema,
    values_schema,
    permissions: None,
};

/// Keys of limits, in both spellings.
const BOUNDS: [&str; 4] = ["upper", "lower", "Upper", "Lower"];

/// Values of `assess`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(
    transform = without_required,
    extend("anyOf" = [given("SLOs"), given("relative")], "not" = json!({"anyOf": [both_rules(), lacks_level()]})),
)]
struct AssessValues {
    /// The objectives.
    #[serde(rename = "SLOs", default)]
    slos: LimitMaps,
    /// Limits of each later version relative to version 0, the baseline; measured best in the same seconds.
    relative: Option<RelativeMap>,
    /// Probability with which each verdict must hold, above 0.5 and at most 0.9999, such as 0.95. Verdicts that the samples do not support
    /// are inconclusive, and say how many more requests would decide them. Default: the value alone is compared with the limit, as in Iter8.
    #[schemars(schema_with = "level_schema")]
    confidence: Option<Number>,
    /// Longest burst of errors or slow requests that a load with `until: verdict` may end before it has seen; 0 if requests are
    /// independent of each other until seen otherwise. Default: 100ms.
    burst: Option<Burst>,
    /// Metrics that decide which of the versions that satisfy all objectives is the best: the highest (`max`) or lowest (`min`) value.
    rewards: Option<Rewards>,
    /// Makes verdicts on metrics without an interval inconclusive: single numbers, deviations, extremes. Default: false.
    strict: Option<bool>,
    /// Number of consecutive loops that must satisfy each objective (1 to 100). Default: only the latest loop counts.
    #[schemars(schema_with = "consecutive_schema")]
    consecutive: Option<Count>,
    /// Number of loops that may violate each objective (0 to 100). Cannot be combined with `consecutive`.
    #[schemars(schema_with = "failure_limit_schema")]
    failure_limit: Option<Count>,
    /// Minimum number of samples, such as requests: a verdict on fewer is inconclusive. Metrics whose samples are unknown are judged.
    /// Default: 0.
    min_samples: Option<Count>,
}

/// Limits by metric.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_capitals, extend("anyOf" = BOUNDS.map(|bound| some_entry(bound, &anything()))))]
struct LimitMaps {
    /// Metric → highest accepted value.
    #[serde(default, alias = "Upper")]
    #[schemars(extend("propertyNames" = json!({"pattern": METRIC})))]
    upper: BTreeMap<String, Number>,
    /// Metric → lowest accepted value.
    #[serde(default, alias = "Lower")]
    #[schemars(extend("propertyNames" = json!({"pattern": METRIC})))]
    lower: BTreeMap<String, Number>,
}

/// The task's `with`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("not" = json!({"anyOf": [both_rules(), lacks_level()]})), transform = with_both_spellings)]
struct AssessWith {
    /// The objectives. Iter8 also reads the key as `slos`.
    #[serde(rename = "SLOs", alias = "slos", default)]
    slos: SloLimits,
    /// Limits of each later version relative to version 0, the baseline.
    #[serde(default)]
    relative: RelativeLimits,
    /// Probability with which each verdict must hold, above 0.5 and at most 0.9999. Default: the value alone is compared with the limit.
    #[schemars(schema_with = "level_schema")]
    confidence: Option<Number>,
    /// Longest burst of errors or slow requests that a load with `until: verdict` may end before it has seen. Default: 100ms.
    burst: Option<Burst>,
    /// Metrics that decide which of the versions that satisfy all objectives is the best.
    rewards: Option<Rewards>,
    /// Makes verdicts on metrics without an interval inconclusive. Default: false.
    strict: Option<bool>,
    /// Number of consecutive loops that must satisfy each objective (1 to 100). Default: only the latest loop counts.
    #[schemars(schema_with = "consecutive_schema")]
    consecutive: Option<Count>,
    /// Number of loops that may violate each objective (0 to 100). Cannot be combined with `consecutive`.
    #[schemars(schema_with = "failure_limit_schema")]
    failure_limit: Option<Count>,
    /// Minimum number of samples, such as requests: a verdict on fewer is inconclusive. Metrics whose samples are unknown are judged.
    /// Default: 0.
    min_samples: Option<Count>,
}

/// Drops the list of required fields: those with a schema of their own are optional, too.
fn without_required(schema: &mut Schema) {
    schema.remove("required");
}

/// Adds Iter8's other spelling of `SLOs`.
fn with_both_spellings(schema: &mut Schema) {
    schema.remove("required");
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let slos = properties.get("SLOs").cloned().unwrap_or_default();
        properties.insert("slos".to_owned(), slos);
    }
}

fn consecutive_schema(_: &mut SchemaGenerator) -> Schema {
    rule_schema(1, r"^\s*\+?0*([1-9][0-9]?|100)\s*$")
}

fn failure_limit_schema(_: &mut SchemaGenerator) -> Schema {
    rule_schema(0, r"^\s*\+?0*([0-9]{1,2}|100)\s*$")
}

fn rule_schema(least: u64, pattern: &str) -> Schema {
    json_schema!({"anyOf": [
        {"type": "integer", "minimum": least, "maximum": MAX_RULE},
        {"type": "string", "pattern": pattern},
        {"type": "null"},
    ]})
}

fn both_rules() -> Value {
    json!({"allOf": [given("consecutive"), given("failureLimit")]})
}

/// Builds the loop rule from these settings; `prefix` is the path of its fields.
fn rule(
    prefix: &str,
    consecutive: Option<Count>,
    failure_limit: Option<Count>,
) -> Result<Option<LoopRule>, InputError> {
    let bounded = |name: &str, Count(count): Count, least: u64| {
        if (least..=MAX_RULE).contains(&count) {
            return Ok(count);
        }
        let message = format!("{count} is out of range; expected {least} to {MAX_RULE} loops");
        Err(InputError::new(format!("{prefix}{name}"), message))
    };
    match (consecutive, failure_limit) {
        (Some(_), Some(_)) => {
            let message = "cannot be combined with `consecutive`";
            Err(InputError::new(format!("{prefix}failureLimit"), message).with_hint("remove one of them"))
        }
        (Some(count), None) => bounded("consecutive", count, 1).map(|count| Some(LoopRule::Consecutive(count))),
        (None, Some(count)) => bounded("failureLimit", count, 0).map(|count| Some(LoopRule::FailureLimit(count))),
        (None, None) => Ok(None),
    }
}

fn from_values(_name: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let empty = json!({});
    let values: AssessValues =
        typed(if values.is_null() { &empty } else { values }, "").map_err(|error| with_escape_hint(error, values))?;
    let maps = [("upper", &values.slos.upper), ("lower", &values.slos.lower)];
    let relative = values.relative.as_ref().map(RelativeMap::list).transpose()?.unwrap_or_default();
    let has_slos = maps.iter().any(|(_, map)| !map.is_empty());
    if !has_slos && relative.is_empty() {
        return Err(no_objectives("SLOs"));
    }
    let mut slos = serde_json::Map::new();
    for (bound, map) in maps.into_iter().filter(|(_, map)| !map.is_empty()) {
        let entry = |(metric, limit): (&String, &Number)| {
            check_name(&metric.as_str().into(), FieldPath::root().key("SLOs").key(bound).key(metric))?;
            Ok(json!({"metric": metric, "limit": plain(limit.0)}))
        };
        let list: Result<Vec<Value>, InputError> = map.iter().map(entry).collect();
        slos.insert(bound.to_owned(), Value::Array(list?));
    }
    let mut with = json!({});
    if has_slos {
        with["SLOs"] = slos.into();
    }
    if !relative.is_empty() {
        with["relative"] = json!({"upper": relative});
    }
    if let Some(confidence) = confidence("", values.confidence, values.burst, values.strict)? {
        with["confidence"] = json!(confidence.level);
        if values.burst.is_some() {
            with["burst"] = json!(GoDuration(confidence.burst));
        }
        if confidence.is_strict {
            with["strict"] = json!(true);
        }
    }
    match rule("", values.consecutive, values.failure_limit)? {
        Some(LoopRule::Consecutive(count)) => with["consecutive"] = json!(count),
        Some(LoopRule::FailureLimit(count)) => with["failureLimit"] = json!(count),
        None => {}
    }
    if let Some(rewards) = values.rewards.filter(|rewards| !rewards.is_empty()) {
        check_rewards(&rewards, &FieldPath::root().key("rewards"))?;
        with["rewards"] = json!(rewards);
    }
    if let Some(Count(minimum)) = values.min_samples {
        with["minSamples"] = json!(minimum);
    }
    let with = Some(with);
    Ok(vec![TaskSpec { task: Some(KIND.name.to_owned()), with, ..TaskSpec::default() }])
}

/// `--set` reads the dot in `http/latency-p99.9` as a step into a map; the hint shows how to escape it.
fn with_escape_hint(error: InputError, values: &Value) -> InputError {
    let of = |key: &'static str| move |bound: &&str| values.get(key)?.get(*bound)?.as_object();
    let bounds = BOUNDS.iter().filter_map(of("SLOs")).chain(BOUNDS.iter().filter_map(of("relative")));
    let split = bounds
        .flatten()
        .find(|(metric, limit)| limit.is_object() && error.path.to_string().ends_with(&format!(".{metric}")));
    let Some((metric, mut limit)) = split else { return error };
    let mut name = metric.clone();
    while let Some((rest, inner)) = limit.as_object().and_then(|map| map.iter().next()) {
        name = format!(r"{name}\.{rest}");
        limit = inner;
    }
    error.with_hint(format!("escape the dot in the metric's name in --set: `{name}`"))
}

/// Renders an integer without `.0`, as people write limits.
fn plain(limit: f64) -> Value {
    if limit.fract() == 0.0 && limit.abs() < 9e15 { json!(limit as i64) } else { json!(limit) }
}

fn no_objectives(path: &str) -> InputError {
    InputError::new(path, "at least one objective is required")
        .with_hint("for example, `assess.SLOs.upper.http/latency-mean=50`")
}

fn check_name(metric: &MetricRef, path: impl Into<FieldPath>) -> Result<(), InputError> {
    metric.name().map(|_| ()).map_err(|error| InputError::new(path, error.to_string()))
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    Ok(Box::new(read(spec)?))
}

fn read(spec: &TaskSpec) -> Result<Assess, InputError> {
    // As in Iter8, null is absent, and a task without objectives runs; nothing is satisfied then.
    let with = without_nulls(spec.with.clone().filter(|with| !with.is_null()).unwrap_or_else(|| json!({})));
    let with: AssessWith = typed(&with, "with")?;
    let bounds = [("upper", &with.slos.upper), ("lower", &with.slos.lower)];
    for (bound, slos) in bounds {
        for (index, slo) in slos.iter().enumerate() {
            check_name(&slo.metric, format!("with.SLOs.{bound}[{index}].metric"))?;
        }
    }
    for (index, slo) in with.relative.upper.iter().enumerate() {
        let at = FieldPath::from("with").key("relative").key("upper").index(index);
        relative::check(&slo.metric, slo.limit, &at.clone().key("metric"), &at.key("limit"))?;
    }
    let rule = rule("with.", with.consecutive, with.failure_limit)?;
    let min_samples = with.min_samples.map_or(0, |count| count.0);
    let confidence = confidence("with.", with.confidence, with.burst, with.strict)?;
    let objectives = Objectives { limits: with.slos, relative: with.relative, confidence, min_samples };
    let rewards = with.rewards.unwrap_or_default();
    check_rewards(&rewards, &FieldPath::from("with").key("rewards"))?;
    Ok(Assess { objectives, rewards, rule })
}

fn check_rewards(rewards: &Rewards, at: &FieldPath) -> Result<(), InputError> {
    let lists = [("max", &rewards.max), ("min", &rewards.min)];
    lists.into_iter().try_for_each(|(goal, metrics)| {
        let mut all = metrics.iter().enumerate();
        all.try_for_each(|(index, metric)| check_name(metric, at.clone().key(goal).index(index)))
    })
}

fn with_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<AssessWith>()
}

fn values_schema(_name: &str, generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<AssessValues>()
}

struct Assess {
    objectives: Objectives,
    rewards: Rewards,
    rule: Option<LoopRule>,
}

impl Assess {
    fn has_no_objectives(&self) -> bool {
        let Objectives { limits, relative, .. } = &self.objectives;
        limits.upper.is_empty() && limits.lower.is_empty() && relative.upper.is_empty()
    }

    /// Judges the measurements, unless earlier verdicts have other objectives.
    fn judge(&self, insights: Option<&Insights>, this: &ThisLoop) -> Result<Contribution, InputError> {
        let empty = Insights::default();
        let insights = insights.unwrap_or(&empty);
        same_limits(insights, &self.objectives)?;
        // Outcomes are stored by position, so reordered objectives are judged in the order of the earlier loops.
        let Objectives { limits, relative, confidence, min_samples } = &self.objectives;
        let is_later = !insights.loops.is_empty();
        let objectives = Objectives {
            limits: insights.slos.as_ref().filter(|_| is_later).unwrap_or(limits).clone(),
            relative: insights.relative.as_ref().filter(|_| is_later).unwrap_or(relative).clone(),
            confidence: *confidence,
            min_samples: *min_samples,
        };
        let with_other_spec = confidence.and_then(|_| loops::with_other_spec(insights, this));
        let mut assessment = judge_objectives(with_other_spec.as_ref().unwrap_or(insights), &objectives);
        sample_minimum::apply(&mut assessment, insights, *min_samples);
        loops::judge(&mut assessment, insights, self.rule, this);
        if !self.rewards.is_empty() {
            let verdicts = reward::judge(insights, &assessment.verdicts, &self.rewards, confidence.as_ref());
            assessment.rewards = self.rewards.clone();
            assessment.rewards_winners = Some(reward::winners(&verdicts));
            assessment.reward_verdicts = verdicts;
        }
        let notes = notes(insights, &assessment);
        Ok(Contribution { assessment: Some(assessment), notes, ..Contribution::default() })
    }
}

impl Task for Assess {
    fn facts(&self) -> TaskFacts {
        TaskFacts { after_failed_load: AfterFailedLoad::Run, ..TaskFacts::default() }
    }

    fn judges(&self) -> Option<&Objectives> {
        Some(&self.objectives)
    }

    fn judges_several_loops(&self) -> bool {
        self.rule.is_some()
    }

    fn check_earlier(&self, insights: &Insights) -> Result<(), InputError> {
        if self.has_no_objectives() {
            return Ok(());
        }
        same_limits(insights, &self.objectives)
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        let result = cx.experiment.result.as_ref();
        let this = result.map(|result| this_loop(result, cx.measured)).unwrap_or_default();
        let insights = result.and_then(|result| result.insights.as_ref());
        if self.has_no_objectives() {
            let notes = vec!["no SLOs are defined".to_owned()];
            return Box::pin(async move { Ok(Contribution { notes, ..Contribution::default() }) });
        }
        let contribution = self.judge(insights, &this);
        Box::pin(async move { Ok(contribution?) })
    }
}

/// The running loop, up to this task.
fn this_loop(result: &ExperimentResult, measured: &BTreeSet<String>) -> ThisLoop {
    let start = result.tasks.iter().filter_map(|task| task.start).min();
    let failed = result.tasks.iter().find(|record| record.status == TaskStatus::Failed);
    ThisLoop {
        number: result.num_loops,
        start,
        measured: measured.clone(),
        failed: failed.map(|record| record.task.clone()),
        spec: result.spec_digest.clone(),
    }
}

/// Rejects objectives that differ from those of earlier loops or tasks, whose verdicts would not apply to them.
fn same_limits(insights: &Insights, objectives: &Objectives) -> Result<(), InputError> {
    let Objectives { limits, relative, .. } = objectives;
    let no_relative = RelativeLimits::default();
    let earlier_relative = insights.relative.as_ref().unwrap_or(&no_relative);
    let is_first = insights.slos.is_none() && insights.relative.is_none();
    let is_same = || {
        insights.slos.as_ref().is_none_or(|earlier| sorted(earlier) == sorted(limits))
            && pairs(&earlier_relative.upper) == pairs(&relative.upper)
    };
    if is_first || is_same() {
        return Ok(());
    }
    let message = "these objectives differ from those that the document was assessed on; they must not change between loops or tasks";
    let hint = "run without --reuseResult to start over, and keep all objectives in one assess task";
    Err(InputError::new("with.SLOs", message).with_hint(hint))
}

/// Normalizes the order of objectives and the spelling of metrics.
fn sorted(limits: &SloLimits) -> [Vec<(String, f64)>; 2] {
    [&limits.upper, &limits.lower].map(|slos| pairs(slos))
}

fn pairs(slos: &[Slo]) -> Vec<(String, f64)> {
    let mut pairs: Vec<(String, f64)> = slos.iter().map(|slo| (slo.metric.to_string(), slo.limit.0)).collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    pairs
}

/// One line per verdict that is not satisfied.
fn notes(insights: &Insights, assessment: &Assessment) -> Vec<String> {
    let unsatisfied = assessment.verdicts.iter().filter(|verdict| verdict.verdict != Outcome::Satisfied);
    unsatisfied.map(|verdict| sentence(insights, verdict)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::objectives::Confidence;

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
        for with in [
            None,
            Some(json!(null)),
            Some(json!({})),
            Some(json!({"SLOs": null})),
            Some(json!({"slos": {"upper": null}})),
        ] {
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
            (json!({"SLO": {}}), "SLO: unknown field `SLO`; expected one of SLOs"),
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
            (
                json!({"relative": {"lower": {"a/b": 1}}}),
                "relative.lower: unknown field `lower`; expected one of upper",
            ),
            (json!({"relative": {}}), "SLOs: at least one objective is required"),
            (json!(null), "SLOs: at least one objective is required"),
            (json!({}), "SLOs: at least one objective is required"),
            (json!({"SLOs": {"upper": {}}}), "SLOs: at least one objective is required"),
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
            non_hist_metric_values: vec![
                [("a/b".to_owned(), vec![2.0])].into(),
                [("a/b".to_owned(), vec![1.0])].into(),
            ],
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
        let upper =
            json!([{"metric": "http/error-rate", "limit": 0.005}, {"metric": "http/latency-p95", "limit": 1.1}]);
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
            assert!(
                error.to_string().contains("is out of range; expected more than 0.5 and at most 0.9999"),
                "{error}"
            );
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
}
