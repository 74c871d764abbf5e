//! Pure functions: no clock, no environment, no I/O, no async. What is decided is decided here.

pub mod assertion;
pub mod assess;
pub mod condition;
pub mod go_template;
pub mod grpc_template;
pub mod handlebars;
pub mod histogram;
pub mod http_template;
pub mod input;
pub mod insights;
pub mod jq;
pub mod mask;
pub mod metrics;
pub mod notification;
pub mod numbers;
pub mod offer;
pub mod pacing;
pub mod path;
pub mod provider;
pub mod random;
pub mod rows;
pub mod series;
pub mod statistics;
pub mod suggest;
pub mod template;
pub mod values;
