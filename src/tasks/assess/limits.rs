//! Limits of `assess`, and the names of metrics in its limits and rewards.

use serde_json::{Value, json};

use crate::model::limit::Misfit;
use crate::model::metric_name::{MetricName, MetricRef};
use crate::model::path::FieldPath;
use crate::model::reward::Rewards;
use crate::values::input::InputError;

pub(super) fn check_name(metric: &MetricRef, path: impl Into<FieldPath>) -> Result<(), InputError> {
    parsed_name(metric, path).map(|_| ())
}

pub(super) fn parsed_name(metric: &MetricRef, path: impl Into<FieldPath>) -> Result<MetricName, InputError> {
    metric.name().cloned().map_err(|error| InputError::new(path, error.to_string()))
}

pub(super) fn misfit_at(path: FieldPath, Misfit { message, hint }: Misfit) -> InputError {
    // Independent of the other limits.
    InputError { is_mistyped: true, ..InputError::new(path, message).with_hint(hint) }
}

pub(super) fn check_rewards(rewards: &Rewards, at: &FieldPath) -> Result<(), InputError> {
    let lists = [("max", &rewards.max), ("min", &rewards.min)];
    lists.into_iter().try_for_each(|(goal, metrics)| {
        let mut all = metrics.iter().enumerate();
        all.try_for_each(|(index, metric)| check_name(metric, at.clone().key(goal).index(index)))
    })
}

/// Renders an integer without `.0`, as people write limits.
pub(super) fn plain(limit: f64) -> Value {
    if limit.fract() == 0.0 && limit.abs() < 9e15 { json!(limit as i64) } else { json!(limit) }
}
