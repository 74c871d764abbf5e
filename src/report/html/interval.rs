//! Intervals of verdicts with confidence, as bars beside their values.

use serde::Serialize;

use crate::report::interval::{Bar, Scale, contradicts};
use crate::report::view::SloReport;

/// Width of the drawing, in user units.
const WIDTH: usize = 240;
/// Least distance between an end and the limit.
const GAP: usize = 5;

/// A bar as the template draws it.
#[derive(Serialize)]
pub(super) struct Drawn {
    /// Identity of its title within the page.
    number: String,
    title: String,
    width: usize,
    low: usize,
    high: usize,
    is_low_open: bool,
    is_high_open: bool,
    value: Option<usize>,
    limit: usize,
}

/// Draws the interval of a verdict; `None` if it has none that fits the verdict.
pub(super) fn drawn(slo: &SloReport, scale: Scale, number: String) -> Option<Drawn> {
    let Bar { low, high, value, limit } = Bar::of(slo, scale, WIDTH, GAP)?;
    let value_text = slo.value_text().map_or_else(|| "no value".to_owned(), |text| format!("value {text}"));
    let interval = slo.interval_text()?;
    Some(Drawn {
        number,
        title: format!("{value_text}, interval {interval}, limit {}", slo.limit_text()),
        width: WIDTH,
        low: low.at,
        high: high.at,
        is_low_open: low.is_open,
        is_high_open: high.is_open,
        value,
        limit,
    })
}

/// Describes the interval of a verdict in numbers.
pub(super) fn described(slo: &SloReport) -> Option<String> {
    let interval = slo.interval_text()?;
    Some(match (slo.percent(), contradicts(slo)) {
        (_, true) => format!("interval {interval}, which does not fit the verdict"),
        (Some(percent), false) => format!("interval {interval} ({percent} confidence)"),
        (None, false) => format!("interval {interval}"),
    })
}
