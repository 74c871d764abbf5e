//! Source of a template: a URL, a file, or the program itself.

use std::time::Duration;

use super::fetch::{self, DownloadFailure};
use crate::model::text::is_html;
use crate::ports::{Files, Web};
use crate::redact::redact_url;
use crate::templates::Dialect;

/// Maximum size of a template, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Timeout of a download.
const DOWNLOAD: Duration = Duration::from_secs(30);

/// Prefix of built-in templates.
const BUILTIN: &str = "builtin:";

/// Name and content of a built-in template.
pub(super) type Builtin = (&'static str, &'static str);

/// Location of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextSource {
    /// A URL.
    Url(String),
    /// A local file.
    File(String),
    /// Content of a built-in template.
    Builtin(&'static str),
}

impl TextSource {
    /// Parses `https://…`, `http://…`, `builtin:NAME`, or a path.
    pub fn parse(text: &str, builtins: &[Builtin]) -> Result<Self, String> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(BUILTIN) {
            let builtin = builtins.iter().find(|(known, _)| *known == name);
            let known: Vec<String> = builtins.iter().map(|(known, _)| format!("{BUILTIN}{known}")).collect();
            let none = || match known.is_empty() {
                true => format!("built-in template `{text}` is not supported here; expected a URL or a path"),
                false => format!("unknown built-in template `{text}`; expected one of {}", known.join(", ")),
            };
            return builtin.map(|(_, content)| Self::Builtin(content)).ok_or_else(none);
        }
        match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => Ok(Self::Url(text.to_owned())),
            Some((scheme, _)) => Err(format!("unsupported scheme `{scheme}://`; expected http://, https:// or a path")),
            None if text.is_empty() => Err("must not be empty; expected a URL or a path".to_owned()),
            None => Ok(Self::File(text.to_owned())),
        }
    }

    /// Returns the dialect of the template.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Url(text) => Dialect::of(url::Url::parse(text).as_ref().map_or(text, |url| url.path())),
            Self::File(path) => Dialect::of(path),
            Self::Builtin(_) => Dialect::Go,
        }
    }

    /// Reads the text; `None` if it needs a download.
    pub fn read(&self, files: &dyn Files) -> Option<Result<String, String>> {
        match self {
            Self::Url(_) => None,
            Self::Builtin(content) => Some(Ok((*content).to_owned())),
            Self::File(path) => Some(read(path, files)),
        }
    }

    /// Reads or downloads the text.
    pub async fn fetch(&self, files: &dyn Files, web: &dyn Web) -> Result<String, TextError> {
        match self {
            Self::Url(url) => download(url, web).await,
            Self::Builtin(content) => Ok((*content).to_owned()),
            Self::File(path) => Ok(read(path, files)?),
        }
    }
}

/// A text that cannot be read or downloaded.
#[derive(Debug)]
pub(super) struct TextError {
    pub(super) message: String,
    /// The next step, if there is one.
    pub(super) hint: Option<String>,
}

impl From<String> for TextError {
    fn from(message: String) -> Self {
        Self { message, hint: None }
    }
}

fn read(path: &str, files: &dyn Files) -> Result<String, String> {
    let bytes = fetch::read(files, path, MAX_BYTES as u64)?;
    template(bytes, &format!("`{path}`"))
}

async fn download(url: &str, web: &dyn Web) -> Result<String, TextError> {
    let redacted = redact_url(url);
    let body = fetch::download(web, url, MAX_BYTES, DOWNLOAD).await.map_err(|error| {
        let reason = match error.reason {
            DownloadFailure::Status(status) => format!("status {status}"),
            DownloadFailure::Transport(reason) => reason,
        };
        TextError { message: format!("cannot download {redacted}: {reason}"), hint: error.hint }
    })?;
    fetch::reject_page(url, &body, "a template").map_err(|message| format!("{redacted} is {message}"))?;
    Ok(template(body, &redacted)?)
}

/// Checks that a file is text, and not a page about it.
fn template(content: Vec<u8>, name: &str) -> Result<String, String> {
    if is_html(&content) {
        return Err(format!("{name} is an HTML page, not a template"));
    }
    String::from_utf8(content).map_err(|_| format!("{name} is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_url_a_file_or_built_in() {
        let parse = |text| TextSource::parse(text, &[("a", "text of a"), ("b", "")]);
        assert_eq!(parse("builtin:a"), Ok(TextSource::Builtin("text of a")));
        assert_eq!(parse(" https://host/x.tpl "), Ok(TextSource::Url("https://host/x.tpl".into())));
        assert_eq!(parse("dir/x.hbs"), Ok(TextSource::File("dir/x.hbs".into())));
        let error = |text| parse(text).unwrap_err();
        assert_eq!(error("builtin:c"), "unknown built-in template `builtin:c`; expected one of builtin:a, builtin:b");
        assert_eq!(error("ftp://host/x"), "unsupported scheme `ftp://`; expected http://, https:// or a path");
        assert_eq!(error(""), "must not be empty; expected a URL or a path");
        assert_eq!(error("https://"), "unsupported scheme `https://`; expected http://, https:// or a path");
    }

    #[test]
    fn a_page_is_not_a_template() {
        let page = "\u{feff}\n<!DOCTYPE html><html>";
        let error = template(page.as_bytes().to_vec(), "http://host/x").unwrap_err();
        assert_eq!(error, "http://host/x is an HTML page, not a template");
        assert!(template(b"url: http://p".to_vec(), "x").is_ok());
    }

    #[test]
    fn the_dialect_depends_on_the_extension_only() {
        let dialect = |text| TextSource::parse(text, &[]).unwrap().dialect();
        assert_eq!(dialect("https://host/x.hbs?raw=true#top"), Dialect::Handlebars);
        assert_eq!(dialect("https://host/x.tpl?name=x.hbs"), Dialect::Go);
        assert_eq!(dialect("x.HBS"), Dialect::Handlebars);
        assert_eq!(dialect("x"), Dialect::Go);
    }
}
