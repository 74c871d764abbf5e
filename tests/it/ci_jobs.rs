//! The GitHub action and the GitLab job, run step by step as their runners do, with the built program from a release on a server of the
//! test.

mod action;
mod gitlab;
mod runner;
pub(crate) mod steps;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::distribution::{platform, sha256, write_archive};
use crate::support::cli_case::ITER8;
use crate::support::file_server::{FileServer, ReleaseFiles};
use crate::support::files;

/// A file of the project.
pub(crate) fn yaml(name: &str) -> Value {
    iter8::model::codec::value_from_yaml(&files::text(&files::root().join(name))).unwrap()
}

/// Starts a server with a release whose program is the built one, and returns its address.
fn release(directory: &Path) -> String {
    let release = directory.join("release");
    std::fs::create_dir(&release).unwrap();
    let archive = write_archive(&release, &platform(), &format!("#!/bin/sh\nexec {ITER8} \"$@\"\n"));
    let checksums = format!("{}  {archive}\n", sha256(&release.join(&archive)));
    std::fs::write(release.join("checksums.txt"), checksums).unwrap();
    std::fs::copy(files::root().join("install.sh"), release.join("install.sh")).unwrap();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    FileServer::start(ReleaseFiles { directory: release, version, truncated: None }).url()
}

/// Creates a directory below another one.
fn below(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}
