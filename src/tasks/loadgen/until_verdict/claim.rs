//! Objectives on the loads of a group, and the statistic that decides each.

use super::target::Target;
use crate::metrics::series::limit_micros;
use crate::model::metric_name::{Aggregation, MetricName};
use crate::model::objectives::Objectives;
use crate::model::slo::{Bound, Slo};

/// Statistic on which a look decides an objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    /// Share of requests that failed.
    Errors,
    /// Share of requests over the limit, against that of a percentile: 0.95 for p95.
    Percentile(f64),
    /// None: the objective is judged at the end of the load.
    None,
}

impl Statistic {
    /// Returns the statistic of a load's metric.
    pub(super) fn of(name: &MetricName) -> Self {
        if name.metric == "error-rate" && name.aggregation.is_none() {
            return Self::Errors;
        }
        match name.distribution() {
            Some((key, Aggregation::Percentile(p))) if key == format!("{}/latency", name.provider) => {
                // The largest and the smallest value have no share of requests beyond them.
                if p > 0.0 && p < 100.0 { Self::Percentile(p / 100.0) } else { Self::None }
            }
            _ => Self::None,
        }
    }
}

/// Objective on one version of a load.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// Index of the load in its group.
    pub(super) load: usize,
    /// Index of the version.
    pub(super) version: usize,
    pub(super) slo: Slo,
    pub(super) bound: Bound,
    /// True if the limit is relative to version 0.
    pub(super) is_relative: bool,
    pub(super) statistic: Statistic,
}

impl Claim {
    /// Lists the objectives on all versions of a load; `load` is its index.
    pub(super) fn list(objectives: &Objectives, load: usize, target: &Target) -> Vec<Self> {
        let Target { provider, versions, .. } = target;
        let absolute = [(&objectives.limits.upper, Bound::Upper), (&objectives.limits.lower, Bound::Lower)];
        let absolute = absolute.into_iter().flat_map(|(slos, bound)| slos.iter().map(move |slo| (slo, bound, false)));
        let relative = objectives.relative.upper.iter().map(|slo| (slo, Bound::Upper, true));
        let mut claims = Vec::new();
        for (slo, bound, is_relative) in absolute.chain(relative) {
            let Some(name) = slo.metric.name().ok().filter(|name| name.provider == *provider) else { continue };
            for version in versions.iter().copied().filter(|version| *version > 0 || !is_relative) {
                let statistic = Statistic::of(name);
                claims.push(Self { load, version, slo: slo.clone(), bound, is_relative, statistic });
            }
        }
        claims
    }

    /// Returns the share of bad requests at which the limit lies; `None` if no look decides the objective.
    pub(super) fn share(&self) -> Option<f64> {
        match (self.statistic, self.bound) {
            (Statistic::Errors, Bound::Upper) => Some(self.slo.limit.0),
            (Statistic::Percentile(q), Bound::Upper) => Some(1.0 - q),
            (_, Bound::Lower) | (Statistic::None, _) => None,
        }
    }

    /// Limit of a percentile in µs, as the load counts requests over it.
    pub(super) fn micros(&self) -> Option<u64> {
        let is_latency =
            matches!(self.statistic, Statistic::Percentile(_)) && self.share().is_some() && !self.is_relative;
        is_latency.then(|| limit_micros(self.slo.limit.0))
    }

    /// Renders the objective for the progress line: `p95 ≤ 50 msec`.
    pub(super) fn text(&self) -> String {
        let metric = self.slo.metric.name().map_or_else(|_| self.slo.metric.to_string(), |name| name.metric.clone());
        let (metric, unit) = match self.statistic {
            Statistic::Percentile(q) => (
                Aggregation::Percentile((q * 1e6).round() / 1e4).to_string(),
                if self.is_relative { "" } else { " msec" },
            ),
            Statistic::Errors | Statistic::None => (metric, ""),
        };
        let sign = match self.bound {
            Bound::Upper => "≤",
            Bound::Lower => "≥",
        };
        let of = match (self.is_relative, self.statistic) {
            (false, _) => "",
            (true, Statistic::Errors) => " more",
            (true, _) => " ×",
        };
        format!("{metric} {sign} {}{unit}{of}", crate::model::readable::show(self.slo.limit.0))
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
