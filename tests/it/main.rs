//! The one integration binary: whole-program tests and tests against real parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod arrival;
mod assess;
mod attribution;
mod bad_input;
mod chart;
mod compare;
mod compat;
mod confidence;
mod contributing;
#[cfg(target_os = "linux")]
mod controller;
mod custommetrics;
mod dependencies;
mod early_end;
mod experiment;
mod failed_loads;
mod fleet;
mod go_template;
mod grpc;
mod http_task;
mod http_template;
mod hygiene;
#[cfg(unix)]
mod image;
mod iter8_defects;
mod iter8_documents;
#[cfg(target_os = "linux")]
mod kubernetes;
mod layers;
mod load;
mod load_books;
mod load_counts;
mod load_http1;
mod load_transports;
mod loops;
#[cfg(target_os = "linux")]
mod mesh;
mod mistakes;
mod notify;
mod pipeline;
mod program;
mod prometheus;
mod readme;
mod record;
mod report;
#[cfg(target_os = "linux")]
mod rollout;
mod routing;
mod sample;
mod schema;
mod split;
mod support;
mod tls_hints;
mod tools;
mod traffic_templates;
mod until_verdict;
mod values;
mod web;
