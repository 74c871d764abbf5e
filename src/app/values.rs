//! Reading values files: paths, downloads and standard input, merged with the values of flags.

use std::io::Read;
use std::time::Duration;

use super::error::AppError;
use crate::adapters::files::{LocalFiles, read_file_or_stream};
use crate::ports::{Files, Web};
pub(crate) use crate::redact::redact_url;
use crate::tasks::fetch::{self, DownloadFailure};
use crate::values::merge;

pub(crate) use crate::redact::redact_text;
pub(crate) use crate::values::input::{InputError, InputErrors};
pub(crate) use crate::values::origin::Origin;
pub(crate) use crate::values::slo_text::{FLAG as SLO_FLAG, SloText, parse_slos};
pub(crate) use crate::values::{Source, Values};

/// Maximum size of a values file, and of a value from a file.
const MAX_VALUES_BYTES: usize = 8 << 20;

/// Timeout of the download of a values file.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Access to URLs.
#[derive(Clone, Copy)]
pub(crate) enum Network<'a> {
    /// URLs are downloaded with this client.
    Through(&'a dyn Web),
    /// A URL is an error.
    Forbidden,
}

/// Merges values in this order, and reads the files that they name.
pub(crate) fn merged(sources: &[Source]) -> Result<Values, AppError> {
    let read_file = |path: &str| {
        let content = LocalFiles.read(path, MAX_VALUES_BYTES as u64).map_err(|error| error.to_string())?;
        String::from_utf8(content).map_err(|_| "not valid UTF-8".to_owned())
    };
    merge(sources, &read_file).map_err(AppError::in_values)
}

/// Reads a values file: a path, a URL, or `-` for standard input.
pub(crate) async fn file(name: &str, network: Network<'_>) -> Result<Source, AppError> {
    let redacted = redact_url(name);
    let message = |reason: String| format!("cannot read the values file {redacted}: {reason}");
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
        fetch::download(web, name, MAX_VALUES_BYTES, DOWNLOAD_TIMEOUT).await.map_err(|error| {
            let failed = AppError::outside(message(match error.reason {
                DownloadFailure::Status(status) => format!("status {status}"),
                DownloadFailure::Transport(reason) => reason,
            }));
            error.hint.into_iter().fold(failed, AppError::with_hint)
        })?
    } else {
        // Values are read only once.
        read_file_or_stream(name, MAX_VALUES_BYTES as u64).map_err(|error| unreadable(error.to_string()))?
    };
    fetch::reject_page(name, &content, "values").map_err(unreadable)?;
    let text = String::from_utf8(content).map_err(|_| unreadable("not valid UTF-8".to_owned()))?;
    Ok(Source::File { name: redacted, text })
}
