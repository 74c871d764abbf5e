//! Events of objects: the reasons that controllers and kubelets report nowhere else.

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::adapters::kubernetes::client::{Connection, Object, list};

/// Returns reason and message of the newest warning about an object; `None` if there is none, or if events cannot be read.
pub(super) async fn newest_warning<K: Object>(connection: &Connection, object: &K) -> Option<String> {
    let (kind, name, namespace) = (K::kind(&()), object.name_any(), object.namespace()?);
    let fields = format!("type=Warning,involvedObject.kind={kind},involvedObject.name={name}");
    let params = ListParams::default().fields(&fields);
    let events: Vec<Event> = list(&connection.client, Some(&namespace), &params).await.ok()?;
    // An earlier object may have had the same name.
    let uid = object.uid();
    let of_object = events.into_iter().filter(|event| uid.is_none() || event.involved_object.uid == uid);
    let event = of_object.max_by_key(time)?;
    let parts = [event.reason, event.message].into_iter().flatten().filter(|text| !text.is_empty());
    Some(parts.collect::<Vec<_>>().join(": ")).filter(|text| !text.is_empty())
}

/// Returns the time at which the event was last reported.
fn time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let newest =
        [series, event.last_timestamp.as_ref().map(|time| time.0), event.event_time.as_ref().map(|time| time.0)];
    newest.into_iter().flatten().max()
}
