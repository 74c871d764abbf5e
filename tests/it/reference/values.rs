//! The page of values: a table per task, and a row per field.

use serde_json::Value;

use super::{anchor, code, head, hold, printed, row};
use crate::support::cli_case::CliCase;

fn text<'a>(field: &'a Value, key: &str) -> &'a str {
    field[key].as_str().unwrap_or_default()
}

fn list(field: &Value) -> &[Value] {
    field.as_array().map_or(&[], Vec::as_slice)
}

fn names(fields: &[Value]) -> Vec<&str> {
    fields.iter().map(|field| text(field, "path").rsplit('.').next().unwrap_or_default()).collect()
}

/// Description, with what the type and the default do not say.
fn description(field: &Value) -> String {
    let mut parts = vec![text(field, "description").to_owned()];
    let allowed: Vec<String> = list(&field["allowed"]).iter().map(|allowed| code(text(allowed, "value"))).collect();
    if !allowed.is_empty() {
        parts.push(format!("One of {}.", allowed.join(", ")));
    }
    let range = text(field, "range");
    if !range.is_empty() && !parts[0].contains(range) {
        parts.push(format!("Range: {range}."));
    }
    parts.join(" ").trim().to_owned()
}

/// Rows of a field and of the fields below it. `siblings` are the fields of its task, which entries may have again.
fn rows(field: &Value, task: &str, siblings: &[Value]) -> String {
    let path = text(field, "path");
    let name = path.strip_prefix(task).map_or(path, |rest| rest.trim_start_matches('.'));
    let required = if field["required"] == true { ", required" } else { "" };
    let entry = &field["entry"];
    let fields = if entry["fields"].is_array() { list(&entry["fields"]) } else { list(&field["fields"]) };
    let same = names(fields).iter().filter(|name| names(siblings).contains(name)).count();
    let is_repeated = fields.len() > 10 && same * 10 > fields.len() * 9;
    let mut about = description(field);
    if is_repeated {
        let own: Vec<String> =
            names(fields).into_iter().filter(|name| !names(siblings).contains(name)).map(code).collect();
        about.push_str(&format!(" An entry has the fields of `{task}`, except those for the base only."));
        if !own.is_empty() {
            about.push_str(&format!(" It also has {}.", own.join(", ")));
        }
    }
    let kind = format!("{}{required}", text(field, "type"));
    let default = text(field, "default");
    let default = if default.contains(' ') { default.to_owned() } else { code(default) };
    let mut rows = row([&format!("{}{}", anchor(path), code(name)), &kind, &default, &about]);
    if !is_repeated {
        for field in fields {
            rows.push_str(&self::rows(field, task, siblings));
        }
    }
    rows
}

const COLUMNS: [&str; 4] = ["field", "type", "default", "description"];

#[test]
fn the_page_of_values_is_that_of_the_schema() {
    let all = printed(&["explain", "--recursive", "-o", "json"]);
    let summary: Value = printed(&["explain", "tasks", "-o", "json"]);
    let tasks: Vec<&str> = list(&summary["entry"]["allowed"]).iter().map(|allowed| text(allowed, "value")).collect();
    let (values, settings): (Vec<&Value>, Vec<&Value>) = list(&all["fields"])
        .iter()
        .filter(|field| text(field, "path") != "tasks")
        .partition(|field| tasks.contains(&text(field, "path")));
    let mut page = "Values of an experiment, as `-f` and `--set` take them. `iter8 explain PATH` shows the same in a terminal, and \
                    `iter8 schema values` prints the JSON Schema. A `NAME` in a path is yours, and `[]` is an entry of a list.\n\n"
        .to_owned();
    let links: Vec<String> = tasks.iter().map(|task| format!("[`{task}`](#{task})")).collect();
    page.push_str(&format!(
        "`tasks` lists the tasks to run, in order: {}. The values of a task have its name.\n",
        links.join(", ")
    ));
    for task in tasks {
        let field = values.iter().find(|field| text(field, "path") == task).unwrap();
        page.push_str(&format!("\n## {task}\n\n{}\n\n{}", text(field, "description"), head(COLUMNS)));
        for child in list(&field["fields"]) {
            page.push_str(&rows(child, task, list(&field["fields"])));
        }
    }
    page.push_str(&format!(
        "\n## Runs in Kubernetes\n\nUsed by `iter8 k launch` and the chart; other commands ignore them.\n\n{}",
        head(COLUMNS)
    ));
    settings.iter().for_each(|field| page.push_str(&rows(field, "", &[])));
    hold("values.md", "Values", &page);
}

#[test]
fn every_field_of_the_page_can_be_explained() {
    let cli = CliCase::new();
    for path in ["http.endpoints.NAME.qps", "assess.SLOs.upper", "rollout.steps[].pause", "podTemplate.spec"] {
        assert!(cli.run(["explain", path]).exits(0).stdout.starts_with(path), "{path}");
    }
}
