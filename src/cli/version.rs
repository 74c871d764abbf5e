//! `iter8 version`.

use chrono::DateTime;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::exit::Exit;
use super::output;
use crate::app::error::AppError;
use crate::model::document::SCHEMA_VERSION;

/// Flags of `version`.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print only the version number
    #[arg(long)]
    short: bool,
    /// Format of the output
    #[arg(
        short = 'o',
        long = "outputFormat",
        visible_alias = "output-format",
        default_value = "text",
        conflicts_with = "short"
    )]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Human-readable text
    Text,
    /// One JSON object
    Json,
}

/// Origin of this build, as determined by `build.rs`.
struct Build {
    commit: Option<String>,
    /// Time of the commit (RFC 3339).
    date: Option<String>,
}

impl Build {
    /// Parses the strings that `build.rs` passes; empty if unknown.
    fn new(commit: &str, seconds: &str) -> Self {
        let time = seconds.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Self {
            commit: Some(commit.to_owned()).filter(|commit| !commit.is_empty()),
            date: time.map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
        }
    }

    /// `COMMIT (DAY)`.
    fn line(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("unknown");
        match self.date.as_deref().and_then(|date| date.split('T').next()) {
            Some(day) => format!("{commit} ({day})"),
            None => commit.to_owned(),
        }
    }
}

/// Prints the version.
pub(crate) fn run(args: &VersionArgs) -> Result<Exit, AppError> {
    let version = env!("CARGO_PKG_VERSION");
    let build = Build::new(env!("ITER8_COMMIT"), env!("ITER8_COMMIT_TIME"));
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let text = match (args.short, args.format) {
        (true, _) => format!("{version}\n"),
        (false, Format::Text) => format!(
            "iter8 {version}\ncommit: {}\nexperiment documents: schema {SCHEMA_VERSION} and Iter8 v0.13\nplatform: {os}/{arch}\n",
            build.line()
        ),
        (false, Format::Json) => {
            let value = json!({
                "version": version,
                "commit": build.commit,
                "date": build.date,
                "schemaVersion": SCHEMA_VERSION,
                "os": os,
                "arch": arch,
            });
            format!("{value:#}\n")
        }
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_and_date_are_shown_if_they_are_known() {
        assert_eq!(Build::new("0a1b", "1764460800").line(), "0a1b (2025-11-30)");
        assert_eq!(Build::new("0a1b", "").line(), "0a1b");
        assert_eq!(Build::new("", "").line(), "unknown");
        assert_eq!(Build::new("0a1b", "1764460800").date.unwrap(), "2025-11-30T00:00:00Z");
    }
}
