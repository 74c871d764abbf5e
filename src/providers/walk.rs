//! Walk through the objects of a response, each with its relation to what the metric's expression reads.
//!
//! Rows are data: log lines about errors, counts by status, records with flags of their own. So the entries of a list are responses only if
//! they contain results themselves, as those of a batch do. What the expression reads is never visited.

use serde_json::{Map, Value};

use super::keys::normal;
use super::question::{Question, Way};

/// Maximum nesting that is searched.
const MAX_DEPTH: usize = 24;

/// Maximum number of values that are visited.
const MAX_VALUES: usize = 500_000;

/// Maximum entries of a list beside the data.
const MAX_BESIDE: usize = 100;

/// Keys of results, which make an entry of a list a response.
const CONTAINERS: [&str; 21] = [
    "body",
    "buckets",
    "content",
    "data",
    "datapoints",
    "errors",
    "frames",
    "hits",
    "matrix",
    "points",
    "response",
    "result",
    "results",
    "resultset",
    "resulttable",
    "rows",
    "series",
    "shards",
    "tables",
    "timeseries",
    "values",
];

/// Keys of a response's results: an object on the way to the data in a row.
const RESPONSES: [&str; 7] = ["body", "content", "data", "rawresponse", "response", "result", "results"];

/// Keys of objects whose keys are names that users chose, and of echoed requests.
const NAMED: [&str; 43] = [
    "aggregations",
    "aggs",
    "annotations",
    "arguments",
    "args",
    "attributes",
    "byname",
    "codes",
    "columns",
    "config",
    "configuration",
    "context",
    "counts",
    "dimensions",
    "facets",
    "fields",
    "filter",
    "filters",
    "group",
    "groups",
    "headers",
    "input",
    "jsonpayload",
    "labels",
    "metric",
    "metrics",
    "options",
    "parameters",
    "params",
    "payload",
    "properties",
    "request",
    "requestparameters",
    "resource",
    "settings",
    "source",
    "spec",
    "statuses",
    "tags",
    "thresholds",
    "user",
    "variables",
    "vars",
];

/// Keys of objects whose keys are names that users chose, on the way to the data.
const NAMED_DATA: [&str; 8] = ["aggregations", "aggs", "codes", "counts", "facets", "labels", "statuses", "tags"];

/// Role of an object in its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The response, or one within it.
    Response,
    /// Entry of a list, with the data or without any of the keys that the expression reads.
    Row { lacks_data: bool },
    /// Beside the way to the data.
    Beside,
}

/// A place in a response.
pub(super) struct At<'w> {
    pub(super) role: Role,
    /// The key that leads here, or that of the list.
    pub(super) key: &'w str,
    ways: Vec<Way<'w>>,
    question: &'w Question<'w>,
    depth: usize,
}

impl At<'_> {
    /// Returns true if the expression reads this key of the object.
    pub(super) fn reads(&self, key: &str) -> bool {
        self.question.continues(&self.ways, key)
    }

    /// Returns true for the response as a whole.
    pub(super) fn is_root(&self) -> bool {
        self.depth == 0
    }
}

/// Visits the response and the values within it until `visit` returns something. Rows may be strings; other values are objects.
pub(super) fn walk<'w, T>(
    body: &'w Value,
    question: &'w Question<'w>,
    visit: &mut dyn FnMut(&'w Value, &At<'w>) -> Option<T>,
) -> Option<T> {
    let at = At { role: Role::Response, key: "", ways: question.ways(), question, depth: 0 };
    Walk { visit, left: MAX_VALUES }.value(body, &at)
}

struct Walk<'v, 'w, T> {
    visit: &'v mut dyn FnMut(&'w Value, &At<'w>) -> Option<T>,
    left: usize,
}

impl<'w, T> Walk<'_, 'w, T> {
    fn value(&mut self, value: &'w Value, at: &At<'w>) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        match value {
            _ if at.depth > MAX_DEPTH => None,
            Value::Object(map) => (self.visit)(value, at).or_else(|| self.entries(map, at)),
            Value::Array(list) => self.list(list, at),
            _ => None,
        }
    }

    fn entries(&mut self, map: &'w Map<String, Value>, at: &At<'w>) -> Option<T> {
        map.iter().filter(|(_, value)| value.is_object() || value.is_array()).find_map(|(key, value)| {
            let (ways, through_key) = at.question.follow_key(&at.ways, key);
            let name = normal(key);
            let is_on_way = ways.iter().any(|way| !way.is_empty());
            let is_named = NAMED.contains(&name.as_str()) || key == "_source";
            let next = |role| At { role, key, ways: ways.clone(), question: at.question, depth: at.depth + 1 };
            if is_on_way && !through_key && value.is_object() {
                return self.row(value, &next(at.role));
            }
            let role = match at.role {
                _ if !is_on_way && (!ways.is_empty() || is_named) => return None,
                Role::Row { .. } if is_on_way && RESPONSES.contains(&name.as_str()) => Role::Response,
                Role::Row { .. } if is_on_way => Role::Row { lacks_data: false },
                Role::Row { .. } => return None,
                _ if is_on_way && NAMED_DATA.contains(&name.as_str()) => Role::Row { lacks_data: false },
                role if is_on_way => role,
                Role::Response | Role::Beside => Role::Beside,
            };
            self.value(value, &next(role))
        })
    }

    fn list(&mut self, list: &'w [Value], at: &At<'w>) -> Option<T> {
        let ways = at.question.follow_entries(&at.ways);
        let next = |role| At { role, key: at.key, ways: ways.clone(), question: at.question, depth: at.depth + 1 };
        if ways.iter().any(|way| !way.is_empty()) {
            // Documents of a search may have any content.
            return (at.key != "hits").then(|| list.iter().find_map(|entry| self.row(entry, &next(at.role)))).flatten();
        }
        if !at.ways.is_empty() {
            return None;
        }
        let is_answer = |entry: &Value| entry.as_object().is_some_and(|map| map.keys().any(|key| at.reads(key)));
        if at.question.is_unknown() && list.iter().any(is_answer) {
            return list.iter().find_map(|entry| {
                let lacks_data = !is_answer(entry);
                self.visit_row(entry, &next(Role::Row { lacks_data }))
            });
        }
        list.iter()
            .take(MAX_BESIDE)
            .filter(|entry| contains_results(entry))
            .find_map(|entry| self.value(entry, &next(Role::Beside)))
    }

    /// Visits an entry of a list on the way to the data.
    fn row(&mut self, entry: &'w Value, at: &At<'w>) -> Option<T> {
        let has_data = match entry {
            Value::Object(map) => map.iter().any(|(key, value)| at.reads(key) && !value.is_null()),
            _ => false,
        };
        let wants_key = at.question.wants_key(&at.ways);
        let role = if wants_key && !has_data {
            Role::Row { lacks_data: true }
        } else if contains_results(entry) {
            Role::Response
        } else {
            Role::Row { lacks_data: false }
        };
        let at = At { role, key: at.key, ways: at.ways.clone(), question: at.question, depth: at.depth };
        self.visit_row(entry, &at)
    }

    fn visit_row(&mut self, entry: &'w Value, at: &At<'w>) -> Option<T> {
        if entry.is_string() {
            self.left = self.left.checked_sub(1)?;
            return (self.visit)(entry, at);
        }
        self.value(entry, at)
    }
}

/// Returns true for an object that contains results, so that it is a response of its own.
fn contains_results(entry: &Value) -> bool {
    let is_container = |(key, value): (&String, &Value)| {
        (value.is_object() || value.is_array()) && CONTAINERS.contains(&normal(key).as_str())
    };
    entry.as_object().is_some_and(|map| map.iter().any(is_container))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ProviderSpec;
    use serde_json::json;

    /// Returns the roles of the objects that are visited, each with its key.
    fn visited(expression: &str, body: &Value) -> Vec<String> {
        let text = json!({"url": "http://p", "metrics": [{"name": "m", "jqExpression": expression}]}).to_string();
        let spec = ProviderSpec::read(&text).unwrap();
        let question = Question::of(&spec.metrics[0]);
        let mut found = Vec::new();
        walk(body, &question, &mut |_, at| {
            found.push(format!("{}: {:?}", at.key, at.role));
            None::<()>
        });
        found
    }

    #[test]
    fn objects_beside_the_data_are_told_from_those_on_the_way() {
        let body = json!({"a": {"v": {"inner": {}}, "meta": {"b": {}}}, "labels": {"x": {}}, "c": {"d": {}}});
        let expected = [": Response", "a: Response", "meta: Beside", "b: Beside", "c: Beside", "d: Beside"];
        assert_eq!(visited(".a.v", &body), expected);
    }

    #[test]
    fn entries_of_a_list_are_rows_unless_they_contain_results() {
        let body = json!({"l": [{"v": 1, "x": {}}, {"w": 1}, {"v": 1, "rows": []}], "rows": [{"x": 1}, {"data": {}}]});
        let expected = [
            ": Response",
            "l: Row { lacks_data: false }",
            "l: Row { lacks_data: true }",
            "l: Response",
            "rows: Beside",
            "data: Beside",
        ];
        assert_eq!(visited("[.l[].v] | add", &body), expected);
        assert_eq!(visited(".l | length", &body)[1..], ["rows: Beside", "data: Beside"]);
    }

    #[test]
    fn deep_and_long_responses_end_the_walk() {
        let deep = (0..100).fold(json!({}), |inner, _| json!({"c": inner}));
        assert_eq!(visited(".v", &deep).len(), MAX_DEPTH + 1);
        let long = json!({"c": vec![json!({"data": {}}); 1_000]});
        assert_eq!(visited(".v", &long).len(), 1 + 2 * MAX_BESIDE);
    }
}
