//! Maps HTTP/2 errors to failures of requests.

use h2::Reason;

use crate::load::cause::{Cause, Failure, Resend};
use crate::model::text::prefix;

/// Longest detail of an error: a GOAWAY may carry any data.
const MAX_TEXT: usize = 300;

/// Returns the failure of an exchange that ended with `error`.
///
/// The peer did not process a stream that it refused, or above the last one of its GOAWAY; streams up to that one end with the
/// connection, and their requests are not sent again.
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
        return Failure { resend: Resend::GoAway, ..failure };
    }
    if error.is_remote() && error.is_reset() {
        let failure = Failure::new(Cause::Reset, format!("the service reset the stream: {name}"));
        let is_refused = error.reason() == Some(Reason::REFUSED_STREAM);
        return Failure { resend: if is_refused { Resend::Refused } else { Resend::Never }, ..failure };
    }
    if error.is_library() {
        return Failure::new(Cause::Malformed, format!("HTTP/2: {}", text()));
    }
    Failure::new(Cause::Other, format!("HTTP/2: {}", text()))
}

/// Returns the failure of an exchange whose response had begun: the peer processed the request, even if it says otherwise.
pub(in crate::load) fn interrupted(error: &h2::Error) -> Failure {
    Failure { resend: Resend::Never, ..failure(error) }
}

/// Returns the failure of a request that the connection did not take.
pub(in crate::load) fn unsent(error: &h2::Error) -> Failure {
    let failure = failure(error);
    // A connection that is over; other errors are the request's own.
    let is_over = error.is_io() || error.is_go_away();
    Failure { resend: if is_over { Resend::Unsent } else { failure.resend }, ..failure }
}

/// Returns the name of an error code in RFC 9113: `CANCEL`.
fn reason_name(reason: Reason) -> String {
    format!("{reason:?}")
}
