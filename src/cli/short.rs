//! Flags of `run` that stand for values: target, load and SLOs in one line.
//!
//! They only make values, which are merged over those of all other flags; `--dry` prints all of them.

use clap::Args;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::flag_texts::{check_body, check_connections, check_rate, check_url, headers, no_url, scalar};
use super::unreached::{replaced, unreached};
use super::values::ValueArgs;
use crate::app::env::LocalFiles;
use crate::app::error::AppError;
use crate::app::values::{InputError, InputErrors, Network, SLO_FLAG, SloText, Source, Values, merged, parse_slos};
use crate::ports::Files;

/// Flags that stand for values.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Shorthand for target, load and SLOs (each stands for a value, and overrides it)")]
pub(crate) struct ShortArgs {
    /// URL to load, with http:// or https:// (tasks: http, and assess if there are SLOs)
    #[arg(value_name = "URL", group = "target", help_heading = None::<&'static str>)]
    url: Option<String>,
    /// gRPC service and method to load, such as localhost:9000 shop.Cart/Get (tasks: grpc, and assess if there are SLOs)
    #[arg(
        long, num_args = 2, action = clap::ArgAction::Set, value_names = ["HOST:PORT", "METHOD"], conflicts_with = "url", group = "target"
    )]
    grpc: Option<Vec<String>>,
    /// Compare with this version, the baseline, which is loaded at the same time
    #[arg(long, value_name = "URL", requires = "target")]
    against: Option<String>,
    /// SLO, such as 'p99 < 60ms', 'error-rate <= 0.1%' or, relative to the baseline, 'p95 <= +10%' (repeatable)
    #[arg(long = "slo", value_name = "SLO")]
    slos: Vec<String>,
    /// Number of requests, 100 by default; with --grpc, 200
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    requests: Option<String>,
    /// Duration of the load, such as 30s
    #[arg(short = 'z', long, value_name = "DURATION")]
    duration: Option<String>,
    /// Requests per second, or max; 8 by default, with --grpc max; also -q N (-q alone is --quiet)
    #[arg(long, visible_alias = "rate", value_name = "N")]
    qps: Option<String>,
    /// Number of connections, 4 by default; with --grpc, of requests in flight, 50 by default
    #[arg(short = 'c', long, value_name = "N")]
    connections: Option<String>,
    /// Header; with --grpc, metadata (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Body, which makes the request a POST (an object or a list in JSON is sent as such); with --grpc, the message as JSON
    #[arg(short = 'd', long, value_name = "BODY")]
    data: Option<String>,
    /// File with the body or the message
    #[arg(short = 'D', long, value_name = "FILE", conflicts_with = "data")]
    data_file: Option<String>,
    /// HTTP method
    #[arg(short = 'm', long, value_name = "METHOD", conflicts_with = "grpc")]
    method: Option<String>,
    /// Trust any server certificate
    #[arg(short = 'k', long)]
    insecure: bool,
    /// .proto file of the gRPC service; without it, the service describes itself by reflection
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    proto: Option<String>,
}

/// Next step of a run without a target.
pub(super) const NO_URL: &str = "load a URL with `iter8 run http://HOST/ --slo 'p99 < 60ms'`, a gRPC service with --grpc, or read values with -f FILE";

/// Maximum size of a body whose type is found out.
const MAX_BODY_BYTES: u64 = 8 << 20;

/// Protocol of the load.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    /// Name of its task, which is also the provider of its metrics and the key of its values.
    fn task(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }

    /// Returns the name that a field of a load has for this protocol.
    fn field(self, http: &'static str, grpc: &'static str) -> &'static str {
        match self {
            Self::Http => http,
            Self::Grpc => grpc,
        }
    }
}

impl ShortArgs {
    /// Returns true if any of the flags is given.
    pub(crate) fn is_given(&self) -> bool {
        self.has_load() || !self.slos.is_empty()
    }

    /// Returns the files that the flags name.
    pub(crate) fn named_files(&self) -> impl Iterator<Item = &str> {
        [&self.data_file, &self.proto].into_iter().flatten().map(String::as_str)
    }

    fn has_target(&self) -> bool {
        self.url.is_some() || self.grpc.is_some()
    }

    fn has_load(&self) -> bool {
        let texts = [&self.requests, &self.duration, &self.qps, &self.connections, &self.data, &self.data_file];
        let is_set = texts.iter().any(|text| text.is_some()) || self.method.is_some() || self.proto.is_some();
        self.has_target() || is_set || self.insecure || !self.headers.is_empty()
    }

    /// Reads the values of all flags, and merges these over the others.
    pub(crate) async fn merged_over(&self, values: &ValueArgs, network: Network<'_>) -> Result<Values, AppError> {
        let mut sources = values.sources(network).await?;
        let given = merged(&sources)?;
        if !self.is_given() {
            return Ok(given);
        }
        sources.extend(self.sources(&given.value).map_err(AppError::in_values)?);
        merged(&sources)
    }

    /// Converts the flags to values; `given` are those of the other flags.
    fn sources(&self, given: &Value) -> Result<Vec<Source>, InputErrors> {
        let protocol = self.protocol(given);
        let mut errors = Vec::new();
        let mut all = Short { sources: Vec::new(), protocol };
        self.target(&mut all, &mut errors);
        self.load(&mut all, &given[protocol.task()], &mut errors);
        errors.extend(all.unreached(&given[protocol.task()], self.against.is_none()));
        if self.against.is_some() {
            errors.extend(replaced(protocol.task(), &given[protocol.task()], protocol.field("url", "host")));
        }
        self.implied(&mut all, &given[protocol.task()]);
        match parse_slos(&self.slos, protocol.task()) {
            Ok(slos) => {
                if self.is_ambiguous(given, &slos) {
                    let message = "lists `http` and `grpc`, so the flags may mean either load";
                    errors.push(InputError::new("tasks", message).with_hint(
                        "name metrics in full, such as `http/latency-p99`, and set the load with --set http.… or --set grpc.…",
                    ));
                }
                errors.extend(slos.iter().filter_map(|slo| slo.lacks_unit_of(templates(given))));
                if self.against.is_none() && !has_versions(given) {
                    errors.extend(slos.iter().filter(|slo| slo.is_relative()).map(SloText::lacks_baseline));
                }
                let mut assess = Map::new();
                slos.iter().for_each(|slo| slo.add_to(&mut assess, &given["assess"]["SLOs"]));
                if !slos.is_empty() {
                    all.push(SLO_FLAG, "assess", Value::Object(assess));
                }
            }
            Err(mistakes) => errors.extend(mistakes),
        }
        match self.tasks(given, protocol) {
            Ok(None) => {}
            Ok(Some((flag, tasks))) => all.push(flag, "tasks", tasks),
            Err(error) => errors.push(error),
        }
        InputErrors::check(errors, all.sources)
    }

    /// Returns the protocol of the target, or else that of the first load among the tasks.
    fn protocol(&self, given: &Value) -> Protocol {
        let listed = |name: &str| given["tasks"].as_array().is_some_and(|tasks| tasks.iter().any(|task| task == name));
        let is_grpc = self.grpc.is_some() || (self.url.is_none() && listed("grpc") && !listed("http"));
        if is_grpc { Protocol::Grpc } else { Protocol::Http }
    }

    /// Returns true if both loads are listed, and flags without a target mean one of them.
    fn is_ambiguous(&self, given: &Value, slos: &[SloText]) -> bool {
        let lists = |name: &str| given["tasks"].as_array().is_some_and(|tasks| tasks.iter().any(|task| task == name));
        let is_open = self.has_load() || slos.iter().any(SloText::is_short);
        is_open && !self.has_target() && lists("http") && lists("grpc")
    }

    /// Returns the tasks, unless they are listed already. A flag whose task is not listed would have no effect.
    fn tasks(&self, given: &Value, protocol: Protocol) -> Result<Option<(&'static str, Value)>, InputError> {
        let has_slos =
            ["SLOs", "relative"].iter().any(|key| given["assess"].get(key).is_some_and(|value| !value.is_null()));
        match &given["tasks"] {
            Value::Null if self.has_target() => {
                let assess = (has_slos || !self.slos.is_empty()).then_some("assess");
                let tasks: Vec<&str> = [protocol.task()].into_iter().chain(assess).collect();
                Ok(Some((self.target_flag(), json!(tasks))))
            }
            Value::Array(listed) => {
                let needed = [
                    (SLO_FLAG, "assess", !self.slos.is_empty()),
                    (self.target_flag(), protocol.task(), self.has_load()),
                ];
                let missing =
                    needed.iter().find(|(_, task, is_needed)| *is_needed && !listed.iter().any(|name| name == task));
                match missing {
                    None => Ok(None),
                    Some((flag, task, _)) => {
                        let message = format!("lists no `{task}`, so {flag} would have no effect");
                        Err(InputError::new("tasks", message).with_hint(format!("add `{task}` to the list")))
                    }
                }
            }
            // Without any other values, the target is what is missing; an unset variable in a script looks like this.
            Value::Null if given.as_object().is_none_or(Map::is_empty) => {
                Err(InputError::new("", "no URL: nothing to load").with_hint(NO_URL))
            }
            _ => Ok(None),
        }
    }

    /// Adds values that flags imply, unless other values set them. Settings of versions and endpoints still take precedence.
    fn implied(&self, all: &mut Short, load: &Value) {
        let stops = self.grpc.is_some() && self.duration.is_some() && load["duration-stop"].is_null();
        if stops {
            all.set("--duration", [("duration-stop", json!("wait"))]);
        }
        let has_type =
            || has_content_type(load) || headers(&self.headers).is_ok_and(|given| has_content_type(&json!(given)));
        if all.protocol != Protocol::Http || has_type() {
            return;
        }
        let bodies = [("--data", self.data.clone()), ("--data-file", self.data_file.as_deref().and_then(text_of_file))];
        if let Some((flag, _)) = bodies.into_iter().find(|(_, text)| text.as_deref().is_some_and(is_json)) {
            all.set(flag, [("contentType", json!("application/json"))]);
        }
    }

    fn target_flag(&self) -> &'static str {
        match (&self.url, &self.grpc) {
            (Some(_), _) => "URL",
            (None, Some(_)) => "--grpc",
            (None, None) => "the load",
        }
    }

    fn target(&self, all: &mut Short, errors: &mut Vec<InputError>) {
        let field = all.protocol.field("url", "host");
        if let Some(url) = &self.url {
            errors.extend(
                check_url(url, "URL")
                    .err()
                    .map(|error| if self.headers.is_empty() || url.is_empty() { error } else { no_url() }),
            );
            all.set("URL", [(field, json!(url)), ("unixSocket", Value::Null)]);
        }
        let mut target = self.url.as_ref();
        if let Some([host, call]) = self.grpc.as_deref() {
            all.set("--grpc", [(field, json!(host)), ("call", json!(call))]);
            target = Some(host);
        }
        if let (Some(baseline), Some(candidate)) = (&self.against, target) {
            if self.url.is_some() {
                errors.extend(check_url(baseline, "--against").err());
            }
            let versions = json!([{"name": "baseline", field: baseline}, {"name": "candidate", field: candidate}]);
            all.set("--against", [("versionValues", versions)]);
        }
    }

    fn load(&self, all: &mut Short, given: &Value, errors: &mut Vec<InputError>) {
        let protocol = all.protocol;
        let none = Value::Null;
        // What a flag replaces is unset, because another way to end a load or to make a body would take precedence or conflict.
        let count = protocol.field("numRequests", "total");
        if let Some(requests) = &self.requests {
            all.set("--requests", [(count, scalar(requests)), ("duration", none.clone()), ("stages", none.clone())]);
        }
        if let Some(duration) = &self.duration {
            all.set("--duration", [("duration", json!(duration)), (count, none.clone()), ("stages", none.clone())]);
        }
        if let Some(qps) = &self.qps {
            errors.extend(check_rate(qps).err());
            let rps = (protocol == Protocol::Grpc).then(|| ("rps", none.clone()));
            all.set("--qps", [("qps", scalar(qps))].into_iter().chain(rps));
        }
        if let Some(connections) = &self.connections {
            errors.extend(check_connections(connections).err());
            all.set("--connections", [(protocol.field("connections", "concurrency"), scalar(connections))]);
        }
        match headers(&self.headers) {
            Ok(headers) if headers.is_empty() => {}
            Ok(mut headers) => {
                let field = protocol.field("headers", "metadata");
                unset_other_spellings(&mut headers, &given[field]);
                let has_type = headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
                // It would take precedence over the header.
                let unset = (protocol == Protocol::Http && has_type).then_some(("contentType", none.clone()));
                all.set("--header", [(field, Value::Object(headers))].into_iter().chain(unset));
            }
            Err(error) => errors.push(error),
        }
        let bodies: &[&str] = match protocol {
            Protocol::Http => &["payloadStr", "payloadFile", "payloadURL"],
            Protocol::Grpc => &["data", "data-file", "dataURL", "binary-file", "binaryDataURL"],
        };
        let body = |field: usize, text: &str| {
            bodies
                .iter()
                .enumerate()
                .map(|(at, name)| (*name, if at == field { json!(text) } else { Value::Null }))
                .collect::<Vec<_>>()
        };
        if let Some(data) = &self.data {
            errors.extend(check_body(data).err());
            all.set("--data", body(0, data));
        }
        if let Some(file) = &self.data_file {
            all.set("--data-file", body(1, file));
        }
        if let Some(method) = &self.method {
            all.set("--method", [("method", json!(method))]);
        }
        if self.insecure {
            all.set("--insecure", [(protocol.field("insecureSkipVerify", "skipTLS"), json!(true))]);
        }
        if let Some(proto) = &self.proto {
            all.set("--proto", [("proto", json!(proto)), ("protoset", none.clone()), ("protoURL", none)]);
        }
    }
}

/// Values of the flags so far.
struct Short {
    sources: Vec<Source>,
    protocol: Protocol,
}

impl Short {
    /// Adds fields of the load.
    fn set(&mut self, flag: &'static str, fields: impl IntoIterator<Item = (&'static str, Value)>) {
        let fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.push(flag, self.protocol.task(), Value::Object(fields));
    }

    /// Finds flags that versions or endpoints of other values would override.
    fn unreached(&self, load: &Value, has_versions: bool) -> Vec<InputError> {
        let task = self.protocol.task();
        let find = |source: &Source| match source {
            Source::Short { flag, values } => {
                unreached(task, load, (*flag, values.get(task)?.as_object()?), has_versions)
            }
            _ => None,
        };
        self.sources.iter().filter_map(find).collect()
    }

    fn push(&mut self, flag: &'static str, key: &str, value: Value) {
        self.sources.push(Source::Short { flag, values: Map::from_iter([(key.to_owned(), value)]) });
    }
}

/// Returns true if the values of any task have versions.
fn has_versions(given: &Value) -> bool {
    let tasks = given.as_object().into_iter().flat_map(Map::values);
    tasks.into_iter().any(|task| {
        ["versionValues", "versionFrom"].iter().any(|key| task.get(key).is_some_and(|value| !value.is_null()))
    })
}

/// Names of the custom metrics templates in the values.
fn templates(given: &Value) -> impl Fn(&str) -> bool + '_ {
    |name| given["custommetrics"]["templates"].get(name).is_some_and(|template| !template.is_null())
}

/// Returns true for a JSON object or list. Other JSON, such as a number, is more likely plain text.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Reads a file; `None` if it is none, which is an error later.
fn text_of_file(path: &str) -> Option<String> {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let content = is_file.then(|| LocalFiles.read(path, MAX_BODY_BYTES).ok()).flatten()?;
    String::from_utf8(content).ok()
}

/// Returns true if values set a content type, in any version or endpoint.
fn has_content_type(values: &Value) -> bool {
    let is_type = |name: &str| name == "contentType" || name.eq_ignore_ascii_case("content-type");
    match values {
        Value::Object(map) => {
            map.iter().any(|(name, value)| (is_type(name) && !value.is_null()) || has_content_type(value))
        }
        Value::Array(list) => list.iter().any(has_content_type),
        _ => false,
    }
}

/// Unsets headers that other values spell with other capitals: only one of both would be sent.
fn unset_other_spellings(headers: &mut Map<String, Value>, given: &Value) {
    let others = given.as_object().into_iter().flat_map(Map::keys);
    let others: Vec<&String> = others
        .filter(|other| !headers.contains_key(*other) && headers.keys().any(|name| name.eq_ignore_ascii_case(other)))
        .collect();
    headers.extend(others.into_iter().map(|other| (other.clone(), Value::Null)));
}
