//! Values and intervals of verdicts as bars against the limit.

use serde::Serialize;

use crate::report::interval::{Bar, Point, Scale, contradicts};
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
    /// Length of the bar from zero to the value; none if the scale does not begin at zero.
    fill: Option<usize>,
    interval: Option<Interval>,
    value: Option<usize>,
    limit: usize,
    /// Class of the verdict's colour.
    verdict: &'static str,
}

/// A drawn interval.
#[derive(Serialize)]
struct Interval {
    low: usize,
    high: usize,
    is_low_open: bool,
    is_high_open: bool,
}

/// Draws the interval of a verdict in the colour `verdict`, or its value alone; `None` if neither fits the verdict.
pub(super) fn drawn(slo: &SloReport, scale: Scale, number: String, verdict: &'static str) -> Option<Drawn> {
    let value_text = slo.readable_value().map_or_else(|| "no value".to_owned(), |text| format!("value {text}"));
    let limit_text = slo.readable_limit();
    if let Some(Bar { low, high, value, limit }) = Bar::of(slo, scale, WIDTH, GAP) {
        let confidence = slo.percent().map(|percent| format!(" ({percent} confidence)")).unwrap_or_default();
        return Some(Drawn {
            number,
            title: format!("{value_text}, interval {}{confidence}, limit {limit_text}", slo.readable_interval()?),
            width: WIDTH,
            fill: value.filter(|_| scale.is_from_zero()),
            interval: Some(Interval {
                low: low.at,
                high: high.at,
                is_low_open: low.is_open,
                is_high_open: high.is_open,
            }),
            value,
            limit,
            verdict,
        });
    }
    // A value beside an interval that does not fit would suggest that it does.
    let Point { at, limit } = Point::of(slo, scale, WIDTH, GAP).filter(|_| slo.interval.is_none())?;
    Some(Drawn {
        number,
        title: format!("{value_text}, limit {limit_text}"),
        width: WIDTH,
        fill: Some(at).filter(|_| scale.is_from_zero()),
        interval: None,
        value: Some(at),
        limit,
        verdict,
    })
}

/// Describes an interval that contradicts the verdict, which only an edited document has.
pub(super) fn misfit(slo: &SloReport) -> Option<String> {
    let interval = slo.readable_interval().filter(|_| contradicts(slo))?;
    Some(format!("interval {interval}, which does not fit the verdict"))
}
