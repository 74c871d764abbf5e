//! Local files and the process's environment, as tasks may read them.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};

use crate::ports::Files;

/// The files and the environment of this process.
pub struct LocalFiles;

impl Files for LocalFiles {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(Error::new(ErrorKind::IsADirectory, "it is a directory, not a file"));
        }
        let mut content = Vec::new();
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > max_bytes {
            return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {max_bytes} bytes")));
        }
        Ok(content)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
