//! The folder of one recorded loop: names, the file that says what it is, and reading with limits.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ports::RecordingError;

/// Says what the folder is.
pub(super) const MANIFEST: &str = "recording.json";

/// What the clock showed.
pub(super) const CLOCK: &str = "clock.txt";

/// What a manifest calls itself, and the newest version of the format.
const FORMAT: &str = "iter8 recording";
const VERSION: u32 = 1;

/// Largest file that is read. An answer has at most 16 MiB, which base64 and escapes make longer.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// Most files that a folder may have.
const MAX_FILES: usize = 100_000;

/// What the folder is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    format: String,
    version: u32,
    iter8_version: String,
    #[serde(rename = "loop")]
    loop_number: u64,
    /// When recording began.
    pub(super) started: DateTime<Utc>,
}

impl Manifest {
    pub(super) fn new(loop_number: u64, started: DateTime<Utc>) -> Self {
        let iter8_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT.to_owned(), version: VERSION, iter8_version, loop_number, started }
    }

    /// Reads the manifest of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, RecordingError> {
        let path = folder.join(MANIFEST);
        let manifest: Self = read_json(&path)?;
        let damaged = |reason: String| RecordingError::Damaged { path: path.clone(), reason };
        match (manifest.format.as_str(), manifest.version) {
            (FORMAT, ..=VERSION) => Ok(manifest),
            (FORMAT, version) => {
                Err(damaged(format!("it has version {version} of the format, and {VERSION} is the newest known")))
            }
            _ => Err(damaged(format!("`format` is not `{FORMAT}`"))),
        }
    }
}

/// The folder of a loop, counted from 1.
pub(super) fn of_loop(directory: &Path, loop_number: u64) -> PathBuf {
    directory.join(format!("loop-{loop_number}"))
}

/// The file of a task's outcome; tasks are counted from 0 here and from 1 in the name.
pub(super) fn task_file(index: usize, task: &str) -> String {
    format!("task-{}-{}.json", index + 1, slug(task))
}

/// The file of an answer, counted from 1: method, host and path make it easy to find.
pub(super) fn answer_file(number: u64, method: &str, url: &str) -> String {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    format!("answer-{number:04}-{}.json", slug(&format!("{method}-{place}")))
}

/// The number in such a name.
pub(super) fn answer_number(name: &str) -> Option<u64> {
    name.strip_prefix("answer-")?.strip_suffix(".json")?.split('-').next()?.parse().ok()
}

/// Whether the name is that of a task's outcome.
pub(super) fn is_task_file(name: &str) -> bool {
    name.starts_with("task-") && name.ends_with(".json")
}

/// A part of a file's name that every file system takes.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let text: String = text.chars().map(plain).collect();
    let words: Vec<_> = text.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(60).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// How the clock's readings are written: to the nanosecond.
pub(super) fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// The names of the folder's files.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, RecordingError> {
    let unavailable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => RecordingError::Missing { path: folder.to_owned() },
        _ => RecordingError::Unavailable { action: "read", path: folder.to_owned(), source },
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unavailable)? {
        // What is not text is no name of ours.
        names.extend(entry.map_err(unavailable)?.file_name().into_string());
        if names.len() > MAX_FILES {
            let reason = format!("it holds more than {MAX_FILES} files");
            return Err(RecordingError::Damaged { path: folder.to_owned(), reason });
        }
    }
    Ok(names)
}

/// Reads a file of JSON.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RecordingError> {
    serde_json::from_str(&read(path)?)
        .map_err(|error| RecordingError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Reads a text.
pub(super) fn read(path: &Path) -> Result<String, RecordingError> {
    let damaged = |reason: &str| RecordingError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let unavailable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => damaged("there is no such file"),
        io::ErrorKind::InvalidData => damaged("it is not UTF-8 text"),
        _ => RecordingError::Unavailable { action: "read", path: path.to_owned(), source },
    };
    // A pipe would keep us waiting for ever.
    if !fs::metadata(path).map_err(unavailable)?.is_file() {
        return Err(damaged("it is not a regular file"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(unavailable)?;
    if file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unavailable)? as u64 > MAX_FILE_BYTES {
        return Err(damaged(&format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_was_asked_and_no_more() {
        let url = "https://[hidden]@prometheus.local:9090/api/v1/query?query=up&token=[hidden]";
        assert_eq!(answer_file(7, "GET", url), "answer-0007-get-hidden-prometheus.local-9090-api-v1-query.json");
        assert_eq!(answer_file(1, "GET", "../../etc/passwd"), "answer-0001-get-..-..-etc-passwd.json");
        assert_eq!(answer_file(12_345, "", ""), "answer-12345-.json");
        assert_eq!(answer_number(&answer_file(12_345, "GET", url)), Some(12_345));
        assert_eq!(answer_number("answer-x.json"), None);
        assert_eq!(task_file(0, "http"), "task-1-http.json");
        assert!(answer_file(1, "GET", &format!("http://h/{}", "x/".repeat(1000))).len() < 100);
    }
}
