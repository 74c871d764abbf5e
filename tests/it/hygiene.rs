//! Leftovers in the repository that neither the compiler nor clippy finds.

use crate::support::files;

/// Words that mark unfinished work.
const LEFTOVER_WORDS: [&str; 3] = ["FIXME", "XXX", "HACK"];

/// Lines of a file that hold a leftover word.
fn leftovers(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(index, line)| {
            let has_word = |word: &&str| line.split(|c: char| !c.is_alphanumeric()).any(|other| other == *word);
            LEFTOVER_WORDS.into_iter().filter(has_word).map(move |word| format!("{name}:{}: `{word}`", index + 1))
        })
        .collect()
}

#[test]
fn the_source_has_no_leftovers() {
    let sources = files::below(&files::root(), &["src", "crates"], "rs");
    let leftovers: Vec<String> = sources.iter().flat_map(|(name, text)| leftovers(name, text)).collect();
    assert!(leftovers.is_empty(), "\n  {}\n", leftovers.join("\n  "));
}

#[test]
fn a_leftover_is_a_whole_word() {
    assert_eq!(leftovers("a", "fn f() {}\n// FIXME: later\nf(HACKS);\n"), ["a:2: `FIXME`"]);
}

#[test]
fn every_transcript_snapshot_has_a_test() {
    let root = files::root();
    let below = "tests/it/snapshots/";
    let mut unreferenced = Vec::new();
    for (name, _) in files::below(&root, &["tests/it/snapshots"], "snap") {
        // Snapshots beside the folders are named in the code.
        let Some((module, test)) = name.trim_start_matches(below).rsplit_once('/') else { continue };
        let path = root.join("tests/it").join(module).with_extension("rs");
        let source = std::fs::read_to_string(path).unwrap_or_default();
        let test = source.split_once(&format!("fn {}() {{\n", test.trim_end_matches(".snap")));
        let body = test.and_then(|(_, rest)| rest.split("\n}\n").next());
        if !body.is_some_and(|body| body.contains("    let _transcript = transcript!();\n")) {
            unreferenced.push(name);
        }
    }
    assert_eq!(unreferenced, Vec::<String>::new());
}
