//! A target whose traffic depends on several objects: reads them, changes them by its rules, and waits until the change takes effect.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, select_all};
use serde_json::Value;
use tokio::time::timeout_at;

use super::error::{TrafficError, TrafficErrorKind};
use super::target::{Expected, Observed, Say, Target};
use super::waiting::{Deadline, UNREAD, wait_for};
use crate::model::object::ObjectRef;
use crate::ports::BoxFuture;
use crate::ports::cluster::{Cluster, ClusterError, ClusterErrorKind};
use crate::rollout::change::{Change, Refusal};
use crate::rollout::objects::ObjectPatch;
use crate::rollout::{Objects, Progress, Rules, Split, State, Step};

/// Attempts to change objects that others change at the same time.
const ATTEMPTS: usize = 10;

/// Maximum rounds of reading objects that other objects name.
const MAX_ROUNDS: usize = 5;

/// A target in a cluster.
pub(crate) struct ObjectsTraffic<'a, R> {
    cluster: &'a dyn Cluster,
    rules: R,
}

/// Result of a change.
pub(crate) struct SplitChanged {
    /// Traffic after the change.
    pub(crate) split: Split,
    /// True if the traffic already was as requested.
    pub(crate) was_so: bool,
    /// Warnings for the user.
    pub(crate) warnings: Vec<String>,
}

/// Objects of a target while they are watched.
struct Watched<'w> {
    known: Objects,
    events: BoxStream<'w, (&'w ObjectRef, Result<Option<Value>, ClusterError>)>,
}

impl<'a, R: Rules> ObjectsTraffic<'a, R> {
    /// Names a target by its rules.
    pub(crate) fn new(cluster: &'a dyn Cluster, rules: R) -> Self {
        Self { cluster, rules }
    }

    /// Reads the state.
    pub(crate) async fn state(&self) -> Result<State, TrafficError> {
        let (_, known) = self.read().await?;
        self.state_of(&known)
    }

    /// Calls `show` with the state, now and after each change, until the target is deleted.
    pub(crate) async fn follow<E: From<TrafficError>>(
        &self,
        mut show: impl FnMut(&Split) -> Result<(), E>,
    ) -> Result<(), E> {
        'objects: loop {
            let (objects, _) = self.read().await?;
            let mut watched = self.watch(&objects).await?;
            loop {
                if watched.known.get(self.rules.main()).is_none() {
                    return Ok(());
                }
                show(&self.state_of(&watched.known)?.split)?;
                self.next(&mut watched).await?;
                if self.names_others(&objects, &watched.known) && watched.known.get(self.rules.main()).is_some() {
                    continue 'objects;
                }
            }
        }
    }

    /// Makes a change, and waits until the traffic shows it. `say` gets each reason to wait. Sends nothing unless the target is as expected.
    pub(crate) async fn change(
        &self,
        change: Change,
        expected: Option<&Expected>,
        timeout: Duration,
        say: Say<'_>,
    ) -> Result<SplitChanged, TrafficError> {
        self.change_until(change, expected, Deadline::after(timeout), say).await
    }

    /// Makes a change like [`change`](Self::change), for a caller that has spent some of its time.
    pub(super) async fn change_until(
        &self,
        change: Change,
        expected: Option<&Expected>,
        deadline: Deadline,
        say: Say<'_>,
    ) -> Result<SplitChanged, TrafficError> {
        let mut waiting_for = UNREAD.to_owned();
        let mut sent_goal = None;
        let changed = async {
            let (goal, is_sent, warnings) = self.sent(change, expected, &mut waiting_for, say).await?;
            let goal = sent_goal.insert(goal);
            let (split, is_first) = self.reached(goal, &mut waiting_for, say).await?;
            Ok(SplitChanged { split, was_so: !is_sent && is_first, warnings })
        };
        let result = timeout_at(deadline.end, changed).await;
        result.unwrap_or_else(|_| {
            let error = deadline.error(self, &waiting_for);
            let next_step = sent_goal.and_then(|goal| self.rules.after_timeout(&goal, &waiting_for));
            Err(TrafficError { hint: next_step.or(error.hint), ..error })
        })
    }

    /// Returns the patches of a change without sending them.
    pub(crate) async fn dry(&self, change: Change) -> Result<Vec<ObjectPatch>, TrafficError> {
        let (_, known) = self.read().await?;
        match self.rules.plan(&known, change) {
            Step::Refused(refusal) => Err(self.unchanged(&refusal)),
            Step::NotYet(reason) => Err(TrafficError::new(
                TrafficErrorKind::Timeout,
                format!("cannot change {} yet: {reason}", self.describe()),
                "without --dry, the command waits for that; or retry later",
            )),
            Step::Send { patches, .. } => Ok(patches),
        }
    }

    /// Sends the patches of a change, as soon as it is possible. Returns the goal, true if something was sent, and warnings.
    async fn sent(
        &self,
        change: Change,
        expected: Option<&Expected>,
        waiting_for: &mut String,
        say: Say<'_>,
    ) -> Result<(R::Goal, bool, Vec<String>), TrafficError> {
        let mut is_sent = false;
        let mut conflicts = 0;
        let mut all_warnings = Vec::new();
        'objects: loop {
            // After a conflict, everything is read again: a watch may still yield states from before the last patch.
            let (objects, _) = self.read().await?;
            let mut watched = self.watch(&objects).await?;
            let (patches, goal, warnings) = loop {
                let state = self.state_of(&watched.known)?;
                if let Some(reason) = expected.filter(|_| !is_sent).and_then(|expected| difference(expected, &state)) {
                    return Err(self.lost(&reason));
                }
                match self.rules.plan(&watched.known, change) {
                    Step::Refused(refusal) => return Err(self.unchanged(&refusal)),
                    Step::NotYet(reason) => wait_for(&reason, waiting_for, say),
                    Step::Send { patches, goal, warnings } => break (patches, goal, warnings),
                }
                self.next(&mut watched).await?;
                if self.names_others(&objects, &watched.known) {
                    continue 'objects;
                }
            };
            all_warnings.extend(warnings);
            for ObjectPatch { object, patch } in patches {
                match self.cluster.patch(&object, &patch).await {
                    Ok(_) => is_sent = true,
                    Err(error) if error.kind == ClusterErrorKind::Conflict && conflicts < ATTEMPTS => {
                        conflicts += 1;
                        continue 'objects;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            all_warnings.sort();
            all_warnings.dedup();
            return Ok((goal, is_sent, all_warnings));
        }
    }

    /// Waits for the goal. Returns the split, and true if it was there at once.
    async fn reached(
        &self,
        goal: &R::Goal,
        waiting_for: &mut String,
        say: Say<'_>,
    ) -> Result<(Split, bool), TrafficError> {
        let mut is_first = true;
        'objects: loop {
            // A new watch yields the current states first, so no states from before the patches can follow.
            let (objects, _) = match self.read().await {
                Err(error) if error.kind == TrafficErrorKind::Absent => return Err(self.lost("it was deleted")),
                read => read?,
            };
            let mut watched = self.watch(&objects).await?;
            loop {
                match self.rules.check(goal, &watched.known) {
                    Progress::Reached => return Ok((self.state_of(&watched.known)?.split, is_first)),
                    Progress::Waiting(reason) => wait_for(&reason, waiting_for, say),
                    Progress::Lost(reason) => return Err(self.lost(&reason)),
                }
                is_first = false;
                self.next(&mut watched).await?;
                if self.names_others(&objects, &watched.known) {
                    continue 'objects;
                }
            }
        }
    }

    /// Reads all objects once, and those that they name.
    async fn read(&self) -> Result<(Vec<ObjectRef>, Objects), TrafficError> {
        let mut known = Objects::default();
        for _ in 0..MAX_ROUNDS {
            let unknown: Vec<ObjectRef> =
                self.rules.objects(&known).into_iter().filter(|object| !known.is_known(object)).collect();
            if unknown.is_empty() {
                break;
            }
            for object in unknown {
                let mut events = self.cluster.watch(&object).await?;
                let state = loop {
                    match events.next().await {
                        Some(state) => match self.state_or_retry(&object, state, &mut known)? {
                            Read::Again => {}
                            Read::Done(state) => break state,
                        },
                        None => return Err(self.ended(&object)),
                    }
                };
                drop(events);
                if let Some(state) = state {
                    known.set(object, state);
                }
            }
            if known.get(self.rules.main()).is_none() {
                return Err(self.absent());
            }
        }
        Ok((self.rules.objects(&known), known))
    }

    /// Watches objects, until each is known.
    async fn watch<'w>(&'w self, objects: &'w [ObjectRef]) -> Result<Watched<'w>, TrafficError> {
        let mut streams = Vec::with_capacity(objects.len());
        for object in objects {
            let states = self.cluster.watch(object).await?;
            streams.push(states.map(move |state| (object, state)).boxed());
        }
        let mut watched = Watched { known: Objects::default(), events: select_all(streams).boxed() };
        while objects.iter().any(|object| !watched.known.is_known(object)) {
            self.next(&mut watched).await?;
        }
        Ok(watched)
    }

    /// Waits for the next state of an object.
    async fn next(&self, watched: &mut Watched<'_>) -> Result<(), TrafficError> {
        loop {
            let Some((object, state)) = watched.events.next().await else {
                return Err(self.ended(self.rules.main()));
            };
            match self.state_or_retry(object, state, &mut watched.known)? {
                Read::Again => {}
                Read::Done(Some(state)) => {
                    watched.known.set(object.clone(), state);
                    return Ok(());
                }
                Read::Done(None) => return Ok(()),
            }
        }
    }

    /// Classifies the result of a read: an unreachable API server is retried, and a type that the cluster lacks is noted.
    fn state_or_retry(
        &self,
        object: &ObjectRef,
        state: Result<Option<Value>, ClusterError>,
        known: &mut Objects,
    ) -> Result<Read, TrafficError> {
        match state {
            Ok(state) => Ok(Read::Done(Some(state))),
            Err(error) if error.kind == ClusterErrorKind::Unreachable => {
                tracing::warn!("{error}; trying again");
                Ok(Read::Again)
            }
            Err(error) if error.kind == ClusterErrorKind::NotFound && object != self.rules.main() => {
                known.set_missing_type(object.clone());
                Ok(Read::Done(None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns true if the objects now name other objects than these.
    fn names_others(&self, objects: &[ObjectRef], known: &Objects) -> bool {
        self.rules.objects(known).iter().any(|object| !objects.contains(object))
    }

    fn state_of(&self, known: &Objects) -> Result<State, TrafficError> {
        if known.get(self.rules.main()).is_none() {
            return Err(self.absent());
        }
        self.rules.state(known).map_err(|(reason, hint)| {
            TrafficError::new(TrafficErrorKind::Refused, format!("cannot roll out {}: {reason}", self.describe()), hint)
        })
    }

    fn unchanged(&self, (reason, hint): &Refusal) -> TrafficError {
        TrafficError::new(TrafficErrorKind::Refused, format!("cannot change {}: {reason}", self.describe()), hint)
    }

    fn lost(&self, reason: &str) -> TrafficError {
        TrafficError::new(
            TrafficErrorKind::Lost,
            format!("the change of {} was lost: {reason}", self.describe()),
            format!("`iter8 k rollout status {}` shows its state", self.argument()),
        )
    }

    fn absent(&self) -> TrafficError {
        let ObjectRef { name, namespace, .. } = self.rules.main();
        TrafficError::new(
            TrafficErrorKind::Absent,
            match namespace {
                Some(namespace) => format!("namespace {namespace} has no {} {name}", self.rules.kind()),
                None => format!("{} {name} does not exist", self.rules.kind()),
            },
            format!("`{}` lists them all", self.rules.listing()),
        )
    }

    fn ended(&self, object: &ObjectRef) -> TrafficError {
        let message = format!("the watch of {object} ended; retry");
        TrafficError { kind: TrafficErrorKind::Cluster, message, hint: None }
    }
}

/// Result of reading a state.
enum Read {
    /// The state, unless the cluster lacks its type.
    Done(Option<Option<Value>>),
    /// It will be read again.
    Again,
}

/// Returns the state of a target for a rollout in steps.
fn observed(state: &State) -> Observed {
    Observed {
        uid: state.uid.clone(),
        stable: Some(state.split.stable.version.clone()),
        candidate: state.split.candidate.as_ref().map(|candidate| candidate.version.clone()),
        percent: state.percent,
    }
}

/// Returns the difference between a target and its expected state. A run that was killed between two patches leaves both percents behind.
fn difference(expected: &Expected, state: &State) -> Option<String> {
    let observed = observed(state);
    let of = |percent: i64| expected.difference(&Observed { percent: Some(percent), ..observed.clone() });
    match state.half_written {
        Some((before, after)) if of(before).is_none() && of(after).is_none() => None,
        _ => expected.difference(&observed),
    }
}

impl<R: Rules> Target for ObjectsTraffic<'_, R> {
    fn describe(&self) -> String {
        format!("{} {}", self.rules.kind(), self.rules.main().name)
    }

    fn argument(&self) -> String {
        let ObjectRef { name, .. } = self.rules.main();
        match self.rules.kind() {
            "InferenceService" => name.clone(),
            "LLMInferenceService" => format!("llmisvc/{name}"),
            kind => format!("{kind}/{name}"),
        }
    }

    fn observe(&self) -> BoxFuture<'_, Result<Observed, TrafficError>> {
        Box::pin(async { self.state().await.map(|state| observed(&state)) })
    }

    fn change<'a>(
        &'a self,
        change: Change,
        expected: Option<&'a Expected>,
        timeout: Duration,
        say: Say<'a>,
    ) -> BoxFuture<'a, Result<(), TrafficError>> {
        Box::pin(async move { self.change(change, expected, timeout, say).await.map(|_| ()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::split::Share;

    fn state(percent: i64, half_written: Option<(i64, i64)>) -> State {
        let share = |version: &str| Share { version: version.to_owned(), requested: 0, percent: None, ready: true };
        let split = Split {
            kind: "routemap",
            namespace: "shop".to_owned(),
            name: "wisdom".to_owned(),
            stable: share("wisdom-0"),
            candidate: Some(share("wisdom-1")),
            problems: Vec::new(),
        };
        State { uid: "u".to_owned(), percent: Some(percent), half_written, split }
    }

    #[test]
    fn what_a_killed_run_left_behind_is_expected_and_what_others_wrote_is_not() {
        let percents = vec![Some(20), Some(50)];
        let expected = Expected { uid: "u".to_owned(), candidate: Some("wisdom-1".to_owned()), percents };
        assert_eq!(difference(&expected, &state(38, Some((20, 50)))), None);
        assert_eq!(difference(&expected, &state(29, Some((50, 20)))), None);
        assert_eq!(difference(&expected, &state(20, None)), None);
        // Others set the weight of the stable version to 0.
        let reason = difference(&expected, &state(100, Some((100, 20)))).unwrap();
        assert_eq!(reason, "the percent was changed by someone else: it is 100; expected 20");
        let other = Expected { candidate: Some("wisdom-2".to_owned()), ..expected };
        assert!(difference(&other, &state(38, Some((20, 50)))).is_some());
    }
}
