//! The experiment document in the Secret of its group, written with optimistic concurrency.
//!
//! Every write is based on a resource version. After a conflict the Secret is read again: unrelated changes (a label, an
//! annotation) are kept and the write is repeated on top of them. If another run wrote the document, a later launch replaced it, or
//! the Secret was deleted, this run stops writing. A write whose response was lost is recognized by its content.
//!
//! The first write makes the key of the document's digest, unless the Secret has one.

use std::time::Instant;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::Mutex;

use super::provenance::{Planned, has_digest_of, is_of_launch, is_of_values, is_outdated, revision};
use super::secret_data::{self, Entries, entries};
use crate::adapters::kubernetes::client::{
    Connection, INTERACTIVE, MANAGER, Operation, RUN, kind_of, states_of, with_retry,
};
use crate::manifests::names::Group;
use crate::model::document::Experiment;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::ports::{BoxFuture, DocumentStore, StoreError};
use crate::values::DigestKey;

/// Contents of a group's Secret.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Values of the launch; `None` if there is only a document, as in Iter8.
    pub values: Option<Value>,
    /// The document; `None` before the first run.
    pub document: Option<Experiment>,
    /// Revision of the launch.
    pub revision: Option<i64>,
    /// Key of the Secret, or a new one.
    pub(crate) key: DigestKey,
    /// True if the Secret has the key.
    pub(crate) is_key_stored: bool,
}

impl Stored {
    /// Returns true if the document has the digest of the values; `None` if that cannot be compared.
    pub(crate) fn has_digest(&self) -> Option<bool> {
        has_digest_of(self.document.as_ref()?, self.values.as_ref()?, Some(&self.key).filter(|_| self.is_key_stored))
    }
}

/// The document of a launch.
#[derive(Debug)]
pub struct LatestDocument {
    /// The document; of a planned experiment before the first run.
    pub document: Experiment,
    /// True if the values have changed since it was written, and nothing has run with them.
    pub is_outdated: bool,
}

/// Reads and writes the Secret of a group.
pub struct SecretStore {
    client: Client,
    group: Group,
    /// Expected revision; `None` for any.
    revision: Option<i64>,
    planned: Option<Planned>,
    known: Mutex<Option<Known>>,
}

/// The Secret as it was last read or written.
struct Known {
    secret: Secret,
    document: Entries,
    /// Key of the digest in the documents to write.
    key: Option<DigestKey>,
}

impl Known {
    fn new(secret: Secret, key: Option<DigestKey>) -> Self {
        Self { document: entries(&secret), secret, key }
    }
}

/// Content of the Secret after a conflict.
enum Conflict {
    /// Already written: the response was lost.
    Written(Secret),
    /// Something other than the document has changed.
    Changed(Secret),
}

impl SecretStore {
    /// Creates a store for this revision of the group, or for any.
    pub fn new(connection: &Connection, group: Group, revision: Option<i64>) -> Self {
        Self { client: connection.client.clone(), group, revision, planned: None, known: Mutex::new(None) }
    }

    /// Reads a Secret without a document as a planned experiment, because Helm writes values only.
    #[must_use]
    pub fn with_planned(mut self, planned: Planned) -> Self {
        self.planned = Some(planned);
        self
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.group.namespace)
    }

    fn operation(&self, verb: &'static str) -> Operation {
        Operation::new(verb, &kind_of::<Secret>(), &self.group.namespace, &self.group.secret())
    }

    fn lost(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Lost { location: self.location(), reason: reason.into() }
    }

    /// Builds the error of a run whose revision was replaced.
    fn replaced(&self, other: Option<i64>, mine: Option<i64>) -> StoreError {
        let text = |revision: Option<i64>| revision.map_or("none".to_owned(), |revision| revision.to_string());
        self.lost(format!("revision {} was replaced by revision {}", text(mine), text(other)))
    }

    fn cluster(&self, action: &'static str) -> impl Fn(ClusterError) -> StoreError {
        let location = self.location();
        move |source| StoreError::Cluster { action, location: location.clone(), source }
    }

    async fn get(&self) -> Result<Option<Secret>, ClusterError> {
        let (api, name) = (self.api(), self.group.secret());
        let policy = if self.revision.is_some() { RUN } else { INTERACTIVE };
        with_retry(policy, &self.operation("get"), || api.get_opt(&name)).await
    }

    /// Reads the Secret and makes it the base of the next write.
    pub async fn open(&self) -> Result<Stored, StoreError> {
        let current = self.get().await.map_err(self.cluster("read"))?;
        let secret = current.ok_or_else(|| StoreError::Missing { location: self.location() })?;
        let invalid = |source| StoreError::Invalid { location: self.location(), source };
        let revision = revision(&secret.metadata);
        if let (Some(mine), Some(other)) = (self.revision, revision)
            && mine != other
        {
            return Err(self.replaced(Some(other), Some(mine)));
        }
        let in_secret = secret_data::digest_key(&secret);
        let is_key_stored = in_secret.is_some();
        let key = in_secret.or_else(DigestKey::random).ok_or_else(|| {
            let message = "the operating system has no random numbers";
            self.cluster("read")(ClusterError::new(ClusterErrorKind::Config, message))
        })?;
        let stored = Stored {
            values: secret_data::values(&secret).transpose().map_err(|error| invalid(error.into()))?,
            document: secret_data::document(&secret).transpose().map_err(invalid)?,
            revision,
            is_key_stored,
            key: key.clone(),
        };
        *self.known.lock().await = Some(Known::new(secret, Some(key)));
        Ok(stored)
    }

    /// Reads the document of this launch, even if the values have changed since it was written.
    pub async fn latest(&self) -> Result<LatestDocument, StoreError> {
        let Stored { values, document, revision, key, is_key_stored } = self.open().await?;
        let key = Some(&key).filter(|_| is_key_stored);
        if let Some(document) = document.filter(|document| is_of_launch(document, revision)) {
            let is_outdated = values.is_some_and(|values| !is_of_values(&document, &values, key, self.planned));
            return Ok(LatestDocument { document, is_outdated });
        }
        let planned = values.and_then(|values| self.planned?(&values, revision.unwrap_or(1)));
        let document = planned.ok_or_else(|| StoreError::Missing { location: self.location() })?;
        Ok(LatestDocument { document, is_outdated: false })
    }

    /// Returns true if the document, as it was last read, belongs to other values than the Secret has.
    pub async fn is_outdated(&self) -> bool {
        let known = self.known.lock().await;
        let Some(secret) = known.as_ref().map(|known| &known.secret) else { return false };
        match secret_data::document(secret) {
            Some(Ok(document)) => {
                is_of_launch(&document, revision(&secret.metadata)) && is_outdated(secret, &document, self.planned)
            }
            _ => false,
        }
    }

    /// Returns the revision of the Secret when it was last read.
    pub async fn known_revision(&self) -> Option<i64> {
        self.known.lock().await.as_ref().and_then(|known| revision(&known.secret.metadata))
    }

    /// Waits until the document no longer belongs to this run and returns the reason.
    pub async fn until_lost(&self) -> StoreError {
        let uid = self.known.lock().await.as_ref().and_then(|known| known.secret.metadata.uid.clone());
        let name = self.group.secret();
        let mut states = std::pin::pin!(states_of::<Secret>(&self.client, &self.group.namespace, &name));
        while let Some(state) = states.next().await {
            match state {
                Ok(None) => return self.lost("it was deleted"),
                Ok(Some(object)) if object.metadata.uid != uid => return self.lost("it was deleted and recreated"),
                Ok(Some(object)) => {
                    let other = revision(&object.metadata);
                    if self.revision.is_some() && other.is_some() && other != self.revision {
                        return self.replaced(other, self.revision);
                    }
                }
                Err(error) if error.kind == ClusterErrorKind::Unreachable => {}
                Err(error) => {
                    tracing::debug!("not watched: {error}");
                    break;
                }
            }
        }
        // The next write detects it.
        std::future::pending().await
    }

    /// Reads the Secret after a conflict.
    async fn resolve_conflict(&self, wanted: &Secret, known: &Known) -> Result<Conflict, StoreError> {
        let current = self.get().await.map_err(self.cluster("write"))?;
        let Some(current) = current else { return Err(self.lost("it was deleted")) };
        if current.metadata.uid != known.secret.metadata.uid {
            return Err(self.lost("it was deleted and recreated"));
        }
        let (mine, other) = (revision(&known.secret.metadata), revision(&current.metadata));
        if mine != other {
            return Err(self.replaced(other, mine));
        }
        if entries(&current) == entries(wanted) {
            return Ok(Conflict::Written(current));
        }
        if entries(&current) != known.document {
            return Err(self.lost("another run has written the document"));
        }
        Ok(Conflict::Changed(current))
    }

    async fn write(&self, experiment: &Experiment) -> Result<(), StoreError> {
        let mut guard = self.known.lock().await;
        if guard.is_none() {
            let current = self.get().await.map_err(self.cluster("write"))?;
            *guard = Some(Known::new(current.ok_or_else(|| self.lost("it was deleted"))?, None));
        }
        let Some(known) = guard.as_mut() else { return Ok(()) };
        let started = Instant::now();
        let api = self.api();
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        loop {
            let mut secret = known.secret.clone();
            secret.metadata.managed_fields = None;
            if let Some(key) = &known.key {
                secret_data::put_digest_key(&mut secret, key);
            }
            secret_data::put(&mut secret, experiment)
                .map_err(|reason| StoreError::TooLarge { location: self.location(), reason })?;
            let name = self.group.secret();
            let outcome = with_retry(RUN, &self.operation("update"), || api.replace(&name, &params, &secret)).await;
            match outcome {
                Ok(written) => {
                    *known = Known::new(written, known.key.take());
                    return Ok(());
                }
                Err(error) if error.kind == ClusterErrorKind::NotFound => return Err(self.lost("it was deleted")),
                Err(error) if error.kind == ClusterErrorKind::Conflict => {
                    match self.resolve_conflict(&secret, known).await? {
                        Conflict::Written(written) => {
                            *known = Known::new(written, known.key.take());
                            return Ok(());
                        }
                        Conflict::Changed(current) if started.elapsed() < RUN.budget => {
                            *known = Known::new(current, known.key.take());
                        }
                        Conflict::Changed(_) => return Err(self.cluster("write")(error)),
                    }
                }
                Err(error) => return Err(self.cluster("write")(error)),
            }
        }
    }
}

impl DocumentStore for SecretStore {
    fn location(&self) -> String {
        format!("secret/{} in namespace {}", self.group.secret(), self.group.namespace)
    }

    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(async {
            let LatestDocument { document, is_outdated } = self.latest().await?;
            // The experiment of the new values has not started.
            Ok(if is_outdated { Experiment { result: None, ..document } } else { document })
        })
    }

    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.write(experiment))
    }
}
