//! Slash-separated paths, as Go's `path` treats them. Those of the operating system are the same.

use super::{Function, args, row};
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[
    row("base", 1, 1, |context, args| context.string(base(args::string(args, 0)?).to_owned())),
    row("osBase", 1, 1, |context, args| context.string(base(args::string(args, 0)?).to_owned())),
    row("dir", 1, 1, |context, args| context.string(dir(args::string(args, 0)?))),
    row("osDir", 1, 1, |context, args| context.string(dir(args::string(args, 0)?))),
    row("ext", 1, 1, |context, args| context.string(ext(args::string(args, 0)?).to_owned())),
    row("osExt", 1, 1, |context, args| context.string(ext(args::string(args, 0)?).to_owned())),
    row("clean", 1, 1, |context, args| context.string(clean(args::string(args, 0)?))),
    row("osClean", 1, 1, |context, args| context.string(clean(args::string(args, 0)?))),
    row("isAbs", 1, 1, |_, args| Ok(Value::Bool(args::string(args, 0)?.starts_with('/')))),
    row("osIsAbs", 1, 1, |_, args| Ok(Value::Bool(args::string(args, 0)?.starts_with('/')))),
];

/// Returns the last element.
fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (path, trimmed) {
        ("", _) => ".",
        (_, "") => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

/// Returns all but the last element.
fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

/// Returns the suffix of the last element from its last dot.
fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |dot| &name[dot..])
}

/// Returns the shortest equivalent path.
fn clean(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/').filter(|element| !matches!(*element, "" | ".")) {
        match (element, elements.last()) {
            ("..", Some(last)) if *last != ".." => drop(elements.pop()),
            ("..", None) if !root.is_empty() => {}
            _ => elements.push(element),
        }
    }
    match format!("{root}{}", elements.join("/")) {
        empty if empty.is_empty() => ".".to_owned(),
        path => path,
    }
}
