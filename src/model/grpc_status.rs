//! Names of gRPC status codes, spelled as in the specification
//! (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Returns the name of a code, `None` if the specification has none.
pub(crate) fn name(code: u16) -> Option<&'static str> {
    NAMES.get(usize::from(code)).copied()
}
