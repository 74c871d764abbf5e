//! The directory of one recorded loop: file names, the manifest, and bounded reading.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ports::{RecordedTask, RecordingError};

/// Name of the manifest.
pub(super) const MANIFEST: &str = "recording.json";

/// Name of the file with readings of the clock.
pub(super) const CLOCK: &str = "clock.txt";

/// Format name in the manifest, and its latest version.
const FORMAT: &str = "iter8 recording";
const VERSION: u32 = 1;

/// Maximum size of a file. A response has at most 16 MiB, more in base64 or with escapes.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// Maximum number of files in a directory.
const MAX_FILES: usize = 100_000;

/// Description of a recording.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    format: String,
    version: u32,
    iter8_version: String,
    #[serde(rename = "loop")]
    loop_number: u64,
    /// Start of the recording.
    started: DateTime<Utc>,
    /// Tasks that are recorded by their outcome.
    #[serde(default)]
    tasks: Option<Vec<RecordedTask>>,
}

impl Manifest {
    pub(super) fn new(loop_number: u64, started: DateTime<Utc>, tasks: Vec<RecordedTask>) -> Self {
        let iter8_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT.to_owned(), version: VERSION, iter8_version, loop_number, started, tasks: Some(tasks) }
    }

    /// Reads the start of a recording and its tasks.
    pub(super) fn read(folder: &Path) -> Result<(DateTime<Utc>, Vec<RecordedTask>), RecordingError> {
        let path = folder.join(MANIFEST);
        let manifest: Self = read_json(&path)?;
        let damaged = |reason: String| RecordingError::Damaged { path: path.clone(), reason };
        match (manifest.format.as_str(), manifest.version) {
            (FORMAT, ..=VERSION) => match manifest.tasks {
                Some(tasks) => Ok((manifest.started, tasks)),
                None => Err(damaged("`tasks`, the recorded settings, are missing".to_owned())),
            },
            (FORMAT, version) => {
                Err(damaged(format!("unsupported format version {version}; the newest supported one is {VERSION}")))
            }
            _ => Err(damaged(format!("`format` is not `{FORMAT}`"))),
        }
    }
}

/// Returns the directory of a loop, numbered from 1.
pub(super) fn of_loop(directory: &Path, loop_number: u64) -> PathBuf {
    directory.join(format!("loop-{loop_number}"))
}

/// Returns the file name of a task's outcome. `index` starts from 0, the number in the name from 1.
pub(super) fn task_file(index: usize, task: &str) -> String {
    format!("task-{}-{}.json", index + 1, slug(task))
}

/// Returns the file name of a response, numbered from 1, with method, host and path for readers.
pub(super) fn response_file(number: u64, method: &str, url: &str) -> String {
    let target = url.split_once("://").map_or(url, |(_, rest)| rest);
    let target = target.split(['?', '#']).next().unwrap_or_default();
    format!("answer-{number:04}-{}.json", slug(&format!("{method}-{target}")))
}

/// Returns the number in the file name of a response.
pub(super) fn response_number(name: &str) -> Option<u64> {
    name.strip_prefix("answer-")?.strip_suffix(".json")?.split('-').next()?.parse().ok()
}

/// Returns true for the file name of a task's outcome.
pub(super) fn is_task_file(name: &str) -> bool {
    name.starts_with("task-") && name.ends_with(".json")
}

/// Returns a part of a file name that is valid on every file system.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    let words: Vec<_> = text.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(60).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// Formats a reading of the clock.
pub(super) fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// Lists the files of the directory.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, RecordingError> {
    let unavailable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => RecordingError::Missing { path: folder.to_owned() },
        _ => RecordingError::Unavailable { action: "read", path: folder.to_owned(), source },
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unavailable)? {
        // Names of recorded files are UTF-8.
        names.extend(entry.map_err(unavailable)?.file_name().into_string());
        if names.len() > MAX_FILES {
            let reason = format!("more than {MAX_FILES} files");
            return Err(RecordingError::Damaged { path: folder.to_owned(), reason });
        }
    }
    Ok(names)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RecordingError> {
    serde_json::from_str(&read(path)?)
        .map_err(|error| RecordingError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Reads a text file within the size limit.
pub(super) fn read(path: &Path) -> Result<String, RecordingError> {
    let damaged = |reason: &str| RecordingError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let unavailable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => damaged("no such file"),
        io::ErrorKind::InvalidData => damaged("not valid UTF-8"),
        _ => RecordingError::Unavailable { action: "read", path: path.to_owned(), source },
    };
    // Opening a pipe would block forever.
    if !fs::metadata(path).map_err(unavailable)?.is_file() {
        return Err(damaged("not a regular file"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(unavailable)?;
    if file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unavailable)? as u64 > MAX_FILE_BYTES {
        return Err(damaged(&format!("larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_show_the_request_without_secrets() {
        let url = "https://[hidden]@prometheus.local:9090/api/v1/query?query=up&token=[hidden]";
        assert_eq!(response_file(7, "GET", url), "answer-0007-get-hidden-prometheus.local-9090-api-v1-query.json");
        assert_eq!(response_file(1, "GET", "../../etc/passwd"), "answer-0001-get-..-..-etc-passwd.json");
        assert_eq!(response_file(12_345, "", ""), "answer-12345-.json");
        assert_eq!(response_number(&response_file(12_345, "GET", url)), Some(12_345));
        assert_eq!(response_number("answer-x.json"), None);
        assert_eq!(task_file(0, "http"), "task-1-http.json");
        assert!(response_file(1, "GET", &format!("http://h/{}", "x/".repeat(1000))).len() < 100);
    }
}
