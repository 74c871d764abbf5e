//! One machine's part of a load, as it is handed to another machine, and what all parts come to.
//!
//! Nothing is lost on the way: counts are counts, and histograms have the same cells on every machine. So the percentiles of the
//! merged load are those of all its latencies, as if one machine had measured them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::outcome::LoadOutcome;
use super::timeline::{Timeline, TimelineError};
use crate::load::pacing::Pacer;
use crate::metrics::histogram::{self, Histogram, HistogramError};
use crate::model::shard::{CauseCount, LoadShard};

/// Why what another machine handed in can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A distribution is damaged.
    #[error("`{name}`: {source}")]
    Histogram {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        source: HistogramError,
    },
    /// The load over time is.
    #[error("`timeline`: {0}")]
    Timeline(#[from] TimelineError),
}

/// The distributions of an outcome, and their names in a shard.
macro_rules! distributions {
    ($outcome:expr, $($borrow:tt)+) => {
        [
            ("latency", $($borrow)+ $outcome.latency),
            ("serviceTime", $($borrow)+ $outcome.service_time),
            ("successLatency", $($borrow)+ $outcome.success_latency),
            ("first", $($borrow)+ $outcome.first),
            ("connect", $($borrow)+ $outcome.connect),
            ("between", $($borrow)+ $outcome.between),
            ("lateness", $($borrow)+ $outcome.lateness),
        ]
    };
}

impl LoadOutcome {
    /// What this machine measured, to be handed to another one.
    pub fn shard(&self) -> LoadShard {
        let cause = |(cause, (count, first)): (&Cause, &(u64, String))| {
            (cause.name().to_owned(), CauseCount { count: *count, first: first.clone() })
        };
        let histograms = distributions!(self, &);
        let told = histograms.into_iter().filter(|(_, histogram)| !histogram.is_empty());
        LoadShard {
            duration_nanos: u64::try_from(self.duration.as_nanos()).unwrap_or(u64::MAX),
            connections: self.connections as u64,
            asked_rate: self.asked_rate,
            whole_rate: self.whole_rate,
            achieved_rate: self.achieved_rate,
            requests: self.requests,
            errors: self.errors,
            answers: self.answers,
            late: self.late,
            dropped: self.dropped,
            statuses: self.statuses.clone(),
            said: self.said.clone(),
            causes: self.causes.iter().map(cause).collect(),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            messages_sent: self.messages_sent,
            messages_received: self.messages_received,
            interrupted: self.interrupted,
            histograms: told.map(|(name, histogram)| (name.to_owned(), histogram::encode(histogram))).collect(),
            timeline: self.timeline.shard(),
        }
    }

    /// What another machine measured of the load with the schedule `pacer`, which started at `started` as far as this machine
    /// knows.
    pub fn of_shard(shard: &LoadShard, pacer: &Pacer, started: Instant) -> Result<Self, ShardError> {
        let distribution = |name: &'static str| match shard.histograms.get(name) {
            None => Ok(histogram::new()),
            Some(encoded) => histogram::decode(encoded).map_err(|source| ShardError::Histogram { name, source }),
        };
        let mut causes: BTreeMap<Cause, (u64, String)> = BTreeMap::new();
        for (name, cause) in &shard.causes {
            add_cause(&mut causes, Cause::of_name(name), cause.count, &cause.first);
        }
        Ok(Self {
            started,
            duration: Duration::from_nanos(shard.duration_nanos),
            connections: usize::try_from(shard.connections).unwrap_or(usize::MAX),
            asked_rate: shard.asked_rate,
            whole_rate: shard.whole_rate,
            spacing: pacer.spacing(),
            stages: pacer.stages().map(ToString::to_string).unwrap_or_default(),
            achieved_rate: shard.achieved_rate,
            requests: shard.requests,
            errors: shard.errors,
            answers: shard.answers,
            late: shard.late,
            dropped: shard.dropped,
            statuses: shard.statuses.clone(),
            said: shard.said.clone(),
            causes,
            bytes_sent: shard.bytes_sent,
            bytes_received: shard.bytes_received,
            messages_sent: shard.messages_sent,
            messages_received: shard.messages_received,
            interrupted: shard.interrupted,
            latency: distribution("latency")?,
            service_time: distribution("serviceTime")?,
            success_latency: distribution("successLatency")?,
            first: distribution("first")?,
            connect: distribution("connect")?,
            between: distribution("between")?,
            lateness: distribution("lateness")?,
            timeline: Timeline::of_shard(&shard.timeline)?,
            shards: None,
        })
    }

    /// The load that these are the parts of; `None` without any. It started when the first one did. What was asked of it is what
    /// was asked of all machines, those included whose part is not here.
    pub fn merged(parts: impl IntoIterator<Item = LoadOutcome>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next()?;
        for part in parts {
            whole.add(&part);
        }
        whole.asked_rate = whole.whole_rate;
        Some(whole)
    }

    fn add(&mut self, other: &LoadOutcome) {
        self.duration = self.duration.max(other.duration);
        self.connections = self.connections.saturating_add(other.connections);
        self.whole_rate = self.whole_rate.or(other.whole_rate);
        self.achieved_rate += other.achieved_rate;
        for (mine, theirs) in [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.answers, other.answers),
            (&mut self.late, other.late),
            (&mut self.dropped, other.dropped),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.bytes_received, other.bytes_received),
            (&mut self.messages_sent, other.messages_sent),
            (&mut self.messages_received, other.messages_received),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        for (status, count) in &other.statuses {
            let mine = self.statuses.entry(*status).or_default();
            *mine = mine.saturating_add(*count);
        }
        for (status, text) in &other.said {
            self.said.entry(*status).or_insert_with(|| text.clone());
        }
        for (cause, (count, first)) in &other.causes {
            add_cause(&mut self.causes, *cause, *count, first);
        }
        self.interrupted |= other.interrupted;
        let theirs: [(&str, &Histogram); 7] = distributions!(other, &);
        for ((_, mine), (_, theirs)) in distributions!(self, &mut).into_iter().zip(theirs) {
            histogram::merge(mine, theirs);
        }
        self.timeline.merge(&other.timeline);
    }
}

/// Counts a cause; the words of the first one stay.
fn add_cause(causes: &mut BTreeMap<Cause, (u64, String)>, cause: Cause, count: u64, first: &str) {
    let (mine, words) = causes.entry(cause).or_insert_with(|| (0, first.to_owned()));
    *mine = mine.saturating_add(count);
    if words.is_empty() {
        first.clone_into(words);
    }
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
