//! Text for people: the index page of a port, and shell commands to try it with.

use std::net::SocketAddr;

use super::config::HeaderRule;

/// A flower on which the two models disagree, so that the response reveals the model.
const FLOWER: &str = "[6.8, 2.8, 4.8, 1.4]";

/// Renders the index page of a port.
pub(super) fn index(model: &str) -> String {
    format!(
        "iter8 sample model service: iris flowers, four lengths in cm -> class 0, 1 or 2\n\
         \n\
         KServe V1\n  \
           GET  /v1/models\n  \
           GET  /v1/models/{model}\n  \
           POST /v1/models/{model}:predict   {{\"instances\": [{FLOWER}]}}\n\
         Open Inference Protocol (V2); on the same port, gRPC inference.GRPCInferenceService with reflection\n  \
           GET  /v2\n  \
           GET  /v2/health/live\n  \
           GET  /v2/health/ready\n  \
           GET  /v2/models/{model}\n  \
           GET  /v2/models/{model}/ready\n  \
           POST /v2/models/{model}/infer     {input}\n\
         gRPC routeguide.RouteGuide with reflection, on the same port: all four kinds of call\n\
         This port\n  \
           GET  /stats     predictions, errors and latencies as JSON\n  \
           GET  /metrics   the same for Prometheus\n  \
           GET  /healthz\n",
        input = input()
    )
}

fn input() -> String {
    format!(
        "{{\"inputs\": [{{\"name\": \"input-0\", \"shape\": [1, 4], \"datatype\": \"FP64\", \"data\": {FLOWER}}}]}}"
    )
}

/// Lists shell commands: both protocols at the front, the candidate by header, each version directly, statistics and metrics.
pub(super) fn lines(
    model: &str,
    front: SocketAddr,
    header: &HeaderRule,
    versions: &[(&str, SocketAddr)],
) -> Vec<String> {
    let predict = |at: SocketAddr| format!("http://{at}/v1/models/{model}:predict -d '{{\"instances\": [{FLOWER}]}}'");
    let HeaderRule { name, value } = header;
    let mut lines = vec![
        format!("curl -i {}", predict(front)),
        format!("curl -i -H '{name}: {value}' {}", predict(front)),
        format!("curl -i http://{front}/v2/models/{model}/infer -d '{}'", input()),
    ];
    lines.extend(versions.iter().map(|(_, at)| format!("curl -i {}", predict(*at))));
    lines.push(format!("curl http://{front}/stats"));
    lines.push(format!("curl http://{front}/metrics"));
    lines
}
