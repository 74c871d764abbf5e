//! Built-in provider templates, for queries that are easy to get wrong.

use crate::tasks::text_source::Builtin;

/// Joins the shared definitions and a template.
macro_rules! text {
    ($name:literal) => {
        ($name, concat!(include_str!("builtin/prometheus.tpl"), include_str!(concat!("builtin/", $name, ".tpl"))))
    };
}

/// Name and text of each template.
pub(super) const BUILTINS: &[Builtin] = &[text!("istio-prom"), text!("kserve-prometheus"), text!("kserve-modelmesh")];
