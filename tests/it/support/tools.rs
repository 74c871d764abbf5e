//! Real programs that tests compare with or run against.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Path of a program: from the environment variable of its name in capitals (`HELM`), `.tools/bin` or `PATH`, in this order.
pub fn tool(name: &str) -> Option<PathBuf> {
    let variable = name.to_uppercase().replace('-', "_");
    if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(own).chain(env::split_paths(&path)).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Path of a program that the test needs. Skips the test without it.
pub fn needed(name: &str) -> Option<PathBuf> {
    let found = tool(name);
    if found.is_none() {
        let variable = name.to_uppercase().replace('-', "_");
        let message = format!("{name} is missing: not in ${variable}, .tools/bin or $PATH; `make test` installs it");
        skip(&message);
    }
    found
}

/// Skips the rest of a test. Fails it if `CI` is set; else the summary of `scripts/test` shows the test and the reason.
pub fn skip(reason: &str) {
    assert!(env::var_os("CI").is_none(), "{reason}");
    let line = format!("{}: {reason}", std::thread::current().name().unwrap_or("a test"));
    eprintln!("SKIPPED {line}");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/skipped");
    // Without `.tools`, nobody shows the list.
    if let Ok(mut list) = std::fs::OpenOptions::new().append(true).create(true).open(list) {
        let _ = writeln!(list, "{line}");
    }
}

/// Directory with the programs of a control plane: `$KUBEBUILDER_ASSETS` (default `/usr/local/kubebuilder/bin`) if it has them all,
/// else `.tools/bin`. Never a mixture, because their versions must agree.
pub fn control_plane() -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").filter(|path| !path.is_empty());
    let assets = assets.map_or_else(|| PathBuf::from("/usr/local/kubebuilder/bin"), PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let programs = ["etcd", "kube-apiserver", "kube-controller-manager"];
    let found = [assets, own].into_iter().find(|directory| programs.iter().all(|name| directory.join(name).is_file()));
    if found.is_none() {
        let message = "the control plane is missing: not in $KUBEBUILDER_ASSETS, /usr/local/kubebuilder/bin or .tools/bin; \
                       `make test` builds it";
        skip(message);
    }
    found
}
