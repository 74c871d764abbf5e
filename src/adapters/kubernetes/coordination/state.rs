//! Content of mailboxes: states of coordinator and workers as JSON, and the measurements of a worker, compressed.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};

use crate::adapters::kubernetes::experiment::MAX_SECRET_BYTES;
use crate::model::shard::{LoadPlace, ShardEnd, ShardFailure, ShardReport};

/// Key of a pod's state, as JSON.
const STATE: &str = "state.json";

/// Key of a worker's report, as compressed JSON.
const MEASURED: &str = "measured.json.gz";

/// Bytes reserved for the state.
const STATE_ROOM: usize = 16 << 10;

/// Size limit for a decompressed report.
const MAX_JSON: u64 = 64 << 20;

/// One incarnation of the coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Session {
    /// UID of the Job.
    pub(crate) job: String,
    /// Incarnation of the coordinator within the Job, from 1.
    pub(crate) epoch: u64,
}

/// State of the coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CoordinatorState {
    pub(crate) session: Session,
    /// Heartbeat: grows while the coordinator lives.
    pub(crate) beat: u64,
    /// Place of the coordinator, which workers go to.
    pub(crate) call: Option<LoadPlace>,
    /// The last place that has started.
    pub(crate) go: Option<LoadPlace>,
    /// Workers that started there on time.
    pub(crate) joined: Vec<usize>,
    /// The last place whose reports are collected.
    pub(crate) through: Option<LoadPlace>,
    /// True once the run has ended.
    pub(crate) over: bool,
}

/// State of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WorkerState {
    /// The session that the other fields belong to.
    pub(crate) session: Session,
    /// Place that the worker is ready to start.
    pub(crate) at: Option<LoadPlace>,
    /// True if the others had already started there.
    pub(crate) late: bool,
    /// The last place that it reported.
    pub(crate) report: Option<LoadPlace>,
}

/// A mailbox that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("cannot read or write the state of a shard: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot compress the measurements of a shard: {0}")]
    Compression(#[from] std::io::Error),
}

/// Reads the state in a Secret; the default if there is none yet.
pub(crate) fn state<T: for<'de> Deserialize<'de> + Default>(secret: &Secret) -> Result<T, StateError> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(STATE));
    Ok(bytes.map(|bytes| serde_json::from_slice(&bytes.0)).transpose()?.unwrap_or_default())
}

/// Writes a state to a Secret.
pub(crate) fn put_state<T: Serialize>(secret: &mut Secret, state: &T) -> Result<(), StateError> {
    let text = serde_json::to_vec(state)?;
    secret.data.get_or_insert_default().insert(STATE.to_owned(), ByteString(text));
    Ok(())
}

/// Reads a worker's report.
pub(crate) fn measured(secret: &Secret) -> Result<ShardReport, String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(MEASURED)).ok_or("missing")?;
    let mut text = Vec::new();
    let read = GzDecoder::new(bytes.0.as_slice()).take(MAX_JSON).read_to_end(&mut text);
    read.map_err(|_| "not compressed text")?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

/// Writes a report to a Secret. If it does not fit, latencies over time are dropped. Counts and distributions are never reduced: if
/// the report still does not fit, it becomes a failure.
pub(crate) fn put_measured(secret: &mut Secret, report: &ShardReport) -> Result<(), StateError> {
    let room = MAX_SECRET_BYTES - STATE_ROOM;
    let whole = packed(report)?;
    let packed = if whole.len() <= room { whole } else { packed(&without_latencies_over_time(report))? };
    let fitting = if packed.len() <= room { packed } else { self::packed(&too_large(report, packed.len()))? };
    secret.data.get_or_insert_default().insert(MEASURED.to_owned(), ByteString(fitting));
    Ok(())
}

fn packed(report: &ShardReport) -> Result<Vec<u8>, StateError> {
    let text = serde_json::to_vec(report)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&text)?;
    Ok(encoder.finish()?)
}

fn without_latencies_over_time(report: &ShardReport) -> ShardReport {
    let without = |end: &ShardEnd| match end {
        ShardEnd::Measured(shard) => {
            let mut shard = shard.clone();
            shard.timeline.intervals.iter_mut().for_each(|interval| interval.latency = None);
            ShardEnd::Measured(shard)
        }
        other => other.clone(),
    };
    report.iter().map(without).collect()
}

fn too_large(report: &ShardReport, bytes: usize) -> ShardReport {
    let failure = ShardFailure {
        message: format!(
            "its measurements have {bytes} bytes after compression; the limit of a Secret is {MAX_SECRET_BYTES}"
        ),
        hint: Some("run fewer loads at the same time, or split them into several experiments".to_owned()),
    };
    report.iter().map(|_| ShardEnd::Failed(failure.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::counts::Counts;
    use crate::model::histogram::EncodedHistogram;
    use crate::model::shard::{IntervalShard, LoadPhase, LoadShard};

    /// A histogram of that many bytes that do not compress.
    fn histogram(bytes: usize, seed: u64) -> EncodedHistogram {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + ((state >> 33) % 90) as u8)
        };
        EncodedHistogram { unit: "usec".into(), count: 1, data: (0..bytes).map(|_| next()).collect() }
    }

    fn shard(bytes: usize, per_interval: usize) -> ShardReport {
        let mut shard = LoadShard { counts: Counts { requests: 7, ..Counts::default() }, ..LoadShard::default() };
        shard.histograms.insert("latency".into(), histogram(bytes, 1));
        let interval =
            |seed| IntervalShard { requests: 1, latency: Some(histogram(per_interval, seed)), ..Default::default() };
        shard.timeline.intervals = (0..10).map(interval).collect();
        vec![ShardEnd::Measured(Box::new(shard))]
    }

    fn through_a_secret(report: &ShardReport) -> ShardReport {
        let mut secret = Secret::default();
        put_measured(&mut secret, report).unwrap();
        let size: usize = secret.data.iter().flat_map(|data| data.values()).map(|value| value.0.len()).sum();
        assert!(size <= MAX_SECRET_BYTES - STATE_ROOM, "{size}");
        measured(&secret).unwrap()
    }

    #[test]
    fn a_report_that_fits_is_whole() {
        let report = shard(1000, 1000);
        assert_eq!(through_a_secret(&report), report);
    }

    #[test]
    fn latencies_over_time_are_dropped_first() {
        let report = shard(300_000, 150_000);
        let read = through_a_secret(&report);
        assert_eq!(read, without_latencies_over_time(&report));
        assert_ne!(read, report);
        let ShardEnd::Failed(failure) = &through_a_secret(&shard(3_000_000, 10))[0] else { panic!("should not fit") };
        assert!(failure.message.contains("the limit of a Secret is 1048576"), "{}", failure.message);
    }

    #[test]
    fn states_round_trip_and_malformed_ones_are_errors() {
        let place = LoadPlace { task: 1, load: 2, phase: LoadPhase::Load };
        let given =
            WorkerState { session: Session { job: "j".into(), epoch: 2 }, at: Some(place), late: true, report: None };
        let mut secret = Secret::default();
        assert_eq!(state::<WorkerState>(&secret).unwrap(), WorkerState::default());
        put_state(&mut secret, &given).unwrap();
        assert_eq!(state::<WorkerState>(&secret).unwrap(), given);
        secret.data.get_or_insert_default().insert(STATE.to_owned(), ByteString(b"{".to_vec()));
        assert!(state::<WorkerState>(&secret).is_err());
        assert!(measured(&secret).is_err());
    }
}
