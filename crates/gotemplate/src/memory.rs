//! What a rendering holds and what it has left: its maps, its budgets and its instant.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, Utc};

use super::bounds::{MAX_DEPTH, MAX_NESTING, MAX_STEPS, MAX_WORK, VALUE};
use super::pattern::Pattern;
use super::value::{Element, List, MapId, Text, Value};

/// The entries of a map.
pub type Entries = BTreeMap<Text, Value>;

/// Memory of one rendering.
///
/// Maps live in one table until the rendering ends: a map that contains itself is then no leak, and one that is nested without end
/// is let go without recursion.
pub struct Memory {
    maps: Vec<Rc<Entries>>,
    empty: Entries,
    patterns: BTreeMap<Text, Rc<Pattern>>,
    now: DateTime<Utc>,
    work: Cell<usize>,
    steps: Cell<u64>,
    depth: usize,
}

impl Memory {
    /// Memory with full budgets; `now` is what the template's clock says.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            maps: Vec::new(),
            empty: Entries::new(),
            patterns: BTreeMap::new(),
            now,
            work: Cell::new(MAX_WORK),
            steps: Cell::new(MAX_STEPS),
            depth: 0,
        }
    }

    /// The template's instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Takes from the budget of work, before the work is done.
    pub fn spend(&self, units: usize) -> Result<(), String> {
        let left = self.work.get().checked_sub(units).ok_or_else(|| {
            format!(
                "takes more than {MAX_WORK} units of work (texts and lists made and looked through); make it simpler"
            )
        })?;
        self.work.set(left);
        Ok(())
    }

    /// Takes from the budget of steps.
    pub fn step(&self) -> Result<(), String> {
        let left = self.steps.get().checked_sub(1).ok_or_else(|| {
            format!("takes more than {MAX_STEPS} steps; a loop or a template that calls itself may not end")
        })?;
        self.steps.set(left);
        Ok(())
    }

    /// Enters a block, a parenthesis or a named template.
    pub fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH} levels; a template that calls itself may not end"));
        }
        Ok(())
    }

    /// Leaves what was entered.
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// A text that a function made.
    pub fn text(&self, text: String) -> Result<Value, String> {
        self.spend(VALUE + text.len())?;
        Ok(Value::Text(text.into()))
    }

    /// A list that a function made.
    pub fn list(&self, items: Vec<Value>) -> Result<Value, String> {
        self.list_of(Element::Any, items)
    }

    /// The same with the type that Go gives its elements.
    pub fn list_of(&self, element: Element, items: Vec<Value>) -> Result<Value, String> {
        self.spend(VALUE.saturating_mul(items.len() + 1))?;
        let inner = items.iter().map(|item| if let Value::List(list) = item { list.depth } else { 0 });
        let depth = 1 + inner.max().unwrap_or(0);
        check_nesting(depth)?;
        Ok(Value::List(Rc::new(List { items, element, depth })))
    }

    /// A list of texts that a function made.
    pub fn texts<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Result<Value, String> {
        let items: Result<Vec<_>, _> = texts.into_iter().map(|text| self.text(text.to_owned())).collect();
        self.list_of(Element::Text, items?)
    }

    /// A map that a function made.
    pub fn map(&mut self, entries: Entries) -> Result<Value, String> {
        self.spend(2 * VALUE * (entries.len() + 1))?;
        Ok(self.shared_map(Rc::new(entries)))
    }

    /// A map whose entries are copied when it first changes.
    pub fn shared_map(&mut self, entries: Rc<Entries>) -> Value {
        self.maps.push(entries);
        Value::Map(MapId(self.maps.len() - 1))
    }

    /// The entries of a map.
    pub fn entries(&self, map: MapId) -> &Entries {
        // Every id comes from this table, which never shrinks.
        self.maps.get(map.0).map_or(&self.empty, |entries| &**entries)
    }

    /// The entries of a map as they are now, to be kept while the map may change.
    pub fn snapshot(&self, map: MapId) -> Result<Rc<Entries>, String> {
        let entries = self.maps.get(map.0).cloned().unwrap_or_default();
        self.spend(entries.len() * VALUE)?;
        Ok(entries)
    }

    /// The entries of a map, to be changed.
    fn changed(&mut self, map: MapId) -> Result<Option<&mut Entries>, String> {
        let copied = self.maps.get(map.0).filter(|entries| Rc::strong_count(entries) > 1);
        self.spend(2 * VALUE * (1 + copied.map_or(0, |entries| entries.len())))?;
        Ok(self.maps.get_mut(map.0).map(Rc::make_mut))
    }

    /// Puts a value into a map.
    pub fn put(&mut self, map: MapId, key: Text, value: Value) -> Result<(), String> {
        if let Some(entries) = self.changed(map)? {
            entries.insert(key, value);
        }
        Ok(())
    }

    /// Takes a key out of a map.
    pub fn remove(&mut self, map: MapId, key: &str) -> Result<(), String> {
        if let Some(entries) = self.changed(map)? {
            entries.remove(key);
        }
        Ok(())
    }

    /// Go's truth: neither empty nor zero nor false nor missing.
    pub fn is_true(&self, value: &Value) -> bool {
        match value {
            Value::Nil => false,
            Value::Bool(is_so) => *is_so,
            Value::Int(number) | Value::Int64(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !self.entries(*map).is_empty(),
            Value::Time(_) => true,
        }
    }

    /// How much there is to look through: bytes of a text, elements of a list or map.
    pub fn extent(&self, value: &Value) -> usize {
        match value {
            Value::Text(text) => text.len(),
            Value::List(list) => list.items.len(),
            Value::Map(map) => self.entries(*map).len(),
            _ => 0,
        }
    }

    /// A value of the JSON kind; whole numbers become what `whole` makes of them.
    pub fn read_json(&mut self, value: &serde_json::Value, whole: fn(i64) -> Value) -> Result<Value, String> {
        self.read_json_at(value, whole, 1)
    }

    fn read_json_at(
        &mut self,
        value: &serde_json::Value,
        whole: fn(i64) -> Value,
        depth: usize,
    ) -> Result<Value, String> {
        check_nesting(depth)?;
        Ok(match value {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(is_so) => Value::Bool(*is_so),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => whole(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => self.text(text.clone())?,
            serde_json::Value::Array(items) => {
                let items: Result<Vec<_>, _> =
                    items.iter().map(|item| self.read_json_at(item, whole, depth + 1)).collect();
                self.list(items?)?
            }
            serde_json::Value::Object(fields) => {
                let mut entries = Entries::new();
                for (key, value) in fields {
                    self.spend(key.len())?;
                    entries.insert(key.as_str().into(), self.read_json_at(value, whole, depth + 1)?);
                }
                self.map(entries)?
            }
        })
    }

    /// A regular expression, compiled once in a rendering.
    pub fn pattern(&mut self, text: &Text) -> Result<Rc<Pattern>, String> {
        if let Some(known) = self.patterns.get(text) {
            return Ok(Rc::clone(known));
        }
        self.spend(Pattern::COST)?;
        let pattern = Rc::new(Pattern::new(text)?);
        self.patterns.insert(Rc::clone(text), Rc::clone(&pattern));
        Ok(pattern)
    }
}

/// Refuses what is nested too deep to be walked through.
pub fn check_nesting(depth: usize) -> Result<(), String> {
    if depth > MAX_NESTING {
        return Err(format!("lists or maps nest deeper than {MAX_NESTING} levels"));
    }
    Ok(())
}
