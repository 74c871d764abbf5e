//! Maps HTTP/2 errors to failures of requests.

use h2::Reason;

use crate::load::cause::{Cause, Failure};
use crate::model::text::prefix;

/// Longest detail of an error: a GOAWAY may carry any data.
const MAX_TEXT: usize = 300;

/// Returns the failure of an exchange that ended with `error`.
///
/// A stream that the peer refused, or above the last one of its GOAWAY, was not processed (RFC 9113, 6.8 and 8.7), so it may be
/// retried.
pub(in crate::load) fn failure(error: &h2::Error) -> Failure {
    if let Some(io) = error.get_io() {
        let failure = Failure::from_error(io, Cause::Closed);
        // The h2 crate's error for a connection that the peer closed while streams were open.
        let is_end = io.kind() == std::io::ErrorKind::BrokenPipe && io.raw_os_error().is_none();
        return if is_end { Failure::new(Cause::Closed, "") } else { failure };
    }
    let name = error.reason().map_or_else(|| error.to_string(), reason_name);
    let text = || prefix(&error.to_string(), MAX_TEXT).to_owned();
    if error.is_remote() && error.is_go_away() {
        let failure = Failure::new(Cause::Closed, format!("the service closes the connection: {}", text()));
        return Failure { is_retryable: true, ..failure };
    }
    if error.is_remote() && error.is_reset() {
        let failure = Failure::new(Cause::Reset, format!("the service reset the stream: {name}"));
        return Failure { is_retryable: error.reason() == Some(Reason::REFUSED_STREAM), ..failure };
    }
    if error.is_library() {
        return Failure::new(Cause::Malformed, format!("HTTP/2: {}", text()));
    }
    Failure::new(Cause::Other, format!("HTTP/2: {}", text()))
}

/// Returns the name of an error code in RFC 9113: `CANCEL`.
fn reason_name(reason: Reason) -> String {
    format!("{reason:?}")
}
