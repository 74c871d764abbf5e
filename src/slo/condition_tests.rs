//! Tests of `if` conditions: Iter8's spellings, typos, and hostile input.

use proptest::prelude::*;

use super::*;
use crate::model::document::TaskSpec;
use crate::model::number::Number;
use crate::model::slo::{Slo, SloLimits, SloMatrix};

/// Returns an experiment in its tenth loop, with one of two tasks done and its only SLO satisfied.
fn experiment() -> Experiment {
    let insights = Insights {
        num_versions: 1,
        non_hist_metric_values: vec![[("http/error-count".to_owned(), vec![0.0, 3.0])].into()],
        slos: Some(SloLimits { upper: vec![Slo { metric: "a/b".into(), limit: Number(1.0) }], lower: Vec::new() }),
        slos_satisfied: Some(SloMatrix { upper: vec![vec![true]], lower: Vec::new() }),
        ..Insights::default()
    };
    let result = ExperimentResult {
        num_loops: 10,
        num_completed_tasks: 1,
        revision: Some(3),
        iter8_version: Some("v0.13".into()),
        insights: Some(insights),
        ..ExperimentResult::default()
    };
    let http = TaskSpec { task: Some("http".into()), ..TaskSpec::default() };
    let run = TaskSpec { run: Some("echo".into()), ..TaskSpec::default() };
    Experiment { spec: vec![http, run], result: Some(result), ..Experiment::default() }
}

#[test]
fn conditions_hold_as_iter8_users_expect() {
    let cases = [
        ("SLOs()", true),
        ("not SLOs()", false),
        ("!SLOs()", false),
        ("Completed()", false),
        ("NoFailure()", true),
        ("SLOs() and NoFailure()", true),
        ("Completed() or Result.NumLoops == 10", true),
        ("not (SLOs() && Completed())", true),
        ("Result.NumLoops == 10", true),
        ("Result.NumLoops >= 10.0", true),
        ("Result.NumLoops % 5 == 0", true),
        ("Result.NumLoops != 10 || Result.Revision < 3", false),
        ("Result.Failure", false),
        ("Result.Failure == false", true),
        ("Result.NumCompletedTasks == 1", true),
        ("Result.Insights.NumVersions == 1", true),
        ("Result.Iter8Version == 'v0.13'", true),
        ("Result.Iter8Version != \"not and or\" and Result.Iter8Version.startsWith('v0.')", true),
        ("'a and b' == \"a and b\"", true),
        ("'a\\'not' != 'a'", true),
        ("Result.NumLoops in [1, 10]", true),
        ("Result.NumLoops > 5 ? SLOs() : Completed()", true),
        ("  SLOs( ) and\n not Result.Failure ", true),
        ("len(Spec) == 2", true),
        ("len( Spec ) > len('a') and len(Result.Insights.NonHistMetricValues) == 1", true),
        ("Result.Insights.NonHistMetricValues[0][\"http/error-count\"][0] == 0", true),
        ("Result.Insights.NonHistMetricValues[0]['http/error-count'][1] > 2.5", true),
        ("Spec[0].Task == 'http' and Spec[1].Run contains \"echo\" and Spec[1].If == ''", true),
        ("Result.Iter8Version startsWith \"v0\"", true),
        ("not (Result.Iter8Version  endsWith 'v0') and 'abc' contains 'b'", true),
        ("SLOs() and Result.Iter8Version startsWith 'v1' or Completed()", false),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text), Ok(()), "{text}");
        assert_eq!(evaluate(text, &experiment()), Ok(expected), "{text}");
    }
}

#[test]
fn an_experiment_that_has_not_started_has_no_passes() {
    for text in ["SLOs()", "Completed()", "NoFailure()", "Result.Failure", "Result.NumLoops > 0"] {
        assert_eq!(evaluate(text, &Experiment::default()), Ok(false), "{text}");
    }
}

#[test]
fn misspelt_names_are_found_before_the_run() {
    let cases = [
        (
            "SLO()",
            "undefined name `SLO` in the condition; expected one of SLOs(), Completed(), NoFailure(), len(); did you mean `SLOs()`?",
        ),
        ("SLOs", "did you mean `SLOs()`?"),
        ("result.NumLoops == 1", "did you mean `Result`?"),
        ("true || Result.numLoop == 1", "did you mean `NumLoops`?"),
        ("Result.Insights.Versions", "expected one of NumVersions"),
        ("Spec[0].Name == 'x'", "undefined name `Name` in the condition; expected one of Task, Run, If"),
        ("Spac[0].Task == 'x'", "did you mean `Spec`?"),
        ("Result.Insights.NonHistMetricValue[0]['a/b'][0] > 1", "did you mean `NonHistMetricValues`?"),
        ("len(Spec, 1) == 3", "`len()` takes one argument"),
        ("Result.Iter8Version startsWith Spec[0].Task", "expected a string after startsWith"),
        ("Result.Iter8Version matches \"v0.*\"", "`matches` is not supported; use startsWith, endsWith or contains"),
        ("Spec[0].If == nil", "`nil` is not supported; compare with a value of the same type"),
        ("all(Spec, {#.Task != ''})", "`all` is not supported; name the elements one by one"),
        ("count(Spec, {.Run == 'x'}) > 1", "`count` is not supported"),
        ("Result.not", "undefined name `not`"),
        ("Result.NumLoops.x", "the fields of Result"),
        ("Result.Iter8Version.startWith('v')", "did you mean `startsWith`?"),
        ("[1].all(x, x > 0)", "do not support maps, structs and loops"),
        ("lenn('abc') == 3", "did you mean `len()`?"),
        ("has(Result.Failures)", "did you mean `Failure`?"),
    ];
    for (text, expected) in cases {
        let error = check(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Values that a run measures later are no mistakes before it.
#[test]
fn missing_values_are_errors_when_the_task_runs() {
    for text in [
        "Result.Insights.NonHistMetricValues[3]['a/b'][0] > 1",
        "Result.Insights.NonHistMetricValues[0]['no/such'][0] > 1",
        "Spec[7].Task == 'x'",
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
        assert!(matches!(evaluate(text, &experiment()), Err(ConditionError::Evaluation(_))), "{text}");
    }
}

#[test]
fn results_other_than_booleans_are_errors_before_the_run() {
    let cases = [
        ("Result.NumLoops", "the condition evaluates to the number 0, expected a boolean"),
        ("'yes'", "the condition evaluates to the string `yes`, expected a boolean"),
        ("Result", "the condition evaluates to a map, expected a boolean"),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text).unwrap_err().to_string(), expected);
    }
    assert!(matches!(check("SLOs() > 3"), Err(ConditionError::Evaluation(_))));
    assert!(matches!(check("SLOs(1)"), Err(ConditionError::Evaluation(_))));
    // Depends on the values, so it is not found earlier.
    assert_eq!(check("10 / Result.NumLoops == 1"), Ok(()));
    assert_eq!(evaluate("10 / Result.NumLoops == 1", &experiment()), Ok(true));
    assert!(evaluate("10 / Result.NumLoops == 1", &Experiment::default()).is_err());
    assert!(evaluate("-9223372036854775808 / (0 - 1) == 1", &experiment()).is_err());
}

#[test]
fn syntax_errors_have_a_position() {
    let place = check("Result.NumLoops == ").unwrap_err().to_string();
    assert!(place.starts_with("the condition `Result.NumLoops == ` cannot be parsed: "), "{place}");
    assert!(place.contains("column"), "{place}");
    let place = check("not SLOs() NoFailure()").unwrap_err().to_string();
    assert!(place.ends_with("(at column 12)"), "{place}");
    let place = check("SLOs() # all").unwrap_err().to_string();
    assert!(place.ends_with("unexpected `#` at column 8"), "{place}");
    for text in
        ["", "  ", "SLOs() and", "(SLOs()", "'open", "a; b", "{'a': 1}", "'''x'''", "r'x'", "'a''b'", "é", "a == b'x'"]
    {
        let error = check(text).unwrap_err();
        assert!(matches!(error, ConditionError::Syntax { .. }), "{text}: {error}");
    }
}

#[test]
fn long_and_deep_conditions_are_rejected_before_parsing() {
    let deep = format!("{}true{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
    assert_eq!(check(&deep), Err(ConditionError::TooLarge("deep")));
    assert_eq!(check(&"[".repeat(MAX_DEPTH + 1)), Err(ConditionError::TooLarge("deep")));
    assert_eq!(check(&"true?".repeat(MAX_SIGNS + 1)), Err(ConditionError::TooLarge("long")));
    assert_eq!(check(&"1==".repeat(MAX_SIGNS + 1)), Err(ConditionError::TooLarge("long")));
    assert_eq!(check(&"!".repeat(MAX_TOKENS + 1)), Err(ConditionError::TooLarge("long")));
    assert_eq!(check(&"a".repeat(MAX_LENGTH + 1)), Err(ConditionError::TooLarge("long")));
}

/// Runs on a test's thread, which has 2 MiB of stack like the program's threads.
#[test]
fn the_largest_accepted_conditions_fit_the_stack() {
    let all = vec!["SLOs()"; 36].join(" and ");
    let sum = format!("{}1 == {MAX_SIGNS}", "1+".repeat(MAX_SIGNS - 1));
    let nested = format!("{}true{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    let both =
        format!("{}{}1{} == {}", "1+".repeat(MAX_SIGNS - 1), "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH), MAX_SIGNS);
    let spread = format!("{}1{} == 19", "1+1+1+(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    let nots = format!("{}true", "!".repeat(MAX_TOKENS - 2));
    let choices = format!("{}true", "false?false:".repeat(MAX_SIGNS));
    for text in [all, sum, nested, both, spread, nots, choices] {
        assert_eq!(evaluate(&text, &experiment()), Ok(true), "{text}");
    }
    for text in [
        format!("Result{}", ".x".repeat(99)),
        "!".repeat(MAX_TOKENS),
        "(".repeat(MAX_DEPTH),
        "[".repeat(MAX_DEPTH),
        format!("{}{}", "1+(".repeat(MAX_DEPTH), "1<".repeat(MAX_SIGNS - MAX_DEPTH)),
        format!("Result{}", "[0]".repeat(MAX_SIGNS)),
        format!("{}1", "-".repeat(MAX_SIGNS)),
    ] {
        assert!(check(&text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}") {
        let _ = check(&text);
        let _ = evaluate(&text, &experiment());
    }

    #[test]
    fn no_sequence_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "SLOs()", "Completed()", "Result", ".NumLoops", ".Insights", ".contains", "(", ")", "[", "]", "not ", " and ", " or ", " in ",
        "==", "!=", "<", ">=", "&&", "||", "!", "-", "+", "*", "/", "%", "?", ":", ",", ".", "1", "0", "-9223372036854775808", "1e400",
        "99999999999999999999", "1u", "0x1f", "1.5", "'a'", "\"not\"", "'\\x'", "'\\u12'", "'\\777'", "'\\''", "true", "null", " ",
        "has(", "int", "\\", "`", "len(", "Spec", "[0]", ".Task", " startsWith ", " contains ", ".NonHistMetricValues",
    ]), 0..14)) {
        let text = tokens.concat();
        let _ = check(&text);
        let _ = evaluate(&text, &experiment());
    }
}
