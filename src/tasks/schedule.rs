//! The schedule of a load: rate, arrival, stages and bounds.
//!
//! Shared by all load tasks, which name the fields differently.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::load::pacing::stages::{MAX_RATE, MAX_STAGES, Stage, Stages, StagesError};
use crate::load::pacing::{Arrival, Bound, Pacer};
use crate::model::duration::{GoDuration, PositiveDuration};
use crate::model::load::Spacing;
use crate::model::number::Number;
use crate::model::path::FieldPath;
use crate::model::readable::show;
use crate::model::text::prefix;
use crate::tasks::fields::AtLeastOne;
use crate::values::input::InputError;

/// Spacing of requests, as in values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ArrivalValue(pub(super) Spacing);

impl<'de> Deserialize<'de> for ArrivalValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let spacing = Spacing::deserialize(&value);
        let error =
            |_| D::Error::custom(format!("`{}` is not a valid arrival; expected `uniform` or `poisson`", text(&value)));
        spacing.map(Self).map_err(error)
    }
}

impl JsonSchema for ArrivalValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Arrival".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Spacing::json_schema(generator)
    }
}

/// Renders a value for an error.
fn text(value: &Value) -> String {
    prefix(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), 40).to_owned()
}

/// A stage in values: the rate goes linearly from its previous value to `qps` within `duration`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StageValue {
    /// Duration of the stage, such as `30s`; with `0s` the rate jumps.
    duration: GoDuration,
    /// Requests per second at the end of the stage.
    #[schemars(with = "StageRate")]
    qps: Number,
}

/// Schema of a stage's rate.
struct StageRate;

impl JsonSchema for StageRate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StageRate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "Requests per second, from 0 to 1000000.", "anyOf": [{"type": "number", "minimum": 0, "maximum": 1_000_000}, {"type": "string", "pattern": r"^\s*\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"}]})
    }
}

/// Builds the schema of a list of stages.
pub(super) fn stages_schema(generator: &mut SchemaGenerator) -> Schema {
    let stage = generator.subschema_for::<StageValue>();
    json_schema!({"type": ["array", "null"], "minItems": 1, "maxItems": MAX_STAGES, "items": stage})
}

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rate {
    /// As many requests as the connections can carry.
    Max,
    /// Requests per second, greater than 0.
    PerSecond(f64),
}

/// Field names of a schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// Field of the rate: `qps`.
    pub(super) rate: &'static str,
    /// Field of the number of requests: `numRequests`.
    pub(super) count: &'static str,
}

/// Values of a schedule and their defaults. The remaining fields are called `arrival`, `stages` and
/// `duration`.
#[derive(Clone, Debug)]
pub(super) struct ScheduleInput<'a> {
    pub(super) names: Names,
    pub(super) rate: Option<Rate>,
    pub(super) default_rate: Rate,
    pub(super) arrival: Option<Spacing>,
    pub(super) stages: Option<&'a [StageValue]>,
    /// Overrides the duration.
    pub(super) count: Option<u64>,
    pub(super) duration: Option<Duration>,
    pub(super) default_count: u64,
    /// Bound of the warm-up, if any.
    pub(super) warmup: Option<Bound>,
}

/// The schedules of a load and of its warm-up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schedule {
    pub(super) pacer: Pacer,
    /// At the constant rate, given or default, because stages may start from 0.
    pub(super) warmup: Option<Pacer>,
}

/// Bound of a warm-up; a number of requests overrides a duration.
pub(super) fn warmup(count: Option<&AtLeastOne>, duration: Option<PositiveDuration>) -> Option<Bound> {
    count.map(|count| Bound::Count(count.0)).or(duration.map(|duration| Bound::Duration(duration.0.0)))
}

/// Builds the schedules; `path` returns the path of a field for errors.
pub(super) fn schedule(input: &ScheduleInput<'_>, path: &dyn Fn(&str) -> FieldPath) -> Result<Schedule, InputError> {
    let rate = input.rate.unwrap_or(input.default_rate);
    let spacing = input.arrival.unwrap_or_default();
    let warmup = |arrival: Arrival| input.warmup.map(|bound| Pacer::new(arrival, bound));
    if let Some(stages) = input.stages {
        let stages = staged(input, stages, path)?;
        let arrival = match rate {
            Rate::PerSecond(rate) => constant(rate, spacing),
            Rate::Max => Arrival::Max,
        };
        return Ok(Schedule { pacer: Pacer::staged(stages, spacing), warmup: warmup(arrival) });
    }
    let bound = match (input.count, input.duration) {
        (Some(count), _) => Bound::Count(count),
        (None, Some(duration)) => Bound::Duration(duration),
        (None, None) => Bound::Count(input.default_count),
    };
    let arrival = match rate {
        Rate::PerSecond(rate) if spacing == Spacing::Poisson && rate > MAX_RATE => {
            let message =
                format!("{} is too high for `arrival: poisson`; expected at most {}", show(rate), show(MAX_RATE));
            return Err(InputError::new(path(input.names.rate), message));
        }
        Rate::PerSecond(rate) => constant(rate, spacing),
        Rate::Max if spacing == Spacing::Poisson => {
            let name = input.names.rate;
            let message = match input.rate {
                Some(_) => format!("`poisson` cannot be combined with `{name}: max`"),
                None => format!("`poisson` requires `{name}`"),
            };
            let hint = format!("set `{name}` to a number of requests per second, or remove `arrival`");
            return Err(InputError::new(path("arrival"), message).with_hint(hint));
        }
        Rate::Max => Arrival::Max,
    };
    Ok(Schedule { pacer: Pacer::new(arrival.clone(), bound), warmup: warmup(arrival) })
}

fn constant(rate: f64, spacing: Spacing) -> Arrival {
    match spacing {
        Spacing::Uniform => Arrival::Constant { rate },
        Spacing::Poisson => Arrival::Poisson { rate },
    }
}

fn staged(
    input: &ScheduleInput<'_>,
    stages: &[StageValue],
    path: &dyn Fn(&str) -> FieldPath,
) -> Result<Stages, InputError> {
    let at = path("stages");
    let Names { rate, count } = input.names;
    let bounds = [(count, input.count.is_some()), ("duration", input.duration.is_some())];
    if let Some((bound, _)) = bounds.into_iter().find(|(_, is_given)| *is_given) {
        let message = format!("cannot be combined with `{bound}`: the load ends with its last stage");
        return Err(InputError::new(at, message).with_hint(format!("remove `{bound}`")));
    }
    let from = match input.rate {
        Some(Rate::Max) => {
            let message = format!("cannot be combined with `{rate}: max`: the first stage starts from a finite rate");
            return Err(InputError::new(at, message).with_hint(format!("remove `{rate}` to start from 0")));
        }
        Some(Rate::PerSecond(rate)) => rate,
        None => 0.0,
    };
    let list: Vec<Stage> = stages.iter().map(|stage| Stage { duration: stage.duration.0, rate: stage.qps.0 }).collect();
    Stages::new(from, &list).map_err(|error| {
        let at = match error {
            StagesError::Rate { stage: Some(index), .. } => at.index(index).key("qps"),
            StagesError::Rate { stage: None, .. } => path(rate),
            _ => at,
        };
        InputError::new(at, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(
        rate: Option<Rate>,
        stages: Option<Value>,
        change: impl Fn(&mut ScheduleInput<'_>),
    ) -> Result<Schedule, String> {
        let stages: Option<Vec<StageValue>> = stages.map(|list| serde_json::from_value(list).unwrap());
        let mut input = ScheduleInput {
            names: Names { rate: "rps", count: "total" },
            rate,
            default_rate: Rate::PerSecond(8.0),
            arrival: None,
            stages: stages.as_deref(),
            count: None,
            duration: None,
            default_count: 100,
            warmup: None,
        };
        change(&mut input);
        schedule(&input, &|field| FieldPath::from("with").join(field)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_schedule_has_a_rate_a_spacing_and_a_bound() {
        let plain = read(None, None, |_| {}).unwrap();
        assert_eq!(plain.pacer, Pacer::new(Arrival::Constant { rate: 8.0 }, Bound::Count(100)));
        let random = read(Some(Rate::PerSecond(50.0)), None, |input| {
            input.arrival = Some(Spacing::Poisson);
            input.duration = Some(Duration::from_secs(3));
            input.warmup = Some(Bound::Count(5));
        });
        let poisson = |bound| Pacer::new(Arrival::Poisson { rate: 50.0 }, bound);
        let expected = Schedule {
            pacer: poisson(Bound::Duration(Duration::from_secs(3))),
            warmup: Some(poisson(Bound::Count(5))),
        };
        assert_eq!(random.unwrap(), expected);
        let explicit = read(Some(Rate::Max), None, |input| input.arrival = Some(Spacing::Uniform)).unwrap();
        assert_eq!(explicit.pacer, Pacer::new(Arrival::Max, Bound::Count(100)));
    }

    #[test]
    fn stages_start_from_the_rate_or_0_after_a_constant_warmup() {
        let stages = || {
            Some(
                json!([{"duration": "2s", "qps": "100"}, {"duration": "0s", "qps": 5.5}, {"duration": "1s", "qps": 5.5}]),
            )
        };
        let from_zero = read(None, stages(), |input| input.warmup = Some(Bound::Count(3))).unwrap();
        assert_eq!(from_zero.pacer.stages().unwrap().total(), 105.5);
        assert_eq!(from_zero.warmup, Some(Pacer::new(Arrival::Constant { rate: 8.0 }, Bound::Count(3))));
        let from_rate = read(Some(Rate::PerSecond(100.0)), stages(), |w| w.arrival = Some(Spacing::Poisson)).unwrap();
        assert_eq!(from_rate.pacer.stages().unwrap().total(), 205.5);
        assert_eq!((from_rate.pacer.spacing(), from_rate.pacer.total()), (Spacing::Poisson, None));
    }

    #[test]
    fn invalid_combinations_are_rejected_with_their_path() {
        let one = || Some(json!([{"duration": "2s", "qps": 100}]));
        let poisson = |input: &mut ScheduleInput<'_>| input.arrival = Some(Spacing::Poisson);
        let cases = [
            (read(Some(Rate::Max), None, poisson), "with.arrival: `poisson` cannot be combined with `rps: max`"),
            (
                read(Some(Rate::PerSecond(2e6)), None, poisson),
                "with.rps: 2000000 is too high for `arrival: poisson`; expected at most 1000000",
            ),
            (
                read(None, None, |input| (input.arrival, input.default_rate) = (Some(Spacing::Poisson), Rate::Max)),
                "with.arrival: `poisson` requires `rps`",
            ),
            (
                read(None, one(), |input| input.count = Some(5)),
                "with.stages: cannot be combined with `total`: the load ends with its last stage",
            ),
            (
                read(None, one(), |input| input.duration = Some(Duration::from_secs(5))),
                "with.stages: cannot be combined with `duration`: the load ends with its last stage",
            ),
            (
                read(Some(Rate::Max), one(), |_| {}),
                "with.stages: cannot be combined with `rps: max`: the first stage starts from a finite rate",
            ),
            (
                read(Some(Rate::PerSecond(2e6)), one(), |_| {}),
                "with.rps: 2000000 is not a valid rate; expected 0 to 1000000",
            ),
            (
                read(None, Some(json!([{"duration": "2s", "qps": 1}, {"duration": "1s", "qps": -1}])), |_| {}),
                "with.stages[1].qps: -1 is not a valid rate; expected 0 to 1000000",
            ),
            (read(None, Some(json!([])), |_| {}), "with.stages: has 0 stages; expected 1 to 100"),
        ];
        for (result, expected) in cases {
            assert_eq!(result.unwrap_err(), expected);
        }
    }
}
