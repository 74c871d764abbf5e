//! The page of metrics.

use serde_json::Value;

use super::{anchor, code, head, hold, printed, row};

#[test]
fn the_page_of_metrics_is_that_of_the_tasks() {
    let list = printed(&["metrics", "-o", "json"]);
    let metrics = list["metrics"].as_array().unwrap();
    let text = |metric: &Value, key: &str| metric[key].as_str().unwrap_or_default().to_owned();
    let provider = |metric: &Value| text(metric, "name").split('/').next().unwrap().to_owned();
    let mut page = "Names of metrics, for SLOs and conditions. `iter8 metrics` prints them, and `iter8 metrics -f values.yaml` those that your \
                    values will measure.\n\n\
                    - `pX` is any percentile: `p50`, `p99`, `p99.9`.\n\
                    - A *distribution* is read with an aggregation: `http/connect/p99`, or `mean`, `stddev`, `min`, `max`, `count`.\n\
                    - An endpoint `NAME` is a provider of its own: `http-NAME/latency-p99`, `grpc-NAME/error-rate`.\n\
                    - A query of `custommetrics.prometheus` is a metric of the provider `prometheus`, and those of a template are metrics of \
                    the provider that has its name.\n\
                    - Limits of latencies are in milliseconds; documents and text reports call the unit `msec`, as Iter8 does.\n"
        .to_owned();
    let mut providers: Vec<String> = metrics.iter().map(provider).collect();
    providers.dedup();
    for name in providers {
        let of_provider: Vec<&Value> = metrics.iter().filter(|metric| provider(metric) == name).collect();
        let task = text(of_provider[0], "task");
        let source = if task == name { String::new() } else { format!(" (template `builtin:{name}`)") };
        // Tasks link to their own name.
        let of_task = if task == "custommetrics" { anchor("custommetrics") } else { String::new() };
        let of_task = if page.contains(&of_task) { String::new() } else { of_task };
        page.push_str(&format!(
            "\n## {name}\n\n{of_task}Measured by the task [`{task}`](values.md#{task}){source}.\n\n"
        ));
        page.push_str(&head(["metric", "unit", "kind", "meaning"]));
        for metric in of_provider {
            let id = text(metric, "name");
            let unit = text(metric, "units").replace("msec", "ms");
            let kind = if metric["aggregations"].is_array() {
                "distribution".to_owned()
            } else {
                text(metric, "type").to_lowercase()
            };
            page.push_str(&row([&format!("{}{}", anchor(&id), code(&id)), &unit, &kind, &text(metric, "description")]));
        }
    }
    hold("metrics.md", "Metrics", &page);
}
