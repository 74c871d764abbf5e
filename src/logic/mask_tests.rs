//! Tests of the mask: what is hidden, and what is not.

use super::*;
use serde_json::json;

#[test]
fn values_of_secret_looking_names_are_hidden_wherever_they_stand() {
    let spec = json!([{"task": "http", "with": {"url": "http://a/", "headers": {
        "Authorization": "Bearer abc", "X-Api-Key": "k", "Cookie": ["a=b"], "X-Auth-Token": 7, "Accept": "text/plain"},
        "endpoints": {"get": {"password": "p", "basicAuth": {"username": "u", "password": "p"}}}}},
        {"task": "github", "with": {"owner": "o", "token": "ghp_x"}}]);
    assert_eq!(
        mask(&spec),
        json!([{"task": "http", "with": {"url": "http://a/", "headers": {
            "Authorization": HIDDEN, "X-Api-Key": HIDDEN, "Cookie": HIDDEN, "X-Auth-Token": HIDDEN, "Accept": "text/plain"},
            "endpoints": {"get": {"password": HIDDEN, "basicAuth": {"username": "u", "password": HIDDEN}}}}},
            {"task": "github", "with": {"owner": "o", "token": HIDDEN}}])
    );
}

#[test]
fn what_only_says_where_a_secret_is_stays() {
    let spec = json!({"tokenFile": "/run/t", "passwordEnv": "PW", "secretName": "s", "token": {"file": "/run/t", "literal": "x"},
        "cert": "c.pem", "max_tokens": 9, "numRequests": 5, "token_dir": "/d", "credentials": {"a": {"b": "deep"}}});
    assert_eq!(
        mask(&spec),
        json!({"tokenFile": "/run/t", "passwordEnv": "PW", "secretName": "s", "token": {"file": "/run/t", "literal": HIDDEN},
            "cert": "c.pem", "max_tokens": 9, "numRequests": 5, "token_dir": "/d", "credentials": {"a": HIDDEN}})
    );
}

#[test]
fn headers_and_parameters_written_as_pairs_are_hidden() {
    let spec = json!([{"name": "Authorization", "value": "x"}, {"name": "query", "value": "up"}]);
    assert_eq!(mask(&spec), json!([{"name": "Authorization", "value": HIDDEN}, {"name": "query", "value": "up"}]));
}

#[test]
fn urls_lose_credentials_secret_parameters_and_webhook_paths() {
    let cases = [
        ("http://host/path?x=1", "http://host/path?x=1"),
        ("https://user:pa@ss@host:8080/p", "https://[hidden]@host:8080/p"),
        ("https://token@host", "https://[hidden]@host"),
        ("https://host/p?apikey=1&x=2&sig=3", "https://host/p?apikey=[hidden]&x=2&sig=[hidden]"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/[hidden]"),
        ("https://acme.webhook.office.com/webhookb2/1", "https://acme.webhook.office.com/[hidden]"),
        ("https://chat.example.com/hooks/abc", "https://chat.example.com/hooks/[hidden]"),
        ("https://host/p@q", "https://host/p@q"),
        ("not a url", "not a url"),
        ("://", "://"),
    ];
    for (url, shown) in cases {
        assert_eq!(mask_url(url), shown);
    }
}

#[test]
fn the_url_of_a_slack_task_is_hidden_whatever_its_host() {
    let url = "https://chat.intern/xyz";
    let shown = "https://chat.intern/[hidden]";
    assert_eq!(mask(&json!({"task": "slack", "with": {"url": url}})), json!({"task": "slack", "with": {"url": shown}}));
    assert_eq!(
        mask(&json!({"slack": {"url": url}, "http": {"url": url}})),
        json!({"slack": {"url": shown}, "http": {"url": url}})
    );
    assert_eq!(mask(&json!({"webhookURL": url})), json!({"webhookURL": shown}));
}

#[test]
fn texts_lose_the_secrets_inside_them() {
    let cases = [
        (
            "curl -H \"Authorization: Bearer abcdef123\" http://h/",
            "curl -H \"Authorization: Bearer [hidden]\" http://h/",
        ),
        ("get http://u:p@h/x: refused, then https://h2/", "get http://[hidden]@h/x: refused, then https://h2/"),
        ("a basic need of basic authentication", "a basic need of basic authentication"),
        ("Authorization: Basic dTpwYXNz", "Authorization: Basic [hidden]"),
        ("Authorization: abc, X-Api-Key: d", "Authorization: [hidden], X-Api-Key: [hidden]"),
        ("invalid token: expected a name", "invalid token: expected a name"),
        ("API_TOKEN=abc tool --password hunter2 --n 5", "API_TOKEN=[hidden] tool --password [hidden] --n 5"),
        ("Bearer", "Bearer"),
        ("", ""),
        ("{\"password\": \"x\", \"n\": 1}", "{\"password\":\"[hidden]\",\"n\":1}"),
        ("{not json", "{not json"),
    ];
    for (text, shown) in cases {
        let Value::String(found) = mask(&json!(text)) else { panic!("not a text") };
        // Maps may come back in another order.
        assert!(found == shown || found == "{\"n\":1,\"password\":\"[hidden]\"}", "{text}: {found}");
    }
}

#[test]
fn a_deep_value_is_cut_not_followed_for_ever() {
    let mut value = json!("x");
    for _ in 0..500 {
        value = json!([value]);
    }
    assert!(mask(&value).to_string().contains(HIDDEN));
}
