//! `iter8 k launch`: values in, objects of the cluster out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::args::{GroupArgs, wrong};
use crate::adapters::kubernetes::{self, Launched, MAX_SECRET_BYTES, namespace_without_connecting};
use crate::adapters::web::WebClient;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::values::{Network, ValueArgs};
use crate::manifests::names::Group;
use crate::manifests::settings::{Runner, Settings, with_defaults};
use crate::manifests::{Launch, Plan, launch};
use crate::model::codec;
use crate::model::document::{Experiment, TaskSpec};
use crate::model::object::Permission;
use crate::pipeline;
use crate::ports::Files;
use crate::ports::cluster::{ClusterError, ClusterErrorKind};
use crate::redact;
use crate::tasks::Task;
use crate::tasks::resolve::{Resolved, spec_from_values};
use crate::values::input::InputError;

/// Room for the document beside the values in the Secret: it can be made to fit into this much.
const DOCUMENT_ROOM: usize = 384 << 10;

/// The manifests of a dry run go here unless a file is given, as in Iter8.
const MANIFEST: &str = "manifest.yaml";

/// Flags of `k launch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k launch --set \"tasks={ready,http,assess}\" --set ready.deploy=shop --set http.url=http://shop/ \\\n                 \
    --set assess.SLOs.upper.http/error-count=0 --set runner=job\n  \
    iter8 k launch -g canary -f values.yaml --set runner=cronjob --set cronjobSchedule=\"*/10 * * * *\"\n  \
    iter8 k launch -f values.yaml --set runner=job --set parallelism=8   # eight pods make the load\n  \
    iter8 k launch -f values.yaml --dry --outputFile - | kubectl apply --dry-run=server -f -")]
pub struct LaunchArgs {
    /// Write the manifests, as revision 1, and touch no cluster; secrets in them are hidden
    #[arg(long, visible_alias = "dry-run")]
    dry: bool,
    /// Where a dry run writes the manifests; - for standard output
    #[arg(long = "outputFile", visible_alias = "output-file", value_name = "FILE", default_value = MANIFEST, requires = "dry")]
    output_file: PathBuf,
    /// Iter8's name of its chart: no chart is needed any more
    #[arg(long = "chartName", hide = true)]
    chart_name: Option<String>,
    /// Iter8's flag for a chart of one's own: no chart is needed any more
    #[arg(long = "localChart", hide = true)]
    local_chart: bool,
    #[command(flatten)]
    group: GroupArgs,
    // Last: what follows a flattened group stands under its heading.
    #[command(flatten)]
    values: ValueArgs,
}

/// Launches, or writes what would be launched.
pub async fn run(args: LaunchArgs) -> Result<Exit, CliError> {
    if args.chart_name.is_some() || args.local_chart {
        tracing::warn!("--chartName and --localChart have no effect: the objects are part of this program");
    }
    let values = args.values.merged(Network::Through(&WebClient::default())).await?;
    let new = New::of(&values)?;
    if args.dry {
        let namespace = namespace_without_connecting(&args.group.cluster.options()).await?;
        let objects = new.shown(&args.group.in_namespace(&namespace)?)?;
        let text = objects.to_yaml().map_err(|error| CliError::input("cannot print the manifests").caused_by(error))?;
        output::to_file(&args.output_file, &text)?;
        if args.output_file.as_os_str() != "-" {
            tracing::info!("the manifests are in {}", args.output_file.display());
        }
        return Ok(Exit::Done);
    }
    let (connection, group) = args.group.connect().await?;
    let runner = new.settings.runner;
    let new = New { group: Some(group.clone()), ..new };
    // What can be found wrong is found before a request is sent.
    new.made(&group, 1).map_err(CliError::in_values)?;
    let revision = kubernetes::launch(&connection, &group, &new).await?;
    let Group { namespace, name } = &group;
    let job = match runner {
        Runner::Job => format!(" as job/{}", group.job(revision)),
        Runner::CronJob => format!(" as cronjob/{}", group.cron_job(revision)),
        Runner::None => String::new(),
    };
    output::to_stdout(&format!("launched revision {revision} of group {name} in namespace {namespace}{job}\n"))?;
    if runner != Runner::None {
        tracing::info!("follow it with `iter8 k log -f -g {name} -n {namespace}`, judge it with `iter8 k assert`");
    } else {
        tracing::warn!(
            "nothing runs it, as the value `runner` is none: run it with `iter8 k run -g {name} -n {namespace}`"
        );
    }
    Ok(Exit::Done)
}

/// Warns of files and variables of this machine, and of a shell: pods have none of them.
fn warn_of_what_pods_lack(resolved: &Resolved, tasks: &[Box<dyn Task>], settings: &Settings) {
    for (index, task) in tasks.iter().enumerate() {
        if let Err(error) = task.check(&PodFiles) {
            let error = resolved.locate(error.under(&format!("spec[{index}]")));
            tracing::warn!(
                "{error}: the pod has no files and variables of this machine; give a URL, or an image that has them"
            );
        }
        let is_default = settings.image == Settings::default_image();
        if resolved.spec[index].run.is_some() && is_default {
            tracing::warn!(
                "the task `run` needs a shell, which the default image does not have: name another by `iter8Image`"
            );
        }
    }
}

/// The files of a pod, as far as they are known here: those of its service account.
struct PodFiles;

impl Files for PodFiles {
    fn read(&self, path: &str, _: u64) -> std::io::Result<Vec<u8>> {
        if path.starts_with("/var/run/secrets/") { Ok(Vec::new()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

/// What is to be launched.
struct New {
    group: Option<Group>,
    values: Value,
    settings: Settings,
    spec: Vec<TaskSpec>,
    permissions: Vec<Permission>,
}

impl New {
    /// Checks the values as the run will.
    fn of(values: &Value) -> Result<Self, CliError> {
        let values = with_defaults(values).map_err(CliError::in_values)?;
        let resolved = spec_from_values(&values).map_err(CliError::in_values)?;
        for warning in &resolved.warnings {
            tracing::warn!("{warning}");
        }
        let settings = Settings::from_values(&values).map_err(CliError::in_values)?;
        let tasks = pipeline::parse_all(&resolved.spec).map_err(|error| CliError::in_values(resolved.locate(error)))?;
        if settings.runner != Runner::None {
            warn_of_what_pods_lack(&resolved, &tasks, &settings);
        }
        let permissions = tasks.iter().flat_map(|task| task.facts().permissions).collect();
        let size = codec::to_yaml(&values).map_or(0, |text| text.len());
        if size > MAX_SECRET_BYTES - DOCUMENT_ROOM {
            let told = format!(
                "the values have {size} bytes, and at most {} fit into the experiment's Secret beside its document",
                MAX_SECRET_BYTES - DOCUMENT_ROOM
            );
            return Err(CliError::input(told).with_hint("name large payloads by URL, such as http.payloadURL"));
        }
        Ok(Self { group: None, values, settings, spec: resolved.spec, permissions })
    }

    fn made(&self, group: &Group, revision: i64) -> Result<Launch, InputError> {
        launch(&Plan { group, revision, values: &self.values, permissions: &self.permissions })
    }

    /// The objects with the secrets hidden.
    fn shown(&self, group: &Group) -> Result<Launch, CliError> {
        let values = redact::mask(&self.values);
        if values != self.values {
            tracing::warn!(
                "secrets are hidden in the manifests, which can't be applied so: read them from files or variables \
                 (such as slack.urlEnv), or launch without --dry"
            );
        }
        let plan = Plan { group, revision: 1, values: &values, permissions: &self.permissions };
        launch(&plan)
            .map_err(|error| if error.path.starts_with("--") { wrong(error) } else { CliError::in_values(error) })
    }
}

impl Launched for New {
    fn objects(&self, revision: i64) -> Result<Launch, ClusterError> {
        let group =
            self.group.as_ref().ok_or_else(|| ClusterError::new(ClusterErrorKind::Config, "no group is named"))?;
        self.made(group, revision).map_err(|error| {
            let told = ClusterError::new(ClusterErrorKind::Config, error.to_string());
            match error.hint {
                Some(hint) => told.with_hint(hint),
                None => told,
            }
        })
    }

    fn planned(&self, revision: i64) -> Experiment {
        pipeline::planned(pipeline::masked(&self.spec), revision)
    }

    fn namespaces(&self, values: &Value) -> BTreeSet<String> {
        watched_namespaces(values)
    }
}

/// The namespaces in which the tasks of these values wait for objects, where they name one.
pub fn watched_namespaces(values: &Value) -> BTreeSet<String> {
    let spec = spec_from_values(values).map(|resolved| resolved.spec).unwrap_or_default();
    let tasks = pipeline::parse_all(&spec).unwrap_or_default();
    tasks
        .iter()
        .flat_map(|task| task.facts().permissions)
        .filter_map(|permission| permission.object.namespace)
        .collect()
}
