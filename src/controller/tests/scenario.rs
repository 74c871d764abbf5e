//! Sequences of everything that may happen to a controller, in any order.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::api_server::{Collection, Fault};
use crate::controller::index::FINALIZER;
use crate::routing::routemap::LABELS;

/// Number of routemaps, of resources and of routing objects: few, so that they collide.
pub(super) const OBJECTS: usize = 2;

pub(super) const CONFIG: &str = "
    resourceTypes:
      isvc: {Group: serving.kserve.io, Version: v1beta1, Resource: inferenceservices, conditions: [{name: Ready, status: 'True'}]}
      vs: {Group: networking.istio.io, Version: v1beta1, Resource: virtualservices}";

/// Finalizer of someone else.
const OTHER_FINALIZER: &str = "example.com/other";

/// One event in the cluster, on the way to the controller, or in it.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Creates a resource, or changes its status and its weight.
    PutResource {
        number: usize,
        ready: Option<&'static str>,
        weight: Option<u8>,
        has_other_finalizer: bool,
    },
    /// Adds or removes the label by which the controller watches a resource.
    Label {
        number: usize,
        is_watched: bool,
    },
    DeleteResource {
        number: usize,
    },
    /// Removes the finalizer of someone else.
    Release {
        number: usize,
    },
    /// Creates or replaces a routemap.
    PutRoutemap {
        number: usize,
        routemap: RoutemapSpec,
    },
    DeleteRoutemap {
        number: usize,
    },
    /// Changes one of our fields of a routing object, or one of another writer.
    EditTarget {
        number: usize,
        is_ours: bool,
    },
    DeleteTarget {
        number: usize,
    },
    /// Delivers the next events of a watch; the first time, its list.
    Deliver {
        collection: Collection,
        count: usize,
    },
    /// Delivers all events.
    DeliverAll,
    /// Delivers events again.
    Rewind {
        collection: Collection,
        count: usize,
    },
    /// Lists a collection; its events until now are lost.
    Relist {
        collection: Collection,
    },
    Fail {
        fault: Fault,
    },
    Lead {
        is_leader: bool,
    },
    /// Starts another process in the place of this one.
    Restart,
    Wait {
        milliseconds: u64,
    },
}

/// Parts of a routemap with two versions.
#[derive(Clone, Debug)]
pub(super) struct RoutemapSpec {
    resources: [Vec<usize>; 2],
    weights: [Option<u8>; 2],
    templates: Vec<TemplateSpec>,
    is_valid: bool,
    /// True if the first version names a routing object, too.
    names_target: bool,
}

#[derive(Clone, Copy, Debug)]
enum TemplateSpec {
    Fixed(usize),
    /// Renders one of two objects, depending on the weights.
    Moving(usize, usize),
    /// Renders an object only if the second version gets traffic.
    Sometimes(usize),
}

impl RoutemapSpec {
    /// Returns a routemap that renders the first routing object. The resource of each version is the one with its number.
    pub(super) fn simple() -> Self {
        let templates = vec![TemplateSpec::Fixed(0)];
        Self { resources: [vec![0], vec![1]], weights: [None, None], templates, is_valid: true, names_target: false }
    }

    /// Returns a routemap that also names a resource of another type.
    pub(super) fn of_two_types() -> Self {
        Self { names_target: true, ..Self::simple() }
    }

    pub(super) fn config_map(&self) -> Value {
        let version = |number: usize| {
            let resources = self.resources[number].iter();
            let mut resources: Vec<Value> =
                resources.map(|resource| json!({"gvrShort": "isvc", "name": resource_name(*resource)})).collect();
            if self.names_target && number == 0 {
                resources.push(json!({"gvrShort": "vs", "name": target_name(1)}));
            }
            json!({"weight": self.weights[number], "resources": resources})
        };
        let templates =
            self.templates.iter().enumerate().map(|(number, template)| {
                (format!("t{number}"), json!({"gvrShort": "vs", "template": template.text()}))
            });
        let spec = json!({
            "versions": [version(0), version(1)],
            "routingTemplates": templates.collect::<serde_json::Map<_, _>>(),
        });
        let labels = LABELS.map(|(label, value)| (label.to_owned(), json!(value)));
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"labels": serde_json::Map::from_iter(labels)},
            "immutable": self.is_valid,
            "data": {"strSpec": spec.to_string()},
        })
    }
}

impl TemplateSpec {
    fn text(self) -> String {
        let is_canary = "{{ if gt (index .Weights 1) 0 }}";
        let object = |name: &str| {
            format!(
                "
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata:
  name: {name}
  creationTimestamp: null
  {is_canary}labels: {{canary: 'yes'}}{{{{ end }}}}
spec:
  hosts: ['{{{{ .Name }}}}']
  tls: null
  http:
  - route:
    - destination: {{host: v0}}
      weight: {{{{ index .Weights 0 }}}}
    - destination: {{host: v1}}
      weight: {{{{ index .Weights 1 }}}}
"
            )
        };
        match self {
            Self::Fixed(target) => object(&target_name(target)),
            Self::Moving(one, other) => {
                object(&format!("{is_canary}{}{{{{ else }}}}{}{{{{ end }}}}", target_name(one), target_name(other)))
            }
            Self::Sometimes(target) => format!("{is_canary}{}{{{{ end }}}}", object(&target_name(target))),
        }
    }
}

pub(super) fn routemap_name(number: usize) -> String {
    format!("routes-{number}")
}

pub(super) fn resource_name(number: usize) -> String {
    format!("wisdom-{number}")
}

pub(super) fn target_name(number: usize) -> String {
    format!("wisdom-vs-{number}")
}

/// Returns a new resource.
pub(super) fn resource(has_other_finalizer: bool) -> Value {
    let finalizers: &[&str] = if has_other_finalizer { &[OTHER_FINALIZER] } else { &[] };
    json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"labels": {"iter8.tools/watch": "true"}, "finalizers": finalizers},
    })
}

/// Removes the finalizer of someone else.
pub(super) fn release(object: &mut Value) {
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != OTHER_FINALIZER);
    }
}

pub(super) fn has_finalizer(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| finalizers.iter().any(|name| name == FINALIZER))
}

pub(super) fn actions(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Action>> {
    vec(action(), length)
}

fn action() -> impl Strategy<Value = Action> {
    use Action::{
        DeleteResource, DeleteRoutemap, DeleteTarget, Deliver, DeliverAll, EditTarget, Fail, Label, Lead, PutResource,
        PutRoutemap, Release, Relist, Restart, Rewind, Wait,
    };
    let number = || 0..OBJECTS;
    let ready =
        prop_oneof![4 => Just(Some("True")), 1 => Just(Some("False")), 1 => Just(Some("Unknown")), 1 => Just(None)];
    let put_resource = (number(), ready, weight(), prop::bool::weighted(0.2)).prop_map(
        |(number, ready, weight, has_other_finalizer)| PutResource { number, ready, weight, has_other_finalizer },
    );
    prop_oneof![
        6 => put_resource,
        1 => (number(), any::<bool>()).prop_map(|(number, is_watched)| Label { number, is_watched }),
        3 => number().prop_map(|number| DeleteResource { number }),
        1 => number().prop_map(|number| Release { number }),
        4 => (number(), routemap()).prop_map(|(number, routemap)| PutRoutemap { number, routemap }),
        2 => number().prop_map(|number| DeleteRoutemap { number }),
        3 => (number(), any::<bool>()).prop_map(|(number, is_ours)| EditTarget { number, is_ours }),
        2 => number().prop_map(|number| DeleteTarget { number }),
        6 => Just(DeliverAll),
        10 => (collection(), 1..6_usize).prop_map(|(collection, count)| Deliver { collection, count }),
        2 => (collection(), 1..4_usize).prop_map(|(collection, count)| Rewind { collection, count }),
        2 => collection().prop_map(|collection| Relist { collection }),
        5 => fault().prop_map(|fault| Fail { fault }),
        3 => prop::bool::weighted(0.75).prop_map(|is_leader| Lead { is_leader }),
        1 => Just(Restart),
        5 => prop::sample::select(vec![1, 100, 500, 3_000, 20_000]).prop_map(|milliseconds| Wait { milliseconds }),
    ]
}

fn collection() -> impl Strategy<Value = Collection> {
    prop::sample::select(Collection::ALL.to_vec())
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        1 => Just(Fault::Conflict),
        1 => Just(Fault::TooManyRequests),
        1 => Just(Fault::InternalError),
        1 => Just(Fault::Forbidden),
        3 => Just(Fault::SlowRequest),
        3 => Just(Fault::SlowResponse),
        1 => Just(Fault::ResponseLost),
        1 => Just(Fault::RequestLost),
        1 => Just(Fault::Late),
    ]
}

fn routemap() -> impl Strategy<Value = RoutemapSpec> {
    let resources = || vec(0..OBJECTS, 0..3);
    let template = prop_oneof![
        4 => (0..OBJECTS).prop_map(TemplateSpec::Fixed),
        2 => (0..OBJECTS, 0..OBJECTS).prop_map(|(one, other)| TemplateSpec::Moving(one, other)),
        1 => (0..OBJECTS).prop_map(TemplateSpec::Sometimes),
    ];
    (resources(), resources(), weight(), weight(), vec(template, 1..3), prop::bool::weighted(0.9)).prop_map(
        |(first, second, one, other, templates, is_valid)| RoutemapSpec {
            resources: [first, second],
            weights: [one, other],
            templates,
            is_valid,
            names_target: false,
        },
    )
}

fn weight() -> impl Strategy<Value = Option<u8>> {
    option::of(0..4_u8)
}
