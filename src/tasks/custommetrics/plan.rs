//! Turns values into providers and versions to query.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::access::Access;
use super::builtin::BUILTINS;
use super::native::Native;
use super::secrets_of;
use super::values::CustomMetricsValues;
use super::values_from::ValuesFrom;
use crate::metrics::catalog::MetricNames;
use crate::model::metric_name::MetricName;
use crate::model::missing::Policies;
use crate::model::path::FieldPath;
use crate::model::rollout::RolloutRecord;
use crate::ports::Files;
use crate::providers::ProviderSpec;
use crate::providers::spec::check_name;
use crate::providers::window::{ELAPSED, INTEGERS, STARTING_TIME, starting_time};
use crate::redact::{is_secret, redact_text, redact_url};
use crate::tasks::text_source::TextSource;
use crate::templates::Template;
use crate::values::input::{InputError, typed};
use crate::values::overlay;

/// Provider name of queries without a template.
pub(super) const PROMETHEUS: &str = "prometheus";

/// Variable with the names of a rollout's versions: `stable` and `candidate`.
const ROLLOUT: &str = "rollout";

/// Maximum number of versions.
const MAX_VERSIONS: usize = 100;

/// Default number of requests in flight.
const CONCURRENCY: usize = 8;

/// Providers and versions to query.
#[derive(Debug)]
pub(super) struct Plan {
    /// Sorted by name.
    pub(super) providers: Vec<Provider>,
    /// At least one.
    pub(super) versions: Vec<Version>,
    /// Secret variables of all versions.
    pub(super) values_from: ValuesFrom,
    pub(super) concurrency: usize,
    /// Policies of the task, for missing and doubtful values.
    pub(super) policies: Policies,
}

/// A provider.
#[derive(Debug)]
pub(super) struct Provider {
    /// First part of its metric names.
    pub(super) name: String,
    /// Path in the user's values.
    pub(super) at: FieldPath,
    pub(super) origin: Origin,
    pub(super) access: Access,
}

/// Source of the queries.
#[derive(Debug)]
pub(super) enum Origin {
    Template(TextSource),
    Native(Native),
}

/// Variables of a version.
#[derive(Debug)]
pub(super) struct Version {
    /// Path of its start in the user's values.
    pub(super) at: FieldPath,
    variables: Map<String, Value>,
    /// Name: the variable `name`, or the only string variable.
    pub(super) name: Option<String>,
    /// Start of its window, if it differs from the experiment's.
    pub(super) start: Option<DateTime<Utc>>,
}

/// Reads the values at path `at`.
pub(super) fn plan(value: &Value, at: impl Into<FieldPath>) -> Result<Plan, InputError> {
    let at = &at.into();
    let empty = Value::Object(Map::new());
    let values: CustomMetricsValues = typed(if value.is_null() { &empty } else { value }, at)?;
    let policies = values.policies();
    let mut access = values.providers.unwrap_or_default();
    let mut providers = Vec::new();
    let mut take = |name: &str| {
        let path = at.clone().key("providers").key(name);
        Access::plan(access.remove(name).unwrap_or_default(), path)
    };
    for (name, text) in values.templates.unwrap_or_default() {
        let path = at.clone().key("templates").key(&name);
        check_name(&name).map_err(|message| InputError::new(&path, message))?;
        let source = TextSource::parse(&text, BUILTINS).map_err(|message| InputError::new(&path, message))?;
        let access = take(&name)?;
        providers.push(Provider { name, at: path, origin: Origin::Template(source), access });
    }
    if let Some(prometheus) = values.prometheus {
        let path = at.clone().key(PROMETHEUS);
        if providers.iter().any(|provider| provider.name == PROMETHEUS) {
            let message = "a template has the same name; rename the template";
            return Err(InputError::new(path, message));
        }
        let native = Native::plan(prometheus).map_err(|error| error.under(&path))?;
        let access = take(PROMETHEUS)?;
        providers.push(Provider { name: PROMETHEUS.to_owned(), at: path, origin: Origin::Native(native), access });
    }
    if providers.is_empty() {
        return Err(InputError::new(at.clone().key("templates"), "at least one template or `prometheus` is required").with_hint(
            "set a template, such as `custommetrics.templates.istio-prom=builtin:istio-prom`, or `custommetrics.prometheus` with `url` and `queries`",
        ));
    }
    if let Some(unknown) = access.keys().next() {
        let known: BTreeSet<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
        let list = known.iter().copied().collect::<Vec<_>>().join(", ");
        let error = InputError::new(
            at.clone().key("providers").key(unknown),
            format!("unknown provider; expected one of {list}"),
        );
        return Err(error.with_suggestion(unknown, known.iter().copied()));
    }
    let concurrency = match values.concurrency.map(|count| count.0) {
        None => CONCURRENCY,
        Some(count @ 1..=100) => count as usize,
        Some(count) => {
            return Err(InputError::new(
                at.clone().key("concurrency"),
                format!("{count} is out of range; expected 1 to 100"),
            ));
        }
    };
    let overrides = values.version_values.iter().flatten().flatten().flat_map(Map::keys);
    let values_from = ValuesFrom::plan(values.values_from.unwrap_or_default(), overrides, at)?;
    let versions = versions(values.values.unwrap_or_default(), values.version_values, at)?;
    Ok(Plan { providers, versions, values_from, concurrency, policies })
}

fn versions(
    base: Map<String, Value>,
    overrides: Option<Vec<Option<Map<String, Value>>>>,
    at: &FieldPath,
) -> Result<Vec<Version>, InputError> {
    let version = |over: Map<String, Value>, path: FieldPath| {
        let path = if over.contains_key(STARTING_TIME) { path } else { at.clone().key("values") };
        let given = over.get("name").and_then(Value::as_str).filter(|name| !name.is_empty() && name.len() <= 100);
        let name = given.map(str::to_owned).or_else(|| only_string(&over)).filter(|name| is_public(name));
        let mut variables = base.clone();
        overlay(&mut variables, over);
        let start = starting_time(&variables).map_err(|error| error.under(&path))?;
        Ok(Version { at: path.key(STARTING_TIME), variables, name, start })
    };
    match overrides {
        None => Ok(vec![version(Map::new(), FieldPath::root())?]),
        Some(list) if list.is_empty() => Err(InputError::new(at.clone().key("versionValues"), "must not be empty")
            .with_hint("remove it for a single version")),
        Some(list) if list.len() > MAX_VERSIONS => Err(InputError::new(
            at.clone().key("versionValues"),
            format!("{} versions; expected at most {MAX_VERSIONS}", list.len()),
        )),
        Some(list) => {
            let list = list.into_iter().enumerate();
            let version = |(index, over): (usize, Option<_>)| {
                version(over.unwrap_or_default(), at.clone().key("versionValues").index(index))
            };
            let mut versions: Vec<Version> = list.map(version).collect::<Result<_, _>>()?;
            let names: BTreeSet<&String> = versions.iter().filter_map(|version| version.name.as_ref()).collect();
            if names.len() < versions.len() {
                // Names are only used if every version has a unique one.
                versions.iter_mut().for_each(|version| version.name = None);
            }
            Ok(versions)
        }
    }
}

/// Times since 1970 and lengths of a window in seconds, at which templates are rendered to learn the names of their metrics.
const INSTANTS: [(TimeDelta, i64); 2] = [(TimeDelta::zero(), 1), (TimeDelta::seconds(1_111_111_111), 7_777)];

fn metric_names(specs: &[ProviderSpec]) -> MetricNames {
    // The name of a percentile is normalized, as when an SLO looks it up.
    let normalized =
        |name: &str| format!("p/{name}").parse().map_or_else(|_| name.to_owned(), |name: MetricName| name.metric);
    let metrics = || specs.iter().flat_map(|spec| &spec.metrics);
    let set = |is_range| {
        let metrics = metrics().filter(|metric| metric.is_range == is_range);
        metrics.map(|metric| (normalized(&metric.name), metric.meta.clone())).collect()
    };
    MetricNames::Known { scalars: set(false), distributions: set(true) }
}

/// Returns true if redaction would not change the text, because names are shown unredacted in documents and notes.
fn is_public(text: &str) -> bool {
    redact_text(&redact_url(text)) == text
}

/// Returns the only string in these variables, at any depth, if there is exactly one (such as `labels.revision_name`).
fn only_string(variables: &Map<String, Value>) -> Option<String> {
    let mut entries = variables.iter().filter(|(name, _)| *name != STARTING_TIME);
    let (name, value) = entries.next()?;
    match (value, entries.next()) {
        _ if is_secret(name) => None,
        (Value::Object(inner), None) => only_string(inner),
        (Value::String(text), None) if !text.is_empty() && text.len() <= 100 => Some(text.clone()),
        (Value::Number(number), None) => Some(number.to_string()),
        _ => None,
    }
}

impl Version {
    /// Returns the template variables, including the secret ones, the length of the window in seconds, and the names of a rollout's versions.
    pub(super) fn variables(
        &self,
        elapsed: i64,
        secrets: &BTreeMap<String, String>,
        rollout: Option<&RolloutRecord>,
    ) -> Value {
        let mut variables = self.variables.clone();
        if let Some(RolloutRecord { stable, candidate, .. }) = rollout {
            let names = json!({"stable": stable, "candidate": candidate});
            // A variable of the user has precedence.
            variables.entry(ROLLOUT).or_insert(names);
        }
        variables.extend(secrets.iter().map(|(name, secret)| (name.clone(), secret.as_str().into())));
        variables.insert(ELAPSED.to_owned(), elapsed.into());
        Value::Object(variables)
    }
}

impl Provider {
    /// Checks the source of the queries; `text` is the text of its template. Rendering may depend on the time, so only a constant
    /// template is checked in full here.
    pub(super) fn check(&self, text: Option<&str>) -> Result<(), InputError> {
        let source = match &self.origin {
            Origin::Native(native) => return native.check().map_err(|error| error.under(&self.at)),
            Origin::Template(source) => source,
        };
        let text = text.unwrap_or_default();
        self.template(source, text, DateTime::UNIX_EPOCH)?;
        if text.contains("{{") { Ok(()) } else { self.read(text).map(|_| ()) }
    }

    /// Renders the requests for these variables; `text` is the text of the template.
    pub(super) fn spec(
        &self,
        text: Option<&str>,
        variables: &Value,
        instant: DateTime<Utc>,
    ) -> Result<ProviderSpec, InputError> {
        let source = match &self.origin {
            Origin::Native(native) => return native.spec(variables, instant).map_err(|error| error.under(&self.at)),
            Origin::Template(source) => source,
        };
        let rendered = self.template(source, text.unwrap_or_default(), instant)?.render(variables);
        let rendered = rendered.map_err(|error| {
            let message = format!("cannot render the template: {error}");
            InputError::new(&self.at, message)
        })?;
        self.read(&rendered)
    }

    /// Reads the text of the template, `Some(None)` for queries without one; `None` if it is not known before the run.
    pub(super) fn text(&self, files: &dyn Files) -> Option<Result<Option<String>, String>> {
        match &self.origin {
            Origin::Native(_) => Some(Ok(None)),
            Origin::Template(source) => source.read(files).map(|text| text.map(Some)),
        }
    }

    /// Returns the names of the metrics of all versions; unknown if they depend on a download or the time.
    pub(super) fn metric_names(&self, plan: &Plan, files: &dyn Files) -> MetricNames {
        let Some(Ok(text)) = self.text(files) else { return MetricNames::Unknown };
        let secrets = plan.values_from.placeholders(files);
        let names = |instant, elapsed| {
            let variables = plan.versions.iter().map(|version| version.variables(elapsed, &secrets, None));
            let specs = variables.map(|variables| self.spec(text.as_deref(), &variables, instant));
            specs.collect::<Result<Vec<_>, _>>().ok().map(|specs| metric_names(&specs))
        };
        let [one, another] = INSTANTS.map(|(seconds, elapsed)| names(DateTime::UNIX_EPOCH + seconds, elapsed));
        match (one, another) {
            (Some(names), Some(later)) if names.has_names_of(&later) => names,
            _ => MetricNames::Unknown,
        }
    }

    /// Returns the secrets in the requests for all versions, if the template is known before the run.
    pub(super) fn secrets(&self, plan: &Plan, files: &dyn Files) -> Vec<String> {
        let Some(Ok(text)) = self.text(files) else { return self.access.secrets(files) };
        let secrets = plan.values_from.placeholders(files);
        let variables = plan.versions.iter().map(|version| version.variables(1, &secrets, None));
        let specs = variables.filter_map(|variables| self.spec(text.as_deref(), &variables, DateTime::UNIX_EPOCH).ok());
        specs.flat_map(|spec| secrets_of(&spec)).chain(self.access.secrets(files)).collect()
    }

    fn template(&self, source: &TextSource, text: &str, instant: DateTime<Utc>) -> Result<Template, InputError> {
        let template = Template::for_values(source.dialect(), text, instant, INTEGERS);
        template.map_err(|error| InputError::new(&self.at, format!("cannot parse the template: {error}")))
    }

    fn read(&self, rendered: &str) -> Result<ProviderSpec, InputError> {
        ProviderSpec::read(rendered)
            .map_err(|error| InputError { hint: error.hint.clone(), ..InputError::new(&self.at, error.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn planned(values: Value) -> Result<Plan, InputError> {
        plan(&values, "with")
    }

    #[track_caller]
    fn rejected(values: Value, expected: &str) {
        let error = planned(values).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn variables_of_a_version_are_merged_recursively() {
        let plan = planned(json!({
            "templates": {"p": "p.tpl"},
            "values": {"labels": {"service": "s", "zone": "a"}, "percentiles": [50, 90]},
            "versionValues": [{"labels": {"revision": "r1"}}, null, {"labels": {"zone": "b"}, "percentiles": [99]}],
        }))
        .unwrap();
        let variables: Vec<Value> =
            plan.versions.iter().map(|version| version.variables(7, &BTreeMap::new(), None)).collect();
        assert_eq!(
            variables[0],
            json!({"labels": {"service": "s", "zone": "a", "revision": "r1"}, "percentiles": [50, 90], "elapsedTimeSeconds": 7})
        );
        assert_eq!(
            variables[1],
            json!({"labels": {"service": "s", "zone": "a"}, "percentiles": [50, 90], "elapsedTimeSeconds": 7})
        );
        assert_eq!(variables[2]["percentiles"], json!([99]));
        assert_eq!(variables[2]["labels"]["zone"], "b");
    }

    #[test]
    fn a_version_is_named_by_its_only_string() {
        let names = |list: Value| {
            let plan = planned(json!({"templates": {"p": "p.tpl"}, "versionValues": list})).unwrap();
            plan.versions.into_iter().map(|version| version.name).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(names(json!([{"labels": {"r": "one"}}, {"labels": {"r": "two"}}])), [some("one"), some("two")]);
        assert_eq!(names(json!([{"labels": {"r": "one"}}, {"labels": {"r": "one"}}])), [None, None]);
        assert_eq!(names(json!([{"labels": {"r": "one"}}, {"labels": {"r": "two", "s": "x"}}])), [None, None]);
        let named = json!([{"name": "v1", "url": "http://a"}, {"name": "v2", "url": "http://b"}]);
        assert_eq!(names(named), [some("v1"), some("v2")]);
        assert_eq!(names(json!([{"token": "hunter2"}, {"token": "hunter3"}])), [None, None]);
        let url = json!([{"u": "http://me:hunter2@a/"}, {"u": "http://me:hunter3@b/"}]);
        assert_eq!(names(url), [None, None]);
        let name = json!([{"name": "x?token=hunter2"}, {"name": "Bearer abcdef0123456789"}]);
        assert_eq!(names(name), [None, None]);
        let urls = json!([{"u": "http://a:80/x?y=1"}, {"u": "ghcr.io/team/app:v1.2@sha256"}]);
        assert_eq!(names(urls), [some("http://a:80/x?y=1"), some("ghcr.io/team/app:v1.2@sha256")]);
        let with_start = json!([{"r": 1, "startingTime": "2026-01-01T00:00:00Z"}, {"r": 2}]);
        assert_eq!(names(with_start), [some("1"), some("2")]);
    }

    #[test]
    fn an_invalid_start_is_reported_where_it_is_set() {
        let at = |values: Value| planned(values).unwrap_err().path;
        let base = json!({"templates": {"p": "p.tpl"}, "values": {"startingTime": "noon"}, "versionValues": [{}]});
        assert_eq!(at(base), "with.values.startingTime");
        let version = json!({"templates": {"p": "p.tpl"}, "versionValues": [{}, {"startingTime": 5}]});
        assert_eq!(at(version), "with.versionValues[1].startingTime");
    }

    #[test]
    fn invalid_values_are_rejected_with_their_path() {
        let query = |query: Value| json!({"prometheus": {"url": "http://p", "queries": {"q": query}}});
        rejected(json!({}), "with.templates: at least one template or `prometheus` is required");
        rejected(json!({"templates": {}}), "with.templates: at least one template");
        rejected(
            json!({"templates": {"p": "builtin:istio"}}),
            "with.templates.p: unknown built-in template `builtin:istio`",
        );
        rejected(json!({"templates": {"a/b": "x.tpl"}}), "with.templates.a/b: `a/b` is not a valid name");
        rejected(json!({"template": {}}), "with.template: unknown field `template`");
        rejected(json!({"templates": {"p": "x"}, "versionValues": []}), "with.versionValues: must not be empty");
        rejected(json!({"templates": {"p": "x"}, "providers": {"q": {}}}), "with.providers.q: unknown provider");
        rejected(json!({"templates": {"p": "x"}, "concurrency": 0}), "with.concurrency: ");
        rejected(json!({"templates": {"p": "x"}, "noData": "ignore"}), "with.noData: `ignore` is not valid");
        let access = |access: Value| json!({"templates": {"p": "x"}, "providers": {"p": access}});
        rejected(access(json!({"retries": 11})), "with.providers.p.retries: 11 is out of range; expected 0 to 10");
        rejected(access(json!({"cert": "c.pem"})), "with.providers.p.key: required with `cert`");
        rejected(
            access(json!({"bearerToken": "hunter2"})),
            "with.providers.p.bearerToken: expected a map, because documents must not contain tokens",
        );
        rejected(query(json!({"query": " "})), "with.prometheus.queries.q.query: must not be empty");
        rejected(
            query(json!({"query": "up", "type": "sum"})),
            "with.prometheus.queries.q.type: `sum` is not a metric type",
        );
        rejected(query(json!({"query": "up", "step": "5s"})), "with.prometheus.queries.q.step: requires `range`");
        rejected(
            query(json!({"query": "up", "range": "1h", "step": "1s"})),
            "with.prometheus.queries.q.step: too short: the range would have more than 1000",
        );
        rejected(
            query(json!({"query": "up", "reduce": "jq"})),
            "with.prometheus.queries.q.reduce: `jq` is only supported in templates",
        );
        rejected(
            json!({"prometheus": {"url": "http://p", "queries": {}}}),
            "with.prometheus.queries: at least one query is required",
        );
        let both = json!({"templates": {"prometheus": "x"}, "prometheus": {"url": "http://p", "queries": {"q": {"query": "up"}}}});
        rejected(both, "with.prometheus: a template has the same name");
    }
}
