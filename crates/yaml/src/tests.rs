//! Tests of YAML 1.1 input, JSON output, and errors.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(text: &str) -> Value {
    value_from_yaml(text).unwrap()
}

fn error_of(text: &str) -> String {
    value_from_yaml(text).unwrap_err().to_string()
}

#[test]
fn scalars_are_typed_as_in_yaml_1_1() {
    let cases = [
        ("[y, yes, on, NO]", json!([true, true, true, false])),
        ("n: 1", json!({"false": 1})),
        ("[012, 0o12, 0x1F, 1_000, 1e3]", json!([10, 10, 31, 1000, 1000])),
        ("[~, null, '']", json!([null, null, ""])),
        ("['yes', \"012\", !!str 1]", json!(["yes", "012", "1"])),
        ("[2001-12-14, 1:30, 1.2.3]", json!(["2001-12-14", "1:30", "1.2.3"])),
        ("", Value::Null),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn a_document_may_have_markers_and_empty_documents_around_it() {
    for text in ["a: 1", "---\na: 1\n", "---\na: 1\n...\n---\n# end\n", "# start\n---\n---\na: 1\n---\nnull"] {
        assert_eq!(read(text), json!({"a": 1}), "{text:?}");
    }
    for text in ["", "---\n---\n", "# a"] {
        assert_eq!(read(text), Value::Null, "{text:?}");
    }
    let (value, lines) = value_with_lines("---\n---\na: 1\n---\n").unwrap();
    assert_eq!((value, lines.key("a").map(Lines::line)), (json!({"a": 1}), Some(3)));
}

#[test]
fn anything_after_a_document_is_an_error() {
    for (text, line) in
        [("a: 1\n---\nb: 2\n", 3), ("a: 1\n...\nb: 2\n", 3), ("1\n---\n\n- 2\n", 4), ("{}\n---\n''\n", 3)]
    {
        let expected = format!("line {line}, column 1: a second document starts here; expected a single one");
        assert_eq!(error_of(text), expected, "{text:?}");
        assert_eq!(strings_from_yaml(text).unwrap_err().to_string(), expected);
        assert_eq!(document_from_yaml(text).unwrap_err().to_string(), expected);
    }
    for text in ["a: 1\n---\nb: [", "a: 1\n...\n}", "a: 1\n--- &x [*x]", "a: 1\n---\n%", "{a: 1} b: 2"] {
        assert!(value_from_yaml(text).is_err(), "{text:?}");
    }
}

#[test]
fn errors_have_line_and_column() {
    assert_eq!(error_of("a: 1\nb: [1, 2\n"), "line 2, column 4: unclosed bracket '['");
    assert_eq!(
        error_of("a:\n  b: .inf"),
        "line 2, column 6: `.inf` is not a finite number; quote it to use it as a string"
    );
    assert_eq!(error_of("a: !!int x"), "line 1, column 10: `x` is not a `!!int`");
    assert_eq!(error_of("a: &x [*x]"), "line 1, column 8: an alias of a value that contains it");
    assert_eq!(error_of("a:\n  <<: 1"), "line 2, column 7: `<<` expects a map or a list of maps");
}

#[test]
fn size_and_depth_are_bounded() {
    assert_eq!(
        error_of(&" ".repeat(MAX_BYTES + 1)),
        "input of 8388609 bytes is too large; at most 8388608 are allowed"
    );
    assert!(value_from_yaml(&format!("{}1{}", "[".repeat(50), "]".repeat(50))).is_ok());
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("- ", ""), ("? ", "")] {
        for levels in [101, 100_000] {
            let text = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert!(value_from_yaml(&text).is_err(), "{levels} times {open}");
        }
    }
    let mixed = format!("{}{}1{}", "- ".repeat(60), "[".repeat(60), "]".repeat(60));
    assert_eq!(error_of(&mixed), "line 1, column 162: nested deeper than 100 levels");
}

#[test]
fn alias_bombs_are_rejected() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let below = i - 1;
        text.push_str(&format!("a{i}: &a{i} [*a{below}, *a{below}, *a{below}, *a{below}]\n"));
    }
    assert!(error_of(&text).ends_with("aliases expand to too much data; use fewer of them"), "{}", error_of(&text));
    let merges = text.replace("[x, x, x, x, x, x, x, x, x, x]", "{b: x}").replace('[', "{<<: [").replace(']', "]}");
    assert!(value_from_yaml(&merges).is_ok(), "merges of the same maps do not grow");
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a,".repeat(100));
    assert!(error_of(&long).ends_with("aliases expand to too much data; use fewer of them"));
}

#[test]
fn lines_of_nodes_are_kept_through_anchors_and_merges() {
    let text = "a: &a\n  b: 1\n  c: [x,\n    y]\nd:\n  <<: *a\n  e: 2\nf: *a\n";
    let (_, lines) = value_with_lines(text).unwrap();
    let line = |keys: &[&str]| keys.iter().try_fold(&lines, |lines, key| lines.key(key)).map(Lines::line);
    assert_eq!(line(&["a", "b"]), Some(2));
    assert_eq!(line(&["d", "e"]), Some(7));
    assert_eq!(line(&["d", "b"]), Some(2), "merged entries have the line of their source");
    assert_eq!(line(&["f"]), Some(8));
    assert_eq!(line(&["f", "c"]), Some(3));
    assert_eq!(line(&["a", "x"]), None);
    let list = lines.key("a").and_then(|a| a.key("c")).unwrap();
    assert_eq!(list.index(1).map(Lines::line), Some(4));
    assert_eq!(value_with_lines("").unwrap().1.line(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"([-?:,\[\]{}#&*!|>'"%a0.~=] ?|\n {0,3}|<<|&a|\*a|!!int|ü){0,40}"#) {
        let _ = value_from_yaml(&text);
    }
}

#[test]
fn scalars_as_written_are_strings_except_null() {
    let text = "{a: 012, b: 1.10, c: yes, d: ~, e: 'null', f: [404, !!str 5, 1e999], 7: x, g: &g 010, h: *g}";
    let expected = json!({
        "a": "012", "b": "1.10", "c": "yes", "d": null, "e": "null", "f": ["404", "5", "1e999"], "7": "x", "g": "010", "h": "010",
    });
    assert_eq!(strings_from_yaml(text).unwrap(), expected);
}

#[test]
fn duplicate_keys_are_reported_with_their_lines() {
    let text = "a: 1\nb:\n  - {c: 1, d: 2}\n  - {c: 1, c: 2}\na: 3\n'a': 4\non: 1\n'true': 2\n";
    let found: Vec<(String, u64, u64)> = document_from_yaml(text)
        .unwrap()
        .duplicates
        .into_iter()
        .map(|duplicate| (duplicate.key, duplicate.first, duplicate.line))
        .collect();
    let expected = [("c", 4, 4), ("a", 1, 5), ("a", 5, 6), ("true", 7, 8)];
    assert_eq!(found, expected.map(|(key, first, line)| (key.to_owned(), first, line)));
    // A merge is there to be overridden.
    let merged = "base: &base {a: 1}\none: {<<: *base, a: 2}\ntwo: {a: 2, <<: *base}\n";
    assert!(document_from_yaml(merged).unwrap().duplicates.is_empty());
}

#[test]
fn small_maps_count_with_the_memory_that_they_take() {
    let bomb = |levels: usize| {
        let mut text = "a0: &a0 {\"\": 0}\n".to_owned();
        for i in 1..levels {
            text.push_str(&format!("a{i}: &a{i} [{}]\n", format!("*a{}, ", i - 1).repeat(10)));
        }
        text
    };
    // 10,000 maps of at least 600 bytes each, and as many in its anchor.
    assert!(value_from_yaml(&bomb(4)).is_ok());
    let text = format!("{}b: [{}]\n", bomb(5), "*a4, ".repeat(28));
    assert!(error_of(&text).ends_with("aliases expand to too much data; use fewer of them"), "{}", error_of(&text));
}

#[test]
fn the_memory_of_a_value_can_be_limited() {
    let maps = |count: usize| format!("[{}]", "{a: 1}, ".repeat(count));
    assert!(value_within(&maps(1_000), 1 << 20).is_ok());
    let error = value_within(&maps(2_000), 1 << 20).unwrap_err();
    assert_eq!(error.message, "takes more than 1048576 bytes of memory; use fewer values");
    assert!(value_within(&format!("[{}]", "1, ".repeat(20_000)), 1 << 20).is_ok());
    assert!(value_within(&format!("a: {}", "x".repeat(1_000_000)), 1 << 20).is_ok());
    assert!(value_within(&format!("a: &a {{b: 1}}\nc: [{}]", "*a, ".repeat(2_000)), 1 << 20).is_err());
}
