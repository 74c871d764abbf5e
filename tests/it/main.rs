//! The one integration binary: whole-program tests and tests against real parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod http_task;
mod load;
mod support;
