//! ShellCheck has nothing to say about the project's scripts.

use std::path::PathBuf;
use std::process::Command;

use crate::ci_jobs::{steps, yaml};
use crate::support::{files, tools};

/// Scripts of the project: files that start with a line for a shell.
fn scripts() -> Vec<PathBuf> {
    let root = files::root();
    let mut found = vec![root.join("install.sh"), root.join(".ci/run")];
    for entry in std::fs::read_dir(root.join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !files::text(&path).contains("python3\n") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs ShellCheck on files in the project, whose `.shellcheckrc` applies.
fn check(shellcheck: &std::path::Path, arguments: &[&str], paths: &[PathBuf]) {
    let output = Command::new(shellcheck).args(arguments).args(paths).current_dir(files::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn shellcheck_accepts_every_script() {
    let Some(shellcheck) = tools::needed("shellcheck") else { return };
    let scripts = scripts();
    assert!(scripts.len() > 6, "{scripts:?}");
    let (sourced, others): (Vec<_>, Vec<_>) = scripts.into_iter().partition(|path| path.ends_with("setup-lib.sh"));
    check(&shellcheck, &["--external-sources"], &others);
    check(&shellcheck, &["--shell=bash"], &sourced);
}

/// actionlint checks the scripts of workflows only.
#[test]
fn shellcheck_accepts_the_scripts_of_the_action_and_the_gitlab_job() {
    let Some(shellcheck) = tools::needed("shellcheck") else { return };
    let directory = tempfile::tempdir().unwrap();
    let action = steps::of_action(&yaml("action.yml"));
    let gitlab = yaml("ci/gitlab.yml");
    let job = steps::gitlab_script(&gitlab[".iter8"]);
    let scripts = action.into_iter().filter_map(|step| step.run).chain([job]);
    let paths: Vec<PathBuf> = scripts
        .enumerate()
        .map(|(index, script)| {
            let path = directory.path().join(format!("{index}.sh"));
            std::fs::write(&path, script).unwrap();
            path
        })
        .collect();
    assert!(paths.len() > 3, "{paths:?}");
    let exclude = files::text(&files::root().join(".shellcheckrc"));
    let exclude: Vec<&str> = exclude.lines().filter_map(|line| line.strip_prefix("disable=")).collect();
    check(&shellcheck, &["--shell=sh", &format!("--exclude={}", exclude.join(","))], &paths);
}
