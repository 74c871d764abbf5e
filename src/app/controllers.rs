//! Use cases of the release controller: run it, clean up after it, and show what it sees.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::cluster::Connection;
use super::env::LocalFiles;
use super::error::AppError;
use crate::controller::{self, ControllerError, Settings, Survey};

pub(crate) use crate::controller::{RoutePhase, RouteState, RoutemapState, VersionState};
use crate::model::codec::value_from_yaml;
use crate::ports::Files;
use crate::ports::cluster::ClusterError;
use crate::routing::Config;
pub(crate) use crate::routing::drift::projection;

/// Maximum size of a configuration or of a file with routemaps.
const MAX_BYTES: u64 = 8 << 20;

/// Variables with the pod's name and namespace, as in Iter8.
const POD_NAME: &str = "POD_NAME";
const POD_NAMESPACE: &str = "POD_NAMESPACE";

/// Flags of the controller.
#[derive(Clone, Debug)]
pub(crate) struct ControllerOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) has_election: bool,
    pub(crate) has_version_metrics: bool,
}

/// Reads the settings of a controller.
pub(crate) fn settings(
    options: ControllerOptions,
    connection: &Connection,
    files: &dyn Files,
) -> Result<Settings, AppError> {
    let variable = |name: &str| files.env(name).filter(|text| !text.is_empty());
    Ok(Settings {
        config: config(options.config.as_deref())?,
        namespace: variable(POD_NAMESPACE).unwrap_or_else(|| connection.namespace.clone()),
        pod: variable(POD_NAME).or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "iter8-controller".to_owned()),
        listen: options.listen,
        has_election: options.has_election,
        has_version_metrics: options.has_version_metrics,
    })
}

/// Reads the configuration; without a file it is the default one.
pub(crate) fn config(path: Option<&Path>) -> Result<Config, AppError> {
    match path {
        Some(path) => read(path),
        None => Config::stock().map_err(|errors| invalid("the built-in configuration", errors)),
    }
}

fn read(path: &Path) -> Result<Config, AppError> {
    let text = text_of(path).map_err(|error| {
        AppError::input(format!("cannot read the configuration {}", path.display()))
            .caused_by(error)
            .with_hint("--config or CONFIG_FILE names the file; without one, Iter8's resource types are watched")
    })?;
    Config::from_yaml(&text).map_err(|errors| invalid(&format!("the configuration {}", path.display()), errors))
}

fn invalid(what: &str, errors: crate::values::input::InputErrors) -> AppError {
    AppError::in_document(what, errors)
}

/// Runs the controller until `stop`.
pub(crate) async fn run(connection: Connection, settings: Settings, stop: CancellationToken) -> Result<(), AppError> {
    controller::run(connection.client, settings, stop).await.map_err(|error| match error {
        ControllerError::Listen(address, cause) => AppError::outside(format!("cannot listen on {address}"))
            .caused_by(cause)
            .with_hint("select another address with --listen, such as --listen 127.0.0.1:0"),
    })
}

/// Removes the controller's finalizers, and returns the resources that had one.
pub(crate) async fn cleanup(connection: &Connection, settings: &Settings) -> Result<Vec<String>, AppError> {
    Ok(controller::cleanup(&connection.client, settings).await?)
}

/// Routemaps that a view is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoutesOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) all_namespaces: bool,
    /// File with routemaps that are shown as if they were applied; `-` for standard input.
    pub(crate) plan: Option<PathBuf>,
    /// Names of routemaps; none for all, or for those of the plan.
    pub(crate) names: Vec<String>,
}

/// View of routemaps that follows the cluster.
pub(crate) struct Routes {
    /// Namespaces in view: `namespace shop`, or `any namespace`.
    pub(crate) place: String,
    /// The namespace in view; `None` for all.
    namespace: Option<String>,
    survey: Survey,
    names: Vec<String>,
    /// Routemaps of the plan, as `NAMESPACE/NAME`; empty without a plan.
    planned: Vec<String>,
}

impl Routes {
    /// Reads the cluster once.
    pub(crate) async fn open(connection: Connection, options: RoutesOptions) -> Result<Self, AppError> {
        let config = config(options.config.as_deref())?;
        let sources = match &options.plan {
            Some(path) => routemaps_in(path, &connection.namespace)?,
            None => Vec::new(),
        };
        let place = match options.all_namespaces {
            true => "any namespace".to_owned(),
            false => format!("namespace {}", connection.namespace),
        };
        let namespace = (!options.all_namespaces).then(|| connection.namespace.clone());
        // Routemaps of a cluster-scoped controller may name resources of other namespaces.
        let watched = namespace.clone().filter(|_| !config.is_cluster_scoped);
        if let (Some(watched), Some(path)) = (&watched, &options.plan) {
            check_namespaces(&sources, watched, path)?;
        }
        let mut survey = Survey::start(connection.client, config, watched);
        let unreadable = |error: ClusterError| {
            let hint = error.hint.clone();
            let unreadable = AppError::outside("cannot read the routes").caused_by(error);
            hint.into_iter().fold(unreadable, AppError::with_hint)
        };
        survey.complete().await.map_err(unreadable)?;
        let planned: Vec<String> = survey.plan(&sources).iter().map(ToString::to_string).collect();
        survey.complete().await.map_err(unreadable)?;
        let routes = Self { place, namespace, survey, names: options.names, planned };
        routes.check_names().await?;
        Ok(routes)
    }

    async fn check_names(&self) -> Result<(), AppError> {
        let states = self.survey.states().await;
        for name in &self.names {
            if !states.iter().any(|state| state.name == *name) {
                let known: Vec<&str> = states.iter().map(|state| state.name.as_str()).collect();
                let known = if known.is_empty() {
                    "there are none".to_owned()
                } else {
                    format!("expected one of {}", known.join(", "))
                };
                return Err(AppError::input(format!("no routemap is named `{name}`; {known}"))
                    .with_hint("select another namespace with -n, or all namespaces with -A"));
            }
        }
        Ok(())
    }

    /// Returns the states of the routemaps.
    pub(crate) async fn states(&self) -> Vec<RoutemapState> {
        let mut states = self.survey.states().await;
        states.retain(|state| {
            let key = format!("{}/{}", state.namespace, state.name);
            // A plan names its namespaces itself.
            let is_in_view = self.namespace.as_ref().is_none_or(|namespace| *namespace == state.namespace);
            (is_in_view || !self.planned.is_empty())
                && (self.names.is_empty() || self.names.contains(&state.name))
                && (self.planned.is_empty() || self.planned.contains(&key))
        });
        states
    }

    /// Waits until something that matters changed.
    pub(crate) async fn changed(&mut self) {
        self.survey.changed().await;
    }
}

/// Rejects routemaps of another namespace than the one that is watched: their resources would seem not to exist.
fn check_namespaces(sources: &[ConfigMap], watched: &str, path: &Path) -> Result<(), AppError> {
    let other = sources.iter().find_map(|source| {
        let namespace = source.metadata.namespace.as_deref().filter(|namespace| *namespace != watched)?;
        Some((source.metadata.name.as_deref().unwrap_or_default(), namespace))
    });
    match other {
        Some((name, namespace)) => Err(AppError::input(format!(
            "{}: the routemap `{name}` is in namespace {namespace}; expected {watched}",
            path.display()
        ))
        .with_hint(format!("select its namespace with -n {namespace}"))),
        None => Ok(()),
    }
}

fn is_routemap(object: &Value) -> bool {
    object["kind"] == "ConfigMap" && object["metadata"]["labels"]["iter8.tools/kind"] == "routemap"
}

/// Reads the routemaps among the objects in a file, as `helm template` and `kubectl apply -f` write and read it.
fn routemaps_in(path: &Path, namespace: &str) -> Result<Vec<ConfigMap>, AppError> {
    let place = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let text = text_of(path);
    let text = text.map_err(|error| AppError::input(format!("cannot read {place}")).caused_by(error))?;
    let mut sources = Vec::new();
    for (start, document) in split_documents(&text) {
        let value = value_from_yaml(document).map_err(|error| {
            // Lines are counted from the start of the file.
            let lines = text.get(..start).unwrap_or_default().matches('\n').count();
            let error = value_from_yaml(&("\n".repeat(lines) + document)).err().unwrap_or(error);
            AppError::input(format!("{place} is not valid YAML")).caused_by(error)
        })?;
        let objects = match value {
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                list.remove("items").and_then(|items| items.as_array().cloned()).unwrap_or_default()
            }
            object => vec![object],
        };
        for value in objects.into_iter().filter(is_routemap) {
            let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let mut source: ConfigMap = serde_json::from_value(value).map_err(|error| {
                AppError::input(format!("{place}: ConfigMap `{name}` is not valid")).caused_by(error)
            })?;
            source.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
            let is_same = |other: &ConfigMap| {
                (&other.metadata.name, &other.metadata.namespace) == (&source.metadata.name, &source.metadata.namespace)
            };
            if sources.iter().any(is_same) {
                return Err(AppError::input(format!("{place} has the routemap `{name}` twice"))
                    .with_hint("kubectl would apply the second one; remove one of them"));
            }
            sources.push(source);
        }
    }
    if sources.is_empty() {
        return Err(AppError::input(format!("{place} has no routemap"))
            .with_hint("a routemap is a ConfigMap with the label iter8.tools/kind: routemap"));
    }
    Ok(sources)
}

/// Reads a file, or standard input for `-`.
fn text_of(path: &Path) -> std::io::Result<String> {
    let bytes = match path.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
            bytes
        }
        false => LocalFiles.read(&path.to_string_lossy(), MAX_BYTES)?,
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("larger than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("not valid UTF-8"))
}

/// Splits a stream of YAML documents. Gives the offset of each in `text`.
fn split_documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = text.get(start..)?;
        let end = rest
            .match_indices("\n---")
            .find(|(at, mark)| matches!(rest.as_bytes().get(at + mark.len()), None | Some(b'\n' | b'\r' | b' ')));
        next = end.map(|(at, mark)| start + at + mark.len());
        Some((start, end.map_or(rest, |(at, _)| rest.get(..at).unwrap_or_default())))
    })
}
