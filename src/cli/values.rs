//! Helm's value flags, and reading the files that they name.

use std::io::Read;
use std::time::Duration;

use clap::Args;

use crate::adapters::files::LocalFiles;
use crate::app::error::AppError;
use crate::app::{self, resolve::Resolved};
use crate::ports::{Files, Web, WebRequest};
use crate::redact::redact_url;
use crate::values::{Source, Values, merge};

/// Maximum size of a values file, and of a value from a file.
const MAX_VALUES_BYTES: usize = 8 << 20;

/// Timeout of the download of a values file.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(60);

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

/// Access to URLs.
#[derive(Clone, Copy)]
pub(crate) enum Network<'a> {
    /// URLs are downloaded with this client.
    Through(&'a dyn Web),
    /// A URL is an error.
    Forbidden,
}

impl ValueArgs {
    /// Returns true if any value is given.
    pub(crate) fn is_given(&self) -> bool {
        [&self.files, &self.set, &self.set_string, &self.set_json, &self.set_file].iter().any(|list| !list.is_empty())
    }

    /// Reads and merges the values.
    pub(crate) async fn merged(&self, network: Network<'_>) -> Result<Values, AppError> {
        let mut sources = Vec::new();
        for name in &self.files {
            let text = read_values(name, network).await?;
            sources.push(Source::File { name: redact_url(name), text });
        }
        sources.extend(self.set_json.iter().cloned().map(Source::SetJson));
        sources.extend(self.set.iter().cloned().map(Source::Set));
        sources.extend(self.set_string.iter().cloned().map(Source::SetString));
        sources.extend(self.set_file.iter().cloned().map(|text| Source::SetFile { text }));
        let read_file = |path: &str| {
            let content = LocalFiles.read(path, MAX_VALUES_BYTES as u64).map_err(|error| error.to_string())?;
            String::from_utf8(content).map_err(|_| "not valid UTF-8".to_owned())
        };
        merge(&sources, &read_file).map_err(AppError::in_values)
    }
}

/// Resolves values into tasks, and logs warnings about them.
pub(crate) fn resolve(values: &Values) -> Result<Resolved, AppError> {
    let resolved = app::resolve::from_values(values).map_err(AppError::in_values)?;
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    Ok(resolved)
}

/// Reads the text of one `-f`: a file, a URL, or standard input.
async fn read_values(name: &str, network: Network<'_>) -> Result<String, AppError> {
    let message = |reason: String| format!("cannot read the values file {}: {reason}", redact_url(name));
    let unreadable = |reason: String| AppError::input(message(reason));
    let content = if name == "-" {
        let mut content = Vec::new();
        let read = std::io::stdin().lock().take(MAX_VALUES_BYTES as u64 + 1).read_to_end(&mut content);
        read.map_err(|error| unreadable(error.to_string()))?;
        if content.len() > MAX_VALUES_BYTES {
            return Err(unreadable(format!("larger than {MAX_VALUES_BYTES} bytes")));
        }
        content
    } else if name.starts_with("http://") || name.starts_with("https://") {
        let Network::Through(web) = network else {
            let reason = "this command does not open connections".to_owned();
            return Err(unreadable(reason).with_hint("download it first and use the file"));
        };
        download(name, web).await.map_err(|reason| AppError::outside(message(reason)))?
    } else {
        let read = LocalFiles.read(name, MAX_VALUES_BYTES as u64);
        read.map_err(|error| unreadable(error.to_string()))?
    };
    String::from_utf8(content).map_err(|_| unreadable("not valid UTF-8".to_owned()))
}

async fn download(url: &str, web: &dyn Web) -> Result<Vec<u8>, String> {
    let request = WebRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        max_response_bytes: MAX_VALUES_BYTES,
        timeout: DOWNLOAD_TIMEOUT,
        ..WebRequest::default()
    };
    let response = web.send(request).await.map_err(|error| error.reason)?;
    match response.status {
        200..300 => Ok(response.body),
        status => Err(format!("status {status}")),
    }
}
