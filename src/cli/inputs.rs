//! Files that an experiment reads, which its reports must not replace.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

use crate::ports::Files;

/// Files that remember the names of those that were read.
pub(super) struct Inputs<'a> {
    files: &'a dyn Files,
    names: Mutex<BTreeSet<String>>,
}

impl<'a> Inputs<'a> {
    pub(super) fn of(files: &'a dyn Files) -> Self {
        Self { files, names: Mutex::default() }
    }

    /// Returns the names of the files that were read so far.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.names.lock().map(|names| names.clone()).unwrap_or_default()
    }
}

impl Files for Inputs<'_> {
    fn read(&self, path: &str, max_bytes: u64) -> io::Result<Vec<u8>> {
        if let Ok(mut names) = self.names.lock() {
            names.insert(path.to_owned());
        }
        self.files.read(path, max_bytes)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.files.env(name)
    }

    fn knows_content(&self) -> bool {
        self.files.knows_content()
    }

    fn placeholder(&self) -> Option<String> {
        self.files.placeholder()
    }
}
