//! Decisions in bounded time. Templates are not trusted: probes, the Lease and other routemaps have to go on while they are rendered.
//!
//! A routemap is decided in place with a small budget, which is enough for ordinary templates. One that needs more waits for the only
//! blocking thread, which rests as long as it worked, so that costly routemaps delay only each other. Templates that exceed the
//! limits are remembered, and rendered again when the routemap or its weights change.

use std::sync::Arc;

use gotemplate::Budget;
use tokio::time::Instant;

use super::index::{Known, RoutemapObject};
use super::shared::Shared;
use crate::routing::Decision;
use crate::routing::decision::{Endless, decide_within};
use crate::routing::render::ROUTEMAP_BUDGET;
use crate::routing::routemap::{ResourceRef, Routemap};

/// Limits of a decision that is made in place: some milliseconds.
const QUICK_BUDGET: Budget = Budget::new(20_000, 1 << 20);

/// Decides about a routemap. `None` if it is costly, and another one is being rendered.
pub(super) async fn decide(shared: &Arc<Shared>, object: &Arc<RoutemapObject>, known: &Known) -> Option<Decision> {
    let (routemap, _) = object.parsed.as_ref().ok()?;
    if let Some(decision) = decide_quickly(shared, object, routemap, known) {
        return Some(decision);
    }
    let permit = shared.costly.start()?;
    let (task, object, known) = (Arc::clone(shared), Arc::clone(object), known.clone());
    let started = Instant::now();
    let costly = move || {
        let (routemap, _) = object.parsed.as_ref().ok()?;
        Some(decide_fully(&task, &object, routemap, &known))
    };
    let decision = tokio::task::spawn_blocking(costly).await.ok()?;
    let rest = started.elapsed();
    shared.spawn(async move {
        tokio::time::sleep(rest).await;
        drop(permit);
    });
    decision
}

/// Decides about a routemap. `None` if it is costly.
pub(super) fn decide_quickly(
    shared: &Shared,
    object: &RoutemapObject,
    routemap: &Routemap,
    known: &Known,
) -> Option<Decision> {
    let mut budget = QUICK_BUDGET;
    let decision = decide_with(shared, routemap, known, (&mut budget, &shared.costly.endless(object)));
    (!budget.is_exhausted()).then_some(decision)
}

/// Decides about a routemap, whatever it costs within its limits.
pub(super) fn decide_fully(shared: &Shared, object: &RoutemapObject, routemap: &Routemap, known: &Known) -> Decision {
    let mut budget = ROUTEMAP_BUDGET;
    let decision = decide_with(shared, routemap, known, (&mut budget, &shared.costly.endless(object)));
    shared.costly.remember(object, Endless::of(&decision));
    decision
}

fn decide_with(shared: &Shared, routemap: &Routemap, known: &Known, limits: (&mut Budget, &Endless)) -> Decision {
    let observed = |reference: &ResourceRef| Some(&**known.get(&shared.types.resource(reference)?)?);
    decide_within(routemap, observed, &shared.config, shared.now(), limits)
}
