//! The modules of a crate, read from its files, and where the paths in them lead: `use` names and re-exports are followed.
//!
//! Names that a `use x::*` brings in are not looked up; such a path is taken to lead to the module it was written for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::rust_source::{Mention, Scan, TestModule, scan};

/// A module's path below the crate: `["logic", "values"]`; the crate itself is empty.
pub type ModulePath = Vec<String>;

/// Most consecutive `use` names that are followed.
const MAX_HOPS: usize = 16;

/// The name under which the program is kept in the tree, beside the library's layers.
pub const PROGRAM: &str = "main";

/// One file.
#[derive(Debug)]
pub struct Module {
    /// Its path, for messages.
    pub file: String,
    /// Path of the imported item.
    pub scan: Scan,
}

/// All modules that are not test code, by path.
#[derive(Debug, Default)]
pub struct ModuleTree {
    /// The modules.
    pub modules: BTreeMap<ModulePath, Module>,
}

/// Target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path as written, from the crate down: its first segment is a layer or an item of the crate's root.
    pub written: Vec<String>,
    /// The module with a file of its own that holds what is named, re-exports followed.
    pub module: ModulePath,
}

impl ModuleTree {
    /// Reads `src/` of the crate at `root`.
    pub fn read(root: &Path) -> Self {
        let files = super::files::below(root, &["src"], "rs");
        Self::new(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// Makes a tree of (file name such as `src/a/mod.rs`, content); panics on a file that is not Rust.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Self::default();
        for (file, text) in files {
            let scan = scan(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            tree.modules.insert(module_path(file), Module { file: file.to_owned(), scan });
        }
        let tests: BTreeSet<ModulePath> = tree
            .modules
            .iter()
            .flat_map(|(path, module)| module.scan.test_modules.iter().map(|test| test_path(path, &module.file, test)))
            .collect();
        tree.modules.retain(|path, _| !(1..=path.len()).any(|length| tests.contains(&path[..length])));
        tree
    }

    /// Resolves `mention` in `module`. None if it leads out of the crate or names a local item.
    pub fn resolve(&self, module: &[String], mention: &Mention) -> Option<Target> {
        let scope: Vec<String> = module.iter().chain(&mention.inside).cloned().collect();
        let written = self.absolute(&scope, &mention.path, mention.bound_as.is_some(), MAX_HOPS)?;
        Some(Target { module: self.home(written.clone(), MAX_HOPS), written })
    }

    /// `path`, written in `scope`, from the crate down.
    fn absolute(&self, scope: &[String], path: &[String], is_use: bool, hops: usize) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "iter8" if scope.first().is_some_and(|layer| layer == PROGRAM) => return Some(rest.to_vec()),
            "self" => return Some([scope, rest].concat()),
            "super" => {
                let climbs = path.iter().take_while(|segment| *segment == "super").count();
                let kept = scope.len().checked_sub(climbs)?;
                return Some([&scope[..kept], &path[climbs..]].concat());
            }
            _ => {}
        }
        if self.modules.contains_key(&child(scope, first)) {
            return Some([scope, path].concat());
        }
        // A name that a `use` brought in; the `use` itself is not looked up by the name it binds.
        if hops == 0 || is_use || rest.is_empty() {
            return None;
        }
        let source = self.bound(scope, first)?;
        let target = self.absolute(scope, &source, true, hops - 1)?;
        Some([target.as_slice(), rest].concat())
    }

    /// The module that holds what stands at `path`, from the crate down.
    fn home(&self, path: Vec<String>, hops: usize) -> ModulePath {
        let length = (0..=path.len()).rev().find(|&length| self.modules.contains_key(&path[..length])).unwrap_or(0);
        let module = path[..length].to_vec();
        let re_exported = path.get(length).and_then(|name| self.bound(&module, name));
        let source = re_exported.filter(|_| hops > 0).and_then(|use_path| self.absolute(&module, &use_path, true, 0));
        match source {
            Some(source) => self.home([source.as_slice(), &path[length + 1..]].concat(), hops - 1),
            None => module,
        }
    }

    /// The path that a `use` in `scope` gives `name` to.
    fn bound(&self, scope: &[String], name: &str) -> Option<Vec<String>> {
        let length = (0..=scope.len()).rev().find(|&length| self.modules.contains_key(&scope[..length]))?;
        let mentions = &self.modules[&scope[..length]].scan.mentions;
        let mention = mentions.iter().find(|m| m.bound_as.as_deref() == Some(name) && m.inside == scope[length..])?;
        Some(mention.path.clone())
    }
}

/// `src/a/mod.rs` and `src/a.rs` are `a`; `src/lib.rs` is the crate.
fn module_path(file: &str) -> ModulePath {
    let stem = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    match stem {
        "lib" => Vec::new(),
        _ => stem.trim_end_matches("/mod").split('/').map(str::to_owned).collect(),
    }
}

/// Path of a test module that is declared in the module at `path`.
fn test_path(path: &[String], file: &str, test: &TestModule) -> ModulePath {
    match (&test.path, file.rsplit_once('/')) {
        (Some(below), Some((directory, _))) => module_path(&format!("{directory}/{below}")),
        _ => child(path, &test.name),
    }
}

fn child(path: &[String], name: &str) -> ModulePath {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homes(files: &[(&str, &str)], of: &str) -> Vec<String> {
        let tree = ModuleTree::new(files.iter().copied());
        let path = module_path(of);
        let mentions = &tree.modules[&path].scan.mentions;
        mentions.iter().filter_map(|m| tree.resolve(&path, m)).map(|target| target.module.join("::")).collect()
    }

    #[test]
    fn module_paths_resolve_to_files() {
        let files = [
            ("src/lib.rs", "mod a; mod d;"),
            ("src/a/mod.rs", "mod b; mod c; use b::x; use self::c::y;"),
            ("src/a/b.rs", "use super::c::y; use super::super::d::z; use crate::d; use std::fs;"),
            ("src/a/c.rs", ""),
            ("src/d.rs", ""),
        ];
        assert_eq!(homes(&files, "src/a/b.rs"), ["a::c", "d", "d"]);
        assert_eq!(homes(&files, "src/a/mod.rs"), ["a::b", "a::c"]);
    }

    #[test]
    fn re_exports_are_followed() {
        let files = [
            ("src/lib.rs", ""),
            ("src/a/mod.rs", "pub use self::b::Thing as Other;"),
            ("src/a/b.rs", ""),
            ("src/a/c.rs", "use super::Other;"),
        ];
        assert_eq!(homes(&files, "src/a/c.rs"), ["a::b"]);
    }

    #[test]
    fn cyclic_re_exports_end() {
        let files = [("src/lib.rs", ""), ("src/a.rs", "pub use crate::b::X;"), ("src/b.rs", "pub use crate::a::X;")];
        assert_eq!(homes(&files, "src/a.rs").len(), 1);
    }

    #[test]
    fn imported_modules_are_followed() {
        let files = [
            ("src/lib.rs", ""),
            ("src/a/mod.rs", ""),
            ("src/a/b.rs", ""),
            ("src/c.rs", "use crate::a; fn f() { a::b::g() }"),
        ];
        assert_eq!(homes(&files, "src/c.rs"), ["a", "a::b"]);
    }

    #[test]
    fn super_in_an_inline_module_is_the_file() {
        let files = [("src/lib.rs", ""), ("src/a.rs", "mod inner { use super::super::b::X; }"), ("src/b.rs", "")];
        assert_eq!(homes(&files, "src/a.rs"), ["b"]);
    }

    #[test]
    fn test_modules_are_skipped() {
        let tree = ModuleTree::new([
            ("src/a.rs", "#[cfg(test)] mod tests; #[cfg(test)] #[path = \"a_tests.rs\"] mod more;"),
            ("src/a/tests.rs", ""),
            ("src/a/tests/deep.rs", ""),
            ("src/a_tests.rs", ""),
        ]);
        assert_eq!(tree.modules.len(), 1);
    }
}
