//! Tests of the codec: YAML 1.1 in, YAML 1.1 out, and errors for malformed documents.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

#[test]
fn scripts_are_written_as_blocks_and_ambiguous_strings_in_quotes() {
    let value = json!({"run": "set -e\necho x\n", "y": ["yes", "012", "1:30", "2001-12-14", "plain text"], "long": "a b ".repeat(40)});
    let long = "a b ".repeat(40);
    let expected = format!(
        "long: '{long}'\nrun: |\n  set -e\n  echo x\n\"y\":\n- 'yes'\n- '012'\n- '1:30'\n- '2001-12-14'\n- plain text\n"
    );
    let text = to_yaml(&value).unwrap();
    assert_eq!(text.replace('"', "'"), expected.replace('"', "'"));
    assert_eq!(to_yaml(&value).unwrap(), text);
}

#[test]
fn a_document_of_iter8_loads() {
    let text = r#"
spec:
- task: http
  with: {url: https://example.com/get, duration: 2s}
- task: assess
  with:
    SLOs:
      Upper:
      - {metric: http/error-rate, limit: 0}
- if: not SLOs()
  run: echo no
result:
  revision: 1
  startTime: "2022-03-16T10:22:58.540897-04:00"
  numCompletedTasks: 3
  failure: false
  iter8Version: v0.13
  somethingElse: 1
  insights:
    numVersions: 1
    versionNames: null
    metricsInfo:
      http/latency-mean: {description: mean, type: Gauge, units: msec}
    nonHistMetricValues:
    - http/latency-mean:
      - 29.624432499999998
    histMetricValues:
    - http/latency:
      - {count: 3, lower: 11.388804, upper: 12}
    SummaryMetricValues:
    - abn/sample: [3, 6, 1, 3, 14]
    SLOs:
      Upper:
      - {metric: http/error-rate, limit: 0}
    SLOsSatisfied:
      Upper:
      - - true
"#;
    let experiment = experiment_from_yaml(text).unwrap();
    assert_eq!(experiment.spec.len(), 3);
    assert_eq!(experiment.spec[2].condition.as_deref(), Some("not SLOs()"));
    let result = experiment.result.as_ref().unwrap();
    assert_eq!(result.start_time.unwrap().to_rfc3339(), "2022-03-16T14:22:58.540897+00:00");
    assert_eq!(result.schema_version, None);
    let insights = result.insights.as_ref().unwrap();
    assert_eq!(insights.non_hist_metric_values[0]["http/latency-mean"], [29.624432499999998]);
    assert_eq!(insights.summary_metric_values[0]["abn/sample"], [3.0, 6.0, 1.0, 3.0, 14.0]);
    assert_eq!(insights.slos.as_ref().unwrap().upper.len(), 1);
    assert_eq!(insights.slos_satisfied.as_ref().unwrap().upper, [[true]]);
    // Iter8 reads a summary as one list of numbers.
    let written = to_yaml(&experiment).unwrap();
    let summaries = value_from_yaml(&written).unwrap()["result"]["insights"]["SummaryMetricValues"].take();
    assert_eq!(summaries, serde_json::json!([{"abn/sample": [3, 6, 1, 3, 14]}]));
    assert_eq!(experiment_from_yaml(&written).unwrap(), experiment);
    // Of several loops, the newest counts.
    let loops = text.replace("[3, 6, 1, 3, 14]", "[[9, 9, 9, 9, 9], [3, 6, 1, 3, 14]]");
    assert_eq!(experiment_from_yaml(&loops).unwrap(), experiment);
}

#[test]
fn empty_fields_of_iter8_are_absent() {
    let text = "{spec: [], result: {startTime: '', insights: {versionNames: null, SummaryMetricValues: [{}]}}}";
    let result = experiment_from_yaml(text).unwrap().result.unwrap();
    assert_eq!(result.start_time, None);
    assert_eq!(result.insights.unwrap().summary_metric_values.len(), 1);
}

#[test]
fn errors_have_the_path_of_the_field() {
    let cases = [
        ("", "the document is empty; expected a map with the key `spec`"),
        ("# only a comment\n", "the document is empty; expected a map with the key `spec`"),
        ("- task: http", "expected a map with the key `spec`, found a list"),
        ("result: {}", "`spec` is missing; expected a list of tasks"),
        ("spec: x", "spec: expected a list of tasks, found a string"),
        ("spec:", "spec: expected a list of tasks, found nothing"),
        ("{spec: [], result: {numLoops: -1}}", "result.numLoops: `-1` is an integer; expected a non-negative integer"),
        (
            "{spec: [], result: {insights: {SLOs: {upper: [{metric: m, limit: x}]}}}}",
            "result.insights.SLOs.upper[0].limit: `x` is not a number",
        ),
        ("{spec: [{task: 1}]}", "spec[0].task: `1` is an integer; expected a string"),
        (
            "{spec: [], result: {schemaVersion: 2, insights: 7}}",
            "written by a newer version (schema 2; this program reads up to 1); upgrade iter8",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(experiment_from_yaml(text).unwrap_err().to_string(), expected, "{text}");
    }
}

/// Any text: words that YAML could take for something else, and everything that could break a line or a quote.
fn nasty() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Y",
        "012",
        "0o17",
        "1_000",
        "~",
        "null",
        "1e3",
        "0x1F",
        "0b1",
        "1:30",
        "190:20:30.15",
        "2001-12-14",
        "2001-12-14t21:59:43.10-05:00",
        "2001-12-14 21:59:43",
        "<<",
        "=",
        "-",
        "?",
        ".inf",
        "-.inf",
        ".nan",
        "+1",
        ".5",
        "1.",
        "---",
        "...",
        "--- x",
        "",
        " ",
        "#!/bin/sh\nset -e\n",
        "a\n\n",
        "\n",
        "\na",
        "  a\nb\n",
        "a \nb",
        "\t",
        "\ta\n",
        "x: y",
        "x #y",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{0}",
        "\r\n",
        "a\rb",
        "0b-1",
        "_1",
        "0_7",
        ".1_0",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        3 => words,
        2 => r#"[-?:,\[\]{}#&*!|>'"%@` \n\tab0.~=_]{0,12}"#,
        1 => "[0-9_.:eExob+-]{1,8}",
        2 => any::<String>(),
        1 => "(([a-z ]{0,30}|#[a-z]{0,9}|\t[a-z]{0,9})\n){1,6}[a-z]{0,3}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        // A whole number is read as one, so it has no other form here.
        1 => any::<f64>().prop_map(|n| number(n).map_or(Value::Null, Value::Number)),
        4 => nasty().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(nasty(), inner, 0..6).prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn written_values_are_read_back(value in any_json()) {
        let text = to_yaml(&value).unwrap();
        let read = value_from_yaml(&text);
        prop_assert_eq!(read.map_err(|error| error.to_string()), Ok(value), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"([-?:,\[\]{}#&*!|>'"%a0.~=] ?|\n {0,3}|<<|&a|\*a|!!int|ü){0,40}"#) {
        let _ = value_from_yaml(&text);
        let _ = experiment_from_yaml(&text);
    }
}

#[test]
fn readable_yaml_escapes_characters_that_reorder_or_hide_text_and_is_read_back_unchanged() {
    let value = json!({
        "plain": "a\u{202e}b", "lines": "a\n\u{2066}b\n", "k\u{202e}ey": ["\u{200b}", {"x": "\u{e0041}\u{1}U0000202E\\x01U\\\\x01U"}, r"\x01U0000202E"],
        "control": "\u{1b}[2J\u{7}\r", "quotes": "it's \"\u{feff}\"", "fine": "é ש 模", "n": 1,
    });
    let text = to_readable_yaml(value.clone()).unwrap();
    assert!(!text.contains(|c: char| is_active(c)), "{text}");
    assert!(text.contains(r#""a\U0000202Eb""#) && text.contains("é ש 模"), "{text}");
    assert_eq!(value_from_yaml(&text).unwrap(), value, "{text}");
    let plain = json!({"a": "it's\nfine\n"});
    assert_eq!(to_readable_yaml(plain.clone()).unwrap(), to_yaml(&plain).unwrap());
}
