//! Experiment document in a file, replaced atomically.
//!
//! A write goes to a temporary file beside the document, which is synced to disk and renamed. Readers, and processes killed at any
//! moment, find either the old document or the new one, never a part.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::codec::{self, CodecError, DocumentError};
use crate::model::document::Experiment;
use crate::ports::{BoxFuture, DocumentStore, StoreError};

/// Maximum size of a document to read. Documents written here stay under 1 MiB; those of Iter8 can be larger.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// Bytes that tell what a file is.
const START: u64 = 4096;

/// Name of temporary files.
const PREFIX: &str = ".iter8-";
const SUFFIX: &str = ".tmp";

/// Age from which a temporary file belongs to a process that was killed. Writing one takes milliseconds.
const ABANDONED: Duration = Duration::from_secs(60);

/// An experiment document in a file. Changes by other programs since it was last read or written are not overwritten.
pub(crate) struct FileStore {
    path: PathBuf,
    known: Mutex<Known>,
}

/// Content of the file when it was last read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was not read yet, or is not a regular file.
    Nothing,
    Missing,
    Hash(u64),
}

impl Known {
    fn of(content: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        Self::Hash(hasher.finish())
    }
}

impl FileStore {
    /// Creates a store for the document at `path`, which may not exist yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), known: Mutex::new(Known::Nothing) }
    }

    fn read(&self) -> Result<Experiment, StoreError> {
        let content = read_file(&self.path);
        self.know(&content);
        let content = content.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { location: self.location() },
            _ => StoreError::Unavailable { action: "read", location: self.location(), source },
        })?;
        parse(content).map_err(|source| StoreError::Invalid { location: self.location(), source })
    }

    fn know(&self, content: &io::Result<Vec<u8>>) {
        let known = match content {
            Ok(content) => Known::of(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Known::Missing,
            Err(_) => Known::Nothing,
        };
        *self.known.lock() = known;
    }

    /// Fails if another program changed the document.
    fn check_unchanged(&self) -> Result<(), StoreError> {
        let known = *self.known.lock();
        if known == Known::Nothing {
            return Ok(());
        }
        let change = match read_file(&self.path) {
            Ok(content) if Known::of(&content) == known => return Ok(()),
            Ok(_) if known == Known::Missing => "created",
            Ok(_) => "changed",
            // A document that was removed, or cannot be read, is written again.
            Err(_) => return Ok(()),
        };
        Err(StoreError::Changed { location: self.location(), change })
    }

    fn write(&self, experiment: &Experiment) -> Result<(), StoreError> {
        let text = codec::to_yaml(experiment)
            .map_err(|source| StoreError::Invalid { location: self.location(), source: source.into() })?;
        let unavailable = |source| StoreError::Unavailable { action: "write", location: self.location(), source };
        if is_stream(&self.path) {
            return Err(unavailable(not_a_regular_file()));
        }
        self.check_unchanged()?;
        replace(&self.path, text.as_bytes(), Access::Private).map_err(unavailable)?;
        tracing::debug!("saved {} ({} bytes)", self.location(), text.len());
        self.know(&Ok(text.into_bytes()));
        Ok(())
    }
}

/// Parses the content of a document.
pub(crate) fn parse(content: Vec<u8>) -> Result<Experiment, DocumentError> {
    let text = String::from_utf8(content).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        DocumentError::from(CodecError::new(format!("not UTF-8 (at byte {at}); expected YAML")))
    })?;
    codec::experiment_from_yaml(&text)
}

/// Reads a regular file. Opening a pipe would wait for a writer.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory, not a file"));
    }
    if !metadata.is_file() {
        return Err(not_a_regular_file());
    }
    read_document(file)
}

/// Returns true for pipes and devices.
pub(crate) fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn not_a_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// Reads the bytes of a document.
pub(crate) fn read_document(source: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_DOCUMENT_BYTES {
        let reason = format!("larger than {MAX_DOCUMENT_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(content)
}

/// A run directory that no other run may use. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct RunLock {
    _directory: File,
}

impl FileStore {
    /// Locks the directory of the document; `None` if another run has locked it. Also removes temporary files that killed runs left there.
    pub(crate) fn lock(&self) -> io::Result<Option<RunLock>> {
        let path = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = File::open(path)?;
        #[cfg(unix)]
        {
            use rustix::fs::{FlockOperation::NonBlockingLockExclusive, flock};
            // Not every file system has locks; other errors say so.
            if flock(&directory, NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
                return Ok(None);
            }
        }
        remove_abandoned(path);
        Ok(Some(RunLock { _directory: directory }))
    }
}

/// Removes old temporary files. A report may be written here at the same time, so new ones stay.
fn remove_abandoned(directory: &Path) {
    let is_abandoned = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let is_temporary = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let age =
            entry.metadata().ok().filter(fs::Metadata::is_file).and_then(|file| file.modified().ok()?.elapsed().ok());
        is_temporary && age.is_some_and(|age| age >= ABANDONED)
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().filter(is_abandoned) {
        // It may be gone already.
        let _ = fs::remove_file(entry.path());
    }
}

impl DocumentStore for FileStore {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn owner(&self) -> String {
        let host = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("{} on {host}", path.display())
    }

    fn load(&self) -> BoxFuture<'_, Result<Experiment, StoreError>> {
        Box::pin(async { self.read() })
    }

    fn save<'a>(&'a self, experiment: &'a Experiment) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { self.write(experiment) })
    }
}

/// Permissions of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// For its owner only: a document has the spec as the user wrote it, possibly with secrets. Iter8 does the same.
    Private,
    /// As the umask allows.
    Shared,
}

/// Replaces the content of the file at `path` atomically. Follows symbolic links and keeps permissions; a new file has those of
/// `access`. Writes to a device or a pipe instead of replacing it.
pub(crate) fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    if is_stream(path) {
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
    builder.prefix(PREFIX).suffix(SUFFIX);
    if let Ok(metadata) = fs::metadata(&target) {
        if metadata.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
        }
        builder.permissions(metadata.permissions());
    } else if access == Access::Shared {
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

/// Removes a file that [`replace`] will write again, if the start of its content is recognized. Symbolic links, pipes and devices stay.
pub(crate) fn discard(path: &Path, is_recognized: impl Fn(&str) -> bool) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(());
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
    if read.is_ok() && is_recognized(&String::from_utf8_lossy(&start)) { fs::remove_file(path) } else { Ok(()) }
}

/// Gives a new file the permissions of an ordinary new file (subject to the umask), not those of a temporary file.
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
        replace(&path, b"old", Access::Shared).unwrap();
        fs::create_dir(directory.path().join("taken")).unwrap();
        assert!(replace(&directory.path().join("taken"), b"new", Access::Shared).is_err());
        let error = replace(&directory.path().join("missing/experiment.yaml"), b"new", Access::Shared).unwrap_err();
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
        replace(&pipe, b"report", Access::Shared).unwrap();
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
        replace(&path, b"old", Access::Shared).unwrap();
        let ordinary = directory.path().join("ordinary");
        fs::write(&ordinary, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), mode(&ordinary));
        let private = directory.path().join("private.yaml");
        replace(&private, b"spec", Access::Private).unwrap();
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"new", Access::Shared).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn changes_by_others_are_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("experiment.yaml");
        let write = |text: &str| fs::write(&path, text).unwrap();
        let lost = |store: &FileStore| match store.write(&Experiment::default()) {
            Err(StoreError::Changed { change, .. }) => Some(change),
            written => written.map(|()| None).unwrap(),
        };
        let store = FileStore::new(&path);
        assert!(matches!(store.read(), Err(StoreError::Missing { .. })));
        write("spec: []");
        assert_eq!(lost(&store), Some("created"));
        assert_eq!(store.read().unwrap(), Experiment::default());
        assert_eq!((lost(&store), lost(&store)), (None, None));
        write("spec: []\n# Edited.");
        assert_eq!(lost(&store), Some("changed"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "spec: []\n# Edited.");
        fs::remove_file(&path).unwrap();
        assert_eq!(lost(&store), None);
    }

    #[test]
    fn a_run_locks_its_directory_and_removes_what_killed_runs_left() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join(".iter8-aaaaaa.tmp"), directory.path().join(".iter8-bbbbbb.tmp"));
        for path in [&old, &new] {
            fs::write(path, "").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - ABANDONED;
        File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        let store = || FileStore::new(directory.path().join("experiment.yaml"));
        let lock = store().lock().unwrap();
        assert!(lock.is_some() && store().lock().unwrap().is_none());
        assert!(!old.exists() && new.exists());
        drop(lock);
        assert!(store().lock().unwrap().is_some());
    }
}
