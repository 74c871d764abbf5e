//! Real programs that tests compare with or run against.

use std::env;
use std::path::{Path, PathBuf};

/// Where the program `name` is: what the environment variable of its name in capitals says (`HELM`), else the project's own
/// `.tools/bin`, else the search path.
pub fn tool(name: &str) -> Option<PathBuf> {
    let variable = name.to_uppercase().replace('-', "_");
    if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(own).chain(env::split_paths(&path)).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The same for a test that can't do without: a missing program is named, and fails the test where `CI` is set.
pub fn needed(name: &str) -> Option<PathBuf> {
    let found = tool(name);
    if found.is_none() {
        let variable = name.to_uppercase().replace('-', "_");
        let message = format!("{name} is missing: not in ${variable}, .tools/bin or $PATH; `make test` installs it");
        assert!(env::var_os("CI").is_none(), "{message}");
        eprintln!("SKIPPED: {message}");
    }
    found
}

/// The directory that has the programs of a control plane: `$KUBEBUILDER_ASSETS`, else `/usr/local/kubebuilder/bin`, if it has them
/// all, else the project's own `.tools/bin`. All are taken from one place, because they may not differ in version.
pub fn control_plane() -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").filter(|path| !path.is_empty());
    let assets = assets.map_or_else(|| PathBuf::from("/usr/local/kubebuilder/bin"), PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let programs = ["etcd", "kube-apiserver", "kube-controller-manager"];
    let found = [assets, own].into_iter().find(|directory| programs.iter().all(|name| directory.join(name).is_file()));
    if found.is_none() {
        let message = "the control plane is missing: not in $KUBEBUILDER_ASSETS, /usr/local/kubebuilder/bin or .tools/bin; \
                       `make test` builds it";
        assert!(env::var_os("CI").is_none(), "{message}");
        eprintln!("SKIPPED: {message}");
    }
    found
}
