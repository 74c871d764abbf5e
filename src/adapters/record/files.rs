//! Files and variables as a replay has them: those of this machine, and something in place of secrets that are not here.

use std::io::Result;

use crate::adapters::files::LocalFiles;
use crate::ports::Files;

/// What is sent to nobody in place of a token or password.
const STAND_IN: &str = "replayed";

/// Local files and variables; tokens and passwords need not be there.
pub struct ReplayFiles;

impl Files for ReplayFiles {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>> {
        LocalFiles.read(path, max_bytes)
    }

    fn env(&self, name: &str) -> Option<String> {
        LocalFiles.env(name)
    }

    fn stand_in(&self) -> Option<String> {
        Some(STAND_IN.to_owned())
    }
}
