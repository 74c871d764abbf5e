//! `iter8 demo`: a real experiment against a sample service with two versions, over the loopback network.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::document::RunDirArgs;
use super::error::CliError;
use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::progress::Progress;
use super::run::{execute, prepare};
use super::signals::Interruption;
use crate::adapters::file_store::FileStore;
use crate::adapters::kubernetes::NoCluster;
use crate::app::env::Adapters;
use crate::model::document::Experiment;
use crate::pipeline::{self, ResultPolicy};
use crate::ports::{DocumentStore, StoreError};
use crate::report::FORMATS;
use crate::tasks::resolve::spec_from_values;
use sample_model::{SampleConfig, SampleService, VersionAddr};

/// Name of the HTML report, beside the document.
const REPORT_NAME: &str = "report.html";

/// Name of the template that says how the service is asked for its own numbers, beside the document.
const TEMPLATE_NAME: &str = "sample-stats.tpl";

/// Flags of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 demo\n  \
    iter8 demo --runDir /tmp/demo && iter8 report /tmp/demo/experiment.yaml\n  \
    iter8 demo --serve --port 8080")]
pub struct DemoArgs {
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// Only serve: print curl lines and wait for Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Port of the sample service's front with --serve; one the system picks unless given
    #[arg(long, default_value_t = 0, requires = "serve")]
    port: u16,
}

/// Serves, or serves and runs the experiment.
pub async fn run(args: DemoArgs, globals: &Globals) -> Result<Exit, CliError> {
    let interruption = Interruption::listen()?;
    let config = SampleConfig { front_port: args.port, ..SampleConfig::demo() };
    let service = sample_model::start(config).await.map_err(|error| {
        CliError::new(Exit::OutsideWorld, format!("cannot start the sample service on port {}", args.port))
            .caused_by(error)
    })?;
    if args.serve {
        return serve(service, &interruption).await;
    }
    let exit = experiment(&args, &service, globals, &interruption).await;
    service.shutdown().await;
    exit
}

async fn serve(service: SampleService, interruption: &Interruption) -> Result<Exit, CliError> {
    output::to_stdout(&format!("{}\n", service.curl_lines().join("\n")))?;
    output::to_stderr("serving; Ctrl-C ends it\n");
    interruption.stop.cancelled().await;
    service.shutdown().await;
    Ok(interruption.exit())
}

async fn experiment(
    args: &DemoArgs,
    service: &SampleService,
    globals: &Globals,
    interruption: &Interruption,
) -> Result<Exit, CliError> {
    let beside = |name: &str| args.run_dir.path().with_file_name(name);
    let (page, template) = (beside(REPORT_NAME), beside(TEMPLATE_NAME));
    let resolved = spec_from_values(&values(service, &template)).map_err(CliError::in_values)?;
    let experiment = Experiment { spec: resolved.spec.clone(), result: None, ..Experiment::default() };
    let directory = &args.run_dir.run_dir;
    std::fs::create_dir_all(directory).map_err(|error| {
        CliError::new(Exit::OutsideWorld, format!("cannot make the directory {}", directory.display())).caused_by(error)
    })?;
    let store = FileStore::new(args.run_dir.path());
    spare_other_documents(&store, &experiment).await?;
    output::to_file(&template, sample_model::STATS_TEMPLATE)?;
    let adapters = Adapters::default();
    let progress = Progress::new(globals);
    let env = adapters.env(&NoCluster, None, &progress, &interruption.stop);
    let prepared = prepare(experiment, &resolved, env.files)?;
    match execute(prepared, ResultPolicy::Fresh, &store, &env, &progress, interruption).await? {
        Exit::Done => {}
        interrupted => return Ok(interrupted),
    }
    let experiment = store.load().await?;
    for format in FORMATS {
        let render = || {
            (format.render)(&experiment).map_err(|error| CliError::input("cannot report on the demo").caused_by(error))
        };
        match format.name {
            "text" => output::to_stdout(&render()?)?,
            "html" => output::to_file(&page, &render()?)?,
            _ => {}
        }
    }
    if !globals.quiet {
        let (document, page, template) = (store.location(), page.display(), template.display());
        output::to_stderr(&format!(
            "\nwrote {document}, {page} and {template}\nnext: iter8 assert {document} -c completed,nofailure,slos\n"
        ));
    }
    Ok(Exit::Done)
}

/// Refuses to write over a document that is not an earlier demo's.
async fn spare_other_documents(store: &FileStore, demo: &Experiment) -> Result<(), CliError> {
    // The addresses of the versions differ from run to run, and the template's place with how the directory is named.
    let shape = |experiment: &Experiment| {
        let mut spec = json!(pipeline::masked(&experiment.spec));
        for task in spec.as_array_mut().into_iter().flatten() {
            if let Some(with) = task.get_mut("with").and_then(Value::as_object_mut) {
                with.remove("versionValues");
                with.remove("templates");
            }
        }
        spec
    };
    match store.load().await {
        Err(StoreError::Missing { .. }) => Ok(()),
        Ok(earlier) if shape(&earlier) == shape(demo) => Ok(()),
        _ => Err(CliError::input(format!("{} is there already, and it is not a demo's", store.location()))
            .with_hint("name another directory with --runDir; the demo writes experiment.yaml, report.html, sample-stats.tpl there")),
    }
}

/// The experiment: both versions at the same time, at the same rate, over HTTP and then gRPC; then the versions are asked for their own
/// numbers. The same objectives are on both.
fn values(service: &SampleService, template: &Path) -> Value {
    let each = |values: fn(&VersionAddr) -> Value| service.versions.iter().map(values).collect::<Value>();
    let over_http = each(|version| {
        let url = format!("http://{}/v1/models/sklearn-iris:predict", version.addr);
        json!({ "name": version.name, "url": url })
    });
    let over_grpc = each(|version| json!({ "name": version.name, "host": version.addr.to_string() }));
    let asked = each(|version| json!({ "name": version.name, "url": format!("http://{}", version.addr) }));
    let flower = json!({ "name": "input-0", "shape": [1, 4], "datatype": "FP32", "contents": { "fp32_contents": [6.8, 2.8, 4.8, 1.4] } });
    json!({
        "tasks": ["http", "grpc", "custommetrics", "assess"],
        "http": {
            "versionValues": over_http,
            "parallel": true,
            "payloadStr": r#"{"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}"#,
            "contentType": "application/json",
            "qps": 200,
            "duration": "5s",
            "connections": 8,
        },
        // What the service speaks, it is asked (reflection).
        "grpc": {
            "versionValues": over_grpc,
            "parallel": true,
            "call": "inference.GRPCInferenceService/ModelInfer",
            "data": { "model_name": service.model(), "id": "{{.RequestNumber}}", "inputs": [flower] },
            "qps": 200,
            "duration": "5s",
            "duration-stop": "wait",
            "connections": 2,
            "concurrency": 20,
        },
        "custommetrics": {
            "templates": { "server": template.to_string_lossy() },
            "versionValues": asked,
        },
        "assess": {
            "SLOs": {
                "upper": {
                    "http/error-rate": 0.01,
                    "http/latency-mean": 25,
                    "http/latency-p99": 60,
                    "grpc/error-rate": 0.01,
                    "grpc/latency/p99": 60,
                    "server/error-rate": 0.01,
                    "server/latency-mean": 25,
                    "server/latency-p99": 60,
                },
            },
        },
    })
}
