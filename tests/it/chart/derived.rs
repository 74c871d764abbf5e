//! Parts of the chart that come from the program: its version, the schema of values, and the kinds of the ready task.

use iter8::model::codec;
use iter8::tasks::registry;
use serde_json::{Value, json};

use super::chart;
use crate::support::cli_case::CliCase;
use crate::support::files;

/// The command that regenerates the derived files.
const REGENERATE: &str = "UPDATE_CHART=1 cargo test --test it chart::derived";

/// Compares a file of the chart with its source in the program, or regenerates it.
#[track_caller]
fn hold(name: &str, text: &str) {
    let path = chart().join(name);
    if std::env::var_os("UPDATE_CHART").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(found == text, "charts/iter8/{name} is not what the program makes; write it anew by\n  {REGENERATE}\n");
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let about = codec::value_from_yaml(&files::text(&chart().join("Chart.yaml"))).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(about[field], env!("CARGO_PKG_VERSION"), "{field} of charts/iter8/Chart.yaml");
    }
}

#[test]
fn the_chart_lists_the_kinds_of_the_ready_task() {
    let permissions = registry::permissions();
    assert!(!permissions.is_empty());
    let note = "# The values that name objects which tasks wait for or change. Generated from the program's tasks; regenerate with\n";
    let rows = codec::to_yaml(&permissions).unwrap();
    hold("files/watched.yaml", &format!("{note}# {REGENERATE}\n{rows}"));
}

#[test]
fn the_chart_has_the_values_schema() {
    let mut schema: Value = serde_json::from_str(&CliCase::new().run(["schema", "values"]).stdout).unwrap();
    let description = "What a chart shares with the charts it consists of; nothing of it is a value of the experiment.";
    schema["properties"]["global"] = json!({"description": description});
    hold("values.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}
