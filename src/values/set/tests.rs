//! Tests of the `--set` grammar and its errors.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn typed_set(text: &str) -> Result<Value, String> {
    let mut values = Map::new();
    set(&mut values, text, Kind::Typed).map(|()| Value::Object(values))
}

fn error_of(text: &str) -> String {
    typed_set(text).unwrap_err()
}

#[test]
fn paths_values_and_lists_are_read() {
    let cases = [
        ("a=1,b=x", json!({"a": 1, "b": "x"})),
        ("a.b.c=true,a.b.d=null", json!({"a": {"b": {"c": true, "d": null}}})),
        ("tasks={http,assess}", json!({"tasks": ["http", "assess"]})),
        (
            "assess.SLOs.upper.http/latency-p99\\.9=100",
            json!({"assess": {"SLOs": {"upper": {"http/latency-p99.9": 100}}}}),
        ),
        ("a[1].b=x,a[0]=y", json!({"a": ["y", {"b": "x"}]})),
        ("a[1][0]=x", json!({"a": [null, ["x"]]})),
        ("a=0.5,b=012,c=1e3,d=-7", json!({"a": "0.5", "b": "012", "c": "1e3", "d": -7})),
        ("a=b\\,c,d=e=f", json!({"a": "b,c", "d": "e=f"})),
        ("", json!({})),
    ];
    for (text, expected) in cases {
        assert_eq!(typed_set(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn errors_say_what_is_wrong_and_what_is_expected() {
    assert_eq!(error_of("a"), "no value for `a`; write `a=VALUE`");
    assert_eq!(error_of("a,b=1"), "no value for `a` before the comma; write `a=VALUE`, or `\\,` for a comma");
    assert_eq!(error_of("a[0=1"), "`[` at `a` has no closing `]`");
    assert_eq!(error_of("a[x]=1"), "`x` is not an index of `a`; expected 0 to 65536");
    assert_eq!(error_of("a[-1]=1"), "`-1` is not an index of `a`; expected 0 to 65536");
    assert_eq!(error_of("a[65537]=1"), "index 65537 is out of range; expected 0 to 65536");
    assert_eq!(error_of("a[0]b=1"), "unexpected `b` after `a[0]`; expected `=`, `.` or `[`");
    assert_eq!(error_of("a={1,2"), "`{` at `a` has no closing `}`");
    assert_eq!(error_of("a=1,a.b=2"), "`a` is already set, but not to a map");
    assert_eq!(error_of("a=1,a[0]=2"), "`a` is already set, but not to a list");
    assert_eq!(error_of("a[0]=1,a[0][1]=2"), "`a[0]` is already set, but not to a list");
    assert_eq!(error_of("a..b=1"), "no key after `a.`");
    assert_eq!(error_of(&format!("{}=1", vec!["a"; 32].join("."))), "more than 30 dots in a path");
}

#[test]
fn an_error_in_json_says_where() {
    let error = set(&mut Map::new(), "a=[1,2},b=3", Kind::Json).unwrap_err();
    assert_eq!(error, "the value of `a` is not JSON: expected `,` or `]` at character 5");
}

#[test]
fn endless_paths_are_rejected_before_the_stack_overflows() {
    assert_eq!(error_of(&format!("a{}=1", "[0]".repeat(50_000))), "more than 100 dots and indices in a path");
    assert_eq!(error_of(&format!("a{}=1", "[0].a".repeat(50_000))), "more than 100 dots and indices in a path");
}

#[test]
fn endless_lists_are_rejected_before_memory_runs_out() {
    let text: Vec<String> = (0..40).map(|i| format!("a{i}[65536]=1")).collect();
    assert_eq!(error_of(&text.join(",")), "more than 1048592 list elements");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"([ab.,=\[\]{}\\" 019ü-]|null|true|\[[0-3]\]){0,40}"#) {
        for kind in [Kind::Typed, Kind::Text, Kind::Json, Kind::File(&|path| Ok(path.to_owned()))] {
            let mut values = Map::new();
            let _ = set(&mut values, &text, kind);
        }
    }

    #[test]
    fn any_string_can_be_a_value_if_its_special_characters_are_escaped(text in any::<String>()) {
        let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
        let mut values = Map::new();
        set(&mut values, &format!("{escaped}k={escaped}"), Kind::Text).unwrap();
        prop_assert_eq!(Value::Object(values), json!({format!("{text}k"): text}));
    }
}
