//! Checks `src/**` against the layer table in the docs of `src/lib.rs`; the table is this test's input.
//!
//! The rules, all on code that is not test code:
//!
//! 1. **Layers.** A module names only its own layer and those its row lists; rows list only rows above; every layer has a row.
//!    `src/main.rs` names `cli` only.
//! 2. **No cycles**, between layers and inside them: *the children of a module form a graph without a cycle*. A use between two
//!    modules counts as a use between those of their ancestors that are siblings, and re-exports are followed to where the thing
//!    lives. A module and its own ancestors are not held apart: a registry names its children, and they name its trait. So
//!    `values/parse.rs` may use `values/mod.rs` and be used by it; but `values/parse.rs` → `assess.rs` → `values/merge.rs` is
//!    a cycle of `values` and `assess`.
//! 3. **Doors** ([`RESTRICTIONS`]): printing, leaving, environment, files, clocks and async are open to the layers they belong to.
//! 4. **Size.** A file has at most [`MAX_CODE_LINES`] lines beside its tests.

mod checker;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::files;
use crate::support::markdown;
use crate::support::module_tree::{ModulePath, ModuleTree, PROGRAM};
use crate::support::rust_source::Mention;

/// Longest file, without its test code.
const MAX_CODE_LINES: usize = 600;

/// Something only some layers may do.
struct Restriction {
    name: &'static str,
    /// Runs of path segments that give it away; those that end in `!` are macros.
    signs: &'static [&'static str],
    open_to: Open,
    reason: &'static str,
}

enum Open {
    Only(&'static [&'static str]),
    /// Layers that the table does not mark as pure.
    Impure,
}

/// Modules that are as pure as the rows marked so, inside layers that are not.
const PURE_MODULES: [&[&str]; 4] = [
    &["load", "pacing"],
    &["tasks", "notify", "message"],
    &["tasks", "ready", "readiness"],
    &["tasks", "ready", "settling"],
];

/// Marks a row of the table whose modules read no clock, wait for nothing and are not async.
const PURE: &str = "(pure)";

const RESTRICTIONS: &[Restriction] = &[
    Restriction {
        name: "printing",
        signs: &["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr"],
        open_to: Open::Only(&["cli"]),
        reason: "the engine tells an observer what happens; the command line decides what to show",
    },
    Restriction {
        name: "ending the process",
        signs: &["process::exit", "process::abort"],
        open_to: Open::Only(&[]),
        reason: "main returns an exit code, so that what is open gets closed and what is measured gets saved",
    },
    Restriction {
        name: "the environment",
        signs: &["std::env"],
        open_to: Open::Only(&["adapters", "cli", PROGRAM]),
        reason: "ask through `ports::Files`",
    },
    Restriction {
        name: "the file system",
        signs: &["std::fs", "tokio::fs", "tempfile"],
        open_to: Open::Only(&["adapters", "cli"]),
        reason: "read through `ports::Files`, keep documents in a `ports::DocumentStore`",
    },
    Restriction {
        name: "the wall clock",
        signs: &["SystemTime", "Utc::now", "Local::now"],
        open_to: Open::Only(&["adapters"]),
        reason: "ask a `ports::Clock`, so that tests decide the time",
    },
    Restriction {
        name: "time that passes, and async",
        signs: &["Instant::now", "async", "await", "tokio", "hyper", "reqwest"],
        open_to: Open::Impure,
        reason: "these layers are pure: decide here, act elsewhere",
    },
];

/// Rows of the layer table: name, description, layers it may use.
fn rows(lib: &str) -> Vec<Vec<String>> {
    let docs: String =
        lib.lines().filter_map(|line| line.strip_prefix("//!")).map(|l| format!("{}\n", l.trim())).collect();
    markdown::table_rows(&docs, "Layers")
}

/// Layers that each layer may name, in the order of the table.
fn layer_table(lib: &str) -> Vec<(String, Vec<String>)> {
    let rows = rows(lib);
    let list = |cell: &str| cell.split(',').map(|name| name.trim().to_owned()).filter(|n| !n.is_empty()).collect();
    rows.iter().map(|row| (row[0].clone(), list(row.get(2).map_or("", String::as_str)))).collect()
}

/// Layers that the table marks as pure.
fn pure_layers(lib: &str) -> BTreeSet<String> {
    rows(lib).into_iter().filter(|row| row[1].contains(PURE)).map(|row| row[0].clone()).collect()
}

/// The layer a module belongs to; `lib.rs` belongs to none.
fn layer(path: &[String]) -> &str {
    path.first().map_or("lib", String::as_str)
}

/// Rows that are missing, too many, or name a row below.
fn check_table(table: &[(String, Vec<String>)], tree: &ModuleTree) -> Vec<String> {
    let rows: Vec<&str> = table.iter().map(|(name, _)| name.as_str()).collect();
    let found: BTreeSet<&str> =
        tree.modules.keys().map(|path| layer(path)).filter(|l| !["lib", PROGRAM].contains(l)).collect();
    let mut wrong: Vec<String> =
        found.iter().filter(|l| !rows.contains(l)).map(|l| format!("src/{l} has no row in the layer table")).collect();
    wrong.extend(rows.iter().filter(|row| !found.contains(*row)).map(|row| format!("row `{row}` has no module")));
    for (index, (name, allowed)) in table.iter().enumerate() {
        let below = allowed.iter().filter(|used| !rows[..index].contains(&used.as_str()));
        wrong.extend(below.map(|used| format!("row `{name}` lists `{used}`, which is not a row above it")));
    }
    wrong
}

/// Uses of a layer that the table does not allow.
fn check_layers(table: &[(String, Vec<String>)], tree: &ModuleTree) -> Vec<String> {
    let mut rows: BTreeMap<&str, Vec<&str>> =
        table.iter().map(|(name, allowed)| (name.as_str(), allowed.iter().map(String::as_str).collect())).collect();
    rows.insert(PROGRAM, vec!["cli"]);
    let mut wrong = Vec::new();
    for (path, module) in tree.modules.iter().filter(|(path, _)| !path.is_empty()) {
        let Some(allowed) = rows.get(layer(path)) else { continue };
        for mention in &module.scan.mentions {
            let Some(target) = tree.resolve(path, mention) else { continue };
            let named = layer(&target.written);
            // The visibility `pub(crate)` names the crate, not a layer.
            let is_visibility = target.written.is_empty();
            if is_visibility || named == layer(path) || allowed.contains(&named) {
                continue;
            }
            let problem = if rows.contains_key(named) { "is not in its row" } else { "is not a layer" };
            let (file, line, text) = (&module.file, mention.line, mention.path.join("::"));
            let may = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            wrong.push(format!(
                "{file}:{line}: `{}` names `{text}`: `{named}` {problem} (it may use {may})",
                layer(path)
            ));
        }
    }
    wrong
}

/// Uses between siblings: parent → (child → (child it uses → where)).
type SiblingUses = BTreeMap<ModulePath, BTreeMap<String, BTreeMap<String, String>>>;

fn sibling_uses(tree: &ModuleTree) -> SiblingUses {
    let mut uses = SiblingUses::new();
    for (path, module) in &tree.modules {
        for mention in &module.scan.mentions {
            let Some(target) = tree.resolve(path, mention) else { continue };
            let shared = path.iter().zip(&target.module).take_while(|(a, b)| a == b).count();
            let (Some(from), Some(to)) = (path.get(shared), target.module.get(shared)) else { continue };
            let witness = format!("{}:{} names `{}`", module.file, mention.line, mention.path.join("::"));
            let uses_of = uses.entry(path[..shared].to_vec()).or_default().entry(from.clone()).or_default();
            uses_of.entry(to.clone()).or_insert(witness);
        }
    }
    uses
}

/// Cycles among the children of any module, one message each.
fn check_cycles(tree: &ModuleTree) -> Vec<String> {
    let mut wrong = Vec::new();
    for (parent, graph) in sibling_uses(tree) {
        for cycle in cycles(&graph) {
            let place = if parent.is_empty() { "the crate".to_owned() } else { parent.join("::") };
            let ring: Vec<&str> = cycle.iter().chain(cycle.first()).map(String::as_str).collect();
            let witnesses: Vec<&str> = ring.windows(2).map(|pair| graph[pair[0]][pair[1]].as_str()).collect();
            wrong.push(format!("cycle in {place}: {}\n    {}", ring.join(" → "), witnesses.join("\n    ")));
        }
    }
    wrong
}

/// For each node that lies on a cycle with no smaller one found before: the shortest cycle through it.
fn cycles(graph: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for start in graph.keys() {
        if found.iter().any(|cycle| cycle.contains(start)) {
            continue;
        }
        let mut came_from: BTreeMap<&String, &String> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
                if !came_from.contains_key(next) {
                    came_from.insert(next, node);
                    queue.push_back(next);
                }
            }
        }
        let mut ring = Vec::new();
        let mut node = came_from.get(start).copied();
        while let Some(at) = node.filter(|at| *at != start) {
            ring.push(at.clone());
            node = came_from.get(at).copied();
        }
        if node.is_some() {
            ring.push(start.clone());
            ring.reverse();
            found.push(ring);
        }
    }
    found
}

/// Restricted uses in layers that are not allowed them.
fn check_doors(pure: &BTreeSet<String>, tree: &ModuleTree) -> Vec<String> {
    let is_pure = |path: &ModulePath| {
        pure.contains(layer(path))
            || PURE_MODULES
                .iter()
                .any(|module| path.len() >= module.len() && path.iter().zip(*module).all(|(a, b)| a == b))
    };
    let mut wrong = Vec::new();
    for (path, module) in &tree.modules {
        for restriction in RESTRICTIONS {
            let is_open = match restriction.open_to {
                Open::Only(layers) => layers.contains(&layer(path)),
                Open::Impure => !is_pure(path),
            };
            let signs =
                module.scan.mentions.iter().filter(|m| !is_open && restriction.signs.iter().any(|sign| shows(m, sign)));
            wrong.extend(signs.map(|mention| {
                let (file, line, text) = (&module.file, mention.line, mention.path.join("::"));
                format!(
                    "{file}:{line}: `{text}`: {} is not for `{}`: {}",
                    restriction.name,
                    layer(path),
                    restriction.reason
                )
            }));
        }
    }
    wrong
}

fn shows(mention: &Mention, sign: &str) -> bool {
    if let Some(name) = sign.strip_suffix('!') {
        return mention.is_macro && mention.path.last().is_some_and(|last| last == name);
    }
    let sign: Vec<&str> = sign.split("::").collect();
    mention.path.windows(sign.len()).any(|run| run == sign)
}

fn check_sizes(tree: &ModuleTree) -> Vec<String> {
    let long = tree.modules.values().filter(|module| module.scan.code_lines > MAX_CODE_LINES);
    long.map(|module| format!("{}: {} lines, at most {MAX_CODE_LINES}: split it", module.file, module.scan.code_lines))
        .collect()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

fn project() -> (Vec<(String, Vec<String>)>, ModuleTree) {
    let root = files::root();
    let table = layer_table(&files::text(&root.join("src/lib.rs")));
    assert!(table.len() >= 8, "the layer table of src/lib.rs was not read: {table:?}");
    (table, ModuleTree::read(&root))
}

#[test]
fn layers_use_only_layers_above() {
    let (table, tree) = project();
    assert_none(&check_table(&table, &tree));
}

#[test]
fn modules_use_only_what_their_layer_may() {
    let (table, tree) = project();
    assert_none(&check_layers(&table, &tree));
}

#[test]
fn siblings_have_no_cycles() {
    assert_none(&check_cycles(&project().1));
}

#[test]
fn io_clocks_and_async_stay_in_their_layers() {
    let lib = files::text(&files::root().join("src/lib.rs"));
    assert_none(&check_doors(&pure_layers(&lib), &project().1));
}

#[test]
fn no_file_is_too_long() {
    assert_none(&check_sizes(&project().1));
}
