//! A pod's part of a load as it is sent to the coordinator, and the merging of all parts.
//!
//! Merging is lossless: counters add up, and histograms have the same cells on every pod. So the percentiles of the merged load are
//! those of all its latencies, as if one pod had measured them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::details::Details;
use super::histograms::Histograms;
use super::outcome::{LoadOutcome, VersionOutcome};
use super::timeline::{Timeline, TimelineError};
use crate::load::pacing::Pacer;
use crate::metrics::histogram::HistogramError;
use crate::model::histogram::EncodedHistogram;
use crate::model::shard::{CauseCount, DetailCount, LoadShard, VersionShard};

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
            causes: cause_counts(&self.causes),
            traffic: self.traffic,
            interrupted: self.interrupted,
            paused_nanos: u64::try_from(self.paused.as_nanos()).unwrap_or(u64::MAX),
            histograms: self.histograms.encode()?,
            timeline: self.timeline.shard()?,
            versions: self.versions.iter().map(version_shard).collect::<Result<_, _>>()?,
            unknown: counted(&self.unknown),
        })
    }

    /// Reads the part that another pod measured of the load with the schedule `pacer`. `started` is this pod's start of the load.
    pub fn from_shard(shard: &LoadShard, pacer: &Pacer, started: Instant) -> Result<Self, ShardError> {
        let (causes, histograms) = (causes(&shard.causes), histograms(&shard.histograms)?);
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
            decided: None,
            paused: Duration::from_nanos(shard.paused_nanos),
            histograms,
            timeline: Timeline::from_shard(&shard.timeline)?,
            shards: None,
            versions: shard.versions.iter().map(VersionOutcome::from_shard).collect::<Result<_, _>>()?,
            unknown: details(&shard.unknown),
            whole: None,
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
        add_statuses(&mut self.statuses, &other.statuses);
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
        for (mine, theirs) in self.versions.iter_mut().zip(&other.versions) {
            mine.add(theirs);
        }
        self.unknown.merge(&other.unknown);
    }
}

impl VersionOutcome {
    fn from_shard(shard: &VersionShard) -> Result<Self, ShardError> {
        Ok(Self {
            counts: shard.counts,
            statuses: shard.statuses.clone(),
            causes: causes(&shard.causes),
            histograms: histograms(&shard.histograms)?,
            timeline: Timeline::from_shard(&shard.timeline)?,
        })
    }

    fn add(&mut self, other: &VersionOutcome) {
        self.counts.add(&other.counts);
        add_statuses(&mut self.statuses, &other.statuses);
        for (cause, (count, details)) in &other.causes {
            add_cause(&mut self.causes, *cause, *count, details);
        }
        self.histograms.add(&other.histograms);
        self.timeline.merge(&other.timeline);
    }
}

fn version_shard(version: &VersionOutcome) -> Result<VersionShard, HistogramError> {
    Ok(VersionShard {
        counts: version.counts,
        statuses: version.statuses.clone(),
        causes: cause_counts(&version.causes),
        histograms: version.histograms.encode()?,
        timeline: version.timeline.shard()?,
    })
}

fn cause_counts(causes: &BTreeMap<Cause, (u64, Details)>) -> BTreeMap<String, CauseCount> {
    let cause = |(cause, (count, details)): (&Cause, &(u64, Details))| {
        (cause.name().to_owned(), CauseCount { count: *count, ..counted(details) })
    };
    causes.iter().map(cause).collect()
}

/// Converts details. The listed ones may add up to less than the total.
fn counted(details: &Details) -> CauseCount {
    let detail = |(text, count): &(String, u64)| DetailCount { detail: text.clone(), count: *count };
    let listed: Vec<_> = details.known().iter().map(detail).collect();
    let first = listed.first().map(|it| it.detail.clone()).unwrap_or_default();
    CauseCount { count: details.total(), first, details: listed }
}

fn causes(shard: &BTreeMap<String, CauseCount>) -> BTreeMap<Cause, (u64, Details)> {
    let mut causes = BTreeMap::new();
    for (name, cause) in shard {
        add_cause(&mut causes, Cause::from_name(name), cause.count, &details(cause));
    }
    causes
}

fn histograms(shard: &BTreeMap<String, EncodedHistogram>) -> Result<Histograms, ShardError> {
    Histograms::decode(shard).map_err(|(name, source)| ShardError::Histogram { name, source })
}

fn add_statuses(mine: &mut BTreeMap<u16, u64>, theirs: &BTreeMap<u16, u64>) {
    for (status, count) in theirs {
        let mine = mine.entry(*status).or_default();
        *mine = mine.saturating_add(*count);
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
