//! Builds a JSON value from the events of the YAML parser, with bounds on depth and on the expansion of aliases.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::lines::Lines;
use super::scalar::{RequestedType, Scalar, resolve};
use super::{Document, DuplicateKey, MAX_DEPTH, YamlError};

/// Bound on copies by anchors and aliases, in bytes of memory: enough for real files, too little for an alias bomb.
const MAX_COPIED: usize = 16 << 20;

/// Positions kept while reading. Lines take several times the memory of small values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Track {
    Nothing,
    Lines,
}

/// Typing of scalars without quotes and tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scalars {
    /// As in Helm.
    Typed,
    /// Strings as they are written, except null.
    AsWritten,
}

/// Content of a node. A scalar keeps its type, which decides what it becomes as a key.
#[derive(Clone)]
enum Node {
    Scalar(Scalar),
    Value(Value),
}

/// Parses the only document in `text` that is not empty; `null` if there is none.
pub fn document(text: &str, track: Track, scalars: Scalars) -> Result<Document, YamlError> {
    document_within(text, track, scalars, usize::MAX)
}

/// Parses a document whose value takes at most about `memory` bytes.
pub fn document_within(text: &str, track: Track, scalars: Scalars, memory: usize) -> Result<Document, YamlError> {
    let mut reader = Reader::new(text, track, scalars);
    reader.max_taken = memory;
    let mut only: Option<(Value, Lines)> = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => {
                let (value, lines) = only.unwrap_or_else(|| (Value::Null, Lines::leaf(1)));
                return Ok(Document { value, lines, duplicates: reader.duplicates });
            }
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => {
                let (node, lines) = reader.node(event, span, 0)?;
                match (reader.value(node, span)?, &only) {
                    (Value::Null, _) => {}
                    (value, None) => only = Some((value, lines)),
                    (_, Some(_)) => return Err(at(span, "a second document starts here; expected a single one")),
                }
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, (Node, Lines)>,
    /// Memory of the copies by anchors and aliases, in bytes.
    copied: usize,
    /// Memory of all values, in bytes.
    taken: usize,
    max_taken: usize,
    track: Track,
    scalars: Scalars,
    duplicates: Vec<DuplicateKey>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, track: Track, scalars: Scalars) -> Self {
        // Helm's library skips the mark that some editors put in front of UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut options = granit_parser::options! {
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        let parser = Parser::new_from_str_with_options(text, options);
        let (copied, taken, max_taken) = (0, 0, usize::MAX);
        Self { parser, anchors: HashMap::new(), copied, taken, max_taken, track, scalars, duplicates: Vec::new() }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(syntax(&error)),
            None => Err(YamlError::new("unexpected end of input")),
        }
    }

    /// Reads the node that starts with `event`.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Node, Lines), YamlError> {
        if depth > MAX_DEPTH {
            return Err(at(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (node, lines, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let requested = requested_type(style, tag.as_deref());
                let scalar = match resolve(&text, requested).map_err(|error| at(span, error))? {
                    Scalar::Null => Scalar::Null,
                    _ if self.scalars == Scalars::AsWritten && requested == RequestedType::Anything => {
                        Scalar::Text(text.into_owned())
                    }
                    typed => typed,
                };
                let node = Node::Scalar(scalar);
                self.take(weight_of(&node), span)?;
                (node, Lines::leaf(line(span)), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.take(SLOT, span)?;
                let (list, lines) = self.list(line(span), depth)?;
                (Node::Value(list), lines, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                let (map, lines) = self.map(line(span), depth)?;
                self.take(SLOT + map.as_object().map_or(0, |entries| nodes(entries.len())), span)?;
                (Node::Value(map), lines, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => return Err(at(span, "expected a value")),
        };
        if anchor > 0 {
            self.pay(&node, span)?;
            self.anchors.insert(anchor, (node.clone(), lines.clone()));
        }
        Ok((node, lines))
    }

    fn value(&mut self, node: Node, span: Span) -> Result<Value, YamlError> {
        match node {
            Node::Scalar(scalar) => scalar.into_value().map_err(|error| at(span, error)),
            Node::Value(value) => Ok(value),
        }
    }

    fn list(&mut self, line: u64, depth: usize) -> Result<(Value, Lines), YamlError> {
        let (mut list, mut lines) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((Value::Array(list), Lines::list(line, lines)));
            }
            let (node, at) = self.node(event, span, depth + 1)?;
            list.push(self.value(node, span)?);
            if self.track == Track::Lines {
                lines.push(at);
            }
        }
    }

    fn map(&mut self, start: u64, depth: usize) -> Result<(Value, Lines), YamlError> {
        let (mut map, mut lines) = (Map::new(), HashMap::new());
        // Keys written here: those of a merge are there to be overridden.
        let mut own: HashMap<String, u64> = HashMap::new();
        loop {
            let (key, key_span) = self.next()?;
            if key == Event::MappingEnd {
                return Ok((Value::Object(map), Lines::map(start, lines)));
            }
            if is_merge_key(&key) {
                let (event, span) = self.next()?;
                // Helm accepts a literal list of maps, but not an alias of one.
                let is_alias = event.is_alias();
                let (node, merged) = self.node(event, span, depth + 1)?;
                merge(&mut map, node, is_alias).map_err(|error| at(span, error))?;
                for source in merged.items().iter().rev().chain([&merged]) {
                    lines.extend(source.entries().map(|(key, at)| (key.clone(), at.clone())));
                }
                continue;
            }
            let key = match self.node(key, key_span, depth + 1)?.0 {
                Node::Scalar(scalar) => scalar.into_key().map_err(|error| at(key_span, error))?,
                Node::Value(_) => return Err(at(key_span, "a key must be a scalar, not a map or list")),
            };
            let (event, span) = self.next()?;
            let (node, at) = self.node(event, span, depth + 1)?;
            let value = self.value(node, span)?;
            if self.track == Track::Lines {
                lines.insert(key.clone(), at.at(line(key_span)));
                if let Some(first) = own.insert(key.clone(), line(key_span)) {
                    self.duplicates.push(DuplicateKey { key: key.clone(), first, line: line(key_span) });
                }
            }
            map.insert(key, value);
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(Node, Lines), YamlError> {
        // The parser knows the name; the node is missing only while it is still being read.
        let Some((node, lines)) = self.anchors.get(&anchor).cloned() else {
            return Err(at(span, "an alias of a value that contains it"));
        };
        self.pay(&node, span)?;
        Ok((node, lines))
    }

    /// Counts a copy of `node` against the bound.
    fn pay(&mut self, node: &Node, span: Span) -> Result<(), YamlError> {
        let bytes = weight_of(node);
        self.copied += bytes;
        if self.copied > MAX_COPIED {
            return Err(at(span, "aliases expand to too much data; use fewer of them"));
        }
        self.take(bytes, span)
    }

    /// Counts the memory of a value against the bound.
    fn take(&mut self, bytes: usize, span: Span) -> Result<(), YamlError> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.max_taken {
            let message = format!("takes more than {} bytes of memory; use fewer values", self.max_taken);
            return Err(at(span, message));
        }
        Ok(())
    }
}

/// Bytes of a value in a list.
const SLOT: usize = size_of::<Value>();

/// Overhead of an allocation, in bytes.
const ALLOCATION: usize = 16;

/// Bytes of a node of a map: it has room for 11 entries, even if it has only one.
const NODE: usize = 11 * (size_of::<String>() + SLOT) + ALLOCATION;

/// Fewest entries of the nodes of a map that has several.
const NODE_ENTRIES: usize = 5;

/// Returns the bytes of the nodes of a map.
fn nodes(entries: usize) -> usize {
    entries.div_ceil(NODE_ENTRIES) * NODE
}

/// Returns the bytes that a node takes.
fn weight_of(node: &Node) -> usize {
    match node {
        Node::Scalar(Scalar::Text(text)) => SLOT + ALLOCATION + text.len(),
        Node::Scalar(_) => SLOT,
        Node::Value(value) => weight(value),
    }
}

/// Returns the bytes that a value takes.
fn weight(value: &Value) -> usize {
    let text = |text: &str| ALLOCATION + text.len();
    SLOT + match value {
        Value::String(string) => text(string),
        Value::Array(list) => ALLOCATION + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            // The nodes have the slots of the values.
            let entries = map.iter().map(|(key, value)| text(key) + weight(value).saturating_sub(SLOT));
            nodes(map.len()) + entries.sum::<usize>()
        }
        _ => 0,
    }
}

/// Namespace of the tags written with `!!`.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// Returns the type that style and tag of a scalar request.
fn requested_type(style: ScalarStyle, tag: Option<&Tag>) -> RequestedType {
    match tag {
        Some(tag) => {
            tag.suffix_in_namespace(YAML_TAGS).map_or(RequestedType::Text, |name| RequestedType::of_core_tag(&name))
        }
        None if style == ScalarStyle::Plain => RequestedType::Anything,
        None => RequestedType::Text,
    }
}

/// Returns true for the key `<<`, which merges the entries of other maps.
fn is_merge_key(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, tag) => {
            text == "<<"
                && match tag {
                    Some(tag) => tag.suffix_in_namespace(YAML_TAGS).is_some_and(|name| name == "merge"),
                    None => *style == ScalarStyle::Plain,
                }
        }
        _ => false,
    }
}

/// Puts the entries of a map, or of several (the first wins), into `map`. As in Helm, they replace entries before `<<`.
fn merge(map: &mut Map<String, Value>, node: Node, is_alias: bool) -> Result<(), String> {
    let expected = || Err("`<<` expects a map or a list of maps".to_owned());
    match node {
        Node::Value(Value::Object(entries)) => map.extend(entries),
        Node::Value(Value::Array(list)) if !is_alias => {
            for entries in list.into_iter().rev() {
                let Value::Object(entries) = entries else { return expected() };
                map.extend(entries);
            }
        }
        _ => return expected(),
    }
    Ok(())
}

/// Returns the line of a node, from 1.
fn line(span: Span) -> u64 {
    span.start.line() as u64
}

fn at(span: Span, message: impl Into<String>) -> YamlError {
    // The parser counts lines from 1 and columns from 0.
    YamlError {
        message: message.into(),
        line: Some(span.start.line() as u64),
        column: Some(span.start.col() as u64 + 1),
    }
}

fn syntax(error: &ScanError) -> YamlError {
    let mark = error.marker();
    YamlError { message: error.info(), line: Some(mark.line() as u64), column: Some(mark.col() as u64 + 1) }
}
