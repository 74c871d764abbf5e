//! House rules that no lint covers.

use crate::support::files;
use crate::support::rust_source::scan;

/// Macros that mark work not done.
const LEFTOVER_MACROS: [&str; 3] = ["todo", "dbg", "unimplemented"];

/// Words that mark work not done, in comments too.
const LEFTOVER_WORDS: [&str; 3] = ["FIXME", "XXX", "HACK"];

/// Leftovers in one file.
fn leftovers(name: &str, text: &str) -> Vec<String> {
    let scan = scan(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let macros = scan.mentions.iter().filter(|mention| mention.is_macro).filter_map(|mention| {
        let last = mention.path.last().filter(|last| LEFTOVER_MACROS.contains(&last.as_str()))?;
        Some(format!("{name}:{}: `{last}!`", mention.line))
    });
    let words = text.lines().enumerate().flat_map(|(index, line)| {
        let is_word = |word: &&str| line.split(|c: char| !c.is_alphanumeric()).any(|found| found == *word);
        LEFTOVER_WORDS.into_iter().filter(is_word).map(move |word| format!("{name}:{}: `{word}`", index + 1))
    });
    macros.chain(words).collect()
}

#[test]
fn the_source_has_no_leftovers() {
    let sources = files::below(&files::root(), &["src", "crates"], "rs");
    let found: Vec<String> = sources.iter().flat_map(|(name, text)| leftovers(name, text)).collect();
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let sources = files::below(&files::root(), &["src", "crates", "tests"], "rs");
    let silent: Vec<&str> =
        sources.iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name.as_str()).collect();
    assert!(silent.is_empty(), "no `//!` on the first line of {silent:?}");
}

#[test]
fn leftovers_are_found_in_code_and_comments_but_not_in_strings_or_other_words() {
    assert_eq!(leftovers("a", "fn f() {\n todo!()\n}\n// FIXME: later\n"), ["a:2: `todo!`", "a:4: `FIXME`"]);
    assert_eq!(leftovers("a", "fn f() { let todo = \"todo!()\"; g(HACKS); } // nothing todo!() here"), [""; 0]);
}
