//! The `relative` limits of `assess`: the metrics that can be compared with those of version 0.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::limits::{check_name, misfit_at, plain};
use crate::model::limit::Limit;
use crate::model::metric_name::MetricRef;
use crate::model::number::Number;
use crate::model::path::FieldPath;
use crate::slo::comparison::{Comparison, comparison};
use crate::tasks::schema_fragments::METRIC;
use crate::values::input::InputError;

/// Limits relative to version 0, by metric.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RelativeMap {
    /// Metric → highest accepted ratio to version 0 (latencies: `+10%` or `1.10` accepts 10 % more), or highest accepted difference from it
    /// (`error-rate`: `+0.5pp` or `+0.005` accepts half a percentage point more).
    #[serde(default)]
    #[schemars(extend("propertyNames" = json!({"pattern": METRIC})))]
    pub(super) upper: BTreeMap<String, Limit>,
}

impl RelativeMap {
    /// Returns the limits as the list of the task's `with`.
    pub(super) fn list(&self) -> Result<Vec<Value>, InputError> {
        let entry = |(metric, limit): (&String, &Limit)| {
            let path = FieldPath::root().key("relative").key("upper").key(metric);
            let name = MetricRef::from(metric.as_str());
            let limit = match comparison(&name) {
                Some(Comparison::Ratio) => limit.ratio(),
                Some(Comparison::Difference) => limit.difference(),
                // Refused below.
                None => Ok(0.0),
            };
            let limit = limit.map_err(|misfit| misfit_at(path.clone(), misfit))?;
            check(&name, Number(limit), &path, &path)?;
            Ok(json!({"metric": metric, "limit": plain(limit)}))
        };
        self.upper.iter().map(entry).collect()
    }
}

/// Checks a limit relative to version 0; `metric_path` and `limit_path` are the paths of its parts.
pub(super) fn check(
    metric: &MetricRef,
    Number(limit): Number,
    metric_path: &FieldPath,
    limit_path: &FieldPath,
) -> Result<(), InputError> {
    check_name(metric, metric_path.clone())?;
    match comparison(metric) {
        None => {
            let message = format!("`{metric}` cannot be compared with version 0");
            let hint = "use a percentile or the mean of a latency, such as `http/latency-p95`, or `error-rate`";
            Err(InputError::new(metric_path.clone(), message).with_hint(hint))
        }
        Some(Comparison::Ratio) if limit <= 0.0 => {
            let message = format!("{limit} is not a ratio; expected a number above 0");
            let hint = "1.10 accepts values that are 10 % higher than those of version 0";
            Err(InputError::new(limit_path.clone(), message).with_hint(hint))
        }
        Some(Comparison::Difference) if !(-1.0..=1.0).contains(&limit) => {
            let message = format!("{limit} is not a difference of two rates; expected -1 to +1");
            let hint = "+0.005 accepts half a percentage point more than version 0";
            Err(InputError::new(limit_path.clone(), message).with_hint(hint))
        }
        Some(_) => Ok(()),
    }
}
