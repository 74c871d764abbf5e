//! Relation of a response to the parts of it that the metric's expression reads.
//!
//! An expression with a default (`.v // 0`) makes a number of any JSON. So a response that has none of the keys which the expression reads
//! is no answer to its question, whatever words it has; empty objects and lists, and null, are.

use serde_json::{Map, Value};

use super::failure;
use super::jq_text;
use super::keys::normal;
use super::spec::MetricSpec;
use crate::templates::jq::{Filter, Place, Step};

/// The rest of the way to a place that the expression reads; empty at the place itself.
pub(super) type Way<'a> = &'a [Step];

/// Maximum entries of a list that are searched.
const MAX_ENTRIES: usize = 10_000;

/// The expression of a metric, and the places in a response that it reads.
pub(super) struct Question<'a> {
    /// The expression; empty if there is none.
    pub(super) text: &'a str,
    /// The places that it reads, if they are known.
    places: Option<&'a [Place]>,
}

/// Result of the search for a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// A value is in the way that has no such entry.
    Other,
    /// Null, or an empty list or object.
    Nothing,
    /// The place exists.
    Found,
}

impl<'a> Question<'a> {
    pub(super) fn of(metric: &'a MetricSpec) -> Self {
        let places = metric.expression.as_ref().and_then(Filter::reads);
        Self { text: metric.jq(), places }
    }

    /// Returns true if the expression reads this key of the object at `path`.
    pub(super) fn reads(&self, path: &[&str], key: &str) -> bool {
        let Some(places) = self.places else {
            return match path {
                [] => jq_text::reads(self.text, key),
                _ => self.text.contains(&format!(".{key}")),
            };
        };
        let wanted = || path.iter().copied().chain([key]);
        places.iter().any(|place| {
            let mut keys =
                place.iter().filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None });
            wanted().all(|key| keys.next() == Some(key))
        })
    }

    /// Returns true if the places that the expression reads are not known.
    pub(super) fn is_unknown(&self) -> bool {
        self.places.is_none()
    }

    /// Returns the ways from the response to what the expression reads.
    pub(super) fn ways(&self) -> Vec<Way<'_>> {
        self.places.unwrap_or_default().iter().map(Vec::as_slice).collect()
    }

    /// Returns true if one of the ways continues with this key; if none is known, if the expression mentions it.
    pub(super) fn continues(&self, ways: &[Way<'_>], key: &str) -> bool {
        let mentions = || {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            self.text.match_indices(key).any(|(at, _)| {
                let (before, after) = (&self.text[..at], &self.text[at + key.len()..]);
                before.ends_with(['.', '"']) && !after.starts_with(is_word)
            })
        };
        match self.places {
            None => !key.is_empty() && mentions(),
            Some(_) => ways.iter().any(|way| matches!(way.first(), Some(Step::Key(first)) if first == key)),
        }
    }

    /// Returns the rest of the ways from an object to its entry, and true if they name the key.
    pub(super) fn follow_key<'w>(&self, ways: &[Way<'w>], key: &str) -> (Vec<Way<'w>>, bool) {
        let rest = ways.iter().filter_map(|way| match way.split_first()? {
            (Step::Key(first), rest) if first == key => Some(rest),
            (Step::Entries, rest) => Some(rest),
            _ => None,
        });
        (rest.collect(), self.places.is_none() || self.continues(ways, key))
    }

    /// Returns the rest of the ways from a list to its entries.
    pub(super) fn follow_entries<'w>(&self, ways: &[Way<'w>]) -> Vec<Way<'w>> {
        let rest = ways.iter().filter_map(|way| match way.split_first()? {
            (Step::Entries, rest) => Some(rest),
            _ => None,
        });
        rest.collect()
    }

    /// Returns true if all ways continue with a key.
    pub(super) fn wants_key(&self, ways: &[Way<'_>]) -> bool {
        ways.iter().any(|way| !way.is_empty()) && ways.iter().all(|way| !matches!(way.first(), Some(Step::Entries)))
    }

    /// Returns true if the expression reads entries of a list in this response; also if that is not known.
    pub(super) fn reads_list(&self, body: &Value) -> bool {
        self.places.is_none_or(|places| places.iter().any(|place| passes_list(body, place)))
    }

    /// Returns the objects on the way to the places that the expression reads, the response itself first.
    pub(super) fn objects<'b>(&self, body: &'b Value) -> Vec<&'b Map<String, Value>> {
        let mut objects: Vec<&Map<String, Value>> = body.as_object().into_iter().collect();
        for place in self.places.unwrap_or_default() {
            let mut value = body;
            for step in place {
                let Step::Key(key) = step else { break };
                let Some(next) = value.get(key) else { break };
                value = next;
                if let Value::Object(map) = value
                    && !objects.iter().any(|known| std::ptr::eq(*known, map))
                {
                    objects.push(map);
                }
            }
        }
        objects
    }

    /// Returns true if the response is not empty, and has none of the keys that the expression reads first.
    pub(super) fn is_foreign(&self, body: &Value) -> bool {
        let first_keys: Vec<&[Step]> =
            self.places.unwrap_or_default().iter().filter_map(|place| to_first_key(place)).collect();
        !first_keys.is_empty()
            && !omits_empty_results(body)
            && first_keys.iter().all(|place| reach(body, place) == Reached::Other)
    }

    /// Returns the keys that the expression reads first, in backticks.
    pub(super) fn first_keys(&self) -> String {
        let mut keys: Vec<String> = Vec::new();
        for place in self.places.unwrap_or_default() {
            if let Some(Step::Key(key)) = to_first_key(place).and_then(|place| place.last()) {
                let key = format!("`{key}`");
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys.join(", ")
    }

    /// Returns true if the expression reads the response's errors, as those that count errors do.
    pub(super) fn reads_errors(&self) -> bool {
        let is_error = |key: &str| matches!(normal(key).as_str(), "error" | "errors");
        match self.places {
            None => ["error", "errors"].iter().any(|key| jq_text::reads(self.text, key)),
            Some(places) => places
                .iter()
                .filter_map(|place| to_first_key(place))
                .any(|place| matches!(place.last(), Some(Step::Key(key)) if is_error(key))),
        }
    }

    /// Returns the error that the response has instead of data: of the response itself, or of an object in which the expression looks for a
    /// key in vain. `None` if the expression finds a value.
    pub(super) fn error_instead(&self, body: &Value) -> Option<String> {
        let is_read = |key: &str| self.reads(&[], key);
        let has_key = |place: &Place| to_first_key(place).is_some();
        let Some(places) = self.places.filter(|places| places.iter().any(has_key)) else {
            return failure::alone(body, &is_read);
        };
        let deepest = places.iter().filter(|place| {
            let is_longer = |other: &&Place| other.len() > place.len() && other.starts_with(place);
            !places.iter().any(|other| is_longer(&other))
        });
        let mut found = Ends { objects: body.as_object().into_iter().collect(), passed: Vec::new(), text: None };
        let mut is_empty = true;
        for place in deepest {
            is_empty &= found.search(body, place, &mut Vec::new());
        }
        if !is_empty {
            return None;
        }
        let of_text = || found.text.and_then(|text| failure::alone(text, &is_read));
        let of_passed = |(path, object): (Vec<&str>, &Map<String, Value>)| {
            failure::beside_data(object, &|key| self.reads(&path, key))
        };
        let instead = found.objects.into_iter().find_map(|object| failure::instead_of_data(object, &is_read));
        instead.or_else(|| found.passed.into_iter().find_map(of_passed)).or_else(of_text)
    }
}

/// Returns the way to the first key of a place.
fn to_first_key(place: &Place) -> Option<&[Step]> {
    let at = place.iter().position(|step| matches!(step, Step::Key(_)))?;
    place.get(..=at)
}

/// Returns the entries of a list, or the values of an object.
fn entries(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter().take(MAX_ENTRIES)),
        Value::Object(map) => Box::new(map.values().take(MAX_ENTRIES)),
        _ => Box::new(std::iter::empty()),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn reach(value: &Value, place: &[Step]) -> Reached {
    let Some((step, rest)) = place.split_first() else {
        return Reached::Found;
    };
    match (step, value) {
        _ if is_nothing(value) => Reached::Nothing,
        (Step::Key(key), Value::Object(map)) => map.get(key).map_or(Reached::Other, |inner| reach(inner, rest)),
        (Step::Entries, _) => entries(value).map(|entry| reach(entry, rest)).max().unwrap_or(Reached::Other),
        (Step::Key(_), _) => Reached::Other,
    }
}

/// Ends of the ways to places that have no value.
struct Ends<'b> {
    /// Objects without the key.
    objects: Vec<&'b Map<String, Value>>,
    /// Objects within the response on the way to places that are empty, and the keys that lead to them.
    passed: Vec<(Vec<&'b str>, &'b Map<String, Value>)>,
    /// A text where a list or an object is expected.
    text: Option<&'b Value>,
}

impl<'b> Ends<'b> {
    /// Returns true if a place has no value.
    fn search<'p>(&mut self, value: &'b Value, place: &'p [Step], path: &mut Vec<&'p str>) -> bool
    where
        'p: 'b,
    {
        let Some((step, rest)) = place.split_first() else {
            return value.is_null();
        };
        match (step, value) {
            _ if is_nothing(value) => true,
            (Step::Key(key), Value::Object(map)) => match map.get(key) {
                Some(inner) => {
                    let depth = path.len();
                    path.push(key);
                    let is_empty = self.search(inner, rest, path);
                    path.truncate(depth);
                    if is_empty && depth > 0 {
                        self.passed.push((path.clone(), map));
                    }
                    is_empty
                }
                None => {
                    self.objects.push(map);
                    true
                }
            },
            (Step::Entries, Value::Array(_) | Value::Object(_)) => {
                // All entries are searched, for their errors.
                let mut is_empty = true;
                for entry in entries(value) {
                    is_empty &= self.search(entry, rest, path);
                }
                is_empty
            }
            (_, Value::String(_)) => {
                self.text = Some(value);
                true
            }
            _ => true,
        }
    }
}

fn passes_list(value: &Value, place: &[Step]) -> bool {
    let Some((step, rest)) = place.split_first() else {
        return false;
    };
    match (step, value) {
        (Step::Entries, Value::Array(_)) => true,
        (Step::Key(key), _) => value.get(key).is_some_and(|inner| passes_list(inner, rest)),
        (Step::Entries, _) => entries(value).any(|entry| passes_list(entry, rest)),
    }
}

/// Returns true for complete responses of providers that omit an empty list of results.
fn omits_empty_results(body: &Value) -> bool {
    let Value::Object(map) = body else { return false };
    let is_finished = |state: &Value| state == "FINISHED";
    let is_elastic = map.contains_key("_shards") && map.contains_key("hits");
    is_elastic
        // BigQuery.
        || map.get("jobComplete") == Some(&Value::Bool(true))
        // Google Cloud Monitoring.
        || map.contains_key("timeSeriesDescriptor")
        || map.keys().all(|key| key == "unit")
        // Trino.
        || body.pointer("/stats/state").is_some_and(is_finished)
        // Tempo.
        || (map.len() == 1 && ["inspectedBytes", "completedJobs"].iter().any(|key| body.pointer(&format!("/metrics/{key}")).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with<T>(expression: &str, use_it: impl FnOnce(Question<'_>) -> T) -> T {
        let filter = Filter::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        use_it(Question { text: expression, places: filter.reads() })
    }

    fn is_foreign(expression: &str, body: &Value) -> bool {
        with(expression, |question| question.is_foreign(body))
    }

    #[test]
    fn a_response_without_any_key_that_is_read_is_foreign() {
        for (expression, body) in [
            (".v // 0", json!({"title": "Internal Server Error"})),
            (".v // 0", json!({"uptime": 5})),
            (".v? // 0", json!("internal error")),
            (".v? // 0", json!(5)),
            (".v? // 0", json!([{"v": 5}])),
            (".v", json!({"message": "x"})),
            ("(.a // 0) + (.b // 0)", json!({"c": 1})),
            ("[.[].v] | add // 0", json!([{"message": "x"}])),
            ("[.[]?.v?] | add // 0", json!({"message": "x"})),
            (".series | length", json!({"status": "x"})),
            ("reduce .rows[] as $r (0; . + $r.n)", json!({"state": "x"})),
            (". as {v: $v} | $v // 0", json!({"w": 1})),
        ] {
            assert!(is_foreign(expression, &body), "{expression} {body}");
        }
    }

    #[test]
    fn a_response_with_one_of_the_keys_or_without_content_is_not_foreign() {
        for (expression, body) in [
            (".v // 0", json!({})),
            (".v // 0", json!(null)),
            (".v? // 0", json!([])),
            (".v // 0", json!({"v": null})),
            (".v // .w // 0", json!({"w": 1})),
            (".data.v // 0", json!({"data": {"other": 1}})),
            (".codes[\"500\"] // 0", json!({"codes": {"200": 57}})),
            ("[.[].v] | add // 0", json!([{"w": 1}, {"v": 1}])),
            ("[.[].v] | add // 0", json!([{}])),
            ("length", json!({"message": "x"})),
            ("[.. | numbers] | add // 0", json!({"message": "x"})),
            ("def f: .v; f // 0", json!({"message": "x"})),
            (".rows[0].f[0].v // 0", json!({"jobComplete": true, "totalRows": "0"})),
            (
                ".aggregations.p.value // 0",
                json!({"timed_out": false, "_shards": {"total": 0}, "hits": {"total": {"value": 0}}}),
            ),
            (".timeSeries[0].points[0].value.doubleValue // 0", json!({"unit": "1"})),
            (".data[0][0] // 0", json!({"id": "x", "stats": {"state": "FINISHED"}})),
        ] {
            assert!(!is_foreign(expression, &body), "{expression} {body}");
        }
    }

    #[test]
    fn errors_are_searched_where_a_key_is_missing() {
        let error = |expression: &str, body: Value| with(expression, |question| question.error_instead(&body));
        for (expression, body) in [
            (".data.v // 0", json!({"data": {"message": "db down"}})),
            (".data.v // 0", json!({"data": {"v": null, "w": 1}, "code": 50001, "message": "db down"})),
            ("[.results[].v] | add // 0", json!({"results": [{"error": "db down"}]})),
            (".v // 0", json!({"code": "internal", "message": "db down"})),
            (".v? // 0", json!("db down")),
            (".data.v? // 0", json!({"data": "db down"})),
            ("[.series[]?.v?] | add // 0", json!({"series": ["db down"]})),
            ("length", json!({"code": "internal", "message": "db down"})),
            ("[.. | numbers] | add // 0", json!({"state": "failed", "detail": "db down"})),
        ] {
            let text = body.to_string();
            assert_eq!(error(expression, body).as_deref(), Some("db down"), "{expression} {text}");
        }
        for (expression, body) in [
            (".data.v // 0", json!({"data": {"v": 0, "message": "x"}})),
            (".data.v // 0", json!({"data": {"requests": 100}})),
            (".data.v // 0", json!({"data": [], "message": "no data"})),
            (".data.v? // 0", json!({"data": "no data"})),
            (".results[0].series[0].values[0][1] // 0", json!({"results": [{"statement_id": 0}]})),
            (
                ".series[0].pointlist[-1][1] // 0",
                json!({"status": "ok", "series": [], "message": "", "query": "avg:x{*}"}),
            ),
            (".errors | length", json!({"errors": ["a", "b"]})),
            (".errors | length", json!({"data": {"a": 1}})),
            (
                "[.hits.hits[]._source.ms // 0] | add",
                json!({"hits": {"hits": [{"_source": {"message": "x"}}, {"_source": {"ms": 5}}]}}),
            ),
        ] {
            let text = body.to_string();
            assert_eq!(error(expression, body), None, "{expression} {text}");
        }
    }

    #[test]
    fn lists_and_objects_on_the_way_are_found() {
        let body = json!({"count": 3, "data": {"search": {"total": 3, "nodes": [{"v": 1}]}}});
        let reads_list = |expression: &str| with(expression, |question| question.reads_list(&body));
        assert!(reads_list("[.data.search.nodes[].v] | add") && reads_list(".data.search.nodes | length"));
        assert!(!reads_list(".count") && !reads_list(".data.search.total"));
        assert!(reads_list("[.. | numbers] | add"));
        let objects = with("[.data.search.nodes[].v] | add", |question| question.objects(&body).len());
        assert_eq!(objects, 3);
        with(".data.errors | length", |question| {
            assert!(question.reads(&["data"], "errors") && !question.reads(&[], "errors"));
        });
    }
}
