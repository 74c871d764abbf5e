//! A pod's part of a load as it is sent to the coordinator, and the merging of all parts.
//!
//! Merging is lossless: counters add up, and histograms have the same cells on every pod. So the percentiles of the merged load are
//! those of all its latencies, as if one pod had measured them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::details::Details;
use super::histograms::Histograms;
use super::outcome::LoadOutcome;
use super::timeline::{Timeline, TimelineError};
use crate::load::pacing::Pacer;
use crate::metrics::histogram::HistogramError;
use crate::model::shard::{CauseCount, DetailCount, LoadShard};

/// A shard of another pod cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A histogram is damaged.
    #[error("`{name}`: {source}")]
    Histogram {
        /// Name in the shard.
        name: &'static str,
        /// The damage.
        source: HistogramError,
    },
    /// The load over time is damaged.
    #[error("`timeline`: {0}")]
    Timeline(#[from] TimelineError),
}

impl LoadOutcome {
    /// Returns this pod's part, to be sent to the coordinator.
    pub fn shard(&self) -> Result<LoadShard, HistogramError> {
        let cause = |(cause, (count, details)): (&Cause, &(u64, Details))| {
            let detail = |(text, count): &(String, u64)| DetailCount { detail: text.clone(), count: *count };
            let details: Vec<_> = details.known().iter().map(detail).collect();
            let first = details.first().map(|it| it.detail.clone()).unwrap_or_default();
            (cause.name().to_owned(), CauseCount { count: *count, first, details })
        };
        Ok(LoadShard {
            duration_nanos: u64::try_from(self.duration.as_nanos()).unwrap_or(u64::MAX),
            connections: self.connections as u64,
            requested_rate: self.requested_rate,
            whole_rate: self.whole_rate,
            achieved_rate: self.achieved_rate,
            counts: self.counts,
            responses: self.responses(),
            statuses: self.statuses.clone(),
            status_messages: self.status_messages.clone(),
            causes: self.causes.iter().map(cause).collect(),
            traffic: self.traffic,
            interrupted: self.interrupted,
            paused_nanos: u64::try_from(self.paused.as_nanos()).unwrap_or(u64::MAX),
            histograms: self.histograms.encode()?,
            timeline: self.timeline.shard()?,
        })
    }

    /// Reads the part that another pod measured of the load with the schedule `pacer`. `started` is this pod's start of the load.
    pub fn from_shard(shard: &LoadShard, pacer: &Pacer, started: Instant) -> Result<Self, ShardError> {
        let mut causes: BTreeMap<Cause, (u64, Details)> = BTreeMap::new();
        for (name, cause) in &shard.causes {
            add_cause(&mut causes, Cause::from_name(name), cause.count, &details(cause));
        }
        let histograms =
            Histograms::decode(&shard.histograms).map_err(|(name, source)| ShardError::Histogram { name, source })?;
        Ok(Self {
            started,
            duration: Duration::from_nanos(shard.duration_nanos),
            connections: usize::try_from(shard.connections).unwrap_or(usize::MAX),
            requested_rate: shard.requested_rate,
            whole_rate: shard.whole_rate,
            spacing: pacer.spacing(),
            stages: pacer.stages().map(ToString::to_string).unwrap_or_default(),
            achieved_rate: shard.achieved_rate,
            counts: shard.counts,
            statuses: shard.statuses.clone(),
            status_messages: shard.status_messages.clone(),
            causes,
            traffic: shard.traffic,
            interrupted: shard.interrupted,
            paused: Duration::from_nanos(shard.paused_nanos),
            histograms,
            timeline: Timeline::from_shard(&shard.timeline)?,
            shards: None,
        })
    }

    /// Merges the parts of a load; `None` if there are none. It started when the first part did. Its planned rate is that of all
    /// pods, those with missing parts included.
    pub fn merged(parts: impl IntoIterator<Item = LoadOutcome>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next()?;
        for part in parts {
            whole.add(&part);
        }
        whole.requested_rate = whole.whole_rate;
        Some(whole)
    }

    fn add(&mut self, other: &LoadOutcome) {
        self.duration = self.duration.max(other.duration);
        self.connections = self.connections.saturating_add(other.connections);
        self.whole_rate = self.whole_rate.or(other.whole_rate);
        self.achieved_rate += other.achieved_rate;
        self.counts.add(&other.counts);
        self.traffic.add(&other.traffic);
        for (status, count) in &other.statuses {
            let mine = self.statuses.entry(*status).or_default();
            *mine = mine.saturating_add(*count);
        }
        for (status, text) in &other.status_messages {
            self.status_messages.entry(*status).or_insert_with(|| text.clone());
        }
        for (cause, (count, details)) in &other.causes {
            add_cause(&mut self.causes, *cause, *count, details);
        }
        self.interrupted |= other.interrupted;
        self.paused = self.paused.saturating_add(other.paused);
        self.histograms.add(&other.histograms);
        self.timeline.merge(&other.timeline);
    }
}

fn add_cause(causes: &mut BTreeMap<Cause, (u64, Details)>, cause: Cause, count: u64, details: &Details) {
    let (mine, known) = causes.entry(cause).or_default();
    *mine = mine.saturating_add(count);
    known.merge(details);
}

/// Reads the details of a cause; pods of earlier versions send only the first.
fn details(cause: &CauseCount) -> Details {
    let mut details = Details::default();
    if cause.details.is_empty() {
        details.add(&cause.first, cause.count);
    }
    for DetailCount { detail, count } in &cause.details {
        details.add(detail, *count);
    }
    if !cause.details.is_empty() {
        let listed = cause.details.iter().fold(0_u64, |sum, one| sum.saturating_add(one.count));
        details.add_others(cause.count.saturating_sub(listed));
    }
    details
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
