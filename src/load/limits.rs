//! Limits of this process: raised as far as the system allows, and recognized when they end a request.

use std::io::{Error, ErrorKind};

/// Raises the soft limit of open files to the hard one, which every user may do. A failure shows when a connection cannot be opened.
pub(super) fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            // Some systems reject an unlimited number.
            let current = limit.maximum.or(limit.current.max(Some(1 << 20)));
            let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
        }
    }
}

/// Returns true if this machine ran out of files, ports or memory.
pub(super) fn is_limit(error: &Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let limits = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
        if error.raw_os_error().is_some_and(|code| limits.iter().any(|limit| limit.raw_os_error() == code)) {
            return true;
        }
    }
    // No address, for a client, is no local port.
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse | ErrorKind::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_of_files_rises_to_the_hard_one() {
        use rustix::process::{Resource, getrlimit};
        raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert!(limit.current == limit.maximum || limit.current == Some(1 << 20), "{limit:?}");
    }

    #[test]
    fn limits_differ_from_failures_of_the_service() {
        assert!(is_limit(&ErrorKind::AddrNotAvailable.into()));
        for kind in
            [ErrorKind::ConnectionRefused, ErrorKind::TimedOut, ErrorKind::WouldBlock, ErrorKind::HostUnreachable]
        {
            assert!(!is_limit(&kind.into()), "{kind}");
        }
        // EMFILE and ENFILE have the same numbers on all Unix systems.
        #[cfg(unix)]
        assert!([23, 24].into_iter().all(|code| is_limit(&Error::from_raw_os_error(code))));
    }
}
