//! Pods of one Indexed Job that generate one load together, coordinated through the Secrets of their shards.
//!
//! Each pod writes only its own Secret and watches others: the coordinator (index 0) those of all workers, a worker that of the
//! coordinator. Thus no two pods write the same Secret, and no clocks are compared.
//!
//! ```text
//! coordinator's Secret                          a worker's Secret
//! call: place     ◄─ the coordinator arrives    at: place      ◄─ it is ready there
//! go: place       ◄─ all are there, or late     report: place  ◄─ its measurements, under `measured`
//! through: place  ◄─ all have reported
//! over            ◄─ the run has ended
//! ```
//!
//! A *session* is one epoch of the coordinator within one Job: a restarted coordinator starts the next one. The state of a worker
//! only counts in its session, so nothing is counted twice after a restart, and nothing from an earlier loop is mixed in. The
//! coordinator writes a heartbeat; a worker gives up if it sees no change for the start timeout.

mod coordinator;
mod mailbox;
mod state;
mod worker;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::coordinator::Coordinator;
use self::worker::Worker;
use crate::adapters::kubernetes::client::Connection;
use crate::manifests::names::Group;
use crate::model::document::Experiment;
use crate::model::shard::{LoadPlace, ShardReport, Share};
use crate::ports::BoxFuture;
use crate::ports::cluster::ClusterError;
use crate::ports::fleet::{BarrierResult, Fleet, FleetError, MemberShard};

/// One of the pods that generate one load together.
pub struct PodFleet {
    share: Share,
    role: Role,
}

enum Role {
    Coordinator(Coordinator),
    Worker(Box<Worker>),
}

/// Identity of a pod among those of its Job.
pub struct ShardIndex {
    /// The group that the Job belongs to.
    pub group: Group,
    /// UID of the Job.
    pub job: String,
    /// Index of the pod and their number.
    pub share: Share,
    /// Maximum time that pods wait for each other.
    pub start_timeout: Duration,
}

impl PodFleet {
    /// Joins the run. The coordinator starts a new session; `None` if the run of this Job has already ended.
    pub async fn join(connection: &Connection, shard: &ShardIndex) -> Result<Option<Self>, ClusterError> {
        let role = match shard.share.index() {
            0 => Coordinator::join(connection, shard).await?.map(Role::Coordinator),
            _ => Some(Role::Worker(Box::new(Worker::join(connection, shard).await?))),
        };
        Ok(role.map(|role| Self { share: shard.share, role }))
    }

    /// Returns the document as it was before this run. In its first epoch the coordinator stores `document`; in later ones it
    /// returns the stored one, without changes by a lost epoch.
    pub async fn before_run(&self, document: Option<Experiment>) -> Result<Option<Experiment>, ClusterError> {
        match &self.role {
            Role::Coordinator(coordinator) => coordinator.before_run(document).await,
            Role::Worker(_) => Ok(document),
        }
    }
}

/// Error of a call that belongs to the other role.
fn wrong_role(call: &str) -> FleetError {
    FleetError::Failed(format!("{call} is not valid in the role of this pod"))
}

impl Fleet for PodFleet {
    fn share(&self) -> Share {
        self.share
    }

    fn start(&self, place: LoadPlace) -> BoxFuture<'_, Result<BarrierResult, FleetError>> {
        match &self.role {
            Role::Coordinator(coordinator) => Box::pin(coordinator.start(place)),
            Role::Worker(worker) => Box::pin(worker.start(place)),
        }
    }

    fn gather<'a>(
        &'a self,
        place: LoadPlace,
        report: &'a ShardReport,
        planned: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<MemberShard>, FleetError>> {
        match &self.role {
            Role::Coordinator(coordinator) => Box::pin(coordinator.gather(place, planned)),
            Role::Worker(worker) => Box::pin(async move { worker.report(place, report).await.map(|()| Vec::new()) }),
        }
    }

    fn next_task(&self) -> BoxFuture<'_, Result<Option<usize>, FleetError>> {
        match &self.role {
            Role::Coordinator(_) => Box::pin(async { Err(wrong_role("next_task")) }),
            Role::Worker(worker) => Box::pin(worker.next_task()),
        }
    }

    fn superseded(&self) -> CancellationToken {
        match &self.role {
            Role::Coordinator(_) => CancellationToken::new(),
            Role::Worker(worker) => worker.superseded(),
        }
    }

    fn finish(&self) -> BoxFuture<'_, Result<(), FleetError>> {
        match &self.role {
            Role::Coordinator(coordinator) => Box::pin(coordinator.finish()),
            Role::Worker(_) => Box::pin(async { Err(wrong_role("finish")) }),
        }
    }
}
