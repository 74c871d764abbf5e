//! Semantic versions and constraints on them, as sprig reads them: leniently, with the rules of `Masterminds/semver`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::context::Context;
use crate::functions::Outcome;
use crate::value::Value;

/// Maximum lengths and number of alternatives.
const MAX_VERSION: usize = 256;
const MAX_CONSTRAINT: usize = 512;
const MAX_ALTERNATIVES: usize = 32;

/// Parts after the numbers: pre-release and build metadata.
const SUFFIXES: &str =
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+(?P<meta>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?";

/// A version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
    metadata: String,
    original: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Compiles a constant pattern; tests compile all of them.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

impl Version {
    /// Parses a version such as `v1.2`; missing numbers are 0.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
            pattern(&format!(r"^v?(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+))?(?:\.(?P<patch>[0-9]+))?{SUFFIXES}$"))
        });
        let invalid = || format!("`{}` is not a version, such as 1.2.3", short(text));
        if text.len() > MAX_VERSION {
            return Err(format!("a version has more than {MAX_VERSION} bytes"));
        }
        let parts = PATTERN.as_ref().and_then(|pattern| pattern.captures(text)).ok_or_else(invalid)?;
        let part = |name: &str| parts.name(name).map_or("", |part| part.as_str());
        let number = |name: &str| match part(name) {
            "" => Ok(0),
            digits => digits.parse().map_err(|_| invalid()),
        };
        let version = Self {
            major: number("major")?,
            minor: number("minor")?,
            patch: number("patch")?,
            pre: String::new(),
            metadata: part("meta").to_owned(),
            original: text.to_owned(),
        };
        version.with_pre(part("pre")).ok_or_else(invalid)
    }

    /// Sets the pre-release; `None` if it is not valid.
    fn with_pre(self, pre: &str) -> Option<Self> {
        let is_valid = |part: &str| {
            let has_zeros = part.len() > 1 && part.starts_with('0') && is_number(part);
            !part.is_empty() && !has_zeros && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_valid = pre.is_empty() || pre.split('.').all(is_valid);
        is_valid.then(|| Self { pre: pre.to_owned(), ..self })
    }

    fn numbers(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }

    /// Builds the next version from these numbers. It keeps the prefix of the original.
    fn next(&self, (major, minor, patch): (u64, u64, u64)) -> Self {
        let next = Self { major, minor, patch, ..Self::default() };
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        Self { original: format!("{prefix}{next}"), ..next }
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Compares pre-releases part by part: numbers by value and below words.
fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Shortens a text in a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Calls a method of a version.
pub(crate) fn call(context: &Context, version: &Version, name: &str, args: &[Value]) -> Outcome {
    let number = |number: u64| i64::try_from(number).map(Value::Int64).map_err(|_| format!("{number} is too large"));
    let is = |accepted: &[Ordering], other: &Version| Ok(Value::Bool(accepted.contains(&version.compare(other))));
    match (name, args) {
        ("Major", []) => number(version.major),
        ("Minor", []) => number(version.minor),
        ("Patch", []) => number(version.patch),
        ("Prerelease", []) => context.string(version.pre.clone()),
        ("Metadata", []) => context.string(version.metadata.clone()),
        ("Original", []) => context.string(version.original.clone()),
        ("String", []) => context.string(version.to_string()),
        ("IncMajor", []) => next(context, version, (version.major.checked_add(1), 0, 0)),
        ("IncMinor", []) => match version.minor.checked_add(1) {
            Some(minor) => next(context, version, (Some(version.major), minor, 0)),
            None => Err(format!("{} is too large", version.minor)),
        },
        // The release follows its pre-releases.
        ("IncPatch", []) if !version.pre.is_empty() => {
            next(context, version, (Some(version.major), version.minor, version.patch))
        }
        ("IncPatch", []) => match version.patch.checked_add(1) {
            Some(patch) => next(context, version, (Some(version.major), version.minor, patch)),
            None => Err(format!("{} is too large", version.patch)),
        },
        ("Compare", [Value::Version(other)]) => Ok(Value::Int(version.compare(other) as i64)),
        ("Equal", [Value::Version(other)]) => is(&[Ordering::Equal], other),
        ("LessThan", [Value::Version(other)]) => is(&[Ordering::Less], other),
        ("LessThanEqual", [Value::Version(other)]) => is(&[Ordering::Less, Ordering::Equal], other),
        ("GreaterThan", [Value::Version(other)]) => is(&[Ordering::Greater], other),
        ("GreaterThanEqual", [Value::Version(other)]) => is(&[Ordering::Greater, Ordering::Equal], other),
        ("Compare" | "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual", _) => {
            Err(format!("{name}: expected a version; use semver"))
        }
        _ => Err(format!("undefined method `{name}` of a version")),
    }
}

fn next(context: &Context, version: &Version, (major, minor, patch): (Option<u64>, u64, u64)) -> Outcome {
    let major = major.ok_or_else(|| format!("{} is too large", version.major))?;
    context.version(version.next((major, minor, patch)))
}

/// Numbers of a version in a constraint that are left open, such as `1.x` or `1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    /// Minor version and patch.
    Minor,
    All,
}

/// Operator of a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// One constraint, such as `>=1.2`.
#[derive(Debug)]
struct Constraint {
    operator: Operator,
    /// Open numbers are 0.
    limit: Version,
    open: Open,
}

/// Returns true if a version satisfies a constraint: alternatives separated by `||`, each of which is a list of constraints, separated by
/// commas or spaces, that all hold.
pub(crate) fn satisfies(constraint: &str, version: &Version) -> Result<bool, String> {
    if constraint.len() > MAX_CONSTRAINT {
        return Err(format!("the constraint has more than {MAX_CONSTRAINT} bytes"));
    }
    let text = without_ranges(constraint);
    let alternatives: Vec<&str> = text.split("||").collect();
    if alternatives.len() > MAX_ALTERNATIVES {
        return Err(format!("the constraint has more than {MAX_ALTERNATIVES} alternatives"));
    }
    let mut is_satisfied = false;
    // All are parsed: an error in one is an error of the whole.
    for alternative in alternatives {
        let all = constraints(alternative)
            .ok_or_else(|| format!("`{}` is not a constraint, such as >=1.2.3", short(alternative.trim())))?;
        // Pre-releases are considered if one of the constraints names one.
        let accepts_pre = version.pre.is_empty() || all.iter().any(|constraint| !constraint.limit.pre.is_empty());
        is_satisfied |= accepts_pre && all.iter().all(|constraint| constraint.holds(version));
    }
    Ok(is_satisfied)
}

/// Text of a version in a constraint; without groups.
const LIMIT: &str = r"v?[0-9xX*]+(?:\.[0-9xX*]+)?(?:\.[0-9xX*]+)?(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?";

const OPERATORS: &str = r"(?:=|!=|>|<|>=|=>|<=|=<|~|~>|\^)?";

/// Replaces ranges such as `1.2 - 1.4`.
fn without_ranges(text: &str) -> String {
    static PATTERN: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(&format!(r"\s*(?P<from>{LIMIT})\s+-\s+(?P<to>{LIMIT})\s*")));
    let replaced = |parts: &Captures<'_>| format!(">= {}, <= {} ", &parts["from"], &parts["to"]);
    PATTERN.as_ref().map_or_else(|| text.to_owned(), |pattern| pattern.replace_all(text, replaced).into_owned())
}

/// Parses a list of constraints.
fn constraints(text: &str) -> Option<Vec<Constraint>> {
    static WHOLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let one = format!(r"{OPERATORS}\s*{LIMIT}\s*");
        pattern(&format!(r"^\s*{one}(?:(?:\s+|,\s*){one})*$"))
    });
    static ONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        pattern(&format!(
            r"(?P<operator>{OPERATORS})\s*v?(?P<major>[0-9xX*]+)(?:\.(?P<minor>[0-9xX*]+))?(?:\.(?P<patch>[0-9xX*]+))?{SUFFIXES}"
        ))
    });
    WHOLE.as_ref().filter(|whole| whole.is_match(text))?;
    ONE.as_ref()?.captures_iter(text).map(|parts| Constraint::parse(&parts)).collect()
}

impl Constraint {
    fn parse(parts: &Captures<'_>) -> Option<Self> {
        let part = |name: &str| parts.name(name).map_or("", |part| part.as_str());
        let is_open = |name: &str| matches!(part(name), "" | "x" | "X" | "*");
        let open = match ["major", "minor", "patch"].map(is_open) {
            [true, ..] => Open::All,
            [_, true, _] => Open::Minor,
            [_, _, true] => Open::Patch,
            _ => Open::Nothing,
        };
        let closed = match open {
            Open::All => 0,
            Open::Minor => 1,
            Open::Patch => 2,
            Open::Nothing => 3,
        };
        let number = |at: usize, name: &str| if at < closed { part(name).parse().ok() } else { Some(0) };
        let limit = Version {
            major: number(0, "major")?,
            minor: number(1, "minor")?,
            patch: number(2, "patch")?,
            ..Version::default()
        };
        let operator = match part("operator") {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            _ => Operator::Caret,
        };
        Some(Self { operator, limit: limit.with_pre(part("pre"))?, open })
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.compare(&self.limit);
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => order != Ordering::Less && self.is_near(version),
            Operator::NotEqual => !self.is_equal(version),
            Operator::Greater => match self.open {
                Open::Patch => (version.major, version.minor) > (self.limit.major, self.limit.minor),
                Open::Minor => version.major > self.limit.major,
                Open::All | Open::Nothing => order == Ordering::Greater,
            },
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => match self.open {
                Open::Nothing => order != Ordering::Greater,
                Open::Minor => version.major <= self.limit.major,
                Open::Patch | Open::All => (version.major, version.minor) <= (self.limit.major, self.limit.minor),
            },
            Operator::Caret => order != Ordering::Less && self.is_compatible(version),
        }
    }

    /// Returns true if the version is in the range of `~`: same minor version, or same major version if the minor one is open.
    fn is_near(&self, version: &Version) -> bool {
        let is_any = self.limit.numbers() == (0, 0, 0) && matches!(self.open, Open::All | Open::Nothing);
        is_any || version.major == self.limit.major && (self.open == Open::Minor || version.minor == self.limit.minor)
    }

    /// Returns true if the version is what `!=` excludes.
    fn is_equal(&self, version: &Version) -> bool {
        let is_same = |numbers: usize| {
            let pairs = [
                (version.major, self.limit.major),
                (version.minor, self.limit.minor),
                (version.patch, self.limit.patch),
            ];
            pairs.iter().take(numbers).all(|(a, b)| a == b)
        };
        match self.open {
            Open::Minor => is_same(1),
            Open::Patch => is_same(2) && version.pre == self.limit.pre,
            Open::All | Open::Nothing => version.compare(&self.limit) == Ordering::Equal,
        }
    }

    /// Returns true if the version is in the range of `^`: no change of the first number that is not 0.
    fn is_compatible(&self, version: &Version) -> bool {
        let (limit, open) = (&self.limit, self.open);
        if limit.major > 0 || open == Open::Minor {
            return version.major == limit.major;
        }
        if version.major > 0 {
            return false;
        }
        if limit.minor > 0 || open == Open::Patch {
            return version.minor == limit.minor;
        }
        version.minor == 0 && version.patch == limit.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number_and_pre_release() {
        let all = ["0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-2.rc", "v1", "1.0.1", "1.10", "2"];
        let parsed: Vec<Version> = all.iter().map(|text| Version::parse(text).unwrap()).collect();
        let mut sorted = parsed.clone();
        sorted.sort_by(Version::compare);
        let texts: Vec<&str> = sorted.iter().map(|version| version.original.as_str()).collect();
        let expected =
            ["0.9", "1.0.0-2.rc", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "v1", "1.0.1", "1.10", "2"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn malformed_versions_and_constraints_are_errors() {
        for text in ["", "x", "1.2.3.4", "1.2.3-", "1.2.3-01", "1.2.3-a..b", " 1", "1 ", "99999999999999999999"] {
            assert!(Version::parse(text).unwrap_err().contains("is not a version"), "{text}");
        }
        let version = Version::parse("1.2.3").unwrap();
        for text in ["", " ", "a", ">", ">=1.2<2", "1 || ", "1,", "1 | 2", "^1 1 - 2", ">>1", "1.2.3.4"] {
            assert!(satisfies(text, &version).unwrap_err().contains("is not a constraint"), "{text}");
        }
        assert!(satisfies(&"1||".repeat(40), &version).unwrap_err().contains("alternatives"));
        assert!(satisfies(&"1 ".repeat(400), &version).unwrap_err().contains("bytes"));
        assert!(Version::parse(&"1".repeat(400)).unwrap_err().contains("bytes"));
    }
}
