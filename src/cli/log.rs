//! Diagnostic log on standard error.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{self, Writer};

use super::globals::{Globals, LogLevel};
use super::style::Style;
use crate::model::text::one_line;

/// Starts logging at the level of the flags.
pub(crate) fn start(globals: &Globals) {
    let level = match globals.log_level {
        _ if globals.quiet => LevelFilter::ERROR,
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Fatal | LogLevel::Panic => LevelFilter::ERROR,
    };
    // The Kubernetes client logs malformed responses verbatim, and they may be Secrets.
    let targets = tracing_subscriber::filter::Targets::new()
        .with_target("iter8", level)
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kube_runtime", LevelFilter::OFF)
        .with_default(
            // Libraries log every connection at debug level, which is only useful with `trace`.
            if level == LevelFilter::TRACE { LevelFilter::DEBUG } else { LevelFilter::WARN.min(level) },
        );
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(globals.style() == Style::Coloured)
        .fmt_fields(format::debug_fn(field).delimited(" "))
        .with_target(false)
        .without_time()
        // Reporting a closed standard error there would fail, too.
        .log_internal_errors(false);
    // Fails only in tests that start the program twice in one process.
    let _ = tracing_subscriber::registry().with(targets).with(layer).try_init();
}

/// Writes a field in one line: messages may repeat text from outside.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = one_line(&format!("{value:?}"));
    if field.name() == "message" { write!(writer, "{value}") } else { write!(writer, "{}={value}", field.name()) }
}
