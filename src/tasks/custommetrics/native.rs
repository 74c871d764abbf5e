//! Prometheus queries without a template.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use url::Url;

use super::values::{Prometheus, Query};
use crate::model::metric::{MetricMeta, MetricType};
use crate::model::path::FieldPath;
use crate::model::text::truncate;
use crate::providers::spec::check_name;
use crate::providers::window::INTEGERS;
use crate::providers::{MetricSpec, ProviderSpec, Reduce};
use crate::templates::{Dialect, Template, TemplateError};
use crate::values::input::InputError;

/// Maximum number of values in a range, because the document keeps them all.
const MAX_POINTS: u32 = 1_000;

/// Media type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// API path of instant queries.
const QUERY: &str = "/api/v1/query";

/// Checked queries.
#[derive(Debug)]
pub(super) struct Native {
    url: Url,
    is_post: bool,
    queries: Vec<(String, Query)>,
}

impl Native {
    /// Reads the block; paths of errors start below it.
    pub(super) fn plan(values: Prometheus) -> Result<Self, InputError> {
        if values.queries.is_empty() {
            return Err(InputError::new("queries", "at least one query is required"));
        }
        for (name, query) in &values.queries {
            let at = |field: &str| of_query(name).key(field);
            check_name(name).map_err(|message| InputError::new(of_query(name), message))?;
            if query.query.trim().is_empty() {
                return Err(InputError::new(at("query"), "must not be empty; expected PromQL"));
            }
            kind(query).map_err(|message| InputError::new(at("type"), message))?;
            if query.reduce == Some(Reduce::Jq) {
                return Err(InputError::new(
                    at("reduce"),
                    "`jq` is only supported in templates; expected sum, max, min, avg or first",
                ));
            }
            if query.step.is_some() && query.range.is_none() {
                return Err(InputError::new(at("step"), "requires `range`"));
            }
            if let Some((range, step)) = range(query)
                && range.as_secs_f64() / step.as_secs_f64() > f64::from(MAX_POINTS)
            {
                return Err(InputError::new(
                    at("step"),
                    format!("too short: the range would have more than {MAX_POINTS} values"),
                ));
            }
        }
        Ok(Self {
            url: api(&values.url.0, QUERY),
            is_post: values.post.unwrap_or(false),
            queries: values.queries.into_iter().collect(),
        })
    }

    /// Checks the syntax of the queries; paths of errors start below the block.
    pub(super) fn check(&self) -> Result<(), InputError> {
        self.queries.iter().try_for_each(|(name, query)| template(name, query, DateTime::UNIX_EPOCH).map(|_| ()))
    }

    /// Renders the queries with these variables; paths of errors start below the block.
    pub(super) fn spec(&self, variables: &Value, instant: DateTime<Utc>) -> Result<ProviderSpec, InputError> {
        let metric = |(name, query): &(String, Query)| {
            let text = template(name, query, instant)?.render(variables).map_err(|error| at_query(name, error))?;
            let mut params = vec![("query".to_owned(), text.trim().to_owned())];
            if let Some((range, step)) = range(query) {
                let length = TimeDelta::from_std(range).unwrap_or(TimeDelta::MAX);
                let start = instant.checked_sub_signed(length).unwrap_or(DateTime::<Utc>::MIN_UTC);
                params.push(("start".to_owned(), seconds(start)));
                params.push(("end".to_owned(), seconds(instant)));
                params.push(("step".to_owned(), step.as_secs_f64().to_string()));
            }
            Ok(MetricSpec {
                name: name.clone(),
                meta: MetricMeta {
                    description: truncate(query.description.as_ref().map_or("", |text| &text.0), 1_000),
                    units: query.units.as_ref().map(|units| truncate(&units.0, 100)),
                    kind: kind(query).map_err(|message| InputError::new(of_query(name).key("type"), message))?,
                },
                params,
                body: None,
                expression: None,
                defect: None,
                takes_first: false,
                considers_all: false,
                reduce: query.reduce,
                is_range: query.range.is_some(),
                policies: query.policies(),
                when_empty: query.when_empty.as_ref().map(|text| text.0.clone()),
            })
        };
        let metrics: Result<Vec<MetricSpec>, InputError> = self.queries.iter().map(metric).collect();
        let method = if self.is_post { "POST" } else { "GET" }.to_owned();
        let form = [("Content-Type".to_owned(), FORM.to_owned())];
        let headers = if self.is_post { form.into() } else { Default::default() };
        Ok(ProviderSpec { url: self.url.to_string(), provider: None, method, headers, metrics: metrics? })
    }
}

/// Returns the URL of an API path at a Prometheus server. The server's URL may already end with that of its API, of a query, or of its
/// page for queries.
pub(super) fn api(server: &Url, path: &str) -> Url {
    let base = server.path().trim_end_matches('/');
    let base = ["/api/v1/query_range", "/api/v1/query", "/api/v1", "/graph"]
        .iter()
        .find_map(|end| base.strip_suffix(end))
        .unwrap_or(base);
    let mut url = server.clone();
    url.set_path(&format!("{}{path}", base.trim_end_matches('/')));
    url
}

fn template(name: &str, query: &Query, instant: DateTime<Utc>) -> Result<Template, InputError> {
    Template::for_values(Dialect::Go, &query.query, instant, INTEGERS).map_err(|error| at_query(name, error))
}

fn at_query(name: &str, error: TemplateError) -> InputError {
    InputError::new(of_query(name).key("query"), error.to_string())
}

fn of_query(name: &str) -> FieldPath {
    FieldPath::root().key("queries").key(name)
}

/// Renders an instant for Prometheus: seconds since 1970, with milliseconds.
pub(super) fn seconds(instant: DateTime<Utc>) -> String {
    let millis = instant.timestamp_millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

fn kind(query: &Query) -> Result<MetricType, String> {
    match (query.kind.as_deref().map(str::to_lowercase).as_deref(), query.range) {
        (None, Some(_)) => Ok(MetricType::Sample),
        (Some(_), Some(_)) => Err("cannot be combined with `range`: such a metric is a sample".to_owned()),
        (None | Some("gauge"), None) => Ok(MetricType::Gauge),
        (Some("counter"), None) => Ok(MetricType::Counter),
        (Some(other), None) => Err(format!("`{other}` is not a metric type; expected counter or gauge")),
    }
}

/// Length and step of a range that ends now.
fn range(query: &Query) -> Option<(Duration, Duration)> {
    let range = query.range.as_ref()?.0.0;
    let default_step = Duration::from_secs((range.as_secs() / 100).max(1));
    Some((range, query.step.as_ref().map_or(default_step, |step| step.0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_servers_url_leads_to_its_api() {
        for (given, expected) in [
            ("http://p:9090", "http://p:9090/api/v1/query"),
            ("http://p:9090/", "http://p:9090/api/v1/query"),
            ("http://p/select/0/prometheus/", "http://p/select/0/prometheus/api/v1/query"),
            ("http://p/api/v1", "http://p/api/v1/query"),
            ("http://p/prom/api/v1/", "http://p/prom/api/v1/query"),
            ("http://p/api/v1/query", "http://p/api/v1/query"),
            ("http://p/api/v1/query_range", "http://p/api/v1/query"),
            ("http://p/graph", "http://p/api/v1/query"),
            ("http://p/api/v1?tenant=a", "http://p/api/v1/query?tenant=a"),
            ("http://p/api/v10", "http://p/api/v10/api/v1/query"),
        ] {
            assert_eq!(api(&Url::parse(given).unwrap(), QUERY).as_str(), expected, "{given}");
        }
    }
}
