//! Tests of whole templates. `tests/it/go_template.rs` compares with the Helm program; these need nothing but the crate.

use std::sync::Arc;

use serde_json::json;

use super::context::NO_CLOCK;
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
fn without_a_clock_the_output_depends_on_the_values_alone() {
    let render = |text: &str| {
        let template = GoTemplate::with_options(text, Options { has_clock: false, ..Options::default() });
        template.and_then(|template| template.render(&json!({}), NOW)).map_err(|error| error.to_string())
    };
    for function in ["now", "ago 5", "if false }}{{ now | date \"2006\" }}{{ end", "define \"t\" }}{{ now }}{{ end"] {
        let error = render(&format!("{{{{ {function} }}}}")).unwrap_err();
        assert!(error.contains("unsupported function `") && error.ends_with(NO_CLOCK), "{function}: {error}");
        assert!(error.starts_with("line 1, column "), "{function}: {error}");
    }
    for text in ["{{ toDate \"2006\" \"2020\" | durationRound }}", "{{ tpl \"{{ now }}\" . }}"] {
        let error = render(text).unwrap_err();
        assert!(error.ends_with(NO_CLOCK), "{text}: {error}");
    }
    assert_eq!(render("{{ durationRound 7200000000001 }} {{ date \"2006\" 0 }}").as_deref(), Ok("2h 1970"));
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

static ITEM: Struct = Struct { fields: &[("name", Type::Any), ("URL", Type::Any)], methods: &[] };
static ROOT: Struct = Struct { fields: &[("Report", Type::Struct(&REPORT))], methods: &[] };
static REPORT: Struct = Struct {
    fields: &[
        ("numItems", Type::Any),
        ("items", Type::List(&Type::Struct(&ITEM))),
        ("byName", Type::Map(&Type::Struct(&ITEM))),
        ("startTime", Type::Time),
        ("free", Type::Any),
        ("endTime", Type::Time),
        ("revision", Type::Int),
        ("failed", Type::Bool),
        ("note", Type::String),
        ("condition", Type::Pointer),
        ("best", Type::Struct(&ITEM)),
        ("limits", Type::List(&Type::Any)),
        ("with", Type::Map(&Type::Any)),
    ],
    methods: &["Passed", "Value"],
};

/// Renders with typed values, in which `Passed` is true and `Value` doubles its argument.
fn render_typed(text: &str) -> Result<String, String> {
    let passed: Function = Arc::new(|_| Ok(Value::Bool(true)));
    let value: Function = Arc::new(|args| match args {
        [Value::Int(n)] => Ok(Value::Int(2 * n)),
        _ => Err("expected an integer".to_owned()),
    });
    let methods = [("Passed", passed), ("Value", value)].into();
    let root = Type::Struct(&ROOT);
    let template = GoTemplate::with_options(text, Options { root, methods, ..Options::default() });
    let values = json!({"Report": {
        "numItems": 2, "items": [{"name": "a", "URL": "u"}, {"name": "b"}], "byName": {"x": {"name": "c"}},
        "startTime": "2022-08-09T15:10:36.5Z", "free": {"Any": 1},
    }});
    template.and_then(|template| template.render(&values, NOW)).map_err(|error| error.to_string())
}

#[test]
fn structs_have_the_fields_and_methods_of_a_go_program() {
    for (text, expected) in [
        ("{{ .Report.NumItems }}{{ .Report.numItems }}", "22"),
        ("{{ range .Report.Items }}{{ .Name }}{{ .URL | default \"-\" }}{{ end }}", "aub-"),
        ("{{ range $i, $item := .Report.Items }}{{ $i }}{{ $item.Name }}{{ end }}", "0a1b"),
        ("{{ (index .Report.Items 1).Name }}{{ .Report.ByName.x.Name }}", "bc"),
        ("{{ .Report.Passed }} {{ .Report.Value 4 }} {{ 5 | .Report.Value }} {{ (.Report.Value 1) }}", "true 8 10 2"),
        ("{{ with .Report }}{{ .Passed }}{{ $.Report.Value 3 }}{{ end }}", "true6"),
        ("{{ .Report.Free.Any }}{{ .Report.free.Other | default 0 }}", "10"),
        ("{{ define \"t\" }}{{ .NumItems }}{{ end }}{{ template \"t\" .Report }}", "2"),
        ("{{ tpl \"{{ .NumItems }}{{ .Passed }}\" .Report }}", "2true"),
        // Methods are no keys.
        (
            "{{ .Report.Items | toJson }} {{ hasKey .Report \"Passed\" }}",
            "[{\"URL\":\"u\",\"name\":\"a\"},{\"name\":\"b\"}] false",
        ),
        (
            "{{ with .Report.StartTime }}{{ . }}|{{ .Year }} {{ .Month }} {{ .Day }} {{ .Weekday }} {{ .YearDay }} {{ .Hour }}:{{ .Minute }}:{{ .Second }}{{ end }}",
            "2022-08-09 15:10:36.5 +0000 UTC|2022 August 9 Tuesday 221 15:10:36",
        ),
        (
            "{{ .Report.StartTime.Format \"2006\" }} {{ .Report.StartTime.UTC.Unix }} {{ .Report.startTime | toJson }}",
            "2022 1660057836 \"2022-08-09T15:10:36.5Z\"",
        ),
    ] {
        assert_eq!(render_typed(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn absent_fields_of_structs_have_the_zero_value_of_go() {
    for (text, expected) in [
        (
            "{{ .Report.Revision }} {{ .Report.Failed }} <{{ .Report.Note }}> {{ .Report.EndTime }}",
            "0 false <> 0001-01-01 00:00:00 +0000 UTC",
        ),
        (
            "{{ .Report.Limits }} {{ len .Report.Limits }} {{ .Report.With }} {{ range .Report.Limits }}a{{ else }}none{{ end }}",
            "[] 0 map[] none",
        ),
        (
            "{{ .Report.Condition }} {{ .Report.Best }} {{ (.Report).Condition }} {{ $r := .Report }}{{ $r.Best }}",
            "<nil> <nil> <nil> <nil>",
        ),
        ("{{ if .Report.Condition }}a{{ else }}b{{ end }} {{ .Report.Condition | default \"c\" }}", "b c"),
        // They are no keys.
        ("{{ hasKey .Report \"limits\" }}", "false"),
    ] {
        assert_eq!(render_typed(text).as_deref(), Ok(expected), "{text}");
    }
    // Nor do they have fields.
    for (text, expected) in [
        ("{{ .Report.Best.Name }}", "cannot access `.Name` of `.Best`, which is missing"),
        ("{{ .Report.With.key }}", "`.Report.With.key` has no value"),
    ] {
        let error = render_typed(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn calls_of_methods_are_limited() {
    assert_eq!(render_typed("{{ range until 1000 }}{{ $_ := $.Report.Value 1 }}{{ end }}").as_deref(), Ok(""));
    let error = render_typed("{{ range until 200000 }}{{ $_ := $.Report.Value 1 }}{{ end }}").unwrap_err();
    assert!(error.contains("units of work"), "{error}");
}

#[test]
fn undefined_fields_of_structs_are_found_without_values() {
    for (text, expected) in [
        ("{{ .Reprt }}", "line 1, column 4: undefined field `.Reprt`; did you mean `.Report`?"),
        ("{{ if false }}{{ .Report.Numitems }}{{ end }}", "undefined field `.Numitems`; did you mean `.numItems`?"),
        ("{{ range .Report.Items }}{{ .Nam }}{{ end }}", "undefined field `.Nam`"),
        ("{{ range $k, $v := .Report.ByName }}{{ $k }}{{ $v.Nope }}{{ end }}", "undefined field `.Nope`"),
        ("{{ with .Report }}{{ .Items }}{{ else }}{{ .Items }}{{ end }}", "column 44: undefined field `.Items`"),
        ("{{ $r := .Report }}{{ (index $r.Items 0).Nope }}", "undefined field `.Nope`"),
        ("{{ .Report.Items.Name }}", "cannot access `.Name` of a list"),
        ("{{ .Report.StartTime.Jear }}", "undefined method `Jear` of a time; expected Format, Day, "),
        ("{{ printf \"%v\" .Report.Passd }}", "undefined field `.Passd`; did you mean `.Passed`?"),
        // These are found when they are rendered.
        ("{{ define \"t\" }}{{ .Nope }}{{ end }}{{ template \"t\" .Report }}", "undefined field `.Nope`"),
        ("{{ (first .Report.Items).Nope }}", "undefined field `.Nope`"),
        ("{{ .Report.Value }}", "Value: expected an integer"),
        ("{{ .Report.NumItems 1 }}", "cannot pass arguments"),
        ("{{ .Report.StartTime.Year 1 }}", "Year: expected no arguments"),
    ] {
        let error = render_typed(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    // The type of an assigned variable is not known.
    assert_eq!(render_typed("{{ $x := .Report }}{{ $x = dict \"y\" 1 }}{{ $x.y }}").as_deref(), Ok("1"));
}

#[test]
fn searches_for_all_matches_pay_for_the_text_that_they_read_again() {
    let render = |text: &str| {
        let template = GoTemplate::parse(text).unwrap();
        template.render_within(&serde_json::Value::Null, NOW, &mut Budget::new(1000, 4 << 20))
    };
    for call in
        ["regexFindAll {} -1", "regexReplaceAll {} \"x\"", "regexReplaceAllLiteral {} \"x\"", "regexSplit {} -1"]
    {
        let text = format!("{{{{ $_ := {} }}}}", call.replace("{}", "\"a[^c]*c|a\" (repeat 4000 \"a\")"));
        let error = render(&text).unwrap_err().to_string();
        assert!(error.contains("units of work"), "{call}: {error}");
        assert!(render(&text.replace("a[^c]*c|a", "[ab]+")).is_ok(), "{call}");
    }
}

#[test]
fn renderings_share_a_budget() {
    let template = GoTemplate::parse("{{ range 300 }}{{ end }}").unwrap();
    let mut budget = Budget::new(1000, 10_000);
    let mut render = |most| {
        let most = Budget::new(most, 10_000);
        budget.lend(&most, |part| template.render_within(&serde_json::Value::Null, NOW, part))
    };
    assert!(render(100).unwrap_err().to_string().contains("more than 100 steps"));
    assert_eq!(render(1000).as_deref(), Ok(""));
    assert_eq!(render(1000).as_deref(), Ok(""));
    let error = render(1000).unwrap_err().to_string();
    assert!(error.contains("more than 29"), "{error}");
    assert!(budget.is_exhausted() && !budget.spend(20_000) && budget.spend(100));
}
