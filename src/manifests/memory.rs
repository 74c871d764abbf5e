//! Memory that a pod needs for its loads, compared with its limit.

use super::settings::Settings;
use crate::values::input::InputError;

/// Memory of the program without connections: responses of providers, histograms, the document.
const BASE: u64 = 48 << 20;

/// Rejects a memory limit that is too small for loads that need `loads` bytes: the pod would be killed within the load.
pub(crate) fn check_memory(settings: &Settings, loads: u64) -> Result<(), InputError> {
    let limit = settings.resources.limits.as_ref().and_then(|limits| limits.get("memory"));
    let Some((text, limit)) = limit.and_then(|limit| Some((&limit.0, bytes(&limit.0)?))) else { return Ok(()) };
    let needed = BASE.saturating_add(loads).div_ceil(1 << 20);
    if limit >> 20 >= needed {
        return Ok(());
    }
    let message = format!("`{text}` is too little for these loads; expected at least `{needed}Mi`");
    Err(InputError::new("resources.limits.memory", message)
        .with_hint(format!("set `resources.limits.memory={needed}Mi`, or use fewer `connections`")))
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
