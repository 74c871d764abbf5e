//! Judging a saved document again.

use serde_json::{Map, Value};

use super::error::AppError;
use super::values::Values;
use crate::model::document::Experiment;
use crate::model::path::FieldPath;
use crate::pipeline::reassess::{ReassessError, reassess};
use crate::values::input::InputError;

pub(crate) use crate::pipeline::reassess::Reassessed;

/// Key of the only values that have an effect.
pub(super) const KEY: &str = "assess";

/// Judges the newest loop of a document again; `location` is that of the document.
pub(crate) fn assess(experiment: Experiment, values: &Values, location: &str) -> Result<Reassessed, AppError> {
    let in_values = |error: InputError| AppError::in_values(values.origins.locate(error.into()));
    let settings = settings(&values.value).map_err(in_values)?;
    reassess(experiment, &settings).map_err(|error| match error {
        ReassessError::Settings(error) => in_values(error.under(FieldPath::root().key(KEY))),
        ReassessError::Document { hint, .. } => {
            AppError::input(format!("{location} cannot be judged again")).caused_by(error).with_hint(hint)
        }
    })
}

/// Returns the values of `assess`. All others are an error: they could change nothing that was measured.
pub(super) fn settings(values: &Value) -> Result<Map<String, Value>, InputError> {
    let other = values.as_object().into_iter().flatten().find(|(key, value)| *key != KEY && !value.is_null());
    if let Some((key, _)) = other {
        let message = format!("has no effect on a saved document; only `{KEY}` has");
        let hint = "measure again with `iter8 run`, or remove it";
        return Err(InputError::new(FieldPath::root().key(key), message).with_hint(hint));
    }
    match values.get(KEY) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(settings)) => Ok(settings.clone()),
        Some(other) => Err(InputError::new(KEY, format!("expected a map, found `{other}`"))),
    }
}
