//! `until`: ends a load before its duration.

use schemars::json_schema;

use crate::model::text::prefix;
use crate::tasks::fields::field;

field! {
    /// End of a load on its verdict.
    Until(()) as "Until", String,
    json_schema!({"const": "verdict"}),
    |text| match text.as_str() {
        "verdict" => Ok(()),
        _ => Err(format!("`{}` is not a valid end; expected `verdict`", prefix(&text, 40))),
    }
}
