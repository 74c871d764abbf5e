//! State of one rendering: its maps, budgets and instant.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, Utc};

use super::bounds::{MAX_DEPTH, MAX_NESTING, VALUE};
use super::budget::Budget;
use super::pattern::Pattern;
use super::types::{Struct, Type};
use super::value::{Element, List, MapId, Str, Value};
use super::versions::Version;

/// Error of functions that read the clock, if there is none.
pub const NO_CLOCK: &str = "the output must not depend on the time";

/// The entries of a map.
pub type Entries = BTreeMap<Str, Value>;

/// State of one rendering.
///
/// All maps live in one table until the rendering ends, so a map that contains itself does not leak, and dropping deeply nested maps
/// does not recurse.
pub struct Context {
    maps: Vec<Rc<Entries>>,
    /// Types of the maps that are structs in Go, by id.
    structs: BTreeMap<usize, &'static Struct>,
    empty: Entries,
    patterns: BTreeMap<Str, Rc<Pattern>>,
    now: Option<DateTime<Utc>>,
    has_strict_verbs: bool,
    work: Cell<usize>,
    steps: Cell<u64>,
    is_exhausted: Cell<bool>,
    max_work: usize,
    max_steps: u64,
    depth: usize,
}

impl Context {
    /// Creates a context that may spend this budget. Without `now` there is no clock.
    pub fn new(now: Option<DateTime<Utc>>, has_strict_verbs: bool, budget: &Budget) -> Self {
        Self {
            maps: Vec::new(),
            structs: BTreeMap::new(),
            empty: Entries::new(),
            patterns: BTreeMap::new(),
            now,
            has_strict_verbs,
            work: Cell::new(budget.work()),
            steps: Cell::new(budget.steps()),
            is_exhausted: Cell::new(false),
            max_work: budget.work(),
            max_steps: budget.steps(),
            depth: 0,
        }
    }

    /// Leaves the rest of the budget to later renderings.
    pub fn settle(&self, budget: &mut Budget) {
        budget.settle(self.steps.get(), self.work.get(), self.is_exhausted.get());
    }

    pub fn now(&self) -> Result<DateTime<Utc>, String> {
        self.now.ok_or_else(|| NO_CLOCK.to_owned())
    }

    /// Returns true if a `printf` verb that does not fit its argument is an error.
    pub fn has_strict_verbs(&self) -> bool {
        self.has_strict_verbs
    }

    /// Spends from the work budget. Callers pay before they do the work.
    pub fn spend(&self, units: usize) -> Result<(), String> {
        let left = self.work.get().checked_sub(units).ok_or_else(|| {
            self.is_exhausted.set(true);
            let max_work = self.max_work;
            format!("takes more than {max_work} units of work (bytes and elements created or scanned); simplify it")
        })?;
        self.work.set(left);
        Ok(())
    }

    /// Spends one step.
    pub fn step(&self) -> Result<(), String> {
        let left = self.steps.get().checked_sub(1).ok_or_else(|| {
            self.is_exhausted.set(true);
            let max_steps = self.max_steps;
            format!("takes more than {max_steps} steps; a loop or a recursive template may not terminate")
        })?;
        self.steps.set(left);
        Ok(())
    }

    /// Enters a block, parenthesis or named template.
    pub fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH} levels; a recursive template may not terminate"));
        }
        Ok(())
    }

    /// Leaves a block, parenthesis or named template.
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Creates a string, and spends its size.
    pub fn string(&self, text: String) -> Result<Value, String> {
        self.spend(VALUE + text.len())?;
        Ok(Value::String(text.into()))
    }

    /// Creates a version, and spends its size.
    pub(crate) fn version(&self, version: Version) -> Result<Value, String> {
        self.spend(4 * VALUE)?;
        Ok(Value::Version(Rc::new(version)))
    }

    /// Creates a list, and spends its size.
    pub fn list(&self, items: Vec<Value>) -> Result<Value, String> {
        self.list_of(Element::Any, items)
    }

    /// Creates a list with the element type that Go reports.
    pub fn list_of(&self, element: Element, items: Vec<Value>) -> Result<Value, String> {
        self.spend(VALUE.saturating_mul(items.len() + 1))?;
        let inner = items.iter().map(|item| if let Value::List(list) = item { list.depth } else { 0 });
        let depth = 1 + inner.max().unwrap_or(0);
        check_nesting(depth)?;
        Ok(Value::List(Rc::new(List { items, element, depth })))
    }

    /// Creates a list of strings.
    pub fn strings<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Result<Value, String> {
        let items: Result<Vec<_>, _> = texts.into_iter().map(|text| self.string(text.to_owned())).collect();
        self.list_of(Element::String, items?)
    }

    /// Creates a map, and spends its size.
    pub fn map(&mut self, entries: Entries) -> Result<Value, String> {
        self.spend(2 * VALUE * (entries.len() + 1))?;
        Ok(self.shared_map(Rc::new(entries)))
    }

    /// Creates a map with copy-on-write entries.
    pub fn shared_map(&mut self, entries: Rc<Entries>) -> Value {
        self.maps.push(entries);
        Value::Map(MapId(self.maps.len() - 1))
    }

    /// Returns the entries of a map.
    pub fn entries(&self, map: MapId) -> &Entries {
        // Every id was issued by this table, which never shrinks.
        self.maps.get(map.0).map_or(&self.empty, |entries| &**entries)
    }

    /// Returns the type of a map that is a struct in Go.
    pub fn structure(&self, map: MapId) -> Option<&'static Struct> {
        self.structs.get(&map.0).copied()
    }

    /// Returns the current entries of a map, unaffected by later changes.
    pub fn snapshot(&self, map: MapId) -> Result<Rc<Entries>, String> {
        let entries = self.maps.get(map.0).cloned().unwrap_or_default();
        self.spend(entries.len() * VALUE)?;
        Ok(entries)
    }

    fn entries_mut(&mut self, map: MapId) -> Result<Option<&mut Entries>, String> {
        let copied = self.maps.get(map.0).filter(|entries| Rc::strong_count(entries) > 1);
        self.spend(2 * VALUE * (1 + copied.map_or(0, |entries| entries.len())))?;
        Ok(self.maps.get_mut(map.0).map(Rc::make_mut))
    }

    pub fn put(&mut self, map: MapId, key: Str, value: Value) -> Result<(), String> {
        if let Some(entries) = self.entries_mut(map)? {
            entries.insert(key, value);
        }
        Ok(())
    }

    pub fn remove(&mut self, map: MapId, key: &str) -> Result<(), String> {
        if let Some(entries) = self.entries_mut(map)? {
            entries.remove(key);
        }
        Ok(())
    }

    /// Returns true unless a value is empty, zero, false or `nil`, as in Go.
    pub fn is_true(&self, value: &Value) -> bool {
        match value {
            Value::Nil => false,
            Value::Bool(is_so) => *is_so,
            Value::Int(number) | Value::Int64(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::String(text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !self.entries(*map).is_empty(),
            Value::Time(_) | Value::Version(_) => true,
        }
    }

    /// Returns the length of a value: bytes of a string, elements of a list or map, else 0.
    pub fn len_of(&self, value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::List(list) => list.items.len(),
            Value::Map(map) => self.entries(*map).len(),
            _ => 0,
        }
    }

    /// Converts a JSON value of a type; `integer` selects the type of its integers.
    pub fn read_json(
        &mut self,
        value: &serde_json::Value,
        kind: Type,
        integer: fn(i64) -> Value,
        except: &[&str],
    ) -> Result<Value, String> {
        self.read_json_at(value, kind, integer, except, 1)
    }

    fn read_json_at(
        &mut self,
        value: &serde_json::Value,
        kind: Type,
        integer: fn(i64) -> Value,
        except: &[&str],
        depth: usize,
    ) -> Result<Value, String> {
        check_nesting(depth)?;
        Ok(match value {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(is_so) => Value::Bool(*is_so),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => integer(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(time) if matches!(kind, Type::Time) => Value::Time(time.to_utc()),
                _ => self.string(text.clone())?,
            },
            serde_json::Value::Array(items) => {
                let element = kind.element();
                let items: Result<Vec<_>, _> =
                    items.iter().map(|item| self.read_json_at(item, element, integer, &[], depth + 1)).collect();
                self.list(items?)?
            }
            serde_json::Value::Object(fields) => {
                let mut entries = Entries::new();
                for (key, value) in fields {
                    self.spend(key.len())?;
                    let integer = if except.contains(&key.as_str()) { Value::Int64 } else { integer };
                    let value = self.read_json_at(value, kind.field(key), integer, &[], depth + 1)?;
                    entries.insert(key.as_str().into(), value);
                }
                let map = self.map(entries)?;
                if let (Value::Map(id), Type::Struct(structure)) = (&map, kind) {
                    self.structs.insert(id.0, structure);
                }
                map
            }
        })
    }

    /// Compiles a regular expression, once per rendering.
    pub fn pattern(&mut self, text: &Str) -> Result<Rc<Pattern>, String> {
        if let Some(known) = self.patterns.get(text) {
            return Ok(Rc::clone(known));
        }
        self.spend(Pattern::COST)?;
        let pattern = Rc::new(Pattern::new(text)?);
        self.patterns.insert(Rc::clone(text), Rc::clone(&pattern));
        Ok(pattern)
    }
}

/// Fails if a value nests too deeply to be walked recursively.
pub fn check_nesting(depth: usize) -> Result<(), String> {
    if depth > MAX_NESTING {
        return Err(format!("lists or maps nest deeper than {MAX_NESTING} levels"));
    }
    Ok(())
}
