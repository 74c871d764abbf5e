//! Typed paths to the fields of user input: `http.endpoints.get.qps`, `spec[2].with.url`.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Entry of a map. Names that users choose may hold dots and brackets.
    Key(String),
    /// Item of a list, from 0.
    Index(usize),
}

/// Path to a field; empty for the whole input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// Path to the whole input.
    pub fn root() -> Self {
        Self::default()
    }

    /// Path to the entry `key` of this map.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    /// Path to the item `index` of this list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// Path to the field at `inner`, which is relative to this path.
    #[must_use]
    pub fn join(mut self, inner: impl Into<Self>) -> Self {
        self.0.extend(inner.into().0);
        self
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Path without its last segment.
    pub(crate) fn parent(&self) -> Self {
        Self(self.0.split_last().map_or_else(Vec::new, |(_, parent)| parent.to_vec()))
    }

    /// Returns true if this is `other` or a field in it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl From<Vec<Segment>> for FieldPath {
    fn from(segments: Vec<Segment>) -> Self {
        Self(segments)
    }
}

/// Reads a path that the program itself wrote, such as `with.url` or `versionValues[1].qps`. Names that users chose belong in
/// [`FieldPath::key`]: a dot in them is no separator.
impl From<&str> for FieldPath {
    fn from(text: &str) -> Self {
        let path = Self(segments(text));
        // Anything else is one name.
        if path == *text { path } else { Self::root().key(text) }
    }
}

fn segments(text: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !key.is_empty() {
            segments.push(Segment::Key(key.to_owned()));
        }
        while let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            segments.extend(index.parse().map(Segment::Index));
            rest = after;
        }
    }
    segments
}

impl From<String> for FieldPath {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for FieldPath {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Self> for FieldPath {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

impl PartialEq<str> for FieldPath {
    fn eq(&self, other: &str) -> bool {
        let text = self.to_string();
        text == other
    }
}

impl PartialEq<&str> for FieldPath {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_users_write_them() {
        for text in ["", "http.qps", "spec[2].with.url", "[1].a", "a[0][1].b", "http.expect.status"] {
            assert_eq!(FieldPath::from(text).to_string(), text);
        }
        assert_eq!(FieldPath::root().key("endpoints").key("v1.2").key("qps").to_string(), "endpoints.v1.2.qps");
    }

    #[test]
    fn a_string_that_is_not_a_path_is_one_name() {
        for text in ["--group", "a..b", "a.", "x[y", "a[b].c", "[0]]"] {
            assert_eq!(FieldPath::from(text).to_string(), text);
        }
    }

    #[test]
    fn names_with_dots_are_one_segment() {
        let path = FieldPath::root().key("SLOs").key("http/latency-p99.9");
        assert_eq!(path.segments().len(), 2);
        assert!(path.is_within(&FieldPath::from("SLOs")));
    }
}
