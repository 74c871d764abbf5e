//! Pods of one Indexed Job that make loads together, by the Secrets of their shards.
//!
//! Each pod writes only its own Secret and watches others': the coordinator (index 0) those of all, a worker the coordinator's.
//! So nobody overwrites anybody, and no two clocks are compared.
//!
//! ```text
//! coordinator's Secret                          a worker's Secret
//! call: place     ◄─ the coordinator comes      at: place      ◄─ it is ready there
//! go: place       ◄─ all are there, or late     report: place  ◄─ what it measured, under `measured`
//! through: place  ◄─ all have handed in
//! over            ◄─ the run is over
//! ```
//!
//! A *session* is one life of the coordinator within one Job. What a worker wrote counts only in the session that it names, so
//! that nothing is counted twice when the coordinator begins anew, and nothing of an earlier loop is taken for this one's. The
//! coordinator writes a heartbeat: a worker that hears nothing for as long as pods wait for each other gives up.

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

/// A pod among those that make loads together.
pub struct PodFleet {
    share: Share,
    role: Role,
}

enum Role {
    Coordinator(Coordinator),
    Worker(Box<Worker>),
}

/// Which pod this is, and of what.
pub struct ShardIndex {
    /// The group.
    pub group: Group,
    /// The Job, by its UID.
    pub job: String,
    /// Which pod of it.
    pub share: Share,
    /// How long pods wait for each other.
    pub start_timeout: Duration,
}

impl PodFleet {
    /// Takes part. For the coordinator a new session begins, unless the run of this Job is over: then there is nothing to take part in.
    pub async fn join(connection: &Connection, seat: &ShardIndex) -> Result<Option<Self>, ClusterError> {
        let role = match seat.share.index() {
            0 => Coordinator::join(connection, seat).await?.map(Role::Coordinator),
            _ => Some(Role::Worker(Box::new(Worker::join(connection, seat).await?))),
        };
        Ok(role.map(|role| Self { share: seat.share, role }))
    }

    /// The document as it was before this run: for the coordinator's first epoch the one that is given, which is kept for later ones;
    /// what a epoch that was lost added to it does not count.
    pub async fn before_run(&self, document: Option<Experiment>) -> Result<Option<Experiment>, ClusterError> {
        match &self.role {
            Role::Coordinator(coordinator) => coordinator.before_run(document).await,
            Role::Worker(_) => Ok(document),
        }
    }
}

/// What one role is asked that is the other's.
fn not_mine(what: &str) -> FleetError {
    FleetError::Failed(format!("{what} is not this pod's part"))
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
        own: &'a ShardReport,
        planned: Option<Duration>,
    ) -> BoxFuture<'a, Result<Vec<MemberShard>, FleetError>> {
        match &self.role {
            Role::Coordinator(coordinator) => Box::pin(coordinator.gather(place, planned)),
            Role::Worker(worker) => Box::pin(async move { worker.hand_in(place, own).await.map(|()| Vec::new()) }),
        }
    }

    fn next_task(&self) -> BoxFuture<'_, Result<Option<usize>, FleetError>> {
        match &self.role {
            Role::Coordinator(_) => Box::pin(async { Err(not_mine("to be called for tasks")) }),
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
            Role::Worker(_) => Box::pin(async { Err(not_mine("to end the run")) }),
        }
    }
}
