//! Tests of whole templates. `tests/it/go_template.rs` compares with the Helm program; these need nothing but the crate.

use std::sync::Arc;

use serde_json::json;

use super::*;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn render_with(missing_key: MissingKey, text: &str) -> Result<String, String> {
    let template = GoTemplate::with_options(text, Options { missing_key, ..Options::default() });
    let values = json!({"a": {"b": 1}, "names": ["x", "y"], "half": 0.5, "none": null});
    template.and_then(|template| template.render(&values, NOW)).map_err(|error| error.to_string())
}

fn render(text: &str) -> Result<String, String> {
    render_with(MissingKey::Nil, text)
}

#[test]
fn actions_blocks_pipelines_and_named_templates_are_evaluated() {
    for (text, expected) in [
        ("{{ .a.b }} {{ .half | printf \"%.2f\" }}", "1 0.50"),
        ("{{ range $i, $n := .names }}{{ $i }}{{ $n }}{{ else }}none{{ end }}", "0x1y"),
        ("{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ else if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}", "02"),
        ("{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" 7 }}{{ include \"t\" .a.b | quote }}", "<7>\"<1>\""),
        ("{{ with .none }}yes{{ else }}no{{ end }} {{ $x := 1 }}{{ $x = add $x 2 }}{{ $x }}", "no 3"),
        ("{{ tpl \"{{ .b }}\" .a }} {{ dict \"k\" (list 1 2) | toJson }}", "1 {\"k\":[1,2]}"),
        ("{{ now | date \"2006-01-02\" }}", "1970-01-01"),
    ] {
        assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn maps_are_shared_under_every_name() {
    let text = "{{ $m := dict \"n\" 1 }}{{ $other := $m }}{{ $_ := set $other \"n\" 2 }}{{ $m.n }}";
    assert_eq!(render(text).as_deref(), Ok("2"));
    assert_eq!(render("{{ $m := dict }}{{ $_ := set $m \"m\" $m }}{{ hasKey $m \"m\" }}").as_deref(), Ok("true"));
}

#[test]
fn a_missing_key_is_an_error_nil_or_the_zero_value() {
    let text = "[{{ .missing }}]";
    let error = render_with(MissingKey::Error, text).unwrap_err();
    assert!(error.starts_with("line 1, column 5: undefined field `.missing`"), "{error}");
    let error = render_with(MissingKey::Nil, text).unwrap_err();
    assert!(error.starts_with("line 1, column 5: `.missing` has no value"), "{error}");
    assert_eq!(render_with(MissingKey::Zero, text).as_deref(), Ok("[<no value>]"));
    for missing_key in [MissingKey::Nil, MissingKey::Zero] {
        let text = "{{ .missing | default 5 }} {{ if .missing }}a{{ else }}b{{ end }} {{ printf \"%v\" .missing }}";
        assert_eq!(render_with(missing_key, text).as_deref(), Ok("5 b <nil>"));
        // Only the last key of a chain may be missing, as in Go.
        assert!(render_with(missing_key, "{{ .missing.key }}").unwrap_err().contains("cannot access `.key`"));
    }
    // `tpl` and named templates inherit the setting.
    let text = "{{ define \"t\" }}<{{ .x }}>{{ end }}{{ template \"t\" . }}{{ tpl \"({{ .x }})\" . }}";
    assert_eq!(render_with(MissingKey::Zero, text).as_deref(), Ok("<<no value>>(<no value>)"));
    // Null values print like missing ones.
    assert_eq!(render_with(MissingKey::Zero, "[{{ .none }}]").as_deref(), Ok("[<no value>]"));
}

#[test]
fn functions_can_be_added() {
    let twice: Function = Arc::new(|args| match args {
        [Value::Int(n)] => Ok(Value::Int(2 * n)),
        _ => Err("expected an integer".to_owned()),
    });
    let options = || Options { functions: [("twice", Arc::clone(&twice))].into(), ..Options::default() };
    let render = |text| GoTemplate::with_options(text, options()).and_then(|template| template.render(&json!({}), NOW));
    assert_eq!(render("{{ twice 4 }}").unwrap(), "8");
    assert_eq!(render("{{ twice \"a\" }}").unwrap_err().to_string(), "line 1, column 4: twice: expected an integer");
    assert!(render("{{ twise 4 }}").unwrap_err().to_string().contains("did you mean `twice`?"));
}

#[test]
fn errors_have_a_position() {
    for (text, expected) in [
        ("a\n {{ fail \"no\" }}", "line 2, column 5: no"),
        ("{{ nope }}", "line 1, column 4: undefined function `nope`"),
        ("{{ $x }}", "line 1, column 4: undefined variable `$x`"),
        ("é {{ if .a }}", "line 1, column 3: {{if}} has no {{end}}"),
        ("{{ break }}", "line 1, column 4: {{break}} and {{continue}} are only allowed"),
    ] {
        let error = render(text).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn every_template_ends_within_the_bounds() {
    for (text, expected) in [
        ("{{ range 2000000 }}{{ end }}", "steps"),
        ("{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}", "nests deeper than 100 levels"),
        ("{{ $s := \"0123456789\" }}{{ range 100 }}{{ $s = print $s $s }}{{ end }}", "units of work"),
        ("{{ $m := dict }}{{ $_ := set $m \"m\" $m }}{{ toJson $m }}", "nest deeper than 64 levels"),
        ("{{ repeat 1000000000 \"x\" }}", "units of work"),
        ("{{ regexMatch \"(a{1000}){1000}\" \"a\" }}", "too large once compiled"),
    ] {
        let error = render(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = "x".repeat(bounds::MAX_TEMPLATE + 1);
    assert_eq!(render(&long).unwrap_err(), "is longer than 262144 bytes");
}
