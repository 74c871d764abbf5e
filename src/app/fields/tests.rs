use super::*;

fn field(path: &str) -> Field {
    values().find(path).unwrap().clone()
}

fn error(path: &str) -> String {
    let error = values().find(path).unwrap_err();
    format!("{}; {}", error.message, error.hint.unwrap_or_default())
}

#[test]
fn a_field_has_type_default_range_and_example() {
    let connections = field("http.connections");
    assert_eq!(
        (connections.kind.as_str(), connections.default.as_deref(), connections.range.as_deref()),
        ("integer", Some("4"), Some("1 to 10000"))
    );
    assert!(!connections.description.contains("Default"), "{}", connections.description);
    let duration = field("http.duration");
    assert_eq!((duration.kind.as_str(), duration.example.as_deref()), ("duration", Some("30s")));
    assert_eq!(field("assess.confidence").range.as_deref(), Some("above 0.5 and at most 0.9999"));
    assert_eq!(field("ttlSecondsAfterFinished").range.as_deref(), Some("at least 0"));
}

#[test]
fn allowed_values_have_meanings() {
    let reaction = field("rollout.onFailure");
    let values: Vec<_> = reaction.allowed.iter().map(|allowed| allowed.value.as_str()).collect();
    assert_eq!(values, ["rollback", "pause", "none"]);
    assert!(reaction.allowed.iter().all(|allowed| allowed.meaning.is_some()));
    // Capitals are accepted, too.
    assert_eq!(field("custommetrics.prometheus.queries.type").allowed.len(), 2);
}

#[test]
fn maps_and_lists_are_passed_through() {
    for path in ["http.endpoints.NAME.qps", "http.endpoints.cart.qps", "http.endpoints.qps"] {
        assert_eq!(field(path).path, "http.endpoints.NAME.qps");
    }
    for path in ["http.versionValues[1].url", "http.versionValues.1.url", "http.versionValues.url"] {
        assert_eq!(field(path).path, "http.versionValues[].url");
    }
    for path in ["assess.SLOs.upper.http/latency-p99.9", r"assess.SLOs.upper.http/latency-p99\.9"] {
        assert_eq!(field(path).path, "assess.SLOs.upper.NAME");
    }
    assert_eq!(field("run.script").path, "run.script");
    assert_eq!(field("").children().len(), values().fields.len());
}

#[test]
fn an_unknown_path_has_the_nearest_one_as_a_hint() {
    assert_eq!(error("http.qsp"), "unknown field `qsp` of `http`; did you mean `http.qps`?");
    assert_eq!(error("htpt"), "unknown field `htpt`; did you mean `http`?");
    assert_eq!(error("qps"), "unknown field `qps`; did you mean `grpc.qps` or `http.qps`?");
    assert_eq!(
        error("http.endpoints.cart.qsp"),
        "unknown field `qsp` of `http.endpoints.NAME`; did you mean `http.endpoints.NAME.qps`?"
    );
    assert_eq!(error("http.zzz"), "unknown field `zzz` of `http`; list its fields with `iter8 explain http`");
    assert_eq!(error("zzz"), "unknown field `zzz`; list them with `iter8 explain`");
    assert_eq!(
        error("http.duration.x"),
        "`http.duration` has no fields; its type is duration; describe it with `iter8 explain http.duration`"
    );
}

#[test]
fn every_field_has_a_type_and_a_description() {
    fn check(field: &Field, wrong: &mut Vec<String>) {
        let is_entry = field.name == "NAME";
        if field.kind == "any" || (field.description.is_empty() && !is_entry && !field.path.is_empty()) {
            wrong.push(format!("{} <{}>", field.path, field.kind));
        }
        field.fields.iter().chain(field.entry.as_deref()).for_each(|field| check(field, wrong));
    }
    let mut wrong = Vec::new();
    check(&values(), &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
}
