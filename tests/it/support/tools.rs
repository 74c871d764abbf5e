//! Programs of others that tests run, where `scripts/setup` puts them or the system has them.

use std::path::PathBuf;

use super::files;

/// The Helm that `tests/tools/helm` pins.
pub fn helm() -> Option<PathBuf> {
    let program = files::root().join(".tools/bin/helm");
    found("helm", program.is_file().then_some(program))
}

/// A browser that can run without a screen.
pub fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let directories: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let candidates = names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    found("chromium", candidates.into_iter().find(|program| program.is_file()))
}

/// Nobody is left to think that something was checked which was not: in CI a missing program fails the test that wants it;
/// elsewhere the test says so and ends, and `make test` names it in its summary.
fn found(name: &str, program: Option<PathBuf>) -> Option<PathBuf> {
    if program.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing: run `make setup`");
        eprintln!("not checked: {name} is missing: run `make setup`");
    }
    program
}
