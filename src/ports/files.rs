//! Files and environment variables.

/// Files and environment variables read by tasks: payloads, credentials, certificates.
pub trait Files: Send + Sync {
    /// Reads a whole file of at most `max_bytes`.
    fn read(&self, path: &str, max_bytes: u64) -> std::io::Result<Vec<u8>>;

    /// Returns the value of an environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// Returns true if the content of files is known, and not only that they exist.
    fn knows_content(&self) -> bool {
        true
    }

    /// Returns a placeholder for a token or password that cannot be read. Only replays have one, because they send nothing.
    fn placeholder(&self) -> Option<String> {
        None
    }
}
