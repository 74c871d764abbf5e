//! The checker itself, on small trees that break one rule each.

use super::*;

const LIB: &str = "\
//! # Layers
//!
//! | layer | contents | may use |
//! |---|---|---|
//! | `model` | data | |
//! | `logic` | functions | model |
//! | `cli` | prints | model, logic |
";

fn tree(files: &[(&str, &str)]) -> ModuleTree {
    let whole = [("src/lib.rs", ""), ("src/model/mod.rs", ""), ("src/logic/mod.rs", ""), ("src/cli/mod.rs", "")];
    ModuleTree::new(
        whole.into_iter().filter(|(name, _)| !files.iter().any(|(f, _)| f == name)).chain(files.iter().copied()),
    )
}

/// The layers that the tests of doors take for pure.
fn pure() -> BTreeSet<String> {
    BTreeSet::from(["model".to_owned(), "logic".to_owned()])
}

fn layers(files: &[(&str, &str)]) -> Vec<String> {
    check_layers(&layer_table(LIB), &tree(files))
}

#[test]
fn the_table_is_read_from_the_docs() {
    assert_eq!(layer_table(LIB)[2], ("cli".to_owned(), vec!["model".to_owned(), "logic".to_owned()]));
}

#[test]
fn allowed_uses_pass() {
    assert_none(&layers(&[
        ("src/logic/a.rs", "use crate::model::X; use super::Y; use std::fmt; fn f() { let cli = 1; cli::x(); }"),
        ("src/main.rs", "fn main() { iter8::cli::main() }"),
    ]));
}

#[test]
fn a_use_of_a_higher_layer_fails_in_any_spelling() {
    for code in [
        "use crate::cli::X;",
        "use crate::{model::Y, cli::{X}};",
        "use super::super::cli_case::X;",
        "fn f() { crate::cli::x(); }",
        "fn f() { println!(\"{}\", crate::cli::x()); }",
        "fn f(x: &dyn Fn(crate::cli::X)) {}",
        "mod inner { use super::super::super::cli; }",
        "pub(in crate::cli) fn f() {}",
    ] {
        let wrong = layers(&[("src/logic/a.rs", code)]);
        assert_eq!(wrong.len(), 1, "{code}: {wrong:?}");
        assert!(wrong[0].starts_with("src/logic/a.rs:1: `logic` names"), "{wrong:?}");
    }
}

#[test]
fn test_code_may_name_any_layer() {
    assert_none(&layers(&[("src/logic/a.rs", "#[cfg(test)] mod tests { use crate::cli::X; }")]));
}

#[test]
fn an_item_of_the_crate_root_is_not_a_layer() {
    assert!(layers(&[("src/logic/a.rs", "use crate::VERSION;")])[0].contains("`VERSION` is not a layer"));
}

#[test]
fn main_uses_only_the_command_line() {
    assert_eq!(layers(&[("src/main.rs", "use iter8::logic::x;")]).len(), 1);
}

#[test]
fn a_layer_without_a_row_and_a_row_without_a_layer_fail() {
    let wrong = check_table(&layer_table(&LIB.replace("`cli`", "`cly`")), &tree(&[]));
    assert_eq!(wrong, ["src/cli has no row in the layer table", "row `cly` has no module"]);
}

#[test]
fn a_row_that_lists_a_lower_row_fails() {
    let wrong = check_table(&layer_table(&LIB.replace("| data | |", "| data | cli |")), &tree(&[]));
    assert_eq!(wrong, ["row `model` lists `cli`, which is not a row above it"]);
}

#[test]
fn a_cycle_between_layers_fails() {
    let wrong = check_cycles(&tree(&[
        ("src/model/a.rs", "use crate::logic::x;"),
        ("src/logic/mod.rs", "use crate::model::y;"),
    ]));
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].starts_with("cycle in the crate: logic → model → logic"), "{wrong:?}");
}

#[test]
fn a_cycle_of_three_siblings_fails() {
    let wrong = check_cycles(&tree(&[
        ("src/logic/a.rs", "use super::b::X;"),
        ("src/logic/b.rs", "use crate::logic::c;"),
        ("src/logic/c.rs", "fn f() { super::a::f() }"),
    ]));
    assert_eq!(
        wrong,
        [concat!(
            "cycle in logic: a → b → c → a\n    src/logic/a.rs:1 names `super::b::X`\n",
            "    src/logic/b.rs:1 names `crate::logic::c`\n    src/logic/c.rs:1 names `super::a::f`"
        )]
    );
}

#[test]
fn a_cycle_through_different_files_of_a_directory_fails() {
    let wrong = check_cycles(&tree(&[
        ("src/logic/values/mod.rs", ""),
        ("src/logic/values/parse.rs", "use crate::logic::assess::X;"),
        ("src/logic/values/merge.rs", ""),
        ("src/logic/assess.rs", "use super::values::merge::Y;"),
    ]));
    assert!(wrong[0].starts_with("cycle in logic: assess → values → assess"), "{wrong:?}");
}

#[test]
fn a_cycle_hidden_behind_re_exports_fails() {
    let wrong = check_cycles(&tree(&[
        ("src/logic/mod.rs", "pub use a::X; pub use b::Y; mod a; mod b;"),
        ("src/logic/a.rs", "use super::Y;"),
        ("src/logic/b.rs", "use super::X;"),
    ]));
    assert!(wrong[0].starts_with("cycle in logic: a → b → a"), "{wrong:?}");
}

#[test]
fn a_registry_and_its_children_may_name_each_other() {
    assert_none(&check_cycles(&tree(&[
        ("src/logic/mod.rs", "mod a; mod b; pub trait T {} const ALL: [u8; 2] = [a::X, b::Y];"),
        ("src/logic/a.rs", "use super::T;"),
        ("src/logic/b.rs", "use super::T; use super::a::X;"),
    ])));
}

#[test]
fn restricted_apis_fail_in_other_layers() {
    for (code, door) in [
        ("fn f() { eprintln!(); }", "printing"),
        ("use std::io::{self}; fn f() { io::stdout(); }", "printing"),
        ("fn f() { std::process::exit(1) }", "ending the process"),
        ("use std::{env, fmt};", "the environment"),
        ("use tokio_util as x; use std::fs::File;", "the file system"),
        ("fn f() { chrono::Utc::now(); }", "the wall clock"),
        ("use std::time::SystemTime;", "the wall clock"),
        ("async fn f() {}", "time that passes, and async"),
        ("use std::time::Instant; fn f() { Instant::now(); }", "time that passes, and async"),
    ] {
        let wrong = check_doors(&pure(), &tree(&[("src/logic/a.rs", code)]));
        assert_eq!(wrong.len(), 1, "{code}: {wrong:?}");
        assert!(wrong[0].contains(&format!(": {door} is not for `logic`")), "{code}: {wrong:?}");
    }
}

#[test]
fn restricted_apis_pass_in_their_layers_and_tests() {
    assert_none(&check_doors(
        &pure(),
        &tree(&[
            ("src/cli/mod.rs", "fn f() { println!(); std::env::args(); std::fs::read(\"\"); }"),
            ("src/logic/a.rs", "#[test] fn f() { println!(); } fn env() { let fs = env!(\"X\"); }"),
        ]),
    ));
}

#[test]
fn process_exit_fails() {
    assert_eq!(
        check_doors(&pure(), &tree(&[("src/cli/a.rs", "use std::process; fn f() { process::exit(1) }")])).len(),
        1
    );
}

#[test]
fn long_files_fail_not_counting_tests() {
    let code = "fn f() {}\n".repeat(MAX_CODE_LINES);
    let tests = format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}\n");
    assert_none(&check_sizes(&tree(&[("src/logic/a.rs", &tests)])));
    assert_eq!(check_sizes(&tree(&[("src/logic/a.rs", &format!("{code}\n"))])).len(), 1);
}
