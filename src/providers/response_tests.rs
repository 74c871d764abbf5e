//! Tests of reading responses.

use super::*;
use crate::model::metric::MetricMeta;
use crate::templates::jq::Filter;

const FIRST: &str = ".data.result[0].value[1] | tonumber";

fn metric(expression: Option<&str>) -> MetricSpec {
    MetricSpec {
        name: "m".into(),
        meta: MetricMeta::default(),
        params: Vec::new(),
        body: None,
        expression: expression.map(|text| Filter::compile(text).unwrap()),
        takes_first: expression == Some(FIRST),
        reduce: None,
        is_range: false,
        no_data: None,
        when_empty: None,
    }
}

fn vector(values: &[&str]) -> String {
    let series: Vec<String> =
        values.iter().map(|v| format!(r#"{{"metric":{{}},"value":[1700000000,"{v}"]}}"#)).collect();
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, series.join(","))
}

fn ok(metric: &MetricSpec, body: &str) -> Reading {
    read(metric, Response { status: 200, body: body.as_bytes() })
}

#[track_caller]
fn unusable(reading: Reading, expected: &str) {
    match reading.outcome {
        Outcome::Unusable(reason) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn absent(reading: Reading, expected: &str) {
    match reading.outcome {
        Outcome::Absent(reason) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_series_is_a_value_with_and_without_an_expression() {
    for expression in [None, Some(FIRST), Some(".data.result[0].value[1]")] {
        let reading = ok(&metric(expression), &vector(&["12.50"]));
        assert_eq!((reading.outcome, reading.series), (Outcome::Value(12.5), Some(1)), "{expression:?}");
    }
    assert_eq!(ok(&metric(None), &vector(&["12.50"])).raw.as_deref(), Some("12.50"));
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#;
    assert_eq!(ok(&metric(None), scalar).outcome, Outcome::Value(3.0));
}

#[test]
fn nan_null_and_an_empty_vector_are_absent() {
    let mut of_requests = metric(Some(FIRST));
    for (body, words) in [(vector(&["NaN"]), "NaN"), (vector(&[]), "no series matches")] {
        absent(ok(&metric(None), &body), words);
        absent(ok(&metric(Some(FIRST)), &body), words);
        of_requests.when_empty = Some("no requests in the window".into());
        absent(ok(&of_requests, &body), "no requests in the window");
    }
    absent(ok(&metric(Some(".value")), r#"{"value": null}"#), "yields null");
    absent(ok(&metric(Some("empty")), "{}"), "yields nothing");
    absent(ok(&metric(Some("nan")), "{}"), "NaN");
}

#[test]
fn infinity_is_not_absent() {
    unusable(ok(&metric(None), &vector(&["+Inf"])), "the value is +Inf");
    unusable(ok(&metric(Some(FIRST)), &vector(&["-Inf"])), "the value is -Inf");
    unusable(ok(&metric(Some("infinite")), "{}"), "+Inf");
}

#[test]
fn several_series_need_an_aggregation() {
    let body = vector(&["3", "5"]);
    for expression in [None, Some(FIRST)] {
        let mut metric = metric(expression);
        let reading = ok(&metric, &body);
        assert_eq!(reading.series, Some(2));
        unusable(reading, "the query returns 2 series");
        metric.reduce = Some(Reduce::Sum);
        assert_eq!(ok(&metric, &body).outcome, Outcome::Value(8.0));
    }
    let mut by_expression = metric(Some("[.data.result[].value[1] | tonumber] | max"));
    by_expression.reduce = Some(Reduce::Jq);
    assert_eq!(ok(&by_expression, &body).outcome, Outcome::Value(5.0));
}

#[test]
fn an_expression_has_to_yield_one_number() {
    let of = |expression: &str, body: &str| ok(&metric(Some(expression)), body);
    assert_eq!(of(".a", r#"{"a": " 7.5 "}"#).outcome, Outcome::Value(7.5));
    unusable(of(".a", r#"{"a": "many"}"#), "yields the string `many`, expected a number");
    unusable(of(".[]", "[1, 2]"), "several values (1, 2 …)");
    unusable(of(".", "[1]"), "yields [1], expected one number");
    unusable(of(".a.b", r#"{"a": 1}"#), "the jqExpression fails");
    unusable(of(".", "<html><body>Sign in"), "not JSON");
    unusable(of(".", "<html><body>Sign in"), "an HTML page, perhaps from a login");
    unusable(of(".", r#"{"a": 1"#), "EOF");
    unusable(of(".", ""), "it is empty");
}

#[test]
fn errors_of_the_provider_are_quoted() {
    let error = r#"{"status":"error","errorType":"bad_data","error":"parse error at char 7"}"#;
    unusable(ok(&metric(None), error), "the provider reports an error: bad_data: parse error at char 7");
    let status = |status, body: &str| read(&metric(Some(FIRST)), Response { status, body: body.as_bytes() });
    unusable(status(422, error), "the provider responded with 422: bad_data: parse error at char 7");
    unusable(status(401, r#"{"message": "no token"}"#), "401 (unauthorized): no token; check the credentials");
    unusable(status(403, "<html>"), "403 (forbidden); check the permissions of the credentials");
    unusable(status(503, "upstream\n connect error"), "the provider responded with 503: upstream connect error");
    absent(status(404, ""), "the provider responded with 404 (not found)");
    // A success envelope with an error status.
    unusable(status(500, &vector(&["1"])), "the provider responded with 500");
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
    unusable(ok(&range, &matrix(r#"{"values":[[1,"2"]]}"#)), "expected one number");
    range.is_range = true;
    let outcome = |series: &str| ok(&range, &matrix(series)).outcome;
    assert_eq!(outcome(r#"{"values":[[1,"2"],[2,"NaN"],[3,"4"]]}"#), Outcome::Samples(vec![2.0, 4.0]));
    absent(ok(&range, &matrix("")), "in that range");
    absent(ok(&range, &matrix(r#"{"values":[[1,"NaN"]]}"#)), "none of the values is a number");
    unusable(ok(&range, &matrix(r#"{"values":[[1,"+Inf"]]}"#)), "infinite");
    unusable(ok(&range, &matrix(r#"{"values":[[1,"1"]]},{"values":[[1,"2"]]}"#)), "2 series");
    range.reduce = Some(Reduce::Max);
    assert_eq!(
        ok(&range, &matrix(r#"{"values":[[1,"1"]]},{"values":[[1,"2"]]}"#)).outcome,
        Outcome::Samples(vec![2.0])
    );
}

#[test]
fn a_nan_among_several_series_is_not_dropped() {
    use Reduce::{Avg, First, Max, Min, Sum};
    let mut metric = metric(None);
    for reduce in [Sum, Max, Min, Avg] {
        metric.reduce = Some(reduce);
        absent(ok(&metric, &vector(&["1", "NaN", "3"])), "one of the 3 series is NaN");
        unusable(ok(&metric, &vector(&["1", "NaN", "+Inf"])), "+Inf");
        unusable(ok(&metric, &vector(&["1", "many"])), "the value `many` is not a number");
    }
    metric.reduce = Some(First);
    assert_eq!(ok(&metric, &vector(&["1", "NaN"])).outcome, Outcome::Value(1.0));
    metric.reduce = Some(Sum);
    metric.when_empty = Some("no requests".into());
    absent(ok(&metric, &vector(&["1", "NaN"])), "no requests");
}

#[test]
fn gaps_of_a_range_are_counted_and_strings_are_not_gaps() {
    let matrix = |values: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"values":[{values}]}}]}}}}"#)
    };
    let mut range = metric(None);
    range.is_range = true;
    let reading = ok(&range, &matrix(r#"[1,"2"],[2,"NaN"],[3,4],[4,"NaN"]"#));
    assert_eq!(reading.outcome, Outcome::Samples(vec![2.0, 4.0]));
    assert_eq!(reading.remark.as_deref(), Some("2 of 4 values are NaN and were left out"));
    assert_eq!(ok(&range, &matrix(r#"[1,"2"]"#)).remark, None);
    unusable(ok(&range, &matrix(r#"[1,"2"],[2,"many"]"#)), "the value `many` is not a number");
}

#[test]
fn series_are_counted_before_an_expression_is_evaluated() {
    let body = |kind: &str, list: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{list}]}}}}"#)
    };
    let [last, value] = [".data.result[0].values[-1][1]", ".data.result[0].value[1]"];
    let series = r#"{"values":[[1,"1"],[2,"2"]]}"#;
    assert_eq!(ok(&metric(Some(last)), &body("matrix", series)).outcome, Outcome::Value(2.0));
    let two = format!("{series},{series}");
    unusable(ok(&metric(Some(last)), &body("matrix", &two)), "the query returns 2 series");
    unusable(ok(&metric(Some(FIRST)), &body("matrix", series)), "expected one number");
    unusable(ok(&metric(Some(value)), &body("vector", r#"{"value":[1,2]},{"value":[1,3]}"#)), "2 series");
    assert_eq!(ok(&metric(Some(value)), &body("vector", r#"{"value":[1,2]}"#)).outcome, Outcome::Value(2.0));
    // Nor can a warning of another type bypass that.
    let warned =
        body("vector", r#"{"value":[1,"2"]},{"value":[1,"3"]}"#).replacen('{', r#"{"warnings":{},"error":{},"#, 1);
    unusable(ok(&metric(Some(value)), &warned), "2 series");
    let mut by_expression = metric(Some("[.data.result[].values[-1][1] | tonumber] | add"));
    by_expression.reduce = Some(Reduce::Jq);
    assert_eq!(ok(&by_expression, &body("matrix", &two)).outcome, Outcome::Value(4.0));
}

#[test]
fn a_series_without_a_value_is_not_absent() {
    let body = |list: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{list}}}}}"#);
    for expression in [None, Some(FIRST), Some(".data.result[0].value[1]"), Some(".data.result[0].value[1] // 0")] {
        let of = |list: &str| ok(&metric(expression), &body(list));
        unusable(of(r#"[{"histogram":[1,{"count":"1"}]}]"#), "native histogram");
        unusable(of(r#"[{"metric":{}}]"#), "no `value`");
        unusable(of("null"), "not a list of series");
        unusable(of(r#"[{"metric":{}},{"metric":{}}]"#), "the query returns 2 series");
    }
    let mut count = metric(Some(".data.result[0].histogram[1].count"));
    unusable(ok(&count, &body(r#"[{"histogram":[1,{"count":"7"}]}]"#)), "native histogram");
    count.reduce = Some(Reduce::Jq);
    assert_eq!(ok(&count, &body(r#"[{"histogram":[1,{"count":"7"}]}]"#)).outcome, Outcome::Value(7.0));
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
            assert_eq!((reading.outcome, reading.series), (Outcome::Value(0.0), Some(0)), "{zero}");
        }
        for none in
            [FIRST, ".data.result[0].value[1]", ".data.result[].value[1]", "nan", "infinite", "error(1)", "\"x\""]
        {
            let reading = of(none);
            assert_eq!(reading.series, Some(0), "{none}");
            absent(reading, "no requests");
        }
    }
}

#[test]
fn secrets_in_messages_of_a_provider_are_redacted() {
    let body = r#"{"message": "bad Authorization: Bearer abcdef0123456789"}"#;
    let reading = read(&metric(None), Response { status: 400, body: body.as_bytes() });
    assert!(!format!("{reading:?}").contains("abcdef0123456789"), "{reading:?}");
}
