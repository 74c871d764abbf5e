//! Origins of merged values: the file and line, or the flag, that a field was set by.

use helm_yaml::Lines;
use serde_json::Value;

use super::input::{InputError, InputErrors};
use super::origin::Origin;
use crate::model::path::{FieldPath, Segment};

/// Maximum number of paths in the description of a flag.
const MAX_PATHS: usize = 20;

/// Fields that each source of the values sets, in the order of precedence.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<Layer>);

#[derive(Clone, Debug)]
enum Layer {
    File { name: String, lines: Lines },
    Flag { name: &'static str, values: Value },
}

/// Part of a path that a source sets.
struct PathMatch {
    /// Number of segments.
    depth: usize,
    /// Line of the last one.
    line: Option<u64>,
}

impl Origins {
    /// Creates the origins of a document that comes from one file.
    pub fn of_file(name: impl Into<String>, lines: Lines) -> Self {
        Self(vec![Layer::File { name: name.into(), lines }])
    }

    pub(super) fn push_file(&mut self, name: &str, lines: Lines) {
        self.0.push(Layer::File { name: name.to_owned(), lines });
    }

    pub(super) fn push_flag(&mut self, name: &'static str, values: Value) {
        self.0.push(Layer::Flag { name, values });
    }

    /// Adds the origin of its field to each mistake, and sorts them in the order of the input.
    pub fn locate(&self, errors: InputErrors) -> InputErrors {
        let mut errors = errors.map(|error| self.with_origin(error));
        errors.sort_by_cached_key(|error| {
            let matched = self.find(&error.path);
            matched.map_or((usize::MAX, 0), |(at, matched)| (at, matched.line.unwrap_or_default()))
        });
        errors
    }

    /// Adds the origin of its field to an error.
    pub fn with_origin(&self, error: InputError) -> InputError {
        let matched = self.find(&error.path).filter(|_| error.origin.is_none());
        let origin = matched.and_then(|(at, matched)| match &self.0[at] {
            Layer::File { name, .. } => Some(Origin::File { name: name.clone(), line: matched.line }),
            // Without files, the path is enough.
            Layer::Flag { name, .. } => self.has_files().then(|| Origin::Flag((*name).to_owned())),
        });
        InputError { origin: origin.or(error.origin), ..error }
    }

    /// Describes each source: a file by its name, and a flag by the paths that it sets.
    pub(crate) fn describe(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|layer| match layer {
            Layer::File { name, .. } => format!("values of {name}"),
            Layer::Flag { name, values } => {
                let mut paths = Vec::new();
                leaves(values, &FieldPath::root(), &mut paths);
                let more = paths.len().saturating_sub(MAX_PATHS);
                paths.truncate(MAX_PATHS);
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                format!("{name} sets {}{more}", paths.join(", "))
            }
        })
    }

    fn has_files(&self) -> bool {
        self.0.iter().any(|layer| matches!(layer, Layer::File { .. }))
    }

    /// Finds the source that set the field: the last that sets it, or else the file that sets most of its path.
    fn find(&self, path: &FieldPath) -> Option<(usize, PathMatch)> {
        let steps = path.segments();
        let matched = self.0.iter().enumerate().map(|(at, layer)| (at, layer.find(steps))).filter(|(_, f)| f.depth > 0);
        matched.max_by_key(|(at, matched)| {
            let is_whole = matched.depth == steps.len();
            (matched.depth, is_whole || matches!(self.0[*at], Layer::File { .. }), *at)
        })
    }
}

/// Collects the paths of values. Lists are values.
fn leaves(value: &Value, at: &FieldPath, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(value, &at.clone().key(key), paths)),
        _ => paths.push(at.to_string()),
    }
}

impl Layer {
    fn find(&self, steps: &[Segment]) -> PathMatch {
        match self {
            Self::File { lines, .. } => {
                let mut matched = PathMatch { depth: 0, line: None };
                let mut node = lines;
                while let Some((used, next)) =
                    step(steps.get(matched.depth..).unwrap_or_default(), |segment| match segment {
                        Segment::Key(key) => node.key(key),
                        Segment::Index(index) => node.index(*index),
                    })
                {
                    node = next;
                    matched = PathMatch { depth: matched.depth + used, line: Some(node.line()) };
                }
                matched
            }
            Self::Flag { values, .. } => {
                let mut depth = 0;
                let mut node = values;
                while let Some((used, next)) = step(steps.get(depth..).unwrap_or_default(), |segment| match segment {
                    Segment::Key(key) => node.get(key),
                    Segment::Index(index) => node.get(index).filter(|item| !item.is_null()),
                }) {
                    node = next;
                    depth += used;
                }
                PathMatch { depth, line: None }
            }
        }
    }
}

/// Takes the next step of a path, and returns the number of segments used. A name with dots may have been split.
fn step<'a, T>(steps: &[Segment], child: impl Fn(&Segment) -> Option<&'a T>) -> Option<(usize, &'a T)> {
    if let Some(next) = child(steps.first()?) {
        return Some((1, next));
    }
    (2..=steps.len()).find_map(|used| {
        let joined = FieldPath::from(steps[..used].to_vec()).to_string();
        Some((used, child(&Segment::Key(joined))?))
    })
}
