//! Tests of writing and reading exchanges.

use std::time::Duration;

use super::*;

fn request(method: &str, url: &str) -> WebRequest {
    WebRequest { method: method.to_owned(), url: url.to_owned(), ..WebRequest::default() }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn responded(body: impl Into<Vec<u8>>) -> Result<WebResponse, WebError> {
    Ok(WebResponse { status: 200, body: body.into(), retry_after: None, clock_ahead: None })
}

/// The written text, and the exchange read from it.
fn round_trip(request: &WebRequest, end: &Result<WebResponse, WebError>) -> (String, Exchange) {
    let text =
        serde_json::to_string_pretty(&Exchange::new(RecordedRequest::of(request), &secrets_of(request), end)).unwrap();
    let read = serde_json::from_str(&text).unwrap();
    (text, read)
}

#[test]
fn any_body_round_trips() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let bodies: [&[u8]; 12] = [
        b"",
        b"plain\r\ntext \x01\n",
        b"null",
        b"\"text\"",
        b"{\"b\":1.0,\"a\":[1e400,\"\\u0000\"],\"a\":NaN}",
        br#"{"status":"success", "b":1.00,"a":[12345678901234567890123,"\u00e4"]}"#,
        b"[1,2",
        b"\xff\xfe",
        "ä€".as_bytes(),
        b"<html>",
        b"[]",
        deep.as_bytes(),
    ];
    for body in bodies {
        let (text, read) = round_trip(&request("GET", "http://h/"), &responded(body));
        assert_eq!(read.end().unwrap().unwrap().body, body, "{text}");
    }
    // JSON stays readable.
    let (text, read) = round_trip(&request("GET", "http://h/"), &responded(" {\"a\": 1}\n"));
    assert!(text.contains(r#""json": {"a": 1}"#), "{text}");
    assert_eq!(read.end().unwrap().unwrap().body, b"{\"a\": 1}");
}

#[test]
fn retry_information_round_trips() {
    let ahead = Some(TimeDelta::seconds(-7767));
    let wait = Duration::from_millis(1500);
    let end = Ok(WebResponse { status: 503, body: b"later".to_vec(), retry_after: Some(wait), clock_ahead: ahead });
    let (_, read) = round_trip(&request("GET", "http://h/"), &end);
    let response = read.end().unwrap().unwrap();
    assert_eq!((response.status, response.retry_after, response.clock_ahead), (503, Some(wait), ahead));
    let tls = WebErrorKind::Tls(TlsProblem::ClientCertificate);
    for kind in [WebErrorKind::Timeout, WebErrorKind::Transport, tls, WebErrorKind::Final] {
        let error = WebError { method: String::new(), url: String::new(), kind, reason: "why".to_owned() };
        let (_, read) = round_trip(&request("GET", "http://h/"), &Err(error));
        assert_eq!(read.end().unwrap().unwrap_err(), (kind, "why".to_owned()));
    }
}

#[test]
fn secrets_are_redacted_everywhere() {
    let query = WebRequest {
        headers: vec![
            header("Authorization", "Bearer SECRET-token"),
            header("X-Api-Key", "SECRET-key"),
            header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ],
        body: Some(b"query=up&password=SECRET%20form".to_vec()),
        ..request("POST", "https://user:SECRET-password@h/q?api_key=SECRET-query&time=1&x=SECRET-token")
    };
    let echo = "SECRET-token SECRET-key SECRET form SECRET%20form SECRET-password SECRET-query dXA= up";
    for end in [
        responded(echo),
        responded([b"\xff".as_slice(), echo.as_bytes()].concat()),
        responded(format!(r#"{{"a":"{echo}"}}"#)),
        Err(WebError { method: String::new(), url: String::new(), kind: WebErrorKind::Final, reason: echo.to_owned() }),
    ] {
        let (text, read) = round_trip(&query, &end);
        assert!(!text.contains("SECRET"), "{text}");
        if let Ok(response) = read.end().unwrap() {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            assert!(!body.contains("SECRET") && body.contains("dXA= up"), "{body}");
        }
    }
    // Fields of JSON bodies can be secrets, too, and come back in another encoding.
    let query = WebRequest {
        headers: vec![header("X-Note", "my token=SECRET-note"), header("Cookie", "a=SECRET-cookie")],
        body: Some(br#"{"query": "up", "auth": {"password": "SECRET<a/b>"}}"#.to_vec()),
        ..request("POST", "http://h/q")
    };
    let (text, _) = round_trip(
        &query,
        &responded(r#"["SECRET<a/b>", "SECRET\u003ca\/b\u003e", "SECRET%3Ca%2Fb%3E", "SECRET-cookie"]"#),
    );
    assert!(!text.contains("SECRET") && text.contains("up"), "{text}");
    let hook = WebRequest {
        is_webhook: true,
        body: Some(b"{}".to_vec()),
        ..request("POST", "http://h/SECRET1/SECRET2?a=SECRET3")
    };
    let (text, _) = round_trip(&hook, &responded("no SECRET1, SECRET2 or SECRET3"));
    assert!(!text.contains("SECRET") && text.contains("http://h/[hidden]"), "{text}");
}

#[test]
fn literals_of_queries_are_redacted_like_those_of_the_document() {
    let url = "http://h/q?query=up%7Btoken%3D%22SECRET1%22%7D&x=1";
    let echo = r#"{"error": "no up{token=\"SECRET1\"}", "metric": {"t": "SECRET1", "u": "SECRET2"}, "data": "up"}"#;
    let form = vec![header("Content-Type", "application/x-www-form-urlencoded")];
    for (headers, body) in [
        (Vec::new(), r#"{"query": "up{token=\"SECRET2\"}"}"#),
        (Vec::new(), r#"{"query": "up{token=\u0022SECRET2\u0022}"}"#),
        (Vec::new(), "query=up%7Btoken%3D%22SECRET2%22%7D"),
        (form, "query=up%7Btoken%3D%22SECRET2%22%7D"),
    ] {
        let query = WebRequest { headers, body: Some(body.into()), ..request("POST", url) };
        let (text, _) = round_trip(&query, &responded(echo));
        assert!(!text.contains("SECRET") && text.contains("up%7Btoken%3D%22[hidden]%22%7D&x=1"), "{text}");
    }
}

#[test]
fn dollar_signs_in_bodies_are_not_references() {
    for body in [r#"{"batch": [{"password": "$SECRET"}]}"#, "password=$SECRET"] {
        let query = WebRequest { body: Some(body.into()), ..request("POST", "http://h/") };
        let (text, _) = round_trip(&query, &responded("up"));
        assert!(!text.contains("SECRET"), "{text}");
    }
}

#[test]
fn secrets_of_paths_and_nested_urls_are_not_repeated() {
    for url in [
        "http://h/render/up%7Btoken%3D%22SECRET1%22%7D",
        "http://h/q?target=http%3A%2F%2Fi%2F%3Fapi_key%3DSECRET1",
        "http://h/q?target=http%3A%2F%2Fu%3ASECRET1%40i%2F",
    ] {
        let query = WebRequest { headers: vec![header("X-Note", "password=SECRET2")], ..request("GET", url) };
        let (text, _) = round_trip(&query, &responded("SECRET1, SECRET2, up"));
        assert!(!text.contains("SECRET") && text.contains(", up"), "{text}");
    }
}

#[test]
fn requests_of_earlier_recordings_are_found() {
    let query = WebRequest {
        headers: vec![header("X-Key", "the-key"), header("Accept", "a: b")],
        body: Some(b"{}".to_vec()),
        caller: Some(1),
        ..request("POST", "http://h/q?query=up%7Btoken%3D%22X%22%7D")
    };
    let mut earlier = RecordedRequest::of(&query);
    let now = earlier.key();
    earlier.url.clone_from(&query.url);
    earlier.headers = vec!["accept: a: b".to_owned(), "x-key: the-key".to_owned()];
    assert_ne!(earlier.key(), now);
    assert_eq!(earlier.redacted().key(), now);
}

#[test]
fn keys_ignore_secrets() {
    let key = |request: &WebRequest| RecordedRequest::of(request).key();
    let with_token = |token: &str| WebRequest {
        headers: vec![header("Authorization", &format!("Bearer {token}"))],
        ..request("GET", &format!("http://u:{token}@h/q?query=up&token={token}"))
    };
    assert_eq!(key(&with_token("first-token")), key(&with_token("second-token")));
    assert_ne!(key(&request("GET", "http://h/q?query=up")), key(&request("GET", "http://h/q?query=down")));
    assert_ne!(key(&request("GET", "http://h/q")), key(&request("POST", "http://h/q")));
    let tenant = |id: &str| WebRequest { headers: vec![header("X-Scope-OrgID", id)], ..request("GET", "http://h/q") };
    assert_eq!(key(&tenant("one")), key(&tenant("one")));
    assert_ne!(key(&tenant("one")), key(&tenant("two")));
    assert_ne!(key(&tenant("one")), key(&request("GET", "http://h/q")));
    let post = |body: &str, is_webhook| WebRequest {
        body: Some(body.as_bytes().to_vec()),
        is_webhook,
        ..request("POST", "http://h/q")
    };
    assert_ne!(key(&post("query=up", false)), key(&post("query=down", false)));
    // Notifications contain durations, which differ between runs.
    assert_eq!(key(&post("took 1s", true)), key(&post("took 2s", true)));
}

#[test]
fn callers_are_numbered_in_the_order_of_their_first_requests() {
    let mut callers = Callers::default();
    let mut note = |url: &str, caller| callers.note(&WebRequest { caller, ..request("GET", url) }).caller;
    let seen: Vec<_> = [7, 3, 3, 7, 5].map(|caller| note("http://h/?token=x", Some(caller))).into();
    assert_eq!(seen, [1, 2, 2, 1, 3].map(Some));
    // Requests that differ in secrets alone are the same; another request has its own callers.
    assert_eq!(note("http://h/?token=y", Some(9)), Some(4));
    assert_eq!(note("http://h/?query=x", Some(9)), Some(1));
    assert_eq!(note("http://h/?query=x", None), None);
}

#[test]
fn a_malformed_file_is_an_error() {
    let read = |text: &str| serde_json::from_str::<Exchange>(text).map_err(|error| error.to_string());
    let query = r#""request": {"method": "GET", "url": "http://h/"}"#;
    for rest in [r#", "answr": {}"#, r#", "answer": {"status": "ok", "text": ""}"#, r#", "answer": {"status": 70000}"#]
    {
        assert!(read(&format!("{{{query}{rest}}}")).is_err(), "{rest}");
    }
    for rest in [
        "",
        r#", "answer": {"status": 200}"#,
        r#", "answer": {"status": 200, "text": "", "json": []}"#,
        r#", "answer": {"status": 200, "base64": "?"}"#,
        r#", "answer": {"status": 200, "text": ""}, "fault": {"kind": "final", "reason": ""}"#,
    ] {
        assert!(read(&format!("{{{query}{rest}}}")).unwrap().end().is_err(), "{rest}");
    }
}
