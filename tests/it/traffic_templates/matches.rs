//! Matches of canary rollouts are those that the user gave.

use iter8::model::codec;
use serde_json::{Value, json};

use super::Helm;
use super::routes::{render, routing_template};

/// Matches of the rule of version 1, for a candidate with `matches`.
#[track_caller]
fn rendered(helm: &Helm, api: &str, matches: &Value) -> Value {
    let flags = [
        "--set=templateName=initialize,modelName=wisdom,targetEnv=deployment,trafficStrategy=canary",
        &format!("--set=trafficApi={api}"),
        &format!("--set-json=modelVersions={}", json!([{}, { "match": matches }])),
    ];
    let template = routing_template(&helm.objects(&flags));
    let route = codec::value_from_yaml(&render(&template, &[1, 1])).unwrap();
    let spec = &route["spec"];
    if api == "istio" { spec["http"][0]["match"].clone() } else { spec["rules"][0]["matches"].clone() }
}

#[test]
fn istio_gets_matches_unchanged() {
    let Some(helm) = Helm::new() else { return };
    let matches = json!([
        {"headers": {"traffic": {"exact": "test"}, "user": {"regex": "^[a-z]{2,3}$"}}, "uri": {"prefix": "/v2/"}},
        {"method": {"exact": "POST"}, "queryParams": {"q": {"exact": ""}}, "authority": {"prefix": "a"}, "ignoreUriCase": true},
    ]);
    assert_eq!(rendered(&helm, "istio", &matches), matches);
}

#[test]
fn matches_are_not_templates() {
    let Some(helm) = Helm::new() else { return };
    let odd = [
        "{{ .Weights }}",
        "{{ fail \"x\" }}",
        "<% .Weights %>",
        "%><%",
        "{%",
        "{{{ }}",
        "a: b #c",
        "012",
        "yes",
        "\"'\\",
    ];
    for text in odd {
        let matches = json!([{"headers": {"h": {"exact": text}}}]);
        assert_eq!(rendered(&helm, "istio", &matches), matches, "{text}");
        let path = json!({"type": "PathPrefix", "value": "/"});
        let expected = json!([{"headers": [{"name": "h", "type": "Exact", "value": text}], "path": path}]);
        assert_eq!(rendered(&helm, "gateway-api", &matches), expected, "{text}");
    }
}

#[test]
fn the_gateway_api_gets_matches_with_their_defaults() {
    let Some(helm) = Helm::new() else { return };
    let everything = json!({"type": "PathPrefix", "value": "/"});
    let cases = [
        // Its own form.
        (
            json!({"headers": [{"name": "a", "value": "b"}], "queryParams": [{"name": "q", "type": "RegularExpression", "value": "x+"}]}),
            json!({
                "headers": [{"name": "a", "type": "Exact", "value": "b"}],
                "queryParams": [{"name": "q", "type": "RegularExpression", "value": "x+"}],
                "path": everything,
            }),
        ),
        (json!({"path": {"value": "/v2"}}), json!({"path": {"type": "PathPrefix", "value": "/v2"}})),
        (
            json!({"method": "POST", "path": {"type": "Exact", "value": "/v2"}}),
            json!({"method": "POST", "path": {"type": "Exact", "value": "/v2"}}),
        ),
        // Istio's form.
        (
            json!({"headers": {"b": {"regex": "x+"}, "a": {"exact": ""}}, "queryParams": {"q": {"exact": "1"}}}),
            json!({
                "headers": [{"name": "a", "type": "Exact", "value": ""}, {"name": "b", "type": "RegularExpression", "value": "x+"}],
                "queryParams": [{"name": "q", "type": "Exact", "value": "1"}],
                "path": everything,
            }),
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(rendered(&helm, "gateway-api", &json!([given])), json!([expected]), "{given}");
    }
}
