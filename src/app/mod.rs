//! Use cases shared by the command line, the controller and the rollout driver. They print nothing and know no exit codes.

pub(crate) mod env;
