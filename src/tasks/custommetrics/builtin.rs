//! The provider templates that this program has: right by construction, where it is easy to be wrong.

use crate::tasks::text_source::Builtin;

/// A template: what all share, followed by its own text.
macro_rules! text {
    ($name:literal) => {
        ($name, concat!(include_str!("builtin/prometheus.tpl"), include_str!(concat!("builtin/", $name, ".tpl"))))
    };
}

/// Name and text of each.
pub(super) const BUILTINS: &[Builtin] = &[text!("istio-prom"), text!("kserve-prometheus"), text!("kserve-modelmesh")];
