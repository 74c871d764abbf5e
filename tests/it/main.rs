//! The one integration binary: whole-program tests and tests against real parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod arrival;
mod assess;
mod attribution;
mod bad_input;
mod chart;
#[cfg(unix)]
mod ci_jobs;
mod compare;
mod compat;
#[cfg(unix)]
mod completion;
mod confidence;
mod contributing;
#[cfg(target_os = "linux")]
mod controller;
mod custommetrics;
mod dependencies;
#[cfg(unix)]
mod distribution;
mod docs;
mod early_end;
mod entry_errors;
mod examples;
mod experiment;
mod explain;
mod failed_loads;
mod fleet;
mod go_template;
mod grpc;
mod http_task;
mod http_task_refused;
mod http_template;
mod hygiene;
#[cfg(unix)]
mod image;
mod init;
mod iter8_defects;
mod iter8_documents;
#[cfg(target_os = "linux")]
mod kubernetes;
mod layers;
mod load;
mod load_books;
mod load_counts;
mod load_http1;
mod load_program;
mod load_tls;
mod load_transports;
mod loops;
#[cfg(target_os = "linux")]
mod mesh;
mod metric_names;
mod misread_flags;
mod mistakes;
mod notify;
mod one_line;
mod output_files;
mod pipeline;
mod program;
mod prometheus;
mod record;
mod reference;
mod report;
mod rewards;
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
