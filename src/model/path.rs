//! Field paths in user input: `http.endpoints.get.qps`, `spec[2].with.url`.

/// Joins two paths as `prefix.path`; list indices are appended without a dot.
pub fn join(prefix: &str, path: &str) -> String {
    match (prefix.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => prefix.to_owned(),
        _ if path.starts_with('[') => format!("{prefix}{path}"),
        _ => format!("{prefix}.{path}"),
    }
}
