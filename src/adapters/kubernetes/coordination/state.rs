//! What pods write for each other into the Secrets of their shards.

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

/// Key of what a worker measured, as compressed JSON.
const MEASURED: &str = "measured.json.gz";

/// Room for the state beside what was measured.
const STATE_ROOM: usize = 16 << 10;

/// Most that what was measured may have when it is not compressed, in bytes.
const MAX_JSON: u64 = 64 << 20;

/// One life of the coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The Job, by its UID.
    pub(crate) job: String,
    /// Which of its coordinator's epochs, from 1.
    pub(crate) epoch: u64,
}

/// What the coordinator says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CoordinatorState {
    pub(crate) session: Session,
    /// Grows while the coordinator epochs.
    pub(crate) beat: u64,
    /// Where it is: workers come there.
    pub(crate) call: Option<LoadPlace>,
    /// The last place that was started.
    pub(crate) go: Option<LoadPlace>,
    /// Who was there.
    pub(crate) joined: Vec<usize>,
    /// The last place for which nobody waits any more.
    pub(crate) through: Option<LoadPlace>,
    /// The run is over.
    pub(crate) over: bool,
}

/// What a worker says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WorkerState {
    /// The session that all of this is of.
    pub(crate) session: Session,
    /// Where it is ready to start.
    pub(crate) at: Option<LoadPlace>,
    /// Whether the others had started there before.
    pub(crate) late: bool,
    /// The last place that it handed in what it measured of.
    pub(crate) report: Option<LoadPlace>,
}

/// The state in a Secret; the default where there is none that can be read.
pub(crate) fn state<T: for<'de> Deserialize<'de> + Default>(secret: &Secret) -> T {
    let bytes = secret.data.as_ref().and_then(|data| data.get(STATE));
    bytes.and_then(|bytes| serde_json::from_slice(&bytes.0).ok()).unwrap_or_default()
}

/// Puts a state into a Secret.
pub(crate) fn put_state<T: Serialize>(secret: &mut Secret, state: &T) {
    let text = serde_json::to_vec(state).unwrap_or_default();
    secret.data.get_or_insert_default().insert(STATE.to_owned(), ByteString(text));
}

/// What a worker measured; the error says why it can't be read.
pub(crate) fn measured(secret: &Secret) -> Result<ShardReport, String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(MEASURED)).ok_or("it is not there")?;
    let mut text = Vec::new();
    let read = GzDecoder::new(bytes.0.as_slice()).take(MAX_JSON).read_to_end(&mut text);
    read.map_err(|_| "it is not compressed text")?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

/// Puts what was measured into a Secret. Where it does not fit, the course over time goes first: counts and distributions never
/// lose anything, and a shard that does not fit without the course is a failure that says so.
pub(crate) fn put_measured(secret: &mut Secret, report: &ShardReport) {
    let room = MAX_SECRET_BYTES - STATE_ROOM;
    let whole = packed(report);
    let packed = if whole.len() <= room { whole } else { packed(&without_course(report)) };
    let fitting = if packed.len() <= room { packed } else { self::packed(&too_large(report, packed.len())) };
    secret.data.get_or_insert_default().insert(MEASURED.to_owned(), ByteString(fitting));
}

fn packed(report: &ShardReport) -> Vec<u8> {
    let text = serde_json::to_vec(report).unwrap_or_default();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // A vector takes all that is written to it.
    let _ = encoder.write_all(&text);
    encoder.finish().unwrap_or_default()
}

fn without_course(report: &ShardReport) -> ShardReport {
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
            "what it measured has {bytes} bytes compressed, and a Secret holds at most {MAX_SECRET_BYTES}"
        ),
        hint: Some("make fewer loads at the same time, or measure them in several experiments".to_owned()),
    };
    report.iter().map(|_| ShardEnd::Failed(failure.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::counts::Counts;
    use crate::model::insights::EncodedHistogram;
    use crate::model::shard::{IntervalShard, LoadPhase, LoadShard};

    /// A histogram of that many bytes, which no compression makes shorter.
    fn histogram(bytes: usize, seed: u64) -> EncodedHistogram {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + ((state >> 33) % 90) as u8)
        };
        EncodedHistogram { unit: "usec".into(), count: 1, data: (0..bytes).map(|_| next()).collect() }
    }

    fn shard(bytes: usize, of_course: usize) -> ShardReport {
        let mut shard = LoadShard { counts: Counts { requests: 7, ..Counts::default() }, ..LoadShard::default() };
        shard.histograms.insert("latency".into(), histogram(bytes, 1));
        let interval =
            |seed| IntervalShard { requests: 1, latency: Some(histogram(of_course, seed)), ..Default::default() };
        shard.timeline.intervals = (0..10).map(interval).collect();
        vec![ShardEnd::Measured(Box::new(shard))]
    }

    fn through_a_secret(report: &ShardReport) -> ShardReport {
        let mut secret = Secret::default();
        put_measured(&mut secret, report);
        let size: usize = secret.data.iter().flat_map(|data| data.values()).map(|value| value.0.len()).sum();
        assert!(size <= MAX_SECRET_BYTES - STATE_ROOM, "{size}");
        measured(&secret).unwrap()
    }

    #[test]
    fn what_was_measured_is_whole_where_it_fits() {
        let report = shard(1000, 1000);
        assert_eq!(through_a_secret(&report), report);
    }

    #[test]
    fn the_course_goes_before_anything_else_does() {
        let report = shard(300_000, 150_000);
        let read = through_a_secret(&report);
        assert_eq!(read, without_course(&report));
        assert_ne!(read, report);
        let ShardEnd::Failed(failure) = &through_a_secret(&shard(3_000_000, 10))[0] else { panic!("it can't fit") };
        assert!(failure.message.contains("a Secret holds at most 1048576"), "{}", failure.message);
    }

    #[test]
    fn states_pass_through_a_secret_and_what_is_none_is_the_default() {
        let place = LoadPlace { task: 1, load: 2, phase: LoadPhase::Load };
        let given =
            WorkerState { session: Session { job: "j".into(), epoch: 2 }, at: Some(place), late: true, report: None };
        let mut secret = Secret::default();
        assert_eq!(state::<WorkerState>(&secret), WorkerState::default());
        put_state(&mut secret, &given);
        assert_eq!(state::<WorkerState>(&secret), given);
        secret.data.get_or_insert_default().insert(STATE.to_owned(), ByteString(b"{".to_vec()));
        assert_eq!(state::<WorkerState>(&secret), WorkerState::default());
        assert!(measured(&secret).is_err());
    }
}
