//! The environment of a run.

use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::fleet::Fleet;
use super::{Clock, Files, Observer, Recording, Shell, Web};

/// Everything outside the process that a run and its tasks use. The document store is not part of it, because only the pipeline
/// writes the document.
#[derive(Clone)]
pub struct Env<'a> {
    /// Wall clock.
    pub clock: &'a dyn Clock,
    /// HTTP outside the load path.
    pub web: &'a dyn Web,
    /// Shell scripts.
    pub shell: &'a dyn Shell,
    /// Files and environment variables.
    pub files: &'a dyn Files,
    /// Cluster whose objects tasks watch.
    pub cluster: &'a dyn Cluster,
    /// Receiver of events.
    pub observer: &'a dyn Observer,
    /// Recording that is written or replayed.
    pub recording: Option<&'a dyn Recording>,
    /// Pods that share the load, if there are several.
    pub fleet: Option<&'a dyn Fleet>,
    /// Cancelled by a signal: tasks end soon and return their measurements.
    pub stop: CancellationToken,
}
