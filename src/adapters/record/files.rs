//! Files and environment variables of a replay: those of this machine, and placeholders for missing secrets.

use std::io::Result;

use crate::adapters::files::LocalFiles;
use crate::ports::Files;

/// Placeholder for a token or password, which a replay never sends.
const PLACEHOLDER: &str = "replayed";

/// Local files and environment variables; tokens and passwords may be missing.
pub(crate) struct ReplayFiles;

impl Files for ReplayFiles {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>> {
        LocalFiles.read(path, max_bytes)
    }

    fn env(&self, name: &str) -> Option<String> {
        LocalFiles.env(name)
    }

    fn placeholder(&self) -> Option<String> {
        Some(PLACEHOLDER.to_owned())
    }
}
