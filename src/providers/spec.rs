//! The rendered provider template of one version: Iter8's format, and a few keys of our own.
//!
//! | key | meaning |
//! |---|---|
//! | `url`, `provider`, `method`, `headers` | the request; `provider` is informational |
//! | `metrics[]` | `name`, `description`, `type` (`counter`, `gauge`), `units`, `params`, `body`, `jqExpression` |
//! | `metrics[].reduce` | ours: aggregation of several series |
//! | `metrics[].noData` | ours: verdict of objectives if the metric is absent |
//! | `metrics[].onError` | ours: verdict of objectives if the metric cannot be measured |
//! | `metrics[].partial`, `metrics[].onWarning` | ours: `allow` or `inconclusive` for responses with partial data or with warnings |
//! | `metrics[].whenEmpty` | ours: explanation of an absent value, for readers |

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use super::jq_series::considers_all;
use super::reduce::Reduce;
use crate::model::codec;
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::missing::{DoubtPolicy, NoDataPolicy, OnErrorPolicy, Policies};
use crate::model::text::truncate;
use crate::redact;
use crate::templates::jq::Filter;
use crate::values::input::{InputError, typed};

/// Maximum metrics of one provider.
pub(crate) const MAX_METRICS: usize = 500;

/// Maximum length of a reason, description or name, in bytes.
const MAX_TEXT: usize = 1_000;

/// A provider and its metrics.
#[derive(Debug)]
pub(crate) struct ProviderSpec {
    pub url: String,
    /// Name of the provider according to the template.
    pub provider: Option<String>,
    /// HTTP method in upper case.
    pub method: String,
    /// Headers by name; may contain secrets.
    pub headers: BTreeMap<String, String>,
    pub metrics: Vec<MetricSpec>,
}

/// A metric and its query.
#[derive(Debug)]
pub(crate) struct MetricSpec {
    /// Name, without the provider's.
    pub name: String,
    pub meta: MetricMeta,
    /// Query parameters, in order.
    pub params: Vec<(String, String)>,
    /// Body of the request.
    pub body: Option<String>,
    /// Expression that extracts the value; without it, the response has to be in Prometheus's format.
    pub expression: Option<Filter>,
    /// The reason why the expression cannot be evaluated, if it does not compile.
    pub defect: Option<String>,
    /// True if the expression only selects the first series, which needs no evaluation for Prometheus's responses.
    pub takes_first: bool,
    /// True if the expression considers all series, so several of them are no mistake.
    pub considers_all: bool,
    /// Aggregation of several series.
    pub reduce: Option<Reduce>,
    /// True for a range query, which returns many values.
    pub is_range: bool,
    /// Policies for missing and doubtful values.
    pub policies: Policies,
    /// Explanation of an absent value.
    pub when_empty: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    url: String,
    provider: Option<String>,
    method: Option<String>,
    headers: Option<BTreeMap<String, Option<String>>>,
    #[serde(deserialize_with = "list")]
    metrics: Vec<RawMetric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawMetric {
    name: String,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    units: Option<String>,
    params: Option<Vec<RawParam>>,
    body: Option<String>,
    jq_expression: Option<String>,
    reduce: Option<Reduce>,
    no_data: Option<NoDataPolicy>,
    on_error: Option<OnErrorPolicy>,
    partial: Option<DoubtPolicy>,
    on_warning: Option<DoubtPolicy>,
    when_empty: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParam {
    name: String,
    value: Option<String>,
}

/// Reads a list; null is an empty one, such as that of a `range` over nothing.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl MetricSpec {
    /// Returns the text of the expression, if there is one.
    pub(crate) fn jq(&self) -> &str {
        self.expression.as_ref().map_or("", Filter::text)
    }
}

impl ProviderSpec {
    /// Parses a rendered template. Errors have paths relative to it.
    pub(crate) fn read(text: &str) -> Result<Self, InputError> {
        // All fields are strings, so `name: 404` and `value: 1.10` are what the author wrote.
        let value = codec::strings_from_yaml(text)
            .map_err(|error| InputError::new("", format!("the rendered template is not YAML: {error}")))?;
        if !value.is_object() {
            let kind = if value.is_null() { "empty" } else { codec::kind(&value) };
            return Err(InputError::new(
                "",
                format!("the rendered template is {kind}, expected a map with `url` and `metrics`"),
            ));
        }
        let raw: RawProvider = typed(&value, "")?;
        url(&raw.url)?;
        let method = raw.method.as_deref().unwrap_or("GET").trim().to_uppercase();
        if !matches!(method.as_str(), "GET" | "POST") {
            return Err(InputError::new("method", format!("`{method}` is not one of GET, POST")));
        }
        if raw.metrics.len() > MAX_METRICS {
            let message = format!("too many metrics: {}, at most {MAX_METRICS} are allowed", raw.metrics.len());
            return Err(InputError::new("metrics", message));
        }
        let mut names = BTreeSet::new();
        let mut metrics = Vec::new();
        for (index, raw) in raw.metrics.into_iter().enumerate() {
            let metric = metric(raw).map_err(|error| error.under(format!("metrics[{index}]")))?;
            if !names.insert(metric.name.clone()) {
                let message = format!("duplicate metric `{}`", metric.name);
                return Err(InputError::new(format!("metrics[{index}].name"), message));
            }
            metrics.push(metric);
        }
        let headers =
            raw.headers.unwrap_or_default().into_iter().map(|(name, value)| (name, value.unwrap_or_default()));
        Ok(Self { url: raw.url.trim().to_owned(), provider: raw.provider, method, headers: headers.collect(), metrics })
    }

    /// Completes the metrics' policies with those of an outer level.
    pub(crate) fn inherit(&mut self, outer: Policies) {
        for metric in &mut self.metrics {
            metric.policies = metric.policies.or(outer);
        }
    }
}

fn url(text: &str) -> Result<(), InputError> {
    let parsed = url::Url::parse(text.trim()).ok();
    match parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        Some(_) => Ok(()),
        None => Err(InputError::new("url", "expected a URL with http:// or https:// and a host")),
    }
}

fn metric(raw: RawMetric) -> Result<MetricSpec, InputError> {
    check_name(&raw.name).map_err(|message| InputError::new("name", message))?;
    let kind = match raw.kind.as_deref().map(str::to_lowercase).as_deref() {
        Some("counter") => MetricType::Counter,
        Some("gauge") | None => MetricType::Gauge,
        Some(other) => {
            return Err(InputError::new("type", format!("`{other}` is not a metric type; expected counter or gauge")));
        }
    };
    if raw.reduce == Some(Reduce::Jq) && raw.jq_expression.is_none() {
        return Err(InputError::new("reduce", "`jq` requires a `jqExpression`"));
    }
    let (expression, defect) = match raw.jq_expression.as_deref().map(|text| (text, Filter::compile(text))) {
        None => (None, None),
        Some((_, Ok(filter))) => (Some(filter), None),
        // As in Iter8, only this metric has no value.
        Some((text, Err(message))) => {
            (None, Some(format!("the jqExpression `{}` {message}", redact::excerpt(text.trim(), 200))))
        }
    };
    let takes_first = raw.jq_expression.as_deref().is_some_and(takes_first);
    // Iter8's templates need the expression to extract the value of a series; `reduce` does not.
    let expression = match raw.reduce {
        Some(reduce) if reduce != Reduce::Jq && expression.is_some() => {
            if !takes_first {
                let message = "cannot be combined with `jqExpression`";
                return Err(InputError::new("reduce", message).with_hint(
                    "remove one of them: `reduce` aggregates the series' values; `reduce: jq` leaves that to the expression",
                ));
            }
            None
        }
        _ => expression,
    };
    let params = raw.params.unwrap_or_default().into_iter();
    Ok(MetricSpec {
        name: raw.name,
        meta: MetricMeta {
            description: truncate(raw.description.unwrap_or_default().trim(), MAX_TEXT),
            units: raw.units.map(|units| truncate(&units, 100)),
            kind,
        },
        params: params.map(|param| (param.name, param.value.unwrap_or_default().trim().to_owned())).collect(),
        body: raw.body,
        takes_first: takes_first && expression.is_some(),
        considers_all: expression.as_ref().is_some_and(|expression| considers_all(expression.text())),
        expression,
        defect,
        reduce: raw.reduce,
        is_range: false,
        policies: Policies {
            no_data: raw.no_data,
            on_error: raw.on_error,
            partial: raw.partial,
            on_warning: raw.on_warning,
        },
        when_empty: raw.when_empty.map(|reason| truncate(reason.trim(), MAX_TEXT)),
    })
}

/// Returns true if an expression only selects the value of the first series, as those of Iter8's templates do.
fn takes_first(expression: &str) -> bool {
    let plain: String = expression.split_whitespace().collect();
    matches!(plain.as_str(), ".data.result[0].value[1]" | ".data.result[0].value[1]|tonumber")
}

/// Validates the provider's or metric's part of a name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain =
        !name.is_empty() && name.trim() == name && !name.contains('/') && !name.chars().any(char::is_control);
    match is_plain && name.len() <= 200 {
        true => Ok(()),
        false => Err(format!(
            "`{}` is not a valid name; expected 1 to 200 bytes without `/` and without surrounding whitespace",
            truncate(name, 200)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
url: http://prometheus:9090/api/v1/query
provider: prom
method: get
headers: {X-Scope-OrgID: 7}
metrics:
- name: error-rate
  type: Counter
  description: errors of all requests
  units: none
  params:
  - {name: query, value: "sum(x)\n"}
  - {name: limit, value: 5}
  jqExpression: .data.result[0].value[1] | tonumber
  reduce: sum
  noData: inconclusive
  onError: fail
  partial: allow
  onWarning: inconclusive
  whenEmpty: no requests
- name: latency
"#;

    #[test]
    fn keys_of_iter8_and_our_own_are_parsed() {
        let spec = ProviderSpec::read(WHOLE).unwrap();
        assert_eq!((spec.url.as_str(), spec.method.as_str()), ("http://prometheus:9090/api/v1/query", "GET"));
        assert_eq!(spec.headers, BTreeMap::from([("X-Scope-OrgID".to_owned(), "7".to_owned())]));
        let rate = &spec.metrics[0];
        assert_eq!(
            (rate.name.as_str(), rate.meta.kind, rate.reduce),
            ("error-rate", MetricType::Counter, Some(Reduce::Sum))
        );
        assert_eq!(rate.params, [("query".to_owned(), "sum(x)".to_owned()), ("limit".to_owned(), "5".to_owned())]);
        let policies = Policies {
            no_data: Some(NoDataPolicy::Inconclusive),
            on_error: Some(OnErrorPolicy::Fail),
            partial: Some(DoubtPolicy::Allow),
            on_warning: Some(DoubtPolicy::Inconclusive),
        };
        assert_eq!((rate.policies, rate.when_empty.as_deref()), (policies, Some("no requests")));
        // Iter8 crashes on a metric without description and params.
        let bare = &spec.metrics[1];
        assert!(bare.params.is_empty() && bare.meta.description.is_empty() && bare.expression.is_none());
    }

    #[test]
    fn errors_have_the_path_of_the_field() {
        let cases = [
            ("- a", "the rendered template is a list, expected a map with `url` and `metrics`"),
            ("a: [", "the rendered template is not YAML: "),
            ("url: http://p", "missing field `metrics`"),
            ("{url: p, metrics: []}", "url: expected a URL with"),
            ("{url: 'http://p', method: PUT, metrics: []}", "method: `PUT` is not one of GET, POST"),
            ("{url: 'http://p', metrics: [{name: a/b}]}", "metrics[0].name: `a/b` is not a valid name"),
            ("{url: 'http://p', metrics: [{name: a}, {name: a}]}", "metrics[1].name: duplicate metric `a`"),
            ("{url: 'http://p', metrics: [{name: a, type: sample}]}", "metrics[0].type: `sample` is not a metric type"),
            ("{url: 'http://p', metrics: [{name: a, jqExpresion: .}]}", "metrics[0].jqExpresion: unknown field"),
            ("{url: 'http://p', metrics: [{name: a, description: {b: c}}]}", "metrics[0].description: is a map"),
            ("{url: 'http://p', metrics: [{name: [a]}]}", "metrics[0].name: is a list"),
            ("{url: 'http://p', metrics: 5}", "metrics: `5` is a string"),
            (
                "{url: 'http://p', metrics: [{name: a, noData: ignore}]}",
                "metrics[0].noData: `ignore` is not valid; expected one of fail, pass",
            ),
            (
                "{url: 'http://p', metrics: [{name: a, reduce: jq}]}",
                "metrics[0].reduce: `jq` requires a `jqExpression`",
            ),
            (
                "{url: 'http://p', metrics: [{name: a, reduce: sum, jqExpression: '.data.result[1].value[1]'}]}",
                "metrics[0].reduce: cannot be combined with `jqExpression`",
            ),
        ];
        for (text, expected) in cases {
            let error = ProviderSpec::read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn reduce_can_only_be_combined_with_an_expression_that_selects_the_value() {
        let read = |reduce: &str, expression: &str| {
            let text = format!("{{url: 'http://p', metrics: [{{name: a, {reduce} jqExpression: '{expression}'}}]}}");
            ProviderSpec::read(&text).map(|spec| spec.metrics.into_iter().next().unwrap())
        };
        for plain in
            [".data.result[0].value[1] | tonumber", ".data.result[0].value[1]", " .data.result[0] .value[1]|tonumber "]
        {
            for reduce in ["sum", "max", "min", "avg", "first"] {
                let metric = read(&format!("reduce: {reduce},"), plain).unwrap();
                assert!(metric.expression.is_none() && !metric.takes_first, "{reduce} {plain}");
            }
            for other in ["", "reduce: jq,"] {
                let metric = read(other, plain).unwrap();
                assert!(metric.expression.is_some() && metric.takes_first, "{plain}");
            }
        }
        for other in [".data.result[1].value[1]", ".data.result[0].value[1] | tonumber * 100", ".v"] {
            let error = read("reduce: first,", other).unwrap_err();
            assert!(error.hint.unwrap().starts_with("remove one of them: "), "{other}");
            assert!(read("reduce: jq,", other).is_ok_and(|metric| !metric.takes_first));
        }
    }

    #[test]
    fn scalars_are_strings_as_they_are_written() {
        let text = "{url: 'http://p', provider: 7, headers: {X-Id: 010, X-None: null}, metrics: [{name: 404, description: 95, \
                    units: yes, body: 1.10, whenEmpty: null, jqExpression: 5, params: [{name: 1, value: 0.50}]}]}";
        let spec = ProviderSpec::read(text).unwrap();
        let metric = &spec.metrics[0];
        assert_eq!((metric.name.as_str(), metric.meta.description.as_str()), ("404", "95"));
        assert_eq!((metric.meta.units.as_deref(), metric.body.as_deref()), (Some("yes"), Some("1.10")));
        assert_eq!((&metric.when_empty, &metric.params), (&None, &vec![("1".to_owned(), "0.50".to_owned())]));
        assert_eq!((spec.provider.as_deref(), spec.headers["X-Id"].as_str()), (Some("7"), "010"));
        // As a `range` over nothing leaves it.
        assert!(ProviderSpec::read("url: http://p\nmetrics:\n").unwrap().metrics.is_empty());
    }

    #[test]
    fn an_expression_that_does_not_compile_is_the_defect_of_its_metric() {
        let text = "{url: 'http://p', metrics: [{name: a, jqExpression: '.a['}, {name: b, jqExpression: '.v | nope'}, {name: c}]}";
        let defects: Vec<_> =
            ProviderSpec::read(text).unwrap().metrics.into_iter().map(|metric| metric.defect).collect();
        let [Some(syntax), Some(unknown), None] = defects.as_slice() else { panic!("{defects:?}") };
        assert!(syntax.starts_with("the jqExpression `.a[` "), "{syntax}");
        assert!(unknown.starts_with("the jqExpression `.v | nope` uses undefined filter `nope`"), "{unknown}");
    }

    #[test]
    fn the_number_of_metrics_is_bounded() {
        let list: Vec<String> = (0..=MAX_METRICS).map(|n| format!("{{name: m{n}}}")).collect();
        let error = ProviderSpec::read(&format!("{{url: 'http://p', metrics: [{}]}}", list.join(", "))).unwrap_err();
        assert_eq!(error.to_string(), "metrics: too many metrics: 501, at most 500 are allowed");
    }
}
