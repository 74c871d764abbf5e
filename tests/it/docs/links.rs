//! Links of Markdown pages, as GitHub shows them.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::pages;
use crate::support::files;

/// Pages beside the manual whose links are checked.
const OTHER_PAGES: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// The lines of a page outside of fenced blocks, without inline code.
fn prose(markdown: &str) -> String {
    let code = Regex::new("`[^`\n]*`").unwrap();
    let mut in_fence = false;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        let is_mark = line.trim_start_matches([' ', '>']).starts_with("```");
        in_fence ^= is_mark;
        if !in_fence && !is_mark {
            lines.push(line);
        }
    }
    // A link may have inline code as its text, so only the code's content is taken away.
    code.replace_all(&lines.join("\n"), "``").into_owned()
}

/// Targets of the links and images of a page, in order.
pub fn targets(markdown: &str) -> Vec<String> {
    let link = Regex::new(r"\]\(([^()\s]*)\)").unwrap();
    link.captures_iter(&prose(markdown)).map(|found| found[1].to_owned()).collect()
}

/// Anchors of a page: those of its headings, as GitHub and mdBook make them, and those that it sets.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let explicit = Regex::new(r#"<a id="([^"]*)">"#).unwrap();
    let mut anchors: BTreeSet<_> = explicit.captures_iter(markdown).map(|found| found[1].to_owned()).collect();
    let mut in_fence = false;
    for line in markdown.lines() {
        in_fence ^= line.trim_start().starts_with("```");
        let text = line.trim_start_matches('#');
        if in_fence || text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let kept = text.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect();
        let repeated = (1..).map(|count| format!("{anchor}-{count}"));
        let anchor = std::iter::once(anchor.clone()).chain(repeated).find(|anchor| !anchors.contains(anchor)).unwrap();
        anchors.insert(anchor);
    }
    anchors
}

/// Links of the page at `path` that lead nowhere.
fn dead(path: &Path, text: &str) -> Vec<String> {
    let leads_somewhere = |target: &String| {
        if target.contains("://") || target.starts_with("mailto:") {
            return true;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
        let is_anchor = || std::fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(anchor));
        file.exists() && (anchor.is_empty() || is_anchor())
    };
    targets(text).into_iter().filter(|target| !leads_somewhere(target)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = files::root();
    let others = OTHER_PAGES.map(|name| (name.to_owned(), files::text(&root.join(name))));
    let mut problems = Vec::new();
    for (name, text) in others.into_iter().chain(pages()) {
        problems.extend(dead(&root.join(&name), &text).into_iter().map(|target| format!("{name}: {target}")));
    }
    assert_eq!(problems, Vec::<String>::new());
}

/// The book has only what is below `docs/`; a page names other files of the repository in code marks instead.
#[test]
fn no_page_of_the_manual_links_to_files_beside_it() {
    let docs = files::root().join("docs");
    let mut problems = Vec::new();
    for (name, text) in pages() {
        for target in targets(&text) {
            let depth = name.matches('/').count() - 1;
            if target.matches("../").count() > depth || target.starts_with('/') {
                problems.push(format!("{name}: {target}"));
            }
        }
    }
    assert!(docs.join("SUMMARY.md").exists());
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn links_are_read_outside_of_code() {
    let text = "[a](b.md) and [`c`](d.md#e) `[f](g)`\n```sh\n[h](i)\n```\n![j](k.svg) [l](https://m/)\n";
    assert_eq!(targets(text), ["b.md", "d.md#e", "k.svg", "https://m/"]);
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A `b`, and c\n## With Helm, or GitOps\n```sh\n# not one\n```\n## With Helm, or GitOps\n#no\n<a id=\"d.e\"></a>\n";
    let expected = ["a-b-and-c", "d.e", "with-helm-or-gitops", "with-helm-or-gitops-1"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}

#[test]
fn dead_links_of_a_page_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page.md");
    std::fs::write(directory.path().join("other.md"), "# There\n").unwrap();
    let text = "# Here\n[a](#here) [b](#gone) [c](other.md#there) [d](other.md#here) [e](none.md) [f](https://g/)\n";
    std::fs::write(&page, text).unwrap();
    assert_eq!(dead(&page, text), ["#gone", "other.md#here", "none.md"]);
}
