use serde_json::json;

use super::*;

fn mistakes(values: Value) -> Vec<String> {
    let errors = spec_from_values(&values).err();
    errors.iter().flat_map(InputErrors::iter).map(|error| error.path.to_string()).collect()
}

#[test]
fn mistakes_in_all_tasks_and_settings_are_found_together() {
    let values = json!({
        "tasks": ["http", "asess", 5, "assess", "http"],
        "http": {"url": "http://h/", "numrequests": 1, "errorRanges": "x", "if": "SLOs("},
        "assess": {"SLOs": {"upper": {"http/error-rate": "low"}}},
        "runner": "jop",
        "logLevel": "loud",
        "htp": {},
    });
    let paths = mistakes(values);
    for expected in [
        "tasks[1]",
        "tasks[2]",
        "htp",
        "runner",
        "logLevel",
        "http.numrequests",
        "http.errorRanges",
        "assess.SLOs.upper.http/error-rate",
    ] {
        let count = paths.iter().filter(|path| *path == expected).count();
        assert_eq!(count, 1, "{expected} in {paths:?}");
    }
}

#[test]
fn misspelled_metrics_are_found_beside_other_mistakes() {
    let values = json!({
        "tasks": ["http", "http", "assess"],
        "http": {"url": "http://h/", "numrequests": 1},
        "assess": {
            "minsamples": 1,
            "SLOs": {"upper": {"http/eror-rate": 0.1, "http/latency-p99": 1}, "lower": {"http/request-cout": 1}},
        },
    });
    assert_eq!(
        mistakes(values),
        [
            "http.numrequests",
            "assess.minsamples",
            "assess.SLOs.upper.http/eror-rate",
            "assess.SLOs.lower.http/request-cout"
        ]
    );
}

#[test]
fn metrics_that_a_mistake_may_have_hidden_are_not_reported() {
    for values in [
        json!({"tasks": ["htpp", "assess"], "assess": {"SLOs": {"upper": {"http/error-rate": 0.1}}}}),
        json!({
            "tasks": ["http", "grcp", "assess"],
            "http": {"url": "http://h/"},
            "assess": {"SLOs": {"upper": {"grpc/error-rate": 0.1}}},
        }),
        json!({
            "tasks": ["http", "assess"],
            "http": {"endpoints": {"get": {"url": "http://h/", "qsp": 1}}},
            "assess": {"SLOs": {"upper": {"http-get/error-rate": 0.1}}},
        }),
        json!({
            "tasks": ["custommetrics", "assess"],
            "custommetrics": {"prometheus": {
                "url": "http://p/",
                "queries": {"cost-a": {"query": "up"}, "cost-b": "up", "time": {"query": "up", "range": "5 minutes"}},
            }},
            "assess": {"SLOs": {"upper": {"prometheus/cost-b": 1, "prometheus/time/p99": 1}}},
        }),
        json!({
            "tasks": ["http", "assess"],
            "http": {"url": "http://h/", "versionFrom": {"heder": "x"}},
            "assess": {"SLOs": {"upper": {"http/split": 0.1}}},
        }),
    ] {
        let found = mistakes(values);
        assert!(found.iter().all(|path| !path.starts_with("assess")), "{found:?}");
    }
}

#[test]
fn one_mistake_is_reported_once() {
    assert_eq!(mistakes(json!({"tasks": ["http"], "http": {"URL": "http://h/"}})), ["http.URL"]);
    assert_eq!(mistakes(json!({"tasks": ["http"], "http": {"url": "no url"}})), ["http.url"]);
    assert_eq!(mistakes(json!({"tasks": ["http"], "http": {"url": "http://h/", "if": "SLOs("}})), ["http.if"]);
    assert_eq!(mistakes(json!({"tasks": ["ready"], "ready": ["x"]})), ["ready"], "a list is no map");
    assert_eq!(mistakes(json!({})), ["tasks"]);
}
