//! Paths in CONTRIBUTING.md exist.

use std::collections::BTreeSet;

use crate::support::files;

/// Paths of the repository that a text names: inline code and link targets that start with a name at its root.
fn paths(markdown: &str) -> Vec<String> {
    let roots: BTreeSet<String> = std::fs::read_dir(files::root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let code = markdown.split('`').skip(1).step_by(2);
    let links = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let is_path = |text: &&str| {
        !text.contains(char::is_whitespace) && text.split('/').next().is_some_and(|root| roots.contains(root))
    };
    code.chain(links).filter(is_path).map(str::to_owned).collect()
}

#[test]
fn every_path_in_contributing_exists() {
    let text = files::text(&files::root().join("CONTRIBUTING.md"));
    let paths = paths(&text);
    assert!(paths.len() > 20, "{paths:?}");
    let missing: Vec<&String> = paths.iter().filter(|path| !files::root().join(path).exists()).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names what does not exist: {missing:?}");
}

#[test]
fn paths_are_inline_code_and_links() {
    let text =
        "See `src/lib.rs`, [the benchmark](benches/load/README.md), `src/nothing.rs`, `http/latency` and `cargo test`.";
    assert_eq!(paths(text), ["src/lib.rs", "src/nothing.rs", "benches/load/README.md"]);
}
