//! Semantic versions: `semver` and `semverCompare`.

use super::{Function, args, row};
use crate::value::Value;
use crate::versions::{self, Version};

/// Work units of matching the patterns of versions and constraints.
const MATCHING: usize = 4096;

pub const FUNCTIONS: &[Function] = &[
    row("semver", 1, 1, |context, args| {
        context.spend(MATCHING)?;
        context.version(Version::parse(args::string(args, 0)?)?)
    }),
    row("semverCompare", 2, 2, |context, args| {
        context.spend(8 * MATCHING)?;
        let version = Version::parse(args::string(args, 1)?)?;
        Ok(Value::Bool(versions::satisfies(args::string(args, 0)?, &version)?))
    }),
];
