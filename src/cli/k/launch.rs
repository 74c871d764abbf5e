//! `iter8 k launch`: launches an experiment from values.

use std::path::PathBuf;

use clap::Args;

use super::args::GroupArgs;
use crate::app::cluster::{self, Group, Runner, namespace_without_connecting};
use crate::app::env::WebClient;
use crate::app::error::AppError;
use crate::app::launch::LaunchPlan;
use crate::app::values::Network;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::values::ValueArgs;

/// Default file for the manifests of a dry run, as in Iter8.
const MANIFEST: &str = "manifest.yaml";

/// Flags of `k launch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 k launch --set \"tasks={ready,http,assess}\" \\\n      \
    --set ready.deploy=shop --set http.url=http://shop/ \\\n      \
    --set runner=job \\\n      \
    --set assess.SLOs.upper.http/error-count=0\n  \
    iter8 k launch -g canary -f values.yaml \\\n      \
    --set runner=cronjob \\\n      \
    --set cronjobSchedule=\"*/10 * * * *\"\n  \
    # eight pods generate the load\n  \
    iter8 k launch -f values.yaml \\\n      \
    --set runner=job --set parallelism=8\n  \
    iter8 k launch -f values.yaml --dry --outputFile - \\\n      \
    | kubectl apply --dry-run=server -f -")]
pub(crate) struct LaunchArgs {
    /// Write the manifests of revision 1 without contacting a cluster; secrets are redacted
    #[arg(long, visible_alias = "dry-run")]
    dry: bool,
    /// File for the manifests of a dry run; - for standard output
    #[arg(long = "outputFile", visible_alias = "output-file", value_name = "FILE", default_value = MANIFEST, requires = "dry")]
    output_file: PathBuf,
    /// Chart of Iter8; ignored, because no chart is needed
    #[arg(short = 'c', long = "chartName", hide = true)]
    chart_name: Option<String>,
    /// Local chart of Iter8; ignored, because no chart is needed
    #[arg(long = "localChart", hide = true)]
    local_chart: bool,
    #[command(flatten)]
    group: GroupArgs,
    // Last, because flags after a flattened group get its heading in the help.
    #[command(flatten)]
    values: ValueArgs,
}

/// Launches the experiment, or writes its manifests.
pub(crate) async fn run(args: LaunchArgs) -> Result<Exit, AppError> {
    if args.chart_name.is_some() || args.local_chart {
        tracing::warn!("--chartName and --localChart have no effect: the manifests are built into this program");
    }
    let values = args.values.merged(Network::Through(&WebClient::default())).await?;
    let plan = LaunchPlan::new(values)?;
    if args.dry {
        let namespace = namespace_without_connecting(&args.group.cluster.options()).await?;
        let objects = plan.redacted_manifests(&args.group.in_namespace(&namespace)?)?;
        let text = objects.to_yaml().map_err(|error| AppError::input("cannot print the manifests").caused_by(error))?;
        output::to_file(&args.output_file, &text)?;
        if args.output_file.as_os_str() != "-" {
            tracing::info!("wrote the manifests to {}", args.output_file.display());
        }
        return Ok(Exit::Done);
    }
    let (connection, group) = args.group.connect().await?;
    let runner = plan.settings.runner;
    let revision = cluster::launch(&connection, &group, &plan.for_group(group.clone())?).await?;
    let Group { namespace, name } = &group;
    let job = match runner {
        Runner::Job => format!(" as job/{}", group.job(revision)),
        Runner::CronJob => format!(" as cronjob/{}", group.cron_job(revision)),
        Runner::None => String::new(),
    };
    output::to_stdout(&format!("launched revision {revision} of group {name} in namespace {namespace}{job}\n"))?;
    if runner != Runner::None {
        tracing::info!("follow it with `iter8 k log -f -g {name} -n {namespace}`, check it with `iter8 k assert`");
    } else {
        tracing::warn!(
            "`runner` is none, so nothing runs the experiment: run it with `iter8 k run -g {name} -n {namespace}`"
        );
    }
    Ok(Exit::Done)
}
