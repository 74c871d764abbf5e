//! Memory that a pod needs for its loads, compared with its limit.

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};

use super::names::CONTAINER;
use super::pod_template::{self, patched};
use super::settings::Settings;
use crate::model::path::FieldPath;
use crate::values::input::InputError;

/// Memory of the program without connections: responses of providers, histograms, the document.
const BASE: u64 = 48 << 20;

/// Resource of the limit.
const MEMORY: &str = "memory";

/// Rejects a memory limit that is too small for loads that need `loads` bytes: the pod would be killed within the load.
pub(crate) fn check_memory(settings: &Settings, loads: u64) -> Result<(), InputError> {
    let limit = limit(settings).and_then(|text| Some((bytes(&text)?, text)));
    let Some((limit, text)) = limit else { return Ok(()) };
    let needed = BASE.saturating_add(loads).div_ceil(1 << 20);
    if limit >> 20 >= needed {
        return Ok(());
    }
    let message = format!("`{text}` is too little for these loads; expected at least `{needed}Mi`");
    let (path, change) = match path_of_patch(settings) {
        Some(path) => (path, format!("set it to `{needed}Mi`")),
        None => (limits(FieldPath::root()), format!("set `resources.limits.memory={needed}Mi`")),
    };
    Err(InputError::new(path, message).with_hint(format!("{change}, or use fewer `connections`")))
}

/// Returns the limit of the container, as `podTemplate` leaves it. An invalid patch is reported elsewhere.
fn limit(settings: &Settings) -> Option<String> {
    let container =
        Container { name: CONTAINER.to_owned(), resources: Some(settings.resources.clone()), ..Container::default() };
    let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
    let template = PodTemplateSpec { spec: Some(spec), ..PodTemplateSpec::default() };
    let template = match &settings.pod_template {
        Some(patch) => patched(template, patch).ok()?,
        None => template,
    };
    let container = template.spec?.containers.into_iter().find(|container| container.name == CONTAINER)?;
    Some(container.resources?.limits?.remove(MEMORY)?.0)
}

/// Returns the path of the limit in `podTemplate`, if it has one.
fn path_of_patch(settings: &Settings) -> Option<FieldPath> {
    let containers = settings.pod_template.as_ref()?["spec"]["containers"].as_array()?;
    let sets_limit = |container: &serde_json::Value| {
        container["name"] == CONTAINER && !container["resources"]["limits"][MEMORY].is_null()
    };
    let index = containers.iter().rposition(sets_limit)?;
    Some(limits(FieldPath::root().key(pod_template::NAME).key("spec").key("containers").index(index)))
}

fn limits(of: FieldPath) -> FieldPath {
    of.key("resources").key("limits").key(MEMORY)
}

/// Suffixes of quantities, and the factors.
const SUFFIXES: [(&str, f64); 12] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("", 1.0),
];

/// Reads a quantity of Kubernetes, such as `128Mi` or `1.5e9`; `None` if it is not valid, which the API server reports.
fn bytes(text: &str) -> Option<u64> {
    let (number, factor) =
        SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.trim().strip_suffix(suffix)?, factor)))?;
    let bytes = number.parse::<f64>().ok()? * factor;
    // Saturates.
    (bytes >= 0.0).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifests::settings::with_defaults;

    fn check(limits: serde_json::Value, loads: u64) -> Result<(), String> {
        let values = with_defaults(&json!({"runner": "job", "resources": {"limits": limits}})).unwrap();
        let checked = check_memory(&Settings::from_values(&values).unwrap(), loads);
        checked.map_err(|error| format!("{error} ({})", error.hint.as_deref().unwrap_or_default()))
    }

    #[test]
    fn a_memory_limit_that_is_too_small_is_rejected_with_the_one_to_set() {
        assert_eq!(check(json!({}), 80 << 20), Ok(()));
        assert_eq!(check(json!({"memory": null}), 1 << 40), Ok(()));
        assert_eq!(check(json!({"memory": "nonsense"}), 1 << 40), Ok(()));
        assert_eq!(check(json!({"memory": "1Gi"}), 900 << 20), Ok(()));
        let message = "resources.limits.memory: `128Mi` is too little for these loads; expected at least `129Mi` \
                       (set `resources.limits.memory=129Mi`, or use fewer `connections`)";
        assert_eq!(check(json!({}), (80 << 20) + 1), Err(message.to_owned()));
        assert!(check(json!({"memory": 64_000_000}), 16 << 20).is_err());
    }

    #[test]
    fn the_limit_of_a_patched_container_counts() {
        let with_patch = |resources: serde_json::Value, loads| {
            let containers = json!([{"name": "proxy", "image": "p"}, {"name": "iter8", "resources": resources}]);
            let values = json!({"runner": "job", "podTemplate": {"spec": {"containers": containers}}});
            let checked = check_memory(&Settings::from_values(&with_defaults(&values).unwrap()).unwrap(), loads);
            checked.map_err(|error| format!("{error} ({})", error.hint.as_deref().unwrap_or_default()))
        };
        assert_eq!(with_patch(json!({"limits": {"memory": "1Gi"}}), 900 << 20), Ok(()));
        let path = "podTemplate.spec.containers[1].resources.limits.memory";
        let message = format!(
            "{path}: `64Mi` is too little for these loads; expected at least `65Mi` \
             (set it to `65Mi`, or use fewer `connections`)"
        );
        assert_eq!(with_patch(json!({"limits": {"memory": "64Mi"}}), 17 << 20), Err(message));
        // Other limits leave that of the values.
        let error = with_patch(json!({"limits": {"cpu": "1"}}), 1 << 30).unwrap_err();
        assert!(error.starts_with("resources.limits.memory: `128Mi`"), "{error}");
    }

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        let cases =
            [("128Mi", Some(128 << 20)), ("1.5Gi", Some(1536 << 20)), ("1e9", Some(1_000_000_000)), ("1500m", Some(1))];
        for (text, expected) in
            cases.into_iter().chain([("64M", Some(64_000_000)), ("5", Some(5)), ("x", None), ("-1", None)])
        {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
