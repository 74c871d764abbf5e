//! Workflows of GitHub: actionlint accepts them; actions are pinned; permissions are few.

use std::process::Command;

use serde_json::Value;

use crate::ci_jobs::yaml;
use crate::support::{files, tools};

/// Paths of all workflows.
fn workflows() -> Vec<String> {
    files::below(&files::root(), &[".github/workflows"], "yml").into_iter().map(|(name, _)| name).collect()
}

#[test]
fn actionlint_accepts_the_workflows_and_the_example() {
    let (Some(actionlint), Some(shellcheck)) = (tools::needed("actionlint"), tools::needed("shellcheck")) else {
        return;
    };
    // In the example, the action is this one, so that its inputs and outputs are checked.
    let example = files::text(&files::root().join("ci/examples/github.yml"));
    let ours = example.replace(concat!("OWNER/iter8@v", env!("CARGO_PKG_VERSION")), "./");
    assert_ne!(example, ours, "the example uses this version");
    let directory = tempfile::tempdir().unwrap();
    let copied = directory.path().join(".github/workflows");
    std::fs::create_dir_all(&copied).unwrap();
    std::fs::create_dir(directory.path().join(".git")).unwrap();
    std::fs::copy(files::root().join("action.yml"), directory.path().join("action.yml")).unwrap();
    std::fs::copy(files::root().join(".shellcheckrc"), directory.path().join(".shellcheckrc")).unwrap();
    std::fs::write(copied.join("example.yml"), ours).unwrap();
    for workflow in workflows() {
        let name = workflow.rsplit('/').next().unwrap();
        std::fs::copy(files::root().join(&workflow), copied.join(name)).unwrap();
    }
    let output =
        Command::new(actionlint).arg("-shellcheck").arg(shellcheck).current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_action_is_pinned_to_a_commit_with_its_version_beside_it() {
    let mut count = 0;
    for file in workflows().into_iter().chain(["action.yml".to_owned()]) {
        let text = files::text(&files::root().join(&file));
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let action = line.split("uses: ").nth(1).unwrap();
            let pin = action.split_once('@').and_then(|(_, pin)| pin.split_once(" # v"));
            let is_pinned = pin.is_some_and(|(commit, version)| {
                let is_hexadecimal = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                is_hexadecimal && version.split('.').count() == 3
            });
            assert!(is_pinned || action == "./", "{file}: {line}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// Jobs have the permissions that their steps need.
#[test]
fn workflows_may_only_read_unless_a_job_says_more() {
    for file in workflows() {
        let permissions = yaml(&file)["permissions"].clone();
        let granted = permissions.as_object().unwrap_or_else(|| panic!("{file} has no permissions"));
        let is_reading = |(name, access): (&String, &Value)| name == "contents" && access == "read";
        assert!(granted.iter().all(is_reading), "{file}: {permissions}");
    }
}

#[test]
fn jobs_end_and_keep_no_credentials() {
    for file in workflows() {
        for (name, job) in yaml(&file)["jobs"].as_object().unwrap() {
            assert!(job["timeout-minutes"].is_number(), "{file}: {name} has no timeout");
            for step in job["steps"].as_array().unwrap() {
                if step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@")) {
                    assert_eq!(step["with"]["persist-credentials"], false, "{file}: {name}");
                }
            }
        }
    }
}

/// Text from outside in a script would be run as part of it.
#[test]
fn scripts_take_values_from_the_environment() {
    let mut scripts = Vec::new();
    for file in workflows() {
        for (name, job) in yaml(&file)["jobs"].as_object().unwrap() {
            let steps = job["steps"].as_array().unwrap().iter();
            scripts
                .extend(steps.filter_map(|step| Some((format!("{file}: {name}"), step["run"].as_str()?.to_owned()))));
        }
    }
    let action = yaml("action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap().iter();
    scripts.extend(steps.filter_map(|step| Some(("action.yml".to_owned(), step["run"].as_str()?.to_owned()))));
    assert!(scripts.len() > 10);
    for (name, script) in scripts {
        assert!(!script.contains("${{"), "{name}: {script}");
    }
}

#[test]
fn the_workflow_builds_what_a_release_needs() {
    let workflow = yaml(".github/workflows/release.yml");
    let matrix = workflow["jobs"]["archive"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let mut built: Vec<&str> = matrix.iter().map(|entry| entry["platform"].as_str().unwrap()).collect();
    built.sort_unstable();
    let release = files::text(&files::root().join("scripts/release"));
    let needed = release.lines().find_map(|line| line.strip_prefix("PLATFORMS=(")).unwrap();
    assert_eq!(built, needed.trim_end_matches(')').split(' ').collect::<Vec<_>>());
    let dist = files::text(&files::root().join("scripts/dist"));
    for entry in matrix {
        let arm = format!("{}) platform={} ;;", entry["target"].as_str().unwrap(), entry["platform"].as_str().unwrap());
        assert!(dist.contains(&arm), "scripts/dist has no `{arm}`");
    }
}
