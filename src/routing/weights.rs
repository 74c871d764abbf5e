//! Weights of versions, by the rules of Iter8.
//!
//! An unavailable version has weight 0. Others have the weight in the annotation `iter8.tools/weight` of their first resource, else the
//! one in the routemap, else 1. If all weights are 0, the first version gets 1, so that there always is a route.

use std::fmt;

use super::fields::shown;

/// Maximum weight: Istio's are `int32`. Iter8 accepts `uint32`, of which Istio rejects the upper half.
pub const MAX_WEIGHT: u32 = i32::MAX as u32;

/// Weight of versions without one, and of the first version if all are 0.
const DEFAULT_WEIGHT: u32 = 1;

/// Content of the annotation `iter8.tools/weight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Annotated {
    /// A weight.
    Weight(u32),
    /// Anything else; it has no effect.
    Invalid(Box<str>),
}

impl Annotated {
    /// Parses the annotation as Iter8 does: decimal digits only.
    pub fn parse(text: &str) -> Self {
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(weight) if is_decimal && weight <= MAX_WEIGHT => Self::Weight(weight),
            _ => Self::Invalid(shown(text).into()),
        }
    }

    /// Returns the weight if it is valid.
    pub fn weight(&self) -> Option<u32> {
        match self {
            Self::Weight(weight) => Some(*weight),
            Self::Invalid(_) => None,
        }
    }
}

impl fmt::Display for Annotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight(weight) => write!(f, "{weight}"),
            Self::Invalid(text) => write!(
                f,
                "annotation iter8.tools/weight: `{text}` is not a valid weight (0-{MAX_WEIGHT}) and is ignored"
            ),
        }
    }
}

/// Sources of a version's weight.
pub(super) struct Sources<'a> {
    /// True if the version is available.
    pub is_available: bool,
    /// Annotation on its first resource.
    pub annotated: Option<&'a Annotated>,
    /// Weight in the routemap.
    pub default: Option<u32>,
}

/// Returns the weights of all versions, and true if all would be 0.
pub(super) fn weights(versions: &[Sources<'_>]) -> (Vec<u32>, bool) {
    let weight = |version: &Sources<'_>| match version.is_available {
        true => version.annotated.and_then(Annotated::weight).or(version.default).unwrap_or(DEFAULT_WEIGHT),
        false => 0,
    };
    let mut weights: Vec<u32> = versions.iter().map(weight).collect();
    let is_fallback = weights.iter().all(|weight| *weight == 0);
    if let Some(first) = weights.first_mut().filter(|_| is_fallback) {
        *first = DEFAULT_WEIGHT;
    }
    (weights, is_fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_decimal_digits_up_to_int32() {
        for (text, weight) in [("0", 0), ("20", 20), ("007", 7), ("2147483647", MAX_WEIGHT)] {
            assert_eq!(Annotated::parse(text), Annotated::Weight(weight), "{text}");
        }
        let long = "1".repeat(10_000);
        for text in
            ["", "-1", "+1", "1e9", "abc", " 5 ", "5.0", "2147483648", "4294967295", "0x10", "1_000", "٣", &long]
        {
            let invalid = Annotated::parse(text);
            assert!(matches!(invalid, Annotated::Invalid(_)), "{text}");
            assert!(invalid.to_string().len() < 250, "{invalid}");
        }
        let message = Annotated::parse("1e9\u{1b}[2J").to_string();
        assert!(
            message.starts_with("annotation iter8.tools/weight: `1e9\\u{1b}[2J` is not a valid weight"),
            "{message}"
        );
    }

    #[test]
    fn the_annotation_overrides_the_routemap_and_nothing_overrides_unavailability() {
        let of = |is_available, annotated: &str, default| {
            let annotated = (!annotated.is_empty()).then(|| Annotated::parse(annotated));
            weights(&[
                Sources { is_available: true, annotated: None, default: Some(50) },
                Sources { is_available, annotated: annotated.as_ref(), default },
            ])
            .0
        };
        assert_eq!(of(true, "30", Some(20)), [50, 30]);
        assert_eq!(of(true, "", Some(20)), [50, 20]);
        assert_eq!(of(true, "", None), [50, 1]);
        assert_eq!(of(true, "x", Some(20)), [50, 20]);
        assert_eq!(of(true, "0", Some(20)), [50, 0]);
        assert_eq!(of(false, "30", Some(20)), [50, 0]);
    }

    #[test]
    fn the_first_version_gets_the_traffic_if_all_weights_are_0() {
        let version = |is_available, default| Sources { is_available, annotated: None, default };
        assert_eq!(weights(&[version(false, None), version(false, Some(7))]), (vec![1, 0], true));
        assert_eq!(weights(&[version(true, Some(0)), version(true, Some(0))]), (vec![1, 0], true));
        assert_eq!(weights(&[version(false, None), version(true, None)]), (vec![0, 1], false));
    }
}
