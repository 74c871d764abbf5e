//! Tests of reading responses.

use super::*;
use crate::model::metric::MetricMeta;
use crate::model::missing::Policies;
use crate::templates::jq::Filter;

const FIRST: &str = ".data.result[0].value[1] | tonumber";

fn metric(expression: Option<&str>) -> MetricSpec {
    MetricSpec {
        name: "m".into(),
        meta: MetricMeta::default(),
        params: Vec::new(),
        body: None,
        expression: expression.map(|text| Filter::compile(text).unwrap()),
        defect: None,
        takes_first: expression == Some(FIRST),
        considers_all: expression.is_some_and(super::super::jq_series::considers_all),
        reduce: None,
        is_range: false,
        policies: Policies::default(),
        when_empty: None,
    }
}

fn vector(values: &[&str]) -> String {
    let series: Vec<String> =
        values.iter().map(|v| format!(r#"{{"metric":{{}},"value":[1700000000,"{v}"]}}"#)).collect();
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, series.join(","))
}

fn ok(metric: &MetricSpec, body: &str) -> Reading {
    read(metric, Response { status: 200, body: body.as_bytes(), asked: None })
}

#[track_caller]
fn missing(reading: Reading, cause: MissingCause, expected: &str) {
    let missing = reading.outcome.unwrap_err();
    assert!(missing.cause == cause && missing.reason.contains(expected), "{missing:?}");
}

#[track_caller]
fn error(reading: Reading, kind: ErrorKind, expected: &str) {
    missing(reading, MissingCause::Error(kind), expected);
}

#[track_caller]
fn absent(reading: Reading, expected: &str) {
    missing(reading, MissingCause::Absent, expected);
}

#[track_caller]
fn nothing_to_count(reading: Reading, expected: &str) {
    missing(reading, MissingCause::NothingToCount, expected);
}

#[test]
fn paths_that_resemble_those_of_prometheus_are_read() {
    let metric = metric(Some(".data.results[0].v"));
    assert_eq!(ok(&metric, r#"{"data":{"results":[{"v":3}]}}"#).outcome, Ok(Found::One(3.0)));
}

#[test]
fn values_of_several_series_are_not_compared_as_strings() {
    // As a string, 9.5 is more than 10.2.
    let metric = metric(Some("[.data.result[].value[1]] | max"));
    error(ok(&metric, &vector(&["9.5", "10.2"])), ErrorKind::Series, "convert them with `tonumber`");
}

#[test]
fn one_series_is_a_value_with_and_without_an_expression() {
    for expression in [None, Some(FIRST), Some(".data.result[0].value[1]")] {
        let reading = ok(&metric(expression), &vector(&["12.50"]));
        assert_eq!((reading.outcome, reading.series), (Ok(Found::One(12.5)), Some(1)), "{expression:?}");
    }
    assert_eq!(ok(&metric(None), &vector(&["12.50"])).raw.as_deref(), Some("12.50"));
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#;
    assert_eq!(ok(&metric(None), scalar).outcome, Ok(Found::One(3.0)));
}

#[test]
fn nan_null_and_an_empty_vector_are_absent() {
    let mut of_requests = metric(Some(FIRST));
    let (nan, absent_cause) = (MissingCause::NothingToCount, MissingCause::Absent);
    for (body, cause, words) in [(vector(&["NaN"]), nan, "NaN"), (vector(&[]), absent_cause, "no series matches")] {
        missing(ok(&metric(None), &body), cause, words);
        missing(ok(&metric(Some(FIRST)), &body), cause, words);
        of_requests.when_empty = Some("no requests in the window".into());
        missing(ok(&of_requests, &body), cause, "no requests in the window");
    }
    absent(ok(&metric(Some(".value")), r#"{"value": null}"#), "yields null");
    absent(ok(&metric(Some("empty")), "{}"), "yields nothing");
    nothing_to_count(ok(&metric(Some("nan")), "{}"), "NaN");
}

#[test]
fn infinity_is_not_absent() {
    error(ok(&metric(None), &vector(&["+Inf"])), ErrorKind::Value, "the value is +Inf");
    error(ok(&metric(Some(FIRST)), &vector(&["-Inf"])), ErrorKind::Value, "the value is -Inf");
    error(ok(&metric(Some("infinite")), "{}"), ErrorKind::Value, "+Inf");
}

#[test]
fn several_series_need_an_aggregation() {
    let body = vector(&["3", "5"]);
    for expression in [None, Some(FIRST)] {
        let mut metric = metric(expression);
        let reading = ok(&metric, &body);
        assert_eq!(reading.series, Some(2));
        error(reading, ErrorKind::Series, "the query returns 2 series");
        metric.reduce = Some(Reduce::Sum);
        assert_eq!(ok(&metric, &body).outcome, Ok(Found::One(8.0)));
    }
    // An expression of one's own may consider them all, as in Iter8.
    for (own, value) in [("[.data.result[].value[1] | tonumber] | add", 8.0), (".data.result | length", 2.0)] {
        assert_eq!(ok(&metric(Some(own)), &body).outcome, Ok(Found::One(value)));
    }
    error(ok(&metric(Some(".data.result[1].value[1]")), &body), ErrorKind::Series, "the query returns 2 series");
    error(ok(&metric(Some("[.data.result[].value[1]] | first")), &body), ErrorKind::Series, "2 series");
    error(ok(&metric(Some(".data.result[].value[1]")), &body), ErrorKind::Value, "several values");
    let mut by_expression = metric(Some("[.data.result[].value[1] | tonumber] | max"));
    by_expression.reduce = Some(Reduce::Jq);
    assert_eq!(ok(&by_expression, &body).outcome, Ok(Found::One(5.0)));
}

#[test]
fn an_expression_has_to_yield_one_number() {
    let of = |expression: &str, body: &str| ok(&metric(Some(expression)), body);
    assert_eq!(of(".a", r#"{"a": " 7.5 "}"#).outcome, Ok(Found::One(7.5)));
    error(of(".a", r#"{"a": "many"}"#), ErrorKind::Value, "yields the string `many`, expected a number");
    error(of(".[]", "[1, 2]"), ErrorKind::Value, "several values (1, 2 …)");
    error(of(".", "[1]"), ErrorKind::Value, "yields [1], expected one number");
    error(of(".a.b", r#"{"a": 1}"#), ErrorKind::Expression, "the jqExpression `.a.b` fails: ");
    error(of(".", "<html><body>Sign in"), ErrorKind::Format, "not JSON");
    error(of(".", "<html><body>Sign in"), ErrorKind::Format, "an HTML page, perhaps from a login");
    error(of(".", r#"{"a": 1"#), ErrorKind::Format, "EOF");
    error(of(".", ""), ErrorKind::Format, "it is empty");
}

#[test]
fn errors_of_the_provider_are_quoted() {
    let body = r#"{"status":"error","errorType":"bad_data","error":"parse error at char 7"}"#;
    error(
        ok(&metric(None), body),
        ErrorKind::Provider,
        "the provider reports an error: bad_data: parse error at char 7",
    );
    let status =
        |status, body: &str| read(&metric(Some(FIRST)), Response { status, body: body.as_bytes(), asked: None });
    error(status(422, body), ErrorKind::Status, "the provider responded with 422: bad_data: parse error at char 7");
    error(
        status(401, r#"{"message": "no token"}"#),
        ErrorKind::Status,
        "401 (unauthorized): no token; check the credentials",
    );
    error(status(403, "<html>"), ErrorKind::Status, "403 (forbidden); check the permissions of the credentials");
    error(
        status(503, "upstream\n connect error"),
        ErrorKind::Status,
        "the provider responded with 503: upstream connect error",
    );
    error(status(404, ""), ErrorKind::Status, "the provider responded with 404 (not found); check the URL");
    // A success envelope with an error status.
    error(status(500, &vector(&["1"])), ErrorKind::Status, "the provider responded with 500");
}

#[test]
fn warnings_are_kept_and_bounded() {
    let body = vector(&["1"]).replace(r#""data""#, r#""warnings":["a","b","c"],"infos":["d","e","f"],"data""#);
    assert_eq!(ok(&metric(None), &body).warnings, ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_range_yields_samples_without_gaps() {
    let matrix =
        |series: &str| format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
    let mut range = metric(None);
    error(ok(&range, &matrix(r#"{"values":[[1,"2"]]}"#)), ErrorKind::Value, "expected one number");
    range.is_range = true;
    let outcome = |series: &str| ok(&range, &matrix(series)).outcome;
    assert_eq!(outcome(r#"{"values":[[1,"2"],[2,"NaN"],[3,"4"]]}"#), Ok(Found::Many(vec![2.0, 4.0])));
    absent(ok(&range, &matrix("")), "in that range");
    nothing_to_count(ok(&range, &matrix(r#"{"values":[[1,"NaN"]]}"#)), "none of the values is a number");
    error(ok(&range, &matrix(r#"{"values":[[1,"+Inf"]]}"#)), ErrorKind::Value, "infinite");
    error(ok(&range, &matrix(r#"{"values":[[1,"1"]]},{"values":[[1,"2"]]}"#)), ErrorKind::Series, "2 series");
    range.reduce = Some(Reduce::Max);
    assert_eq!(ok(&range, &matrix(r#"{"values":[[1,"1"]]},{"values":[[1,"2"]]}"#)).outcome, Ok(Found::Many(vec![2.0])));
}

#[test]
fn a_nan_beside_values_is_an_error_and_nan_alone_is_nothing_to_count() {
    use Reduce::{Avg, First, Max, Min, Sum};
    let mut metric = metric(None);
    metric.when_empty = Some("no requests".into());
    for reduce in [Sum, Max, Min, Avg] {
        metric.reduce = Some(reduce);
        error(
            ok(&metric, &vector(&["1", "NaN", "3"])),
            ErrorKind::Value,
            "1 of the 3 series is NaN (such as 0/0), beside",
        );
        error(ok(&metric, &vector(&["NaN", "NaN", "3"])), ErrorKind::Value, "2 of the 3 series are NaN");
        error(ok(&metric, &vector(&["1", "NaN", "+Inf"])), ErrorKind::Value, "+Inf");
        error(ok(&metric, &vector(&["1", "-Inf"])), ErrorKind::Value, "-Inf");
        error(ok(&metric, &vector(&["1", "many"])), ErrorKind::Value, "the value `many` is not a number");
        nothing_to_count(ok(&metric, &vector(&["NaN", "NaN"])), "no requests");
    }
    metric.reduce = Some(First);
    assert_eq!(ok(&metric, &vector(&["1", "NaN"])).outcome, Ok(Found::One(1.0)));
    error(ok(&metric, &vector(&["NaN", "1"])), ErrorKind::Value, "exclude NaN from it, such as with `>= 0`");
    metric.when_empty = None;
    nothing_to_count(ok(&metric, &vector(&["NaN", "NaN"])), "all 2 series are NaN");
}

#[test]
fn a_nan_that_an_expression_makes_of_one_series_is_an_error() {
    let or_nan = "[.data.result[].value[1] | if . == \"NaN\" then nan else tonumber end] | add";
    let metric = metric(Some(or_nan));
    error(ok(&metric, &vector(&["NaN", "1"])), ErrorKind::Value, "1 of the 2 series is NaN");
    nothing_to_count(ok(&metric, &vector(&["NaN", "NaN"])), "NaN");
    assert_eq!(ok(&metric, &vector(&["2", "1"])).outcome, Ok(Found::One(3.0)));
}

#[test]
fn a_nan_beside_values_at_an_instant_of_a_range_is_an_error() {
    let matrix = |series: &[&str]| {
        let list: Vec<String> = series.iter().map(|values| format!(r#"{{"values":[{values}]}}"#)).collect();
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, list.join(","))
    };
    let mut range = metric(None);
    range.is_range = true;
    for reduce in [Reduce::Max, Reduce::Min, Reduce::Sum, Reduce::Avg, Reduce::First] {
        range.reduce = Some(reduce);
        let of = |series: &[&str]| ok(&range, &matrix(series));
        error(
            of(&[r#"[1,"NaN"],[2,"1"]"#, r#"[1,"9"],[2,"1"]"#]),
            ErrorKind::Value,
            "at one instant, 1 of the 2 series",
        );
        nothing_to_count(of(&[r#"[1,"NaN"]"#, r#"[1,"NaN"]"#]), "none of the values is a number");
        let gap = of(&[r#"[1,"NaN"],[2,"1"]"#, r#"[1,"NaN"],[2,"1"]"#]);
        assert_eq!(gap.remark.as_deref(), Some("1 of 2 values are NaN and were left out"), "{reduce:?}");
    }
    error(ok(&range, &matrix(&["", r#"[1,"9"]"#])), ErrorKind::Value, "the first of the 2 series has no values");
    error(ok(&range, &matrix(&[r#"[1,"NaN"]"#, r#"[2,"9"]"#])), ErrorKind::Value, "the first of the 2 series");
    range.reduce = Some(Reduce::Min);
    error(ok(&range, &matrix(&[r#"[1,"+Inf"]"#, r#"[1,"1"]"#])), ErrorKind::Value, "infinite");
}

#[test]
fn gaps_of_a_range_are_counted_and_strings_are_not_gaps() {
    let matrix = |values: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"values":[{values}]}}]}}}}"#)
    };
    let mut range = metric(None);
    range.is_range = true;
    let reading = ok(&range, &matrix(r#"[1,"2"],[2,"NaN"],[3,4],[4,"NaN"]"#));
    assert_eq!(reading.outcome, Ok(Found::Many(vec![2.0, 4.0])));
    assert_eq!(reading.remark.as_deref(), Some("2 of 4 values are NaN and were left out"));
    assert_eq!(ok(&range, &matrix(r#"[1,"2"]"#)).remark, None);
    error(ok(&range, &matrix(r#"[1,"2"],[2,"many"]"#)), ErrorKind::Value, "the value `many` is not a number");
}

#[test]
fn series_are_counted_before_an_expression_is_evaluated() {
    let body = |kind: &str, list: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{list}]}}}}"#)
    };
    let [last, value] = [".data.result[0].values[-1][1]", ".data.result[0].value[1]"];
    let series = r#"{"values":[[1,"1"],[2,"2"]]}"#;
    assert_eq!(ok(&metric(Some(last)), &body("matrix", series)).outcome, Ok(Found::One(2.0)));
    let two = format!("{series},{series}");
    error(ok(&metric(Some(last)), &body("matrix", &two)), ErrorKind::Series, "the query returns 2 series");
    error(ok(&metric(Some(FIRST)), &body("matrix", series)), ErrorKind::Value, "expected one number");
    error(
        ok(&metric(Some(value)), &body("vector", r#"{"value":[1,2]},{"value":[1,3]}"#)),
        ErrorKind::Series,
        "2 series",
    );
    assert_eq!(ok(&metric(Some(value)), &body("vector", r#"{"value":[1,2]}"#)).outcome, Ok(Found::One(2.0)));
    // Nor can a warning of another type bypass that.
    let warned =
        body("vector", r#"{"value":[1,"2"]},{"value":[1,"3"]}"#).replacen('{', r#"{"warnings":{},"error":{},"#, 1);
    error(ok(&metric(Some(value)), &warned), ErrorKind::Series, "2 series");
    let mut by_expression = metric(Some("[.data.result[].values[-1][1] | tonumber] | add"));
    by_expression.reduce = Some(Reduce::Jq);
    assert_eq!(ok(&by_expression, &body("matrix", &two)).outcome, Ok(Found::One(4.0)));
}

#[test]
fn a_series_without_a_value_is_not_absent() {
    let body = |list: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{list}}}}}"#);
    for expression in [None, Some(FIRST), Some(".data.result[0].value[1]"), Some(".data.result[0].value[1] // 0")] {
        let of = |list: &str| ok(&metric(expression), &body(list));
        error(of(r#"[{"histogram":[1,{"count":"1"}]}]"#), ErrorKind::Value, "native histogram");
        error(of(r#"[{"metric":{}}]"#), ErrorKind::Value, "no `value`");
        error(of("null"), ErrorKind::Value, "not a list of series");
        error(of(r#"[{"metric":{}},{"metric":{}}]"#), ErrorKind::Series, "the query returns 2 series");
    }
    let mut count = metric(Some(".data.result[0].histogram[1].count"));
    error(ok(&count, &body(r#"[{"histogram":[1,{"count":"7"}]}]"#)), ErrorKind::Value, "native histogram");
    count.reduce = Some(Reduce::Jq);
    assert_eq!(ok(&count, &body(r#"[{"histogram":[1,{"count":"7"}]}]"#)).outcome, Ok(Found::One(7.0)));
}

#[test]
fn an_expression_may_have_a_default_for_an_empty_result() {
    for reduce in [None, Some(Reduce::Jq)] {
        let of = |expression: &str| {
            let mut metric = metric(Some(expression));
            (metric.reduce, metric.when_empty) = (reduce, Some("no requests".into()));
            ok(&metric, &vector(&[]))
        };
        for zero in [
            ".data.result | length",
            ".data.result[0].value[1] // 0",
            "[.data.result[].value[1] | tonumber] | add // 0",
        ] {
            let reading = of(zero);
            assert_eq!((reading.outcome, reading.series), (Ok(Found::One(0.0)), Some(0)), "{zero}");
        }
        for none in [
            FIRST,
            ".data.result[0].value[1]",
            ".data.result[].value[1]",
            "nan",
            ".data.result[0].value[1] | tonumber * 100",
        ] {
            let reading = of(none);
            assert_eq!(reading.series, Some(0), "{none}");
            absent(reading, "no requests");
        }
        // Other results are not a consequence of the missing series.
        error(of("infinite"), ErrorKind::Value, "+Inf");
        error(of("error(1)"), ErrorKind::Expression, "fails");
        error(of("\"x\""), ErrorKind::Value, "the string `x`");
    }
}

#[test]
fn secrets_in_messages_of_a_provider_are_redacted() {
    let body = r#"{"message": "bad Authorization: Bearer abcdef0123456789"}"#;
    let reading = read(&metric(None), Response { status: 400, body: body.as_bytes(), asked: None });
    assert!(!format!("{reading:?}").contains("abcdef0123456789"), "{reading:?}");
}
