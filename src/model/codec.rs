//! Reading and writing YAML and JSON: the only file that knows the YAML crate.

use std::fmt;

use super::document::Experiment;

/// Why a text is not what it should be, with the place where known.
#[derive(Debug, thiserror::Error)]
pub struct CodecError {
    /// What is wrong.
    pub message: String,
    /// Line from 1, where known.
    pub line: Option<u64>,
    /// Column from 1, where known.
    pub column: Option<u64>,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// Reads YAML 1.1 (JSON included) as Helm and Kubernetes do, into a JSON value.
pub fn value_from_yaml(text: &str) -> Result<serde_json::Value, CodecError> {
    serde_saphyr::from_str(text).map_err(failed)
}

/// Reads an experiment document.
pub fn experiment_from_yaml(text: &str) -> Result<Experiment, CodecError> {
    serde_saphyr::from_str(text).map_err(failed)
}

/// Writes anything as YAML that a YAML 1.1 reader reads back unchanged.
pub fn to_yaml<T: serde::Serialize>(value: &T) -> Result<String, CodecError> {
    serde_saphyr::to_string(value).map_err(failed)
}

fn failed(error: impl fmt::Display) -> CodecError {
    CodecError { message: error.to_string(), line: None, column: None }
}
