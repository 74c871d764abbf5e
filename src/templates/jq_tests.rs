//! Tests of filters: conditions, errors and bounds.

use std::time::{Duration, Instant};

use super::*;

fn run(filter: &str, document: &str) -> Verdict {
    Filter::compile(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).run(document.as_bytes())
}

#[test]
fn a_filter_is_satisfied_by_one_output_that_is_neither_false_nor_null() {
    for (filter, expected) in [
        (".ok", true),
        (".none", false),
        (".no", false),
        (".zero", true),
        (".items[] | select(. > 2)", true),
        (".items[] | select(. > 3)", false),
        ("empty", false),
        ("false, null, 1", true),
        ("[.items[] | . * 2] == [2, 4, 6]", true),
        (".items | map(. + 1) | add == 9", true),
        (".items | length == 3 and (.[-1] == 3)", true),
        ("[range(3)] == [0, 1, 2] and [range(5; 0; -2)] == [5, 3, 1] and [range(1; 4)] == [1, 2, 3]", true),
        (".name | startswith(\"it\") and contains(\"er\") and ascii_upcase == \"ITER8\"", true),
        ("\"\\(.name)!\" == \"iter8!\" and .name * 2 == \"iter8iter8\"", true),
        (".zero *= 3 | .zero == 0", true),
        (".items[1] |= . + 1 | .items == [1, 3, 3]", true),
        ("reduce .items[] as $x (0; . + $x) == 6", true),
        (". as {items: [$a, $b]} | $a + $b == 3", true),
        ("def double: . * 2; .items | map(double) | last == 6", true),
        ("any(.items[]; . == 2) and all(.items[]; . > 0) and (.items | any(. == 3))", true),
        ("try error(\"x\") catch . == \"x\"", true),
        ("[.. | numbers] | length == 4", true),
        ("[paths] | length > 3", true),
        (".items | sort_by(-.) | first == 3 and (group_by(. > 1) | length == 2)", true),
        ("to_entries | map(.key) | index(\"ok\") != null", true),
        ("(.none // 5) == 5 and has(\"ok\") and (.items | tojson == \"[1,2,3]\")", true),
        ("first(repeat(1)) == 1 and ([limit(3; repeat(1))] | length == 3)", true),
        ("{a: 1, \"b\": 2, (.name): 3} | .iter8 == 3", true),
        (
            "\"[1]\" | fromjson == [1] and (\"12\" | tonumber == 12) and (\"a-b\" | split(\"-\") == [\"a\", \"b\"])",
            true,
        ),
        ("del(.ok) | has(\"ok\") | not", true),
        ("reduce range(2000) as $x ([]; . + [$x]) | length == 2000", true),
        ("[range(100) as $x | [range(700)]] | add | length == 70000", true),
        (".items[0] += 4 | .items[1] /= 2 | .items == [5, 1, 3]", true),
        (
            ".name / \"e\" == [\"it\", \"r8\"] and (\"ab\" | explode == [97, 98]) and (\"ab\" | explode | implode == \"ab\")",
            true,
        ),
        ("(.items | tostring) == \"[1,2,3]\" and ([.items[] | tostring] | join(\"-\") == \"1-2-3\")", true),
        ("(1, 2) + (10, 20) | select(. == 12)", true),
        (".none //= {a: 1} | .none.a == 1 and (walk(numbers |= . + 1) | .zero == 1)", true),
    ] {
        let document = r#"{"ok": true, "no": false, "none": null, "zero": 0, "items": [1, 2, 3], "name": "iter8"}"#;
        let expected = if expected { Verdict::Satisfied } else { Verdict::NotSatisfied };
        assert_eq!(run(filter, document), expected, "{filter}");
    }
}

#[test]
fn definitions_of_a_filter_shadow_the_library_within_their_scope() {
    for filter in [
        // Parameters are filters, which a function may run on other inputs, several times or never.
        "def contains(f): [f]; contains(1, 2) == [1, 2]",
        "def contains(f): 5; contains(empty) == 5",
        "def indices(f): [.[] | f]; [1, 2] | indices(. * 2) == [2, 4]",
        "def has(f): f; has({}) == {}",
        "def sort_by(f): [f]; sort_by({}, 1) == [{}, 1]",
        "def bsearch(f): [f, f]; bsearch(1, 2) == [1, 2, 1, 2]",
        "def sort: \"mine\"; {} | sort == \"mine\"",
        "def tojson: 7; tojson == 7",
        "def reverse: .; {} | reverse == {}",
        // Other numbers of arguments are other functions.
        "def contains(f; g): [f, g]; contains(1; 2) == [1, 2] and (\"ab\" | contains(\"a\"))",
        "def sort(f): 7; sort(1) == 7 and ([2, 1] | sort == [1, 2])",
        // Scopes: the rest of the enclosing filter, the body itself, and the definitions after it.
        "[(def contains(f): 7; contains(\"a\")), (\"b\" | contains(\"a\"))] == [7, false]",
        "def f: (def indices(x): 7; indices(1)); f == 7 and (\"aba\" | indices(\"a\") == [0, 2])",
        "def indices(f): if . == 0 then 7 else . - 1 | indices(f) end; 2 | indices(empty) == 7",
        "def sort: 7; def other: sort; other == 7",
        "def other: [2, 1] | sort; def sort: 7; other == [1, 2]",
        "def f: def sort: 7; sort; f == 7 and ([2, 1] | sort == [1, 2])",
        "def contains(f): 1; def contains(f): 2; contains(3) == 2",
        // Parameters shadow too.
        "def f(sort): [sort, sort]; f(1, 2) == [1, 2, 1, 2]",
        "def f(g): def h: g; h; f(7) == 7",
        "def f($sort): [2, 1] | sort; f(7) == 7",
        "[def f($a; $b): [a, $a, b]; f(1, 2; 3, 4)] | . == ([1, 2] | map(. as $a | [1, 2, $a, 3, 4] | ., .))",
        "[def f($a): def a: 7; [a, $a]; f(1, 2)] == [[7, 1], [7, 2]]",
        "def f($n): if n == 0 then 7 else f($n - 1) end; f(100) == 7",
        // The library keeps its own functions.
        "def sort_by(f): 7; [{a: 2}, {a: 1}] | group_by(.a) | length == 2",
        "def contains(f): 7; \"abc\" | inside(\"abcd\")",
    ] {
        assert_eq!(run(filter, "null"), Verdict::Satisfied, "{filter}");
    }
}

#[test]
fn definitions_of_a_filter_do_not_escape_the_bounds() {
    for filter in [
        "def contains(f): f; contains([range(1e9)])",
        "def sort: sort; sort",
        "def contains(f): 1; [range(1e9)] | contains(1)",
        "def f(sort): sort; f([range(1e9)] | sort)",
        "def tojson: \"x\" | until(false; . + .); tojson",
    ] {
        let started = Instant::now();
        assert!(matches!(run(filter, "null"), Verdict::Failed(_)), "{filter}");
        assert!(started.elapsed() < Duration::from_secs(20), "{filter}");
    }
}

#[test]
fn a_filter_that_fails_says_why() {
    assert!(matches!(run(".a.b", "{\"a\": 1}"), Verdict::Failed(text) if text.contains("cannot index")));
    assert!(matches!(run(".", "{\"a\": "), Verdict::NotJson(_)));
    assert!(matches!(run(".", ""), Verdict::NotJson(_)));
    assert!(matches!(run(".", &"[".repeat(100_000)), Verdict::NotJson(_)));
}

#[test]
fn syntax_errors_and_undefined_names_are_reported() {
    for (filter, detail) in [
        ("", "is empty"),
        (".a |", "ends unexpectedly"),
        (".a | )", "cannot be parsed at `)`"),
        (".a ==== 1", "cannot be parsed at `====`"),
        ("nothing(1)", "uses undefined filter `nothing`"),
        ("$x", "uses undefined variable `$x`"),
        ("input", "uses undefined filter `input`"),
        ("import \"a\" as a; .", "cannot be parsed at `\"a\"`"),
    ] {
        let error = Filter::compile(filter).unwrap_err();
        assert!(error.starts_with(detail), "{filter}: {error}");
    }
    assert!(Filter::compile(&format!("{}1{}", "(".repeat(65), ")".repeat(65))).is_err());
    assert!(Filter::compile(&".a".repeat(3_000)).is_err());
}

#[test]
fn the_exceeded_bound_is_reported() {
    for (filter, words) in [
        ("reduce range(1000) as $x (null; [.])", "nests deeper than 256 levels"),
        ("reduce range(255) as $x (null; {a: .}) | 1 + {}", "cannot calculate"),
        ("def f: 1 + f; f", "recurses too deeply"),
        ("last(repeat(1))", "more than 2000000 steps"),
        ("\"x\" * 10000000", "too large"),
        ("[\"x\", \"y\"] | until(length > 9e9; . + .)", "too large"),
        ("[range(1e9) | \"x\" * 4000000]", "more than 64 MiB in total"),
        ("(\"x\" * 4000000) as $x | [range(1e9) | $x[1:]]", "more than 64 MiB in total"),
        ("(\"x\" * 4000000) as $x | [range(1e9) | $x | tojson]", "more than 2000000 steps"),
        ("[\"x\" * 4000000] | tojson | explode", "too large"),
        ("\"x\" * 4000000 / \"\"", "too large"),
        ("\"x\" * 4000000 / \"x\"", "too large"),
        ("reduce range(1000) as $x ({a: 1}; .a = . | .b = .a) | tojson", "more than 2000000 steps"),
        ("reduce range(1000) as $x ([1]; .[0] |= [., .]) | \"\\(.)\"", "more than 2000000 steps"),
        ("reduce range(1000) as $x ({}; .a = .)", "nests deeper than 256 levels"),
        ("reduce range(1000) as $x ([1]; group_by(0))", "nests deeper than 256 levels"),
        ("[[range(2000) | \"x\" * 1000]] | until(false; . + .) | tojson", "too large"),
        ("[range(3000) | \"x\" * 2000] | tojson", "too large"),
    ] {
        let verdict = Filter::compile(filter).unwrap().run(b"null");
        assert!(matches!(&verdict, Verdict::Failed(text) if text.contains(words)), "{filter}: {verdict:?}");
    }
}

/// A value that is far longer as text than in memory, `$a`.
const LONG: &str = "(\"x\" * 4000000) as $x | [$x] | until(length > 60000; . + .) | . as $a | ";

#[test]
fn outputs_and_errors_are_formatted_only_in_part() {
    let value = |filter: &str| Filter::compile(&format!("{LONG}{filter}")).unwrap().value(b"null");
    let start = "[\"xxx";
    assert!(matches!(value("$a"), Output::Other(text) if text.starts_with(start) && text.len() < 100));
    assert!(
        matches!(value("$a, $a"), Output::Other(text) if text.starts_with("several values ([") && text.len() < 300)
    );
    for (filter, words) in [
        ("$a.b", "cannot index [\"xxx"),
        ("$a + 1", "cannot calculate [\"xxx"),
        ("$a | error", start),
        ("$a | tonumber", "cannot parse [\"xxx"),
        ("$a | ascii_downcase", "cannot use [\"xxx"),
    ] {
        let output = value(filter);
        assert!(matches!(&output, Output::Failed(text) if text.starts_with(words) && text.len() < 400), "{output:?}");
    }
    assert_eq!(value("try $a.b catch (length, \"-\") | select(. == \"-\")"), Output::Text("-".into()));
    assert_eq!(value("[($a | tonumber?), $a.b?] | length"), Output::Number(0.0, "0".into()));
    assert_eq!(value("try error($a) catch length"), Output::Number(65536.0, "65536".into()));
    assert_eq!(value("try error(\"cannot index\") catch ."), Output::Text("cannot index".into()));
}

#[test]
fn comparisons_and_searches_take_steps() {
    let shared = "reduce range(100) as $x ({a: 1}; {a: ., b: .}) | . as $o | ";
    for (start, filters) in [
        (
            LONG,
            &[
                "($a + []) as $b | [limit(10000; repeat($a == $b))] | length",
                "$a | sort | length",
                "[$a, $a] | sort_by(.) | length",
                "[$a, $a] | unique | length",
                "[$a, $a] | min_by(.) | length",
                "[$a] | bsearch($a)",
                "[$a] - [$a] | length",
                "[$a] | contains([$a])",
                "[$a] | index($a)",
                "[$a] | index([$a])",
                "[$a] | .[[$a]]",
                "[$a] | has([$a])",
                "{($a): 1} | length",
                "{$a: 1} | length",
                ". as {($a): $y} | 1",
                "(\"y\" | (. * 2000000)) as $y | $x | index($y)",
                "null | .[$a] = 1 | length",
            ][..],
        ),
        (
            shared,
            &["($o * $o) | length", "$o == $o", "$o | contains($o)", "[$o] | index($o)", "[$o, $o] | max | length"],
        ),
        ("", &["(((\"x,\" * 60000) + \"y\") / \",\") | contains((\"y,\" * 60000)[:-1] / \",\")"]),
    ] {
        for filter in filters {
            let begun = Instant::now();
            let verdict = Filter::compile(&format!("{start}{filter}")).unwrap().run(b"null");
            let is_bounded = matches!(&verdict, Verdict::Failed(text) if text.contains("more than 2000000 steps"));
            assert!(is_bounded, "{filter}: {verdict:?}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{filter}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn operations_on_large_documents_stay_within_the_bounds() {
    let items = (0..10_000).map(|number| format!("{{\"id\": {number}, \"name\": \"item {number}\"}}"));
    let document = format!("{{\"items\": [{}]}}", items.collect::<Vec<_>>().join(","));
    for filter in [
        ".items | sort_by(.name) | first.id == 0",
        ".items | sort | unique | length == 10000",
        ".items | map(.name) | contains([\"item 9999\", \"item 5\"])",
        ".items | map(.id) | index(9999) == 9999 and (index([5, 6]) == 5)",
        ".items | map(select(.id >= 10 and .name != \"item 11\")) | length == 9989",
        "[.. | numbers] | length == 10000",
        ". == (. * {items: .items})",
        ".items as $all | $all - [$all[0]] | length == 9999",
        ".items | any(has(\"id\")) and (group_by(.id % 10) | length == 10)",
        "any(.items[]; .name | test_name)",
    ] {
        let filter = format!("def test_name: contains(\"99\") and endswith(\"9\"); {filter}");
        assert_eq!(run(&filter, &document), Verdict::Satisfied, "{filter}");
    }
}

#[test]
fn every_filter_ends() {
    for filter in [
        "def f: f; f",
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f: try f catch f; f",
        "last(repeat(1))",
        "[repeat(1)]",
        "reduce repeat(1) as $x (0; 1)",
        "reduce range(1e18) as $x (0; 1)",
        "[range(1e18)]",
        "last(range(1e18) | try error catch .)",
        "first(range(1e18) | select(false) // empty)",
        "until(false; . + 1)",
        "[while(true; .)]",
        "isempty(recurse(.) | select(false))",
        "\"x\" * 1e12",
        "\"x\" * 1000000000000",
        ".s * .n",
        ".s *= 100000000000000000000000",
        "reduce range(100) as $x (\"xx\"; . + .)",
        "reduce range(100) as $x ([1, 1]; . + .)",
        "reduce range(100) as $x (3; . * .)",
        "reduce range(100000) as $x (null; [., $x])",
        "reduce range(100000) as $x (null; {a: .})",
        "reduce range(100000) as $x (null; .a |= [.])",
        "setpath([range(100000) | 0]; 1) | not",
        "[.. | .. | .. | .. | .. | .. | .. | ..] | length < 0",
        ".items[] as $a | .items[] as $b | .items[] as $c | .items[] as $d | select($a + $b + $c + $d < 0)",
        "[.items[] + .items[] + .items[] + .items[] + .items[] + .items[]] | length < 0",
        "[limit(1e18; repeat(0))]",
        "skip(1e18; repeat(0))",
        "nth(1e18; repeat(0))",
        "[.items[] | tostring] | [combinations(9)] | length < 0",
        "\"a,b\" | [splits(\",\")]",
        "[.items | combinations(20)] | length",
    ] {
        let Ok(compiled) = Filter::compile(filter) else { continue };
        let items = (0..300).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
        let document = format!("{{\"s\": \"xyz\", \"n\": 1000000000000, \"items\": [{items}]}}");
        let begun = Instant::now();
        let verdict = std::thread::spawn(move || compiled.run_within(document.as_bytes(), STEPS / 20)).join().unwrap();
        assert!(matches!(verdict, Verdict::Failed(_) | Verdict::NotSatisfied), "{filter}: {verdict:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{filter}: {:?}", begun.elapsed());
    }
}

#[test]
fn values_are_numbers_strings_or_other_types() {
    let value = |filter: &str, document: &str| Filter::compile(filter).unwrap().value(document.as_bytes());
    assert_eq!(value(".a", r#"{"a": 1.50}"#), Output::Number(1.5, "1.5".into()));
    assert_eq!(value(".a[1] | tonumber", r#"{"a": [7, "12.5"]}"#), Output::Number(12.5, "12.5".into()));
    assert_eq!(value(".a", r#"{"a": "x"}"#), Output::Text("x".into()));
    assert_eq!(value(".a", "{}"), Output::Nothing("null"));
    assert_eq!(value("empty", "{}"), Output::Nothing("nothing"));
    assert_eq!(value(".[]", "[1, 2, 3]"), Output::Other("several values (1, 2 …)".into()));
    assert_eq!(value(".", r#"{"a": true}"#), Output::Other(r#"{"a":true}"#.into()));
    assert!(matches!(value("nan", "0"), Output::Number(number, _) if number.is_nan()));
    assert!(matches!(value(".", "<html>"), Output::NotJson(_)));
    assert!(matches!(value(".a.b", r#"{"a": 1}"#), Output::Failed(_)));
    assert!(matches!(value("def f: f; f", "0"), Output::Failed(_)));
    // The standard library's mathematics.
    for (filter, expected) in [("floor", 2.0), ("sqrt", 1.6), ("round", 3.0), ("ceil", 3.0), ("pow(.; 2)", 6.5536)] {
        let Output::Number(number, _) = value(filter, "2.56") else { panic!("{filter}") };
        assert!((number - expected).abs() < 1e-9, "{filter}: {number}");
    }
}
