//! Reconciliation of a routemap: decides with what is known now, and applies what differs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::claims::{claim, known, rendered_types};
use super::index::{Known, RoutemapObject};
use super::keys::{ObjectKey, ResourceKey, TypeId};
use super::outputs::{self, Outcome};
use super::queue::Next;
use super::rendering;
use super::report;
use super::shared::Shared;
use super::watches;
use crate::routing::Decision;

/// Time for which deletions are held although a type that the routemap names was never readable.
const UNDECIDED: Duration = Duration::from_secs(60);

/// Reconciles a routemap.
pub(super) async fn reconcile(shared: Arc<Shared>, key: ObjectKey) -> Next {
    let (shared, key) = (&shared, &key);
    let Some(object) = shared.index.routemap(key) else {
        report::forget(shared, key);
        return Next::Forget;
    };
    let (_, resources) = match &object.parsed {
        Ok(parsed) => parsed,
        Err(errors) => {
            report::invalid(shared, &object, errors);
            return Next::Wait;
        }
    };
    // The lists are awaited, because a resource that is not listed yet would count as missing.
    let types = || resources.iter().map(|resource| resource.of_type);
    if let Some((of_type, since)) = shared.index.first_unreadable(types()) {
        return undecided(shared, &object, resources, (of_type, since));
    }
    if shared.index.first_unlisted(types()).is_some() || !shared.has_claims.load(Ordering::Acquire) {
        return Next::Wait;
    }
    let known = known(shared, resources);
    let Some(decision) = rendering::decide(shared, &object, &known).await else {
        return Next::Retry(Duration::ZERO);
    };
    let decision = claim(shared, key, decision);
    watches::watch_targets(shared, rendered_types(shared, &decision));
    report::decided(shared, &object, &decision);
    let next = match shared.leadership.is_leader() {
        true => apply(shared, &object, &decision, &known).await,
        false => Next::Wait,
    };
    let hold = decision.redecide_at.map(|at| (at - shared.now()).to_std().unwrap_or_default());
    or_at_end_of_hold(next, hold)
}

/// Adds the end of a hold, which no event marks. An output that is delayed must not keep the others from moving their traffic then.
fn or_at_end_of_hold(next: Next, hold: Option<Duration>) -> Next {
    next.sooner(hold.map_or(Next::Wait, |hold| Next::At(Instant::now() + hold)))
}

/// Handles a routemap that cannot be decided because a type was never readable. After a while, finalizers no longer hold its resources that
/// are being deleted, because their traffic may never be moved.
fn undecided(
    shared: &Shared,
    object: &RoutemapObject,
    resources: &[ResourceKey],
    (of_type, since): (TypeId, Instant),
) -> Next {
    let due = since + UNDECIDED;
    if Instant::now() < due {
        return Next::At(due);
    }
    let what = shared.types.get(of_type).map(|found| found.resource.to_string()).unwrap_or_default();
    report::undecided(shared, object, &shared.unready(&what));
    if shared.leadership.is_leader() {
        let done = shared.index.deletions_handled(&object.key, &known(shared, resources));
        shared.finalizers.push_all(&done);
    }
    Next::Wait
}

/// Applies the outputs of a decision, and releases the resources that are being deleted once no traffic goes to them.
async fn apply(shared: &Arc<Shared>, object: &RoutemapObject, decision: &Decision, known: &Known) -> Next {
    let mut next = Next::Wait;
    let (mut is_final, mut is_in_place, mut has_changes) = (true, true, false);
    for output in &decision.outputs {
        let outcome = outputs::apply(shared, object, decision, output).await;
        has_changes |= outcome == Outcome::Applied;
        is_in_place &= matches!(outcome, Outcome::Applied | Outcome::Unchanged | Outcome::Empty);
        is_final &= !matches!(outcome, Outcome::Retry(_) | Outcome::At(_) | Outcome::Waiting);
        next = outcome.next().sooner(next);
        shared.routemaps.step();
    }
    if is_in_place {
        report::applied(shared, object, decision, has_changes);
    }
    if is_final {
        let done = shared.index.deletions_handled(&object.key, known);
        shared.finalizers.push_all(&done);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_delayed_output_does_not_delay_the_end_of_a_hold() {
        let at = |seconds| Next::At(Instant::now() + Duration::from_secs(seconds));
        let hold = Some(Duration::from_secs(5));
        assert_eq!(or_at_end_of_hold(at(60), hold), at(5));
        assert_eq!(or_at_end_of_hold(at(2), hold), at(2));
        assert_eq!(or_at_end_of_hold(Next::Wait, hold), at(5));
        assert_eq!(or_at_end_of_hold(Next::Wait, None), Next::Wait);
    }
}
