//! Whether a load was the one asked for: what it measured says little of the rate that it could not offer.

use super::numbers::show;
use crate::model::load::LoadRecord;

/// A load that offers less than this share of the rate asked for is another load than that.
pub const OFFERED: f64 = 0.95;

/// So is one that never sent more than this share of the requests that were due.
const DROPPED: f64 = 0.05;

/// Why nothing can be concluded from what a load measured: a sentence without a final period. `None` where the load was as asked.
pub fn doubt(load: &LoadRecord) -> Option<String> {
    if load.interrupted {
        return Some(format!("the load was interrupted after {} requests", load.requests));
    }
    let asked = load.asked_rate?;
    let cause = "too few connections, or a service that can't take the rate";
    if load.achieved_rate < OFFERED * asked {
        let (offered, asked) = (rounded(load.achieved_rate), rounded(asked));
        return Some(format!("the load offered {offered} of {asked} requests/s: {cause}"));
    }
    let due = load.requests.saturating_add(load.dropped);
    if load.dropped as f64 > DROPPED * due as f64 {
        return Some(format!("the load dropped {} of {due} requests that were due: {cause}", load.dropped));
    }
    None
}

/// A rate with as many digits as tell: `480`, `12.5`.
pub fn rounded(rate: f64) -> String {
    let scale = if rate >= 100.0 { 1.0 } else { 100.0 };
    show((rate * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(asked: Option<f64>, achieved: f64, requests: u64, dropped: u64) -> LoadRecord {
        LoadRecord { asked_rate: asked, achieved_rate: achieved, requests, dropped, ..LoadRecord::default() }
    }

    #[test]
    fn a_load_within_five_percent_is_the_one_asked_for() {
        assert_eq!(doubt(&load(Some(1000.0), 950.0, 9_500, 500)), None);
        assert_eq!(doubt(&load(None, 1.0, 10, 0)), None);
        // A schedule of random arrivals may have asked for nothing at all.
        assert_eq!(doubt(&load(Some(0.0), 0.0, 0, 0)), None);
    }

    #[test]
    fn a_missed_rate_is_told_in_words() {
        let cause = "too few connections, or a service that can't take the rate";
        assert_eq!(
            doubt(&load(Some(1000.0), 479.9, 4_799, 0)).unwrap(),
            format!("the load offered 480 of 1000 requests/s: {cause}")
        );
        assert_eq!(
            doubt(&load(Some(12.5), 3.1441, 4, 0)).unwrap(),
            format!("the load offered 3.14 of 12.50 requests/s: {cause}")
        );
        assert_eq!(
            doubt(&load(Some(1000.0), 951.0, 9_499, 501)).unwrap(),
            format!("the load dropped 501 of 10000 requests that were due: {cause}")
        );
    }

    #[test]
    fn an_interrupted_load_says_so_whatever_its_rate() {
        let interrupted = LoadRecord { interrupted: true, ..load(None, 10.0, 7, 0) };
        assert_eq!(doubt(&interrupted).unwrap(), "the load was interrupted after 7 requests");
    }
}
