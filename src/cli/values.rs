//! Helm's value flags.

use std::path::Path;

use clap::Args;

use crate::app::error::AppError;
use crate::app::values::{self, Network, Source, Values};
use crate::app::{self, resolve::Resolved};

/// Values, in Helm's grammar and precedence: files in order, then --set-json, --set, --set-string, --set-file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Values (Helm's rules)")]
pub(crate) struct ValueArgs {
    /// YAML file with values: a path, a URL, or - for standard input (repeatable)
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    files: Vec<String>,
    /// Values, such as http.url=http://localhost:8080,http.qps=50 (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Values that are always strings, such as http.headers.x-id=007 (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    set_string: Vec<String>,
    /// JSON values, such as 'http.headers={"a": "b"}' (repeatable)
    #[arg(long, value_name = "PATH=JSON")]
    set_json: Vec<String>,
    /// Values read from files, such as http.payloadStr=body.json (repeatable)
    #[arg(long, value_name = "PATH=FILE")]
    set_file: Vec<String>,
}

impl ValueArgs {
    /// Returns true if any value is given.
    pub(crate) fn is_given(&self) -> bool {
        [&self.files, &self.set, &self.set_string, &self.set_json, &self.set_file].iter().any(|list| !list.is_empty())
    }

    /// Returns the files that the flags name.
    pub(crate) fn named_files(&self) -> impl Iterator<Item = &str> {
        let values = self.files.iter().flat_map(|names| separate_files(names));
        let set = self.set_file.iter().flat_map(|texts| texts.split(','));
        values.chain(set.filter_map(|text| Some(text.split_once('=')?.1)))
    }

    /// Reads and merges the values.
    pub(crate) async fn merged(&self, network: Network<'_>) -> Result<Values, AppError> {
        values::merged(&self.sources(network).await?)
    }

    /// Reads the values, each in its own source. Standard input can be read only once.
    pub(crate) async fn sources(&self, network: Network<'_>) -> Result<Vec<Source>, AppError> {
        let mut sources = Vec::new();
        for name in self.files.iter().flat_map(|names| separate_files(names)) {
            sources.push(values::file(name, network).await?);
        }
        sources.extend(self.set_json.iter().cloned().map(Source::SetJson));
        sources.extend(self.set.iter().cloned().map(Source::Set));
        sources.extend(self.set_string.iter().cloned().map(Source::SetString));
        sources.extend(self.set_file.iter().cloned().map(|text| Source::SetFile { text }));
        Ok(sources)
    }
}

/// Splits `a.yaml,b.yaml` as Helm does, unless one file has this name.
fn separate_files(names: &str) -> Vec<&str> {
    if Path::new(names).exists() { vec![names] } else { names.split(',').collect() }
}

/// Resolves values into tasks, and logs warnings about them.
pub(crate) fn resolve(values: &Values) -> Result<Resolved, AppError> {
    // In the order of precedence.
    for source in values.origins.describe() {
        tracing::debug!("{source}");
    }
    let resolved = app::resolve::from_values(values).map_err(AppError::in_values)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    Ok(resolved)
}
