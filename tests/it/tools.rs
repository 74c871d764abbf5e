//! The programs that `scripts/setup` gets are the ones that are pinned, and run.

use std::path::Path;
use std::process::Command;

use crate::support::{files, tools};

fn first_line(program: &Path, argument: &[&str]) -> String {
    let output = Command::new(program).args(argument).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", program.display());
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn helm_is_the_pinned_version() {
    let Some(helm) = tools::needed("helm") else { return };
    let pins = files::text(&files::root().join("tests/tools/helm/go.mod"));
    let pinned = pins.lines().find_map(|line| line.trim().strip_prefix("helm.sh/helm/v3 ")).unwrap();
    let pinned = pinned.split(' ').next().unwrap();
    assert_eq!(first_line(&helm, &["version", "--template", "{{ .Version }}"]), pinned);
}

#[test]
fn the_browser_runs() {
    let names = ["chromium-browser", "google-chrome", "google-chrome-stable"];
    let other = names.into_iter().find_map(tools::tool);
    let Some(chromium) = other.or_else(|| tools::needed("chromium")) else { return };
    let version = first_line(&chromium, &["--version"]);
    assert!(version.contains("Chrom"), "{version}");
}

#[test]
fn prometheus_runs() {
    let Some(prometheus) = tools::needed("prometheus") else { return };
    let version = first_line(&prometheus, &["--version"]);
    assert!(version.starts_with("prometheus, version "), "{version}");
}
