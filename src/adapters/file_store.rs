//! Experiment document in a file, replaced atomically.
//!
//! A write goes to a temporary file beside the document, which is synced to disk and renamed. Readers, and processes killed at any
//! moment, find either the old document or the new one, never a part.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::model::codec;
use crate::model::document::Experiment;
use crate::ports::{BoxFuture, DocumentStore, StoreError};

/// Maximum size of a document to read. Documents written here stay under 1 MiB; those of Iter8 can be larger.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// An experiment document in a file.
pub(crate) struct FileStore {
    path: PathBuf,
}

impl FileStore {
    /// Creates a store for the document at `path`, which may not exist yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn read(&self) -> Result<Experiment, StoreError> {
        let unavailable = |source| match source {
            source if io::Error::kind(&source) == io::ErrorKind::NotFound => {
                StoreError::Missing { location: self.location() }
            }
            source => StoreError::Unavailable { action: "read", location: self.location(), source },
        };
        let mut text = String::new();
        let file = File::open(&self.path).map_err(unavailable)?;
        let read = file.take(MAX_DOCUMENT_BYTES + 1).read_to_string(&mut text).map_err(unavailable)?;
        if read as u64 > MAX_DOCUMENT_BYTES {
            let reason = format!("larger than {MAX_DOCUMENT_BYTES} bytes");
            return Err(unavailable(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
        }
        codec::experiment_from_yaml(&text).map_err(|source| StoreError::Invalid { location: self.location(), source })
    }
}

impl DocumentStore for FileStore {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(async { self.read() })
    }

    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async {
            let text = codec::to_yaml(experiment)
                .map_err(|source| StoreError::Invalid { location: self.location(), source })?;
            replace(&self.path, text.as_bytes()).map_err(|source| StoreError::Unavailable {
                action: "write",
                location: self.location(),
                source,
            })
        })
    }
}

/// Replaces the content of the file at `path` atomically. Follows symbolic links and keeps permissions. Writes to a device or a pipe instead of
/// replacing it.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(content);
    }
    // Resolve links, so that the link itself is not replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory, not a file"));
    }
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".iter8-").suffix(".tmp");
    if let Ok(metadata) = fs::metadata(&target) {
        if metadata.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
        }
        builder.permissions(metadata.permissions());
    } else {
        use_default_permissions(&mut builder);
    }
    let mut file = builder.tempfile_in(directory).map_err(|error| io::Error::new(error.kind(), root_cause(&error)))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    // The rename should survive a power failure; not every file system can sync a directory.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

/// Gives a new document the permissions of an ordinary new file (subject to the umask), not those of a temporary file.
fn use_default_permissions(builder: &mut tempfile::Builder<'_, '_>) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
}

/// Removes the random name of the temporary file, so that messages are the same in every run. `tempfile` has no public type for
/// the error that names it, only these words.
fn root_cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" at path").map_or(text.clone(), |(cause, _)| cause.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("experiment.yaml");
        replace(&path, b"old").unwrap();
        fs::create_dir(directory.path().join("taken")).unwrap();
        assert!(replace(&directory.path().join("taken"), b"new").is_err());
        let error = replace(&directory.path().join("missing/experiment.yaml"), b"new").unwrap_err();
        assert_eq!(error.to_string(), io::Error::from_raw_os_error(2).to_string());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        replace(&pipe, b"report").unwrap();
        assert_eq!(reader.join().unwrap(), "report");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("real.yaml");
        let link = directory.path().join("link.yaml");
        replace(&path, b"old").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o600, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
