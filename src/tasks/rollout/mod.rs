//! The `rollout` task: moves the traffic of its target to the percent of the current step.
//!
//! It runs once per loop, before the tasks that analyze the step; the pipeline decides after each loop what comes next, with the state
//! machine of [`crate::rollout::steps`].

mod target;
mod values;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use self::target::TargetObject;
use self::values::{RolloutWith, StepMap};
use super::{Recorded, Task, TaskContext, TaskError, TaskFacts, TaskKind};
use crate::model::contribution::Contribution;
use crate::model::document::TaskSpec;
use crate::model::path::FieldPath;
use crate::model::rollout::{RolloutPhase, RolloutRecord, StepRecord};
use crate::ports::cluster::Cluster;
use crate::ports::{BoxFuture, Clock};
use crate::rollout::change::Change;
use crate::rollout::steps::{self, Policy};
use crate::traffic::claim::{Claim, ClaimedTarget};
use crate::traffic::error::TrafficErrorKind;
use crate::traffic::{Expected, Observed, Target, TrafficError};
use crate::values::input::{InputError, typed};

/// Registry entry.
pub(super) const KIND: TaskKind = TaskKind {
    name: NAME,
    value_names: &[NAME],
    summary: "move traffic to a new version in steps, each judged by SLOs",
    from_values,
    parse,
    with_schema: |generator| generator.subschema_for::<RolloutWith>(),
    values_schema: |_, generator| values::values_schema(generator),
    permissions: Some(target::permissions),
};

/// Name of the task, and of its values.
pub(crate) const NAME: &str = "rollout";

/// Key of the values with the tasks of the analysis.
pub(crate) const ANALYSIS: &str = "analysis";

/// Default timeout of a change of the traffic.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Default number of further analyses of an inconclusive step.
const DEFAULT_EXTENSIONS: u64 = 3;

/// Default of the longest load of a further analysis.
const MAX_LOAD: Duration = Duration::from_secs(3600);

/// Limit of further analyses of a step.
const MAX_EXTENSIONS: u64 = 1_000;

/// Maximum number of steps.
const MAX_STEPS: usize = 100;

fn from_values(_: &str, values: &Value) -> Result<Vec<TaskSpec>, InputError> {
    let with: RolloutWith = typed(values, "")?;
    Ok(vec![TaskSpec { task: Some(NAME.to_owned()), with: Some(json!(with)), ..TaskSpec::default() }])
}

fn parse(spec: &TaskSpec) -> Result<Box<dyn Task>, InputError> {
    if spec.condition.is_some() {
        return Err(InputError::new("if", "a rollout cannot have a condition")
            .with_hint("give conditions to the tasks that analyze its steps"));
    }
    let with: RolloutWith = typed(spec.with.as_ref().unwrap_or(&json!({})), "with")?;
    let at = FieldPath::from("with");
    let target = TargetObject::read(&with, &at)?;
    let max_extensions = with.max_extensions.unwrap_or(DEFAULT_EXTENSIONS);
    if !(1..=MAX_EXTENSIONS).contains(&max_extensions) {
        let message = format!("`{max_extensions}` is out of range; expected 1 to {MAX_EXTENSIONS}");
        return Err(InputError::new(at.key("maxExtensions"), message));
    }
    Ok(Box::new(Rollout {
        target,
        steps: read_steps(&with.steps, &at.key("steps"))?,
        interval: with.interval.map_or(Duration::ZERO, |interval| interval.0),
        policy: Policy {
            on_failure: with.on_failure.unwrap_or_default(),
            on_inconclusive: with.on_inconclusive.unwrap_or_default(),
            max_extensions,
            max_load: with.max_load.map_or(MAX_LOAD, |longest| longest.0.0),
        },
        timeout: with.timeout.map_or(TIMEOUT, |timeout| timeout.0.0),
        pause_timeout: with.pause_timeout.map(|timeout| timeout.0.0),
    }))
}

/// Reads the steps. A final 100 stands for the promotion, which follows the last step anyway.
fn read_steps(values: &[Value], at: &FieldPath) -> Result<Vec<Step>, InputError> {
    let example = "for example: --set \"rollout.steps={10,25,50,100}\"";
    if values.is_empty() {
        return Err(InputError::new(at, "required: at least one percent below 100").with_hint(example));
    }
    if values.len() > MAX_STEPS {
        return Err(InputError::new(at, format!("has {} steps; expected at most {MAX_STEPS}", values.len())));
    }
    let mut steps: Vec<Step> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let at = at.clone().index(index);
        let (number, pause) = match value {
            Value::Object(_) => {
                let StepMap { percent, pause } = typed(value, at.clone())?;
                (percent, pause)
            }
            number => (number.clone(), false),
        };
        let percent = number.as_u64().and_then(|percent| u8::try_from(percent).ok()).filter(|percent| *percent <= 100);
        let percent = percent.ok_or_else(|| {
            InputError::new(&at, format!("`{number}` is not a percent; expected a whole number from 0 to 100"))
        })?;
        if let Some(last) = steps.last().filter(|last| last.percent >= percent) {
            let message =
                format!("{percent} does not exceed the step before it, {}; expected rising percents", last.percent);
            return Err(InputError::new(&at, message));
        }
        if percent == 100 && pause {
            return Err(InputError::new(at.key("pause"), "nothing follows the promotion to 100 %")
                .with_hint("set `pause` on the step before it"));
        }
        steps.push(Step { percent, pause });
    }
    steps.retain(|step| step.percent < 100);
    match steps.is_empty() {
        true => Err(InputError::new(at, "has no step below 100, so nothing would be analyzed").with_hint(example)),
        false => Ok(steps),
    }
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    percent: u8,
    pause: bool,
}

/// A parsed `rollout` task.
pub struct Rollout {
    target: TargetObject,
    steps: Vec<Step>,
    interval: Duration,
    /// Reactions to analyses that do not pass.
    pub(crate) policy: Policy,
    /// Timeout of each change of the traffic.
    pub(crate) timeout: Duration,
    /// Maximum time to wait for a person.
    pub(crate) pause_timeout: Option<Duration>,
}

impl Rollout {
    /// Returns the target.
    pub(crate) fn target<'a>(&self, cluster: &'a dyn Cluster) -> Box<dyn Target + 'a> {
        self.target.in_cluster(cluster)
    }

    /// Returns the claim on the target.
    pub(crate) fn claim<'a>(&self, cluster: &'a dyn Cluster, clock: &'a dyn Clock) -> Claim<'a> {
        Claim::new(cluster, clock, self.target.lease(), ClaimedTarget::of(self.target(cluster).as_ref()))
    }

    /// Returns the record of the rollout before its first step. Fails if there is nothing to roll out.
    pub(crate) fn begin(
        &self,
        target: &str,
        observed: Observed,
        start: DateTime<Utc>,
    ) -> Result<RolloutRecord, TrafficError> {
        let Observed { uid, stable, candidate, percent } = observed;
        let (Some(stable), Some(candidate)) = (stable, candidate.clone()) else {
            let reason = match candidate {
                Some(candidate) => {
                    format!("no version has had all the traffic yet, so there is none to compare {candidate} with")
                }
                None => "there is no candidate: no newer version without all the traffic exists".to_owned(),
            };
            return Err(TrafficError::new(
                TrafficErrorKind::Refused,
                format!("cannot roll out {target}: {reason}"),
                "deploy the new version without traffic first (in Knative mode: apply the model with `canaryTrafficPercent: 0`), and retry",
            ));
        };
        if percent == Some(100) {
            return Err(TrafficError::new(
                TrafficErrorKind::Refused,
                format!("cannot roll out {target}: {candidate} already has all the traffic"),
                "deploy a new version, and give it no traffic before the rollout",
            ));
        }
        Ok(RolloutRecord {
            target: target.to_owned(),
            uid,
            stable,
            candidate,
            phase: RolloutPhase::Progressing,
            reason: None,
            percent,
            step: 0,
            judged_loop: 0,
            start,
            end: None,
            steps: self
                .steps
                .iter()
                .map(|step| StepRecord { percent: step.percent, pause: step.pause, ..StepRecord::default() })
                .collect(),
        })
    }

    /// Moves the traffic to the percent of the current step, waits until the cluster shows it, and then for the interval.
    async fn step(&self, cx: &TaskContext<'_>) -> Result<Contribution, TaskError> {
        let record = cx.experiment.rollout().ok_or_else(|| TaskError::failed("no rollout is under way"))?;
        let step = record.current().ok_or_else(|| TaskError::failed("the rollout has no step left"))?;
        let target = self.target(cx.env.cluster);
        let expected = Expected {
            uid: record.uid.clone(),
            candidate: Some(record.candidate.clone()),
            percents: steps::possible_percents(record),
        };
        let mut say = |reason: &str| cx.log(&format!("waiting: {reason}"));
        let moved = target.change(Change::Percent(step.percent), Some(&expected), self.timeout, &mut say);
        let moved = cx.unless_stopped(moved).await?;
        let now = cx.env.clock.now();
        if let Err(error) = moved {
            return Err(self.not_moved(record, target.as_ref(), error, cx).await);
        }
        let record = steps::reached(record, now);
        if !self.interval.is_zero() {
            cx.log(&format!("the analysis starts in {:?}", self.interval));
            cx.unless_stopped(cx.env.clock.sleep(self.interval)).await?;
        }
        let note = format!("{} % of the traffic goes to {}", step.percent, record.candidate);
        Ok(Contribution { rollout: Some(record), notes: vec![note], ..Contribution::default() })
    }

    /// Builds the failure of a step whose traffic did not move, with the state of the rollout after it.
    async fn not_moved(
        &self,
        record: &RolloutRecord,
        target: &dyn Target,
        error: TrafficError,
        cx: &TaskContext<'_>,
    ) -> TaskError {
        let now = cx.env.clock.now();
        let TrafficError { kind, message, hint } = error;
        let next = match kind {
            TrafficErrorKind::Timeout => Some(steps::failed(record.clone(), self.policy, &message, now)),
            TrafficErrorKind::Lost => {
                // A candidate that was replaced has passed on its percent to a revision that nobody has analyzed.
                let ours =
                    Expected { uid: record.uid.clone(), candidate: None, percents: steps::possible_percents(record) };
                match target.observe().await {
                    Ok(observed) if ours.difference(&observed).is_none() => {
                        Some(steps::rolling_back(record.clone(), message.clone(), now))
                    }
                    Err(error) if matches!(error.kind, TrafficErrorKind::Cluster | TrafficErrorKind::Config) => None,
                    _ => Some(steps::stopped(record.clone(), message.clone(), now)),
                }
            }
            TrafficErrorKind::Refused | TrafficErrorKind::Absent => {
                Some(steps::stopped(record.clone(), message.clone(), now))
            }
            // The run can be repeated: it goes on from this step.
            TrafficErrorKind::Claimed | TrafficErrorKind::Config | TrafficErrorKind::Cluster => None,
        };
        let partial = Contribution { rollout: next, ..Contribution::default() };
        TaskError::Failed { message, hint, partial: Some(Box::new(partial)) }
    }
}

impl Task for Rollout {
    fn facts(&self) -> TaskFacts {
        TaskFacts { permissions: self.target.permissions(), recorded: Recorded::Outcome, ..TaskFacts::default() }
    }

    fn as_rollout(&self) -> Option<&Rollout> {
        Some(self)
    }

    fn run<'a>(&'a self, cx: &'a TaskContext<'a>) -> BoxFuture<'a, Result<Contribution, TaskError>> {
        Box::pin(self.step(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(with: Value) -> String {
        let spec = TaskSpec { task: Some(NAME.to_owned()), with: Some(with), ..TaskSpec::default() };
        parse(&spec).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn mistakes_are_named_with_their_paths() {
        let steps = |steps: Value| mistake(json!({"isvc": "iris", "steps": steps}));
        for (found, expected) in [
            (mistake(json!({"steps": [10]})), "with: no target is given; expected one of isvc, routemap, llmisvc"),
            (mistake(json!({"isvc": "../x", "steps": [10]})), "with.isvc: `../x` is not a valid object name"),
            (
                mistake(json!({"isvc": "iris", "namespace": "a.b", "steps": [10]})),
                "with.namespace: `a.b` is not a valid namespace",
            ),
            (
                mistake(json!({"isvc": "iris", "routemap": "m", "steps": [10]})),
                "with.routemap: cannot be combined with `isvc`",
            ),
            (mistake(json!({"isvc": "iris"})), "with.steps: required: at least one percent below 100"),
            (
                mistake(json!({"isvc": "iris", "steps": [10], "maxExtensions": 0})),
                "with.maxExtensions: `0` is out of range",
            ),
            (mistake(json!({"isvc": "iris", "steps": [10], "onFailure": "retry"})), "with.onFailure: "),
            (steps(json!([100])), "with.steps: has no step below 100, so nothing would be analyzed"),
            (steps(json!([10, 10])), "with.steps[1]: 10 does not exceed the step before it, 10"),
            (steps(json!([50, 25])), "with.steps[1]: 25 does not exceed the step before it, 50"),
            (steps(json!([10.5])), "with.steps[0]: `10.5` is not a percent; expected a whole number from 0 to 100"),
            (steps(json!([-1])), "with.steps[0]: `-1` is not a percent"),
            (steps(json!([101])), "with.steps[0]: `101` is not a percent"),
            (steps(json!(["10%"])), "with.steps[0]: `\"10%\"` is not a percent"),
            (steps(json!([{"percent": 10, "paus": true}])), "with.steps[0].paus: unknown field"),
            (steps(json!([10, {"percent": 100, "pause": true}])), "with.steps[1].pause: nothing follows the promotion"),
            (steps(json!((0..101).collect::<Vec<_>>())), "with.steps: has 101 steps; expected at most 100"),
        ] {
            assert!(found.starts_with(expected), "{found:?}; expected {expected:?}");
        }
        for good in [json!([0, 10, 100]), json!([{"percent": 10, "pause": true}, 50]), json!([99])] {
            assert_eq!(steps(good), "");
        }
    }
}
