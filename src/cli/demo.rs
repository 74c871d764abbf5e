//! `iter8 demo`: a real experiment against a sample service with two versions, over the loopback network.

use std::io::{self, ErrorKind};
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::document::RunDirArgs;
use super::exit::Exit;
use super::globals::Globals;
use super::output;
use super::progress::Progress;
use super::run::{After, execute};
use super::signals::Interruption;
use crate::app::cluster::NoCluster;
use crate::app::env::{Adapters, FileStore};
use crate::app::error::AppError;
use crate::app::report::{Report, render};
use crate::app::resolve::{from_value, redacted};
use crate::app::run::ResultPolicy;
use crate::model::document::TaskSpec;
use crate::ports::{DocumentStore, StoreError};
use sample_model::{SampleConfig, SampleService, VersionAddr};

/// Name of the HTML report, beside the document.
const REPORT_NAME: &str = "report.html";

/// Name of the provider template for the service's own metrics, beside the document.
const TEMPLATE_NAME: &str = "sample-stats.tpl";

/// Flags of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    iter8 demo\n  \
    iter8 demo --runDir /tmp/demo && iter8 report /tmp/demo/experiment.yaml\n  \
    iter8 demo --serve --port 8080")]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    run_dir: RunDirArgs,
    /// Only run the service: print curl commands and wait for Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Port of the sample service with --serve; 0 for any free port
    #[arg(long, default_value_t = 0, requires = "serve")]
    port: u16,
}

/// Starts the service, and runs the experiment unless only serving was requested.
pub(crate) async fn run(args: DemoArgs, globals: &Globals) -> Result<Exit, AppError> {
    let interruption = Interruption::listen()?;
    let config = SampleConfig { front_port: args.port, ..SampleConfig::demo() };
    let service = sample_model::start(config).await.map_err(|error| {
        let failed = AppError::outside(format!("cannot start the sample service on port {}", args.port));
        match error.kind() {
            ErrorKind::AddrInUse => failed
                .caused_by(io::Error::other("another program uses this port"))
                .with_hint("choose another port with --port"),
            _ => failed.caused_by(error),
        }
    })?;
    if args.serve {
        return serve(service, &interruption).await;
    }
    let exit = experiment(&args, &service, globals, &interruption).await;
    service.shutdown().await;
    exit
}

async fn serve(service: SampleService, interruption: &Interruption) -> Result<Exit, AppError> {
    output::to_stdout(&format!("{}\n", service.curl_lines().join("\n")))?;
    output::to_stderr("serving; press Ctrl-C to stop\n");
    interruption.stop.cancelled().await;
    service.shutdown().await;
    Ok(interruption.exit())
}

async fn experiment(
    args: &DemoArgs,
    service: &SampleService,
    globals: &Globals,
    interruption: &Interruption,
) -> Result<Exit, AppError> {
    let beside = |name: &str| args.run_dir.path().with_file_name(name);
    let (page, template) = (beside(REPORT_NAME), beside(TEMPLATE_NAME));
    let resolved = from_value(&values(service, &template)).map_err(AppError::in_values)?;
    let directory = &args.run_dir.run_dir;
    std::fs::create_dir_all(directory).map_err(|error| {
        AppError::outside(format!("cannot create directory {}", directory.display())).caused_by(error)
    })?;
    let store = FileStore::new(args.run_dir.path());
    check_overwrite(&store, &resolved.spec).await?;
    output::to_file(&template, sample_model::STATS_TEMPLATE)?;
    let adapters = Adapters::default();
    let progress = Progress::new(globals);
    let env = adapters.env(&NoCluster, None, &progress, &interruption.stop);
    let prepared = resolved.prepare(None, env.files).map_err(AppError::in_values)?;
    // The next command follows the report.
    let after = After::default();
    match execute(prepared, ResultPolicy::Fresh, &store, &env, &progress, interruption, &after).await? {
        Exit::Done => {}
        interrupted => return Ok(interrupted),
    }
    let experiment = store.load().await?;
    let report = Report::of(&experiment);
    output::to_stdout(&render(&report, "text", "the demo")?)?;
    output::to_file(&page, &render(&report, "html", "the demo")?)?;
    if !globals.quiet {
        let (document, page, template) = (store.location(), page.display(), template.display());
        output::to_stderr(&format!(
            "\nwrote {document}, {page} and {template}\nnext: iter8 assert {document} -c completed,nofailure,slos\n"
        ));
    }
    Ok(Exit::Done)
}

/// Refuses to overwrite a document that was not written by an earlier demo.
async fn check_overwrite(store: &FileStore, demo: &[TaskSpec]) -> Result<(), AppError> {
    // The addresses of the versions differ between runs, and the path of the template depends on the directory.
    let normalized = |spec: &[TaskSpec]| {
        let mut spec = json!(redacted(spec));
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
        Ok(earlier) if normalized(&earlier.spec) == normalized(demo) => Ok(()),
        _ => Err(AppError::input(format!("{} already exists and was not written by the demo", store.location()))
            .with_hint("choose another directory with --runDir; the demo writes experiment.yaml, report.html and sample-stats.tpl there")),
    }
}

/// Values of the experiment: load on both versions at the same time and rate, over HTTP, then gRPC; then the metrics of the
/// service. Both versions have the same SLOs.
fn values(service: &SampleService, template: &Path) -> Value {
    let each = |values: fn(&VersionAddr) -> Value| service.versions.iter().map(values).collect::<Value>();
    let over_http = each(|version| {
        let url = format!("http://{}/v1/models/sklearn-iris:predict", version.addr);
        json!({ "name": version.name, "url": url })
    });
    let over_grpc = each(|version| json!({ "name": version.name, "host": version.addr.to_string() }));
    let metrics_urls = each(|version| json!({ "name": version.name, "url": format!("http://{}", version.addr) }));
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
        // The service describes itself by reflection.
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
            "versionValues": metrics_urls,
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
