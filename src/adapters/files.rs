//! Local files and environment variables for tasks.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};

use crate::ports::Files;

/// Local files and the environment of this process.
pub(crate) struct LocalFiles;

/// Reads a file, or once a stream such as `/dev/stdin` and `<(command)`, of at most `max_bytes`.
pub(crate) fn read_file_or_stream(path: &str, max_bytes: u64) -> Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() || metadata.is_dir() { LocalFiles.read(path, max_bytes) } else { read_whole(path, max_bytes) }
}

/// Reads everything, unless it is larger than `max_bytes`.
fn read_whole(path: &str, max_bytes: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > max_bytes {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("larger than {max_bytes} bytes")));
    }
    Ok(content)
}

impl Files for LocalFiles {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>> {
        // Check before opening, because opening a pipe blocks. Files are read during the check and again during the run, so streams
        // do not work.
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(Error::new(ErrorKind::IsADirectory, "is a directory, not a file"));
        }
        if !metadata.is_file() {
            let reason = "not a regular file; write its content to a file first";
            return Err(Error::new(ErrorKind::InvalidInput, reason));
        }
        read_whole(path, max_bytes)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("file"), "content").unwrap();
        assert_eq!(LocalFiles.read(&path("file"), 7).unwrap(), b"content");
        assert_eq!(LocalFiles.read(&path("file"), 6).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(LocalFiles.read(&path(""), 6).unwrap_err().kind(), ErrorKind::IsADirectory);
        let socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for name in [path("socket"), "/dev/null".to_owned()] {
            let error = LocalFiles.read(&name, 6).unwrap_err();
            assert!(error.to_string().starts_with("not a regular file"), "{name}: {error}");
        }
        drop(socket);
    }
}
