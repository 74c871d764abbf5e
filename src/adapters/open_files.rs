//! Number of files that this process may open.

use std::fs::File;
use std::io::Error;

/// Files that the runtime and any command need.
const NEEDED: usize = 16;

/// Fails if fewer files can be opened than any command needs: libraries end the program then, without a message.
pub(crate) fn check() -> Result<(), Error> {
    #[cfg(unix)]
    if is_short() {
        raise();
        if is_short() {
            return Err(Error::other(format!("this process cannot open {NEEDED} files")));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_short() -> bool {
    let opened: Result<Vec<File>, Error> = (0..NEEDED).map(|_| File::open("/dev/null")).collect();
    opened.is_err_and(|error| rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::MFILE))
}

/// Raises the soft limit to the hard one.
#[cfg(unix)]
fn raise() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum.or(Some(1024));
    // A failure shows when files are opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
}
