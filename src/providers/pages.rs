//! Signs that a response is one page of several.

use serde_json::{Map, Value};

use super::keys::{find, is_filled, is_true, normal};
use super::question::Question;

/// Keys of the next page: its token, number or URL, or true if there is one.
const NEXT: [&str; 28] = [
    "continuation",
    "continuationtoken",
    "cursor",
    "hasmore",
    "hasnext",
    "hasnextpage",
    "lastevaluatedkey",
    "more",
    "moreavailable",
    "moredata",
    "moreresults",
    "next",
    "nextcursor",
    "nextlink",
    "nextmarker",
    "nextoffset",
    "nextpage",
    "nextpagecursor",
    "nextpagekey",
    "nextpagelink",
    "nextpagetoken",
    "nextpageurl",
    "nexttoken",
    "nexturi",
    "nexturl",
    "odatanextlink",
    "pagetoken",
    "scrollid",
];

/// Keys of the number of a page, and of the number of all pages.
const PAGE: [&str; 4] = ["currentpage", "number", "page", "pagenumber"];
const PAGES: [&str; 5] = ["lastpage", "numpages", "pagecount", "pages", "totalpages"];

/// Keys of objects about pages.
const ABOUT: [&str; 13] = [
    "cursors",
    "data",
    "links",
    "listmeta",
    "meta",
    "metadata",
    "page",
    "pageinfo",
    "pages",
    "pagination",
    "paging",
    "responsemetadata",
    "resultinfo",
];

/// Maximum nesting of such objects.
const MAX_DEPTH: usize = 3;

/// Returns a description of further pages, if the expression reads a list of this response.
pub(super) fn sign(body: &Value, question: &Question<'_>) -> Option<String> {
    let in_objects = || {
        let mut objects = question.objects(body).into_iter().enumerate();
        objects.find_map(|(at, object)| further(object, &[], question, at > 0, 0))
    };
    in_objects().filter(|_| question.reads_list(body)).map(|sign| format!("there are further pages: {sign}"))
}

/// Searches an object and those in it that are about pages. An inner object on the way to the data has no path of its own.
fn further(
    map: &Map<String, Value>,
    path: &[&str],
    question: &Question<'_>,
    is_inner: bool,
    depth: usize,
) -> Option<String> {
    let is_data = |key: &str| !is_inner && question.reads(path, key) && !ABOUT.contains(&normal(key).as_str());
    let is_page = path.last().is_some_and(|name| normal(name) == "page");
    let is_metadata = path.last().is_some_and(|name| normal(name) == "metadata");
    for (key, value) in map.iter().filter(|(key, _)| !is_data(key)) {
        let name = normal(key);
        let is_next =
            NEXT.contains(&name.as_str()) || (is_page && name == "after") || (is_metadata && name == "continue");
        if is_next && leads_on(value) {
            return Some(format!("`{key}` is set"));
        }
        if let Value::Object(inner) = value
            && ABOUT.contains(&name.as_str())
            && depth < MAX_DEPTH
        {
            let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
            if let Some(sign) = further(inner, &path, question, is_inner, depth + 1) {
                return Some(sign);
            }
        }
    }
    let number = |keys: &[&str]| keys.iter().find_map(|word| find(map, word)).and_then(Value::as_u64);
    match (number(&PAGE), number(&PAGES)) {
        (Some(page), Some(pages)) if page > 0 && page < pages => Some(format!("page {page} of {pages}")),
        _ => None,
    }
}

/// Returns true for a token, number or URL of another page.
fn leads_on(value: &Value) -> bool {
    match value {
        Value::Bool(_) => is_true(value),
        Value::Number(number) => number.as_f64().is_some_and(|number| number > 0.0),
        Value::String(text) => {
            is_filled(value) && !matches!(normal(text).as_str(), "false" | "null" | "none" | "no" | "0")
        }
        Value::Object(map) => find(map, "href").or_else(|| find(map, "url")).is_some_and(is_filled),
        Value::Array(_) | Value::Null => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ProviderSpec;
    use serde_json::json;

    fn sign_of(expression: &str, body: &Value) -> Option<String> {
        let text = json!({"url": "http://p", "metrics": [{"name": "m", "jqExpression": expression}]}).to_string();
        let spec = ProviderSpec::read(&text).unwrap();
        sign(body, &Question::of(&spec.metrics[0]))
    }

    #[test]
    fn further_pages_are_found_beside_the_list_that_is_read() {
        for (expression, body) in [
            ("[.timeSeries[].v] | add", json!({"timeSeries": [{"v": 0}], "nextPageToken": "abc"})),
            (".timeSeries[0].v", json!({"timeSeries": [{"v": 0}], "nextPageToken": "abc"})),
            (
                "[.MetricDataResults[].Values[]] | add",
                json!({"MetricDataResults": [{"Values": [0]}], "NextToken": "abc"}),
            ),
            (".value | length", json!({"value": [1], "@odata.nextLink": "http://p/2"})),
            (".results | length", json!({"count": 100, "next": "http://p/?page=2", "results": [1]})),
            (".data | length", json!({"data": [1], "links": {"next": "http://p/2"}})),
            (".data | length", json!({"data": [1], "meta": {"page": {"after": "abc"}}})),
            (".data | length", json!({"data": [1], "meta": {"pagination": {"page": 1, "total_pages": 3}}})),
            (".items | length", json!({"items": [1], "metadata": {"continue": "abc"}})),
            (".rows | length", json!({"rows": [[1]], "cursor": "abc"})),
            (".data.s.nodes | length", json!({"data": {"s": {"nodes": [1], "pageInfo": {"hasNextPage": true}}}})),
            ("[.data.nrql.results[].v] | add", json!({"data": {"nrql": {"results": [{"v": 0}], "nextCursor": "abc"}}})),
            ("[.. | numbers] | add", json!({"items": [1], "has_more": true})),
        ] {
            assert!(sign_of(expression, &body).is_some(), "{expression} {body}");
        }
    }

    #[test]
    fn the_last_page_and_what_no_page_affects_are_whole() {
        for (expression, body) in [
            ("[.timeSeries[].v] | add", json!({"timeSeries": [{"v": 0}], "nextPageToken": ""})),
            (".results | length", json!({"count": 1, "next": null, "previous": "http://p/1", "results": [1]})),
            (".data | length", json!({"data": [1], "meta": {"pagination": {"page": 3, "total_pages": 3}}})),
            (
                ".data | length",
                json!({"data": [1], "links": {"self": "http://p/1"}, "meta": {"page": {"after": null}}}),
            ),
            (".data.s.nodes | length", json!({"data": {"s": {"nodes": [1], "pageInfo": {"hasNextPage": false}}}})),
            (".count", json!({"count": 100, "next": "http://p/?page=2", "results": [1]})),
            (".data.s.total", json!({"data": {"s": {"total": 5, "nodes": [1], "pageInfo": {"hasNextPage": true}}}})),
            (".next", json!({"next": 5})),
            (".pages[0]", json!({"pages": [5], "page": 1})),
            (".v[0]", json!({"v": [0], "data": {"v": 1}})),
        ] {
            assert_eq!(sign_of(expression, &body), None, "{expression} {body}");
        }
    }
}
