//! Files and downloads named by values, read up to a size limit.

use std::io;
use std::time::Duration;

use crate::model::text::is_html;
use crate::model::tls_problem::WEB_FIELDS;
use crate::ports::{Files, Web, WebRequest};
use crate::redact::redact_url;

/// Reads a file of at most `max` bytes.
pub(super) fn read(files: &dyn Files, path: &str, max: u64) -> Result<Vec<u8>, String> {
    files.read(path, max).map_err(|error| format!("cannot read `{path}`: {}", reason(&error)))
}

/// Renders an error about a file named by the user.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory; expected a file".to_owned(),
        _ => error.to_string(),
    }
}

/// A failed download.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {reason}")]
pub(crate) struct DownloadError {
    /// The URL, without secrets.
    url: String,
    pub(crate) reason: DownloadFailure,
    /// The next step, if there is one.
    pub(crate) hint: Option<String>,
}

/// Reason of a failed download.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadFailure {
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("{0}")]
    Transport(String),
}

/// Downloads at most `max` bytes.
pub(crate) async fn download(
    web: &dyn Web,
    url: &str,
    max: usize,
    timeout: Duration,
) -> Result<Vec<u8>, DownloadError> {
    let request = WebRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        max_response_bytes: max,
        timeout,
        ..WebRequest::default()
    };
    let failed = |reason, hint| DownloadError { url: redact_url(url), reason, hint };
    let response = web.send(request).await.map_err(|error| {
        let hint = error.tls_hint(WEB_FIELDS);
        failed(DownloadFailure::Transport(error.reason), hint)
    })?;
    match response.status {
        200..300 => Ok(response.body),
        status => Err(failed(DownloadFailure::Status(status), None)),
    }
}

/// Rejects a download that is a page about a file instead of the file, which is `expected`.
pub(crate) fn reject_page(url: &str, content: &[u8], expected: &str) -> Result<(), String> {
    let message = format!("an HTML page, not {expected}");
    match raw_url(url) {
        _ if !is_html(content) => Ok(()),
        Some(raw) => Err(format!("{message}; the file itself is {}", redact_url(&raw))),
        None => Err(message),
    }
}

/// Returns the URL of a file's content, if `url` is GitHub's page about the file.
fn raw_url(url: &str) -> Option<String> {
    let (repository, path) = url.strip_prefix("https://github.com/")?.split_once("/blob/")?;
    Some(format!("https://raw.githubusercontent.com/{repository}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_about_a_file_is_rejected_with_the_url_of_the_file() {
        let page = "\u{feff}\n<!DOCTYPE html><html>".as_bytes();
        let rejected = |url| reject_page(url, page, "values").unwrap_err();
        assert_eq!(rejected("http://host/x"), "an HTML page, not values");
        assert_eq!(rejected("https://github.com/o/r"), "an HTML page, not values");
        assert_eq!(
            rejected("https://github.com/o/r/blob/main/dir/x.yaml"),
            "an HTML page, not values; the file itself is https://raw.githubusercontent.com/o/r/main/dir/x.yaml"
        );
        assert_eq!(reject_page("http://host/x", b"tasks: [http]", "values"), Ok(()));
    }
}
