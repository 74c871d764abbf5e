//! Files of a release: archives, installer, manifests, charts and workflows.

mod archive;
mod charts;
mod installer;
mod manifests;
mod scripts;
mod workflows;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::files;

/// OS-ARCH of this machine, as in the names of the archives.
pub(crate) fn platform() -> String {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    format!("{os}-{arch}")
}

/// Path of a script of the project.
fn script(name: &str) -> PathBuf {
    files::root().join("scripts").join(name)
}

/// Writes the archive of a release with this text as the program, and returns the name of the archive.
pub(crate) fn write_archive(directory: &Path, platform: &str, program: &str) -> String {
    let stage = tempfile::tempdir().unwrap();
    let root = stage.path().join(platform);
    std::fs::create_dir(&root).unwrap();
    write_program(&root.join("iter8"), program);
    let name = format!("iter8-{platform}.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(directory.join(&name)).arg("-C").arg(stage.path()).arg(platform);
    assert!(tar.status().unwrap().success());
    name
}

/// Writes an executable file.
pub(crate) fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, &std::fs::read(path).unwrap());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
