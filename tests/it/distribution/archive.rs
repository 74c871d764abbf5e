//! The archive that `make dist` makes.

use std::path::Path;
use std::process::Command;

use super::{platform, script, sha256, write_program};
use crate::image;
use crate::support::echo_server::EchoServer;
use crate::support::tools;
use crate::support::{cli_case::ITER8, files};

/// Packs a program into an archive in `directory`, and unpacks it there.
fn pack(program: &Path, directory: &Path) {
    let mut pack = Command::new(script("dist"));
    if cfg!(target_os = "macos") {
        pack.arg(format!("{}-apple-darwin", std::env::consts::ARCH));
    }
    pack.env("ITER8_PROGRAM", program).env("ITER8_DIST", directory);
    pack.env("SOURCE_DATE_EPOCH", "1764460800").env("ITER8_COMMIT", "0a1b");
    let output = pack.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let archive = directory.join(format!("iter8-{}.tar.gz", platform()));
    let tar = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(directory).status().unwrap();
    assert!(tar.success());
}

/// A program that is quick to pack: runs the built one.
fn small_program(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("program");
    write_program(&path, &format!("#!/bin/sh\nexec {ITER8} \"$@\"\n"));
    path
}

#[test]
fn the_archive_has_the_program_its_pages_and_completions() {
    let directory = tempfile::tempdir().unwrap();
    pack(&small_program(directory.path()), directory.path());
    let root = directory.path().join(platform());
    for (name, content) in [
        ("LICENSE", "Apache License"),
        ("README.md", "# iter8"),
        ("CHANGELOG.md", "# Changelog"),
        ("man/man1/iter8.1", "iter8\\-run(1)"),
        ("man/man1/iter8-run.1", ".TH iter8-run 1"),
        ("man/man1/iter8-k-launch.1", "\\-\\-set"),
        ("completions/iter8.bash", "complete -F _iter8"),
        ("completions/_iter8", "#compdef iter8"),
        ("completions/iter8.fish", "complete -c iter8"),
    ] {
        let text = files::text(&root.join(name));
        assert!(text.contains(content), "{name}:\n{text}");
    }
}

#[test]
fn the_same_program_makes_the_same_archive() {
    let directory = tempfile::tempdir().unwrap();
    let program = small_program(directory.path());
    let sums = |name: &str| {
        let directory = directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        pack(&program, &directory);
        ["tar.gz", "cdx.json"].map(|extension| sha256(&directory.join(format!("iter8-{}.{extension}", platform()))))
    };
    assert_eq!(sums("a"), sums("b"));
}

#[test]
fn the_sbom_lists_what_is_linked_with_checksums_and_licenses() {
    let directory = tempfile::tempdir().unwrap();
    pack(&small_program(directory.path()), directory.path());
    let sbom = files::text(&directory.path().join(format!("iter8-{}.cdx.json", platform())));
    let sbom: serde_json::Value = serde_json::from_str(&sbom).unwrap();
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(sbom["metadata"]["timestamp"], "2025-11-30T00:00:00Z");
    assert_eq!(sbom["metadata"]["component"]["name"], "iter8");
    let components = sbom["components"].as_array().unwrap();
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    let hyper = named("hyper").unwrap();
    assert!(hyper["purl"].as_str().unwrap().starts_with("pkg:cargo/hyper@1."), "{hyper}");
    assert_eq!(hyper["hashes"][0]["content"].as_str().unwrap().len(), 64);
    assert!(named("helm-yaml").unwrap().get("purl").is_none(), "our crates are in no registry");
    for absent in ["insta", "jsonschema", "serde_derive"] {
        assert!(named(absent).is_none(), "{absent} is not linked");
    }
    assert!(components.iter().all(|component| component["licenses"][0]["expression"].is_string()));
    let references: Vec<_> = components.iter().map(|component| &component["bom-ref"]).collect();
    let dependencies = sbom["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), references.len() + 1, "of the components and the program");
    let mut targets = dependencies.iter().flat_map(|entry| entry["dependsOn"].as_array().unwrap());
    assert!(targets.all(|target| references.contains(&target)));
}

/// As root, in a root directory with nothing else in it; as others, without any environment.
#[test]
fn the_unpacked_program_runs_without_anything_else() {
    let Some(program) = image::program() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut packed = program;
    // The built program has debug information, which takes long to compress.
    if let Some(strip) = tools::tool("strip") {
        let stripped = directory.path().join("stripped");
        assert!(Command::new(strip).arg("-o").arg(&stripped).arg(&packed).status().unwrap().success());
        packed = stripped;
    }
    pack(&packed, directory.path());
    let program = directory.path().join(platform()).join("iter8");
    let url = format!("http.url={}", EchoServer::plain().url());
    let run = ["run", "--runDir", "/results", "--assert", "slos", "--set", "tasks={http,assess}", "--set", &url];
    let rest = ["--set", "http.numRequests=20", "--set", "assess.SLOs.upper.http/error-count=0"];
    if image::is_root() {
        let root = image::empty_root(&program);
        for arguments in [&["version"][..], &[run.as_slice(), rest.as_slice()].concat()] {
            let output = image::run_in(root.path(), arguments);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
    } else {
        let output = Command::new(program).arg("version").current_dir("/").env_clear().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn there_is_no_archive_for_other_targets() {
    let output = Command::new(script("dist")).arg("riscv64gc-unknown-linux-gnu").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "dist: there is no archive for riscv64gc-unknown-linux-gnu\n");
}
