//! From what the user wrote to what is asked, version by version.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::access::Access;
use super::builtin::BUILTINS;
use super::native::Native;
use super::values::CustomMetricsValues;
use crate::logic::input::{InputError, typed};
use crate::logic::path::join;
use crate::logic::provider::ProviderSpec;
use crate::logic::provider::spec::check_name;
use crate::logic::provider::window::{ELAPSED, STARTING_TIME, starting_time};
use crate::logic::suggest::nearest;
use crate::logic::template::Template;
use crate::logic::values::overlay;
use crate::model::metric::NoDataPolicy;
use crate::tasks::text_source::TextSource;

/// The provider of queries without a template.
pub(super) const PROMETHEUS: &str = "prometheus";

/// Most versions.
const MAX_VERSIONS: usize = 100;

/// Requests in flight, unless given.
const CONCURRENCY: usize = 8;

/// What is asked.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of their names.
    pub(super) providers: Vec<Provider>,
    /// At least one.
    pub(super) versions: Vec<Version>,
    pub(super) concurrency: usize,
    pub(super) no_data: Option<NoDataPolicy>,
}

/// Who is asked.
#[derive(Debug)]
pub(super) struct Provider {
    /// The first part of its metrics' names.
    pub(super) name: String,
    /// Where it stands in what the user wrote.
    pub(super) at: String,
    pub(super) origin: Origin,
    pub(super) access: Access,
}

/// What says what to ask for.
#[derive(Debug)]
pub(super) enum Origin {
    Template(TextSource),
    Native(Native),
}

/// A version's variables.
#[derive(Debug)]
pub(super) struct Version {
    /// Where its start stands, or would.
    pub(super) at: String,
    variables: Map<String, Value>,
    /// When its window starts, if not with the experiment.
    pub(super) start: Option<DateTime<Utc>>,
}

/// Reads the values that stand at `at`.
pub(super) fn plan(value: &Value, at: &str) -> Result<Plan, InputError> {
    let nothing = Value::Object(Map::new());
    let values: CustomMetricsValues = typed(if value.is_null() { &nothing } else { value }, at)?;
    let mut access = values.providers.unwrap_or_default();
    let mut providers = Vec::new();
    let mut take = |name: &str| {
        let place = join(at, &format!("providers.{name}"));
        Access::plan(access.remove(name).unwrap_or_default(), place)
    };
    for (name, text) in values.templates.unwrap_or_default() {
        let place = join(at, &format!("templates.{name}"));
        check_name(&name).map_err(|message| InputError::new(&place, message))?;
        let source = TextSource::parse(&text, BUILTINS).map_err(|message| InputError::new(&place, message))?;
        let access = take(&name)?;
        providers.push(Provider { name, at: place, origin: Origin::Template(source), access });
    }
    if let Some(prometheus) = values.prometheus {
        let place = join(at, PROMETHEUS);
        if providers.iter().any(|provider| provider.name == PROMETHEUS) {
            let message = "a template has that name, too; give the template another one";
            return Err(InputError::new(place, message));
        }
        let native = Native::plan(prometheus).map_err(|error| error.under(&place))?;
        let access = take(PROMETHEUS)?;
        providers.push(Provider { name: PROMETHEUS.to_owned(), at: place, origin: Origin::Native(native), access });
    }
    if providers.is_empty() {
        return Err(InputError::new(join(at, "templates"), "no templates and no `prometheus`, so nothing would be measured").with_hint(
            "give a template, such as `custommetrics.templates.istio-prom=builtin:istio-prom`, or `custommetrics.prometheus` with `url` and `queries`",
        ));
    }
    if let Some(unknown) = access.keys().next() {
        let known: BTreeSet<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
        let list = known.iter().copied().collect::<Vec<_>>().join(", ");
        let error = InputError::new(
            join(at, &format!("providers.{unknown}")),
            format!("no provider has that name; known here: {list}"),
        );
        return Err(match nearest(unknown, known.iter().copied()) {
            Some(candidate) => error.with_hint(format!("did you mean `{candidate}`?")),
            None => error,
        });
    }
    let concurrency = match values.concurrency.map(|count| count.0) {
        None => CONCURRENCY,
        Some(count @ 1..=100) => count as usize,
        Some(count) => return Err(InputError::new(join(at, "concurrency"), format!("{count} is not from 1 to 100"))),
    };
    let versions = versions(values.values.unwrap_or_default(), values.version_values, at)?;
    Ok(Plan { providers, versions, concurrency, no_data: values.no_data })
}

fn versions(
    base: Map<String, Value>,
    own: Option<Vec<Option<Map<String, Value>>>>,
    at: &str,
) -> Result<Vec<Version>, InputError> {
    let version = |over: Map<String, Value>, place: String| {
        let place = if over.contains_key(STARTING_TIME) { place } else { join(at, "values") };
        let mut variables = base.clone();
        overlay(&mut variables, over);
        let start = starting_time(&variables).map_err(|error| error.under(&place))?;
        Ok(Version { at: join(&place, STARTING_TIME), variables, start })
    };
    match own {
        None => Ok(vec![version(Map::new(), String::new())?]),
        Some(list) if list.is_empty() => {
            Err(InputError::new(join(at, "versionValues"), "the list is empty, so nothing would be measured")
                .with_hint("leave it out for one version"))
        }
        Some(list) if list.len() > MAX_VERSIONS => Err(InputError::new(
            join(at, "versionValues"),
            format!("{} versions are too many; at most {MAX_VERSIONS}", list.len()),
        )),
        Some(list) => list
            .into_iter()
            .enumerate()
            .map(|(index, over)| version(over.unwrap_or_default(), join(at, &format!("versionValues[{index}]"))))
            .collect(),
    }
}

impl Version {
    /// The variables of the templates, the length of the window in seconds among them.
    pub(super) fn variables(&self, elapsed: i64) -> Value {
        let mut variables = self.variables.clone();
        variables.insert(ELAPSED.to_owned(), elapsed.into());
        Value::Object(variables)
    }
}

impl Provider {
    /// What is asked of the provider with these variables; `text` is that of its template.
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
        let place = |message: String| InputError::new(&self.at, message);
        let template = Template::parse(source.dialect(), text.unwrap_or_default(), instant);
        let template = template.map_err(|fault| place(format!("the template can't be read: {fault}")))?;
        let rendered =
            template.render(variables).map_err(|fault| place(format!("the template can't be rendered: {fault}")))?;
        ProviderSpec::read(&rendered).map_err(|error| InputError {
            path: self.at.clone(),
            message: error.to_string(),
            hint: error.hint,
        })
    }
}
