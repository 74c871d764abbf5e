//! Go templates against the real Helm program, over `testdata/templates`; hostile templates against their bounds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use gotemplate::{GoTemplate, Numbers, Options};
use iter8::values::{Source, merge};
use serde_json::{Value, json};

use crate::support::{files, tools};

/// Values for both.
const VALUES: [&str; 8] = [
    "text=hello,int=42,big=12345678,zero=0,yes=true,empty=,none={}",
    "list={a,b,c}",
    "map.deep.x=1,map.deep.y=two,map.other=true",
    "elapsed=120,percentiles={50,95,99}",
    "provider.labels.revision=v1,provider.labels.canary=true,provider.labels.port=8080",
    "own.first=1",
    "url=null",
    "odd=a<b>&\"c\"",
];

/// The templates by name: each line of one file, each section of the other.
fn cases() -> Vec<(String, String)> {
    let read = |name: &str| files::text(&files::root().join("testdata/templates").join(name));
    let functions = read("functions.txt");
    let lines = functions.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let mut cases: Vec<_> =
        lines.map(|(at, line)| (format!("functions.txt, line {}", at + 1), line.to_owned())).collect();
    let idioms = read("idioms.txt");
    for section in idioms.split("\n=== ").skip(1) {
        let (name, text) = section.split_once('\n').unwrap();
        cases.push((name.to_owned(), text.trim_end_matches('\n').to_owned()));
    }
    cases
}

/// Output of Helm for a chart with these templates, each of which renders to its number and base64.
fn by_helm(helm: &Path, templates: &[&str], numbers: Numbers) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir_all(dir.path().join("chart/templates")).unwrap();
    write("chart/Chart.yaml", "{apiVersion: v2, name: chart, version: 0.1.0}");
    let mut all = String::new();
    for (at, text) in templates.iter().enumerate() {
        write(&format!("chart/templates/_{at}.tpl"), text);
        // Each gets values of its own: some templates change them.
        let dot = "(dict \"Values\" (deepCopy .Values))";
        all.push_str(&format!("case-{at}: {{{{ include \"chart/templates/_{at}.tpl\" {dot} | b64enc | quote }}}}\n"));
    }
    write("chart/templates/all.yaml", &all);
    let mut command = Command::new(helm);
    command.current_dir(dir.path()).env("HOME", dir.path()).env("TZ", "UTC").args(["template", "chart"]);
    match numbers {
        Numbers::Int64 => {
            command.args(VALUES.iter().map(|values| format!("--set={values}")));
        }
        Numbers::Float { .. } => {
            write("values.json", &values()["Values"].to_string());
            command.args(["-f", "values.json"]);
        }
    }
    command.output().unwrap()
}

fn values() -> Value {
    let sources: Vec<Source> = VALUES.iter().map(|text| Source::Set((*text).to_owned())).collect();
    json!({ "Values": merge(&sources, &|_| Err("no files".to_owned())).unwrap().value })
}

fn now() -> DateTime<Utc> {
    "2024-05-06T07:08:09Z".parse().unwrap()
}

fn render(text: &str) -> Result<String, String> {
    render_with(text, Numbers::Int64)
}

fn render_with(text: &str, numbers: Numbers) -> Result<String, String> {
    let options = Options { numbers, ..Options::default() };
    let template = GoTemplate::with_options(text, options).map_err(|error| error.to_string())?;
    template.render(&values(), now()).map_err(|error| error.to_string())
}

#[test]
fn templates_render_as_in_helm() {
    compare_with_helm(&cases(), Numbers::Int64);
}

/// Templates that depend on the type of a number.
const OF_FLOATS: [&str; 6] = [
    r#"{{ printf "%.2f" .Values.int }} {{ printf "%v %s" .Values.int (toString .Values.int) }} {{ .Values.int }}"#,
    r#"{{ gt .Values.int 0.5 }} {{ eq .Values.int 42.0 }} {{ lt .Values.zero 0.1 }} {{ kindIs "float64" .Values.int }}"#,
    r#"{{ range .Values.percentiles }}{{ printf "%.1f" . }},{{ quote . }},{{ . }};{{ end }} {{ .Values.provider.labels.port }}"#,
    r#"{{ until (int .Values.map.deep.x) }} {{ add .Values.int 1 }} {{ mul .Values.int 2 }} {{ div .Values.int 5 }} {{ int64 .Values.int }}"#,
    r#"{{ .Values.big }} {{ toString .Values.big }} {{ printf "%.0f" .Values.big }} {{ quote .Values.big }} {{ int .Values.big }}"#,
    r#"{{ toJson .Values.map }} {{ toYaml .Values.map }} {{ max .Values.int 7 }} {{ round .Values.int 2 }} {{ printf "%d" .Values.int }}"#,
];

/// The numbers of values files are floats, other than those of `--set`.
#[test]
fn numbers_of_values_files_are_floats_as_in_helm() {
    // Helm refuses to compare a float and an integer.
    let others = cases().into_iter().filter(|(_, text)| !text.contains("eq .Values.int 42"));
    let own = OF_FLOATS.iter().map(|text| ("own".to_owned(), (*text).to_owned()));
    compare_with_helm(&others.chain(own).collect::<Vec<_>>(), Numbers::Float { except: &[] });
    let error = render_with("{{ gt .Values.int 5 }}", Numbers::Float { except: &[] }).unwrap_err();
    assert!(error.contains("cannot compare a float and an integer; use float64 for both"), "{error}");
}

/// A verb that does not fit would be sent to a provider as `%!f(int64=50)`.
#[test]
fn verbs_that_do_not_fit_can_be_errors() {
    let options = || Options { has_strict_verbs: true, ..Options::default() };
    for (text, expected) in [
        (r#"{{ printf "%.2f" .Values.int }}"#, "printf: verb `%f` does not fit an integer; use `%d`, or float64"),
        (r#"{{ printf "%d" 1.5 }}"#, "printf: verb `%d` does not fit a float; use `%.0f`, or int"),
        (r#"{{ printf "%d" "a" }}"#, "printf: verb `%d` does not fit a string; use `%v`"),
        (
            r#"{{ printf "%s" .Values.missing }}"#,
            "printf: the argument of verb `%s` is missing; set it, or use default",
        ),
        (r#"{{ printf "%d" }}"#, "printf: verb `%d` has no argument"),
        (r#"{{ printf "%[3]d" 1 }}"#, "printf: an argument index is not valid"),
        (r#"{{ printf "%" }}"#, "printf: the last `%` has no verb"),
        (r#"{{ printf "a" 1 2 }}"#, "printf: 2 more arguments than verbs"),
        (r#"{{ printf "%*d" "x" 1 }}"#, "printf: a width or precision is not an int"),
        (r#"{{ printf "%s" (list 1 "a") }}"#, "printf: verb `%s` does not fit an integer; use `%v`"),
    ] {
        let error =
            GoTemplate::with_options(text, options()).unwrap().render(&values(), now()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn compare_with_helm(cases: &[(String, String)], numbers: Numbers) {
    let Some(helm) = tools::needed("helm") else { return };
    let texts: Vec<&str> = cases.iter().map(|(_, text)| text.as_str()).collect();
    let output = by_helm(&helm, &texts, numbers);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).unwrap();
    let theirs: BTreeMap<usize, String> = output
        .lines()
        .filter_map(|line| line.strip_prefix("case-"))
        .map(|line| {
            let (at, packed) = line.split_once(": ").unwrap();
            let bytes = STANDARD.decode(packed.trim_matches('"')).unwrap();
            (at.parse().unwrap(), String::from_utf8(bytes).unwrap())
        })
        .collect();
    assert_eq!(theirs.len(), cases.len());
    // Helm's templates share their names.
    let shared = r#"{{ define "go-test.shared" }}shared {{ .who | default "all" }}{{ end }}"#;
    let labels = cases[cases.iter().position(|(name, _)| name.starts_with("labels")).unwrap()].1.clone();
    let labels = &labels[..labels.find("sum(").unwrap()];
    let mut wrong = Vec::new();
    for (at, (name, text)) in cases.iter().enumerate() {
        let mut whole = text.clone();
        for (define, used) in [(shared, "go-test.shared"), (labels.trim_end(), "go-test.labels")] {
            if text.contains(used) && !text.contains(&format!("define \"{used}\"")) {
                whole = format!("{define}{whole}");
            }
        }
        let ours = render_with(&whole, numbers);
        if ours.as_ref() != Ok(&theirs[&at]) {
            wrong.push(format!("{name}: {text}\n  ours: {ours:?}\n  Helm: {:?}", theirs[&at]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 60, "{}", cases.len());
}

/// Templates that Helm refuses too, with what is said of them here.
const FAULTS: [(&str, &str); 35] = [
    ("{{ .Values.missing.deeper }}", "line 1, column 4: cannot access `.deeper` of `.missing`, which is missing"),
    ("a\n\n  {{ nope 1 }}", "line 3, column 6: undefined function `nope`"),
    ("{{ fail \"stop here\" }}", "line 1, column 4: stop here"),
    ("{{ required \"give it\" .Values.missing }}", "give it"),
    ("{{ upper 1 }}", "upper: argument 1 must be a string, but is an integer; use toString"),
    ("{{ upper .Values.missing }}", "upper: argument 1 must be a string, but is missing; set it, or use default"),
    ("{{ upper }}", "upper: expected 1 arguments, found 0"),
    ("{{ eq 1 1.0 }}", "eq: cannot compare an integer and a float; use float64 for both"),
    ("{{ eq .Values.list .Values.list }}", "eq: cannot compare a list and a list"),
    ("{{ lt 1 \"a\" }}", "lt: cannot compare"),
    ("{{ index .Values.list 7 }}", "index: index 7 is out of range: the length is 3"),
    ("{{ index .Values.missing 1 }}", "index: argument 1 is missing"),
    ("{{ div 1 0 }}", "div: division by zero"),
    ("{{ if true }}", "{{if}} has no {{end}}"),
    ("a{{ end }}b", "line 1, column 2: {{end}} without"),
    ("{{ $x }}", "undefined variable `$x`"),
    ("{{ if true }}{{ $y := 1 }}{{ end }}{{ $y }}", "undefined variable `$y`"),
    ("{{ template \"non\" . }}", "undefined template `non`"),
    ("{{ include \"non\" . }}", "undefined template `non`"),
    ("{{ break }}", "{{break}} and {{continue}} are only allowed in {{range}}"),
    ("{{ semver \"1.x\" }}", "semver: `1.x` is not a version, such as 1.2.3"),
    ("{{ semverCompare \"a\" \"1\" }}", "semverCompare: `a` is not a constraint, such as >=1.2.3"),
    ("{{ semverCompare \"1\" \"b\" }}", "semverCompare: `b` is not a version"),
    ("{{ (semver \"1\").Compare 1 }}", "Compare: expected a version; use semver"),
    ("{{ (semver \"1\").Foo }}", "undefined method `Foo` of a version"),
    ("{{ urlParse \"http://h:x/\" }}", "urlParse: `http://h:x/` is not a URL: invalid port `:x` after the host"),
    ("{{ urlParse \"http://%zz/\" }}", "invalid escape `%zz`"),
    ("{{ urlParse \":a\" }}", "its scheme is missing"),
    ("{{ urlParse \"a:b/c\" | urlJoin | urlParse | toToml | len | urlJoin }}", "urlJoin: argument 1 must be a map"),
    ("{{ urlJoin (dict \"path\" 1) }}", "urlJoin: `path` must be a string, but is an integer"),
    ("{{ urlJoin (dict \"userinfo\" \"[\") }}", "urlJoin: the userinfo is not valid: its userinfo is not valid"),
    ("{{ .Values.text.x }}", "cannot access `.x` of a string"),
    ("{{ \"a\" | .Values.text }}", "cannot pass arguments to a value that is not a function"),
    ("{{ range .Values.text }}{{ end }}", "cannot range over a string"),
    ("{{ ternary 1 2 3 }}", "ternary: argument 3 must be a boolean"),
];

#[test]
fn templates_rejected_by_helm_are_rejected() {
    for (text, output) in FAULTS {
        let fault = render(text).unwrap_err();
        assert!(fault.starts_with("line "), "{text}: {fault}");
        assert!(fault.contains(output), "{text}: {fault}");
    }
    let Some(helm) = tools::needed("helm") else { return };
    for (text, _) in FAULTS {
        assert!(!by_helm(&helm, &[text], Numbers::Int64).status.success(), "{text}");
    }
}

#[test]
fn mistakes_ignored_by_helm_are_errors() {
    for (text, output) in [
        ("x\ny {{ .Values.missing }}", "line 2, column 6: `.Values.missing` has no value; set it, or use default"),
        ("{{- first list -}}", "`first list` has no value"),
        ("{{ template \"x\" }}{{ define \"x\" }}{{ . }}{{ end }}", "`.` has no value"),
        ("{{ regexMatch \"(\" \"a\" }}", "regexMatch: invalid or unsupported regular expression `(`"),
        ("{{ fromJson \"{\" }}", "fromJson: invalid JSON"),
        ("{{ fromJson \"[1]\" }}", "expected a JSON object, found a list"),
        ("{{ fromYaml \"a: [\" }}", "fromYaml: invalid YAML"),
        ("{{ fromToml \"a = 1\\nb = \" }}", "fromToml: invalid TOML in line 2"),
        ("{{ fromToml \"t = 07:32:00\" }}", "fromToml: the time 07:32:00 is not in UTC; write it as a string"),
        ("{{ toToml (list 1 nil) }}", "toToml: a list with a missing value cannot be written as TOML"),
        ("{{ toToml (list (dict \"a\" 1)) }}", "toToml: a list of maps cannot be a TOML document"),
        ("{{ toDate \"2006\" \"x\" }}", "toDate: `x` does not match the layout `2006`"),
        ("{{ now | dateModify \"soon\" }}", "dateModify: `soon` is not a duration"),
        ("{{ date \"2006\" \"x\" }}", "date: argument 2 must be a time, but is a string; use toDate for a string"),
        ("{{ dateInZone \"2006\" now \"Mars\" }}", "unsupported time zone `Mars`; use UTC"),
        ("{{ b64dec \"*\" }}", "b64dec: invalid base64"),
        (
            "{{ env \"HOME\" }}",
            "unsupported function `env`: templates cannot read the environment; pass a value instead",
        ),
        ("{{ randAlpha 5 }}", "`randAlpha`: rendering is deterministic"),
        ("{{ tpl \"a\\n{{ nope }}\" . }}", "line 1, column 4: tpl: line 2, column 4: undefined function `nope`"),
        ("{{ include \"x.lables\" . }}{{ define \"x.labels\" }}{{ end }}", "did you mean `x.labels`?"),
        (
            "{{ toJson (divf 1 3 | mulf 1e308 | float64) }}{{ float64 \"inf\" | toJson }}",
            "+Inf cannot be written as JSON",
        ),
    ] {
        let fault = render(text).unwrap_err();
        assert!(fault.contains(output), "{text}: {fault}");
    }
}

#[test]
fn now_is_the_given_instant() {
    let text = "{{ now | date \"2006-01-02T15:04:05Z\" }} {{ now | unixEpoch }} {{ now.Unix }} {{ ago (toDate \"2006\" \"2024\") }}";
    let expected = format!("2024-05-06T07:08:09Z {0} {0} 3031h8m9s", now().timestamp());
    assert_eq!(render(text).unwrap(), expected);
}

/// Runs on a thread with the stack that workers have, so that a debug build shows what a release build has room for.
fn on_a_worker_s_stack(text: String) -> Result<String, String> {
    std::thread::Builder::new().stack_size(2 << 20).spawn(move || render(&text)).unwrap().join().unwrap()
}

#[test]
fn hostile_templates_are_aborted() {
    let wrap = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let cases = [
        // Endless loops and calls.
        (r#"{{define "x"}}{{template "x"}}{{end}}{{template "x"}}"#.to_owned(), "nests deeper than 100 levels"),
        (r#"{{define "x"}}{{include "x" .}}{{end}}{{include "x" .}}"#.to_owned(), "nests deeper than 100 levels"),
        (r#"{{define "x"}}{{if (((include "x" .)))}}{{end}}{{end}}{{include "x" .}}"#.to_owned(), "nests deeper than 100"),
        (r#"{{$t := "{{tpl .t .}}"}}{{tpl $t (dict "t" $t)}}"#.to_owned(), "nests deeper than 100 levels"),
        (r#"{{define "x"}}{{template "y" .}}{{template "y" .}}{{end}}{{define "y"}}{{range 1000000}}{{end}}{{end}}{{template "x" .}}"#.to_owned(), "takes more than 1000000 steps"),
        ("{{range 1000000000}}{{end}}".to_owned(), "takes more than 1000000 steps"),
        ("{{range until 2000}}{{range until 2000}}x{{end}}{{end}}".to_owned(), "takes more than"),
        (wrap("{{range 10}}", "", "{{end}}", 20), "takes more than 1000000 steps"),
        // Growing results.
        ("{{until 1000000000}}".to_owned(), "units of work"),
        ("{{untilStep 0 9223372036854775807 1}}".to_owned(), "units of work"),
        ("{{seq 1 1000000000}}".to_owned(), "units of work"),
        (r#"{{repeat 1000000000 "x"}}"#.to_owned(), "units of work"),
        (r#"{{indent 1000000000 "x"}}"#.to_owned(), "units of work"),
        (r#"{{printf "%1000000d" 1}}"#.to_owned(), "pads to more than 65535"),
        (r#"{{printf (repeat 100000 "%[1]60000d") 1}}"#.to_owned(), "units of work"),
        (r#"{{$x := "0123456789"}}{{range 100}}{{$x = print $x $x}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := "0123456789"}}{{range 100}}{{$x = replace "0" $x $x}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := list 1}}{{range 100}}{{$x = concat $x $x}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{$x}}"#.to_owned(), "units of work"),
        (r#"{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{toJson $x}}"#.to_owned(), "units of work"),
        (r#"{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{toYaml $x}}"#.to_owned(), "units of work"),
        (r#"{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{toToml $x}}"#.to_owned(), "units of work"),
        (r#"{{$x := dict}}{{range 60}}{{$x = dict "a" $x "b" $x}}{{end}}{{toToml $x}}"#.to_owned(), "units of work"),
        (format!("{{{{fromToml \"a = {}1{}\"}}}}", "[".repeat(30_000), "]".repeat(30_000)), "fromToml: invalid TOML"),
        (r#"{{range 100000}}{{$y := semverCompare "^1" "1.2.3"}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := repeat 100000 "aB-"}}{{range 1000}}{{$y := snakecase $x}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := repeat 100000 "%20"}}{{range 1000}}{{$y := urlParse $x}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := list 1}}{{$y := list 1}}{{range 60}}{{$x = list $x $x}}{{$y = list $y $y}}{{end}}{{deepEqual $x $y}}"#.to_owned(), "units of work"),
        (r#"{{$x := dict}}{{range 60}}{{$x = dict "a" $x "b" $x}}{{end}}{{deepCopy $x}}"#.to_owned(), "units of work"),
        (r#"{{range 1000}}{{$x := until 10000}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{$x := repeat 100000 "ab"}}{{range 1000}}{{$y := contains "ba" $x}}{{$y = regexReplaceAll "a" $x "bb"}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{range $i, $_ := until 10000}}{{$y := regexMatch (printf "a%d" $i) "x"}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{regexMatch "(a{1000}){1000}" "x"}}"#.to_owned(), "too large once compiled"),
        (r#"{{$x := repeat 200000 "a"}}{{range 100}}{{$y := regexMatch "(a?){500}b" $x}}{{end}}"#.to_owned(), "units of work"),
        (r#"{{range 30000}}{{repeat 1000 "x"}}{{end}}"#.to_owned(), "output exceeds 16777216 bytes"),
        (r#"{{$x := repeat 4000000 "x"}}{{range 6}}{{print $x}}{{end}}"#.to_owned(), "output exceeds 16777216 bytes"),
        (r#"{{define "x"}}{{repeat 1000000 "x"}}{{include "x" .}}{{end}}{{include "x" .}}"#.to_owned(), "units of work"),
        (r#"{{range 500000}}{{$_ := set $.Values (toString .) .}}{{end}}"#.to_owned(), "units of work"),
        // Deeply nested and cyclic values.
        (r#"{{$x := list 1}}{{range 1000}}{{$x = list $x}}{{end}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" .Values}}{{.Values}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" .Values}}{{toJson .}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" .Values}}{{toYaml .}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" .Values}}{{toToml .}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" (list 1 .Values)}}{{toToml .}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" .Values}}{{deepCopy .}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$_ := set .Values "me" .Values}}{{printf "%d" .}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$a := dict}}{{$_ := set $a "m" $a}}{{$b := dict}}{{$_ := set $b "m" $b}}{{deepEqual $a $b}}"#.to_owned(), "nest deeper than 64 levels"),
        (r#"{{$a := dict}}{{$_ := set $a "m" $a}}{{$b := dict}}{{$_ := set $b "m" $b}}{{merge $a $b}}"#.to_owned(), "nest deeper than 64 levels"),
        // Deeply nested template source.
        (wrap("{{if 1}}", "x", "{{end}}", 60), "blocks nest deeper than 50"),
        (format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(20_000)), "blocks nest deeper than 50"),
        (format!("{{{{ {}1{} }}}}", "(".repeat(300), ")".repeat(300)), "nesting depth exceeded"),
        (format!("{{{{ tpl {:?} . }}}}", wrap("{{if 1}}", "x", "{{end}}", 60)), "blocks nest deeper than 50"),
        (format!("{{{{define \"x\"}}}}{}{{{{end}}}}{{{{include \"x\" .}}}}", wrap("{{if 1}}", r#"{{include "x" .}}"#, "{{end}}", 40)), "nests deeper than 100"),
        (format!("{{{{define \"x\"}}}}{{{{ {}(include \"x\" .){} }}}}{{{{end}}}}{{{{include \"x\" .}}}}", "(print ".repeat(40), ")".repeat(40)), "nests deeper than 100"),
        ("x".repeat(300_000), "is longer than 262144 bytes"),
    ];
    for (text, output) in cases {
        let rendered: String = text.chars().take(100).collect();
        let Err(fault) = on_a_worker_s_stack(text) else { panic!("{rendered}") };
        assert!(fault.contains(output), "{rendered}: {fault}");
    }
}

#[test]
fn large_finite_templates_render() {
    let nested = |times: usize| format!("{}x{}", "{{if 1}}".repeat(times), "{{end}}".repeat(times));
    assert_eq!(on_a_worker_s_stack(nested(50)).unwrap(), "x");
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(90), ")".repeat(90));
    assert_eq!(on_a_worker_s_stack(parens).unwrap(), "1");
    let down = r#"{{define "d"}}{{.}}{{if gt . 0}}{{include "d" (sub . 1)}}{{end}}{{end}}{{include "d" 30}}"#;
    assert!(on_a_worker_s_stack(down.to_owned()).unwrap().starts_with("302928"));
    let texts = r#"{{range 10000}}{{$y := print . | println | printf "%s"}}{{end}}"#;
    assert_eq!(render(texts).unwrap(), "");
    assert_eq!(render("{{range until 5000}}{{.}}{{end}}").unwrap().len(), 18_890);
    let chain = r#"{{$m := dict}}{{$top := $m}}{{range 20000}}{{$n := dict}}{{$_ := set $m "m" $n}}{{$m = $n}}{{end}}{{len $top}}"#;
    assert_eq!(on_a_worker_s_stack(chain.to_owned()).unwrap(), "1");
}

/// Pieces that templates are made of, to be put where they do not belong.
const PIECES: [&str; 40] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{end}}",
    "{{else}}",
    "{{if .}}",
    "{{range .}}",
    "{{with .}}",
    "{{define \"a\"}}",
    "{{block \"b\" .}}",
    "{{template \"a\" .}}",
    "{{break}}",
    "{{continue}}",
    "(",
    ")",
    "|",
    "\"",
    "`",
    "'",
    "\\",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    ".",
    ".a",
    "nil",
    "true",
    "-1",
    "9223372036854775807",
    "1e308",
    "{{/*",
    "*/}}",
    "é",
    "\u{0}",
    "include \"a\" .",
    "tpl . .",
    "\n",
];

#[test]
fn mutated_templates_never_panic() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2_000_u64);
    let cases = cases();
    let values = values();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let run = move || {
        for _ in 0..rounds {
            let mut chars: Vec<char> = cases[random(cases.len())].1.chars().collect();
            for _ in 0..=random(4) {
                let (from, length) = (random(chars.len()), random(12));
                let to = (from + length).min(chars.len());
                match random(4) {
                    0 => drop(chars.drain(from..to)),
                    1 => drop(chars.splice(from..to, PIECES[random(PIECES.len())].chars())),
                    2 => {
                        let part: Vec<char> = chars[from..to].to_vec();
                        let at = random(chars.len());
                        drop(chars.splice(at..at, part));
                    }
                    _ => {
                        let other = &cases[random(cases.len())].1;
                        let (skip, take) = (random(other.len()), random(40));
                        let part: Vec<char> = other.chars().skip(skip).take(take).collect();
                        drop(chars.splice(from..to, part));
                    }
                }
            }
            let text: String = chars.into_iter().collect();
            if let Ok(template) = GoTemplate::parse(&text) {
                // Either a text or a fault.
                let _ = template.render(&values, now());
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}
