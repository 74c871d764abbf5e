//! Envoy's routes in the terms of versions.

use std::collections::BTreeMap;

use serde_json::Value;

/// Weights of a route by version, without those that are 0, which istiod leaves out. A route without weights has weight 1. The version is the value of the header `mm-vmodel-id` if the route
/// sets it, otherwise the name of the Service.
pub fn weights(route: &Value) -> BTreeMap<String, u64> {
    let action = &route["route"];
    let clusters = action["weighted_clusters"]["clusters"].as_array();
    match (clusters, action["cluster"].as_str()) {
        (Some(clusters), _) => clusters
            .iter()
            .map(|cluster| {
                let name = cluster["name"].as_str().unwrap_or_default();
                (version(&[cluster, route], name), cluster["weight"].as_u64().unwrap_or_default())
            })
            .collect(),
        (None, Some(cluster)) => BTreeMap::from([(version(&[route], cluster), 1)]),
        (None, None) => BTreeMap::new(),
    }
}

/// Version by the headers of a part of a route, otherwise by the name of its cluster, `outbound|PORT||SERVICE.NAMESPACE.svc.…`.
fn version(parts: &[&Value], cluster: &str) -> String {
    let headers = parts.iter().flat_map(|part| part["request_headers_to_add"].as_array().into_iter().flatten());
    let mut headers = headers.map(|header| &header["header"]);
    let model_id = headers.find(|header| header["key"] == "mm-vmodel-id").and_then(|header| header["value"].as_str());
    let service = cluster.rsplit('|').next().and_then(|host| host.split('.').next());
    model_id.or(service).unwrap_or_default().to_owned()
}
