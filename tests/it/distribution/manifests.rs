//! Files that `scripts/release` writes next to the archives.

use std::path::Path;
use std::process::{Command, Output};

use super::{script, sha256};
use crate::support::files;

const PLATFORMS: [&str; 4] = ["darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64"];

/// A directory with an archive per platform, whose content does not matter.
fn archives() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for platform in PLATFORMS {
        std::fs::write(directory.path().join(format!("iter8-{platform}.tar.gz")), platform).unwrap();
    }
    directory
}

fn release(version: &str, repository: &str, directory: &Path) -> Output {
    Command::new(script("release")).args([version, repository]).arg(directory).output().unwrap()
}

#[test]
fn a_release_has_an_installer_manifests_and_the_checksums_of_all_files() {
    let directory = archives();
    let output = release(concat!("v", env!("CARGO_PKG_VERSION")), "acme/iter8", directory.path());
    assert!(output.status.success(), "{output:?}");
    let mut names: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "checksums.txt")
        .collect();
    names.sort();
    let checksums = files::text(&directory.path().join("checksums.txt"));
    let expected: String =
        names.iter().map(|name| format!("{}  {name}\n", sha256(&directory.path().join(name)))).collect();
    assert_eq!(checksums, expected);
    for name in ["install.sh", "gitlab.yml"] {
        let text = files::text(&directory.path().join(name));
        assert!(text.contains("acme/iter8") && !text.contains("@REPOSITORY@"), "{name}");
    }
}

#[test]
fn the_krew_manifest_names_every_archive_with_its_checksum() {
    let directory = archives();
    release(env!("CARGO_PKG_VERSION"), "acme/iter8", directory.path());
    let text = files::text(&directory.path().join("iter8.yaml"));
    let manifest = iter8::model::codec::value_from_yaml(&text).unwrap();
    assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&"Plugin".into(), &"iter8".into()));
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), PLATFORMS.len());
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        let name = format!("{}-{}", labels["os"].as_str().unwrap(), labels["arch"].as_str().unwrap());
        let archive = format!("iter8-{name}.tar.gz");
        let url = format!("https://github.com/acme/iter8/releases/download/v{}/{archive}", env!("CARGO_PKG_VERSION"));
        assert_eq!(platform["uri"], url);
        assert_eq!(platform["sha256"], sha256(&directory.path().join(archive)));
        assert_eq!(
            (&platform["bin"], &platform["files"][0]["from"]),
            (&"iter8".into(), &format!("{name}/iter8").into())
        );
    }
}

#[test]
fn the_homebrew_formula_installs_program_pages_and_completions() {
    let directory = archives();
    release(env!("CARGO_PKG_VERSION"), "acme/iter8", directory.path());
    let formula = files::text(&directory.path().join("iter8.rb")).replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("homebrew-formula", formula);
    });
}

#[test]
fn other_versions_missing_archives_and_odd_repositories_are_rejected() {
    let directory = archives();
    let message = |version: &str, repository: &str| {
        let output = release(version, repository, directory.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!directory.path().join("checksums.txt").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(message("9.9.9", "acme/iter8").contains(concat!("has version ", env!("CARGO_PKG_VERSION"), ", not 9.9.9")));
    assert_eq!(message(env!("CARGO_PKG_VERSION"), "acme"), "release: `acme` is not OWNER/NAME\n");
    std::fs::remove_file(directory.path().join("iter8-linux-arm64.tar.gz")).unwrap();
    assert!(message(env!("CARGO_PKG_VERSION"), "acme/iter8").contains("has no iter8-linux-arm64.tar.gz"));
}

#[test]
fn release_notes_are_the_section_of_the_changelog() {
    let notes = |version: &str| Command::new(script("release-notes")).arg(version).output().unwrap();
    let unreleased = notes("Unreleased");
    let text = String::from_utf8_lossy(&unreleased.stdout);
    assert!(unreleased.status.success() && text.contains("### Added") && !text.contains("## Unreleased"), "{text}");
    let unknown = notes("9.9.9");
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&unknown.stderr), "CHANGELOG.md has no section `## 9.9.9`\n");
}
