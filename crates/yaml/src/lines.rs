//! Line numbers of the nodes of a YAML document.

use std::collections::HashMap;
use std::sync::Arc;

/// Line of a node, and of the nodes in it. Entries of a map have the line of their key. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Lines {
    line: u64,
    /// `None` for a scalar, and if lines are not wanted.
    children: Option<Arc<Children>>,
}

#[derive(Debug)]
enum Children {
    List(Vec<Lines>),
    Map(HashMap<String, Lines>),
}

impl Lines {
    pub(crate) fn leaf(line: u64) -> Self {
        Self { line, children: None }
    }

    pub(crate) fn list(line: u64, items: Vec<Self>) -> Self {
        Self { line, children: Some(Arc::new(Children::List(items))) }
    }

    pub(crate) fn map(line: u64, entries: HashMap<String, Self>) -> Self {
        Self { line, children: Some(Arc::new(Children::Map(entries))) }
    }

    /// Returns the same node at another line.
    pub(crate) fn at(self, line: u64) -> Self {
        Self { line, ..self }
    }

    /// Returns the line of the node, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the entry of a map.
    pub fn key(&self, key: &str) -> Option<&Self> {
        match self.children.as_deref() {
            Some(Children::Map(entries)) => entries.get(key),
            _ => None,
        }
    }

    /// Returns the item of a list.
    pub fn index(&self, index: usize) -> Option<&Self> {
        match self.children.as_deref() {
            Some(Children::List(items)) => items.get(index),
            _ => None,
        }
    }

    /// Iterates over the entries of a map, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Self)> {
        let entries = match self.children.as_deref() {
            Some(Children::Map(entries)) => Some(entries),
            _ => None,
        };
        entries.into_iter().flatten()
    }

    /// Returns the items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        match self.children.as_deref() {
            Some(Children::List(items)) => items,
            _ => &[],
        }
    }
}
