//! Tests of request templates.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Pseudo-random bits, the same in every run.
fn bits() -> RandomBits {
    let state = AtomicU64::new(1);
    Arc::new(move || {
        let n = state.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    })
}

fn values(number: u64) -> CallValues {
    let now = DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap();
    let mut fixed = Fixed::new();
    fixed.insert("WorkerID".to_owned(), FixedValue::Text("w0".to_owned()));
    fixed.insert("IsClientStreaming".to_owned(), FixedValue::Bool(true));
    CallValues::new(number, now, &bits(), &fixed)
}

fn expand(text: &str) -> Result<String, String> {
    let template = RequestTemplate::parse(text, &bits()).map_err(|error| error.to_string())?;
    template.expand(&values(7)).map_err(|error| error.to_string())
}

#[test]
fn actions_are_rendered_as_documented() {
    assert_eq!(expand("n{{.RequestNumber}} {{ .WorkerID }}").unwrap(), "n7 w0");
    assert_eq!(expand("{{.Timestamp}} {{.TimestampUnix}}").unwrap(), "2023-11-14T22:13:20Z 1700000000");
    assert_eq!(expand("{{.TimestampUnixMilli}} {{.TimestampUnixNano}}").unwrap(), "1700000000123 1700000000123456789");
    assert_eq!(expand("{{if .IsClientStreaming}}many{{else}}one{{end}}").unwrap(), "many");
    assert_eq!(expand("no actions").unwrap(), "no actions");
}

#[test]
fn uuids_have_version_four_and_one_is_constant_within_a_call() {
    let both = expand("{{.UUID}} {{.UUID}} {{newUUID}} {{newUUID}}").unwrap();
    let ids: Vec<&str> = both.split(' ').collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[2], ids[3]);
    for id in ids {
        let shape: String = id.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        assert_eq!(id.as_bytes()[14], b'4');
        assert!("89ab".contains(char::from(id.as_bytes()[19])), "{id}");
    }
}

#[test]
fn random_values_reach_their_bounds_and_stay_within() {
    let numbers = expand("{{range 200}}{{randomInt -1 2}},{{end}}").unwrap();
    let mut seen: Vec<&str> = numbers.split_terminator(',').collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["-1", "0", "1"]);
    assert_eq!(expand("{{randomString 12}}").unwrap().len(), 12);
    assert!(expand("{{randomString 400}}").unwrap().chars().all(|c| c.is_ascii_alphanumeric()));
    assert!((2..=16).contains(&expand("{{randomString 0}}").unwrap().len()));
}

#[test]
fn errors_have_a_position_and_a_reason() {
    let cases = [
        ("{{.RequestNumbr}}", "line 1, column 3: undefined field `.RequestNumbr`; did you mean `.RequestNumber`?"),
        ("{{.RequestNumber", "unclosed action"),
        ("{{nope}}", "undefined function `nope`"),
        ("{{newUID}}", "did you mean `newUUID`?"),
        ("{{if .Nope}}{{end}}", "undefined field `.Nope`"),
        ("{{randomInt 2 1}}", "expected MIN below MAX"),
        ("{{randomInt 2}}", "randomInt: expected integers"),
        ("{{randomString 1000000}}", "expected at most 65536"),
    ];
    for (text, expected) in cases {
        let error = expand(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn loops_and_output_are_bounded() {
    let error = expand("{{range 1000000}}x{{end}}").unwrap_err();
    assert!(error.contains("takes more than 1000000 steps"), "{error}");
    let error = expand("{{range 9000}}{{randomString 10000}}{{end}}").unwrap_err();
    assert!(error.contains("output exceeds 16777216 bytes"), "{error}");
    let error = expand(r#"{{define "x"}}{{template "x"}}{{end}}{{template "x"}}"#).unwrap_err();
    assert!(error.contains("nests deeper than 100 levels"), "{error}");
}

#[test]
fn growing_strings_are_bounded() {
    for text in [
        r#"{{$x := "0123456789"}}{{range 100}}{{$x = print $x $x}}{{end}}"#,
        r#"{{$x := "0123456789"}}{{range 100}}{{$x = printf "%s%[1]s" $x}}{{end}}"#,
        r#"{{$x := "<<<<<<<<<<"}}{{range 100}}{{$x = print (html $x) (js $x) | urlquery}}{{end}}"#,
        r#"{{$x := "%[1]65000d"}}{{range 12}}{{$x = print $x $x}}{{end}}{{$y := printf $x 1}}"#,
        r#"{{$x := randomString 65536}}{{range 10000}}{{$y := slice $x 1}}{{end}}"#,
        r#"{{range 10000}}{{$y := randomString 65536}}{{end}}"#,
    ] {
        let Err(error) = expand(text) else { panic!("{text}") };
        assert!(error.contains("takes more than 67108864 units of work"), "{text}: {error}");
    }
}

#[test]
fn many_small_strings_are_within_the_bounds() {
    assert_eq!(expand(r#"{{range 10000}}{{$y := print . | println | printf "%s"}}{{end}}"#).unwrap(), "");
}

#[test]
fn functions_of_go_templates_are_available() {
    for (text, expected) in [
        (r#"{{print 1 2 "a" "b" 3}}|{{println "a" 1}}|{{print}}"#, "1 2ab3|a 1\n|"),
        (r#"{{printf "%05d-%q-%.2f-%v" .RequestNumber "a" 1.5 true}}"#, r#"00007-"a"-1.50-true"#),
        (r#"{{html "<a>"}} {{js "<"}} {{urlquery "a b&c"}}"#, r#"&lt;a&gt; \u003C a+b%26c"#),
        (
            r#"{{define "a"}}<{{.}}>{{end}}{{template "a" 1}} {{list 1 2 | join ","}} {{now | unixEpoch}}"#,
            "<1> 1,2 1700000000",
        ),
        (r#"{{slice "hello" 1 3}} {{"x" | printf "%s%s" "y"}} {{printf "%v" nil}}"#, "el yx <nil>"),
    ] {
        assert_eq!(expand(text).unwrap(), expected, "{text}");
    }
    assert!(expand("{{printf 1}}").unwrap_err().contains("printf: argument 1 must be a string"));
}
