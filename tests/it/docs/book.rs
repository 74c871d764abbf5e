//! The manual as a book: mdBook builds it, every page is in its table of contents, and its links work without the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use regex::Regex;

use super::links::targets;
use super::pages;
use crate::support::{files, tools};

/// Most words of README, which is for newcomers; everything else is in the manual.
const README_WORDS: usize = 900;

/// Path and text of each page of the built book, except those that repeat others.
fn built(directory: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for (name, text) in files::below(directory, &["."], "html") {
        let name = name.trim_start_matches("./").to_owned();
        if !["print.html", "404.html", "toc.html"].contains(&name.as_str()) {
            pages.insert(name, text);
        }
    }
    pages
}

/// `path` below the directory of the page `from`, without `..`.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Links of built pages to files or anchors that the book does not have.
fn dead_links(directory: &Path) -> Vec<String> {
    let attribute = Regex::new(r#" (?:href|src)="([^"]*)""#).unwrap();
    let id = Regex::new(r#" id="([^"]*)""#).unwrap();
    let pages = built(directory);
    let mut dead = Vec::new();
    for (name, text) in &pages {
        for link in attribute.captures_iter(text).map(|found| found[1].to_owned()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { Some(name.clone()) } else { resolve(name, path) };
            let target = target.filter(|target| directory.join(target).exists());
            let ids = target.as_ref().and_then(|target| pages.get(target));
            let is_anchor =
                anchor.is_empty() || ids.is_some_and(|text| id.captures_iter(text).any(|found| &found[1] == anchor));
            if target.is_none() || !is_anchor {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    dead
}

#[test]
fn the_book_builds_without_warnings_and_dead_links() {
    let Some(mdbook) = tools::needed("mdbook") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new(mdbook)
        .args(["build", "docs", "--dest-dir"])
        .arg(scratch.path())
        .current_dir(files::root())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert_eq!(built(scratch.path()).len(), pages().len(), "a page of docs/ is not in the book");
    assert_eq!(dead_links(scratch.path()), Vec::<String>::new());
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let summary = files::text(&files::root().join("docs/SUMMARY.md"));
    let listed: Vec<String> = targets(&summary).into_iter().map(|target| format!("docs/{target}")).collect();
    let pages: BTreeSet<String> = pages().into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), pages);
    assert_eq!(listed.len(), pages.len(), "docs/SUMMARY.md lists a page twice");
}

#[test]
fn the_readme_is_short() {
    let words = files::text(&files::root().join("README.md")).split_whitespace().count();
    assert!(words < README_WORDS, "README.md has {words} words; move what a newcomer does not need to docs/");
}

#[test]
fn dead_links_of_a_book_are_found() {
    let book = tempfile::tempdir().unwrap();
    let page = |name: &str, text: &str| std::fs::write(book.path().join(name), text).unwrap();
    std::fs::create_dir(book.path().join("a")).unwrap();
    page("index.html", r##"<a href="a/b.html#top"></a><a href="#here"></a><img src="https://x/"><p id="here">"##);
    page(
        "a/b.html",
        r##"<h1 id="top"></h1><a href="../index.html#there"></a><a href="c.html"></a><a href="../../x"></a>"##,
    );
    assert_eq!(dead_links(book.path()), ["a/b.html: ../index.html#there", "a/b.html: c.html", "a/b.html: ../../x"]);
}
