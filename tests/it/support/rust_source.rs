//! Paths in a Rust file, read from its tokens: comments and strings are not mistaken for code, and the bodies of macros count.
//!
//! Test code (`#[cfg(test)]` and `#[test]` items) is left out: the rules about layers hold for what is shipped. No name is looked
//! up here; that needs all the files, and is done by whoever calls [`scan`].

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One path as it is written: `crate::model::slo`, `println`, `await`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Its segments; a `use` of a whole module's content ends in `*`.
    pub path: Vec<String>,
    /// Line of its first segment, from 1.
    pub line: usize,
    /// The inline modules (`mod x { … }`) it stands in, outermost first.
    pub inside: Vec<String>,
    /// Followed by `!` and arguments.
    pub is_macro: bool,
    /// The name a `use` gives it in its module.
    pub bound_as: Option<String>,
}

/// A module of test code in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestModule {
    /// Its name.
    pub name: String,
    /// Value of `#[path = "…"]`, relative to the directory of the declaring file.
    pub path: Option<String>,
}

/// Paths and modules of one file.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every path outside test code, in order.
    pub mentions: Vec<Mention>,
    /// Modules declared as `#[cfg(test)] mod x;`: their files are test code.
    pub test_modules: Vec<TestModule>,
    /// Lines that are not test code; blank lines and comments count.
    pub code_lines: usize,
}

/// Reads one file; the error says where it is not Rust.
pub fn scan(text: &str) -> Result<Scan, String> {
    let tokens: TokenStream =
        text.parse().map_err(|error: proc_macro2::LexError| format!("line {}: {error}", error.span().start().line))?;
    let mut scan = Scan::default();
    let test_lines = walk(tokens, &[], &mut scan);
    scan.code_lines = text.lines().count().saturating_sub(test_lines);
    Ok(scan)
}

/// Adds what `stream` names to `scan`; the number of lines of test code in it.
fn walk(stream: TokenStream, inside: &[String], scan: &mut Scan) -> usize {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut test_lines = 0;
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_test_attribute(tokens.get(at + 1)) => {
                let end = item_end(&tokens, at);
                test_lines +=
                    line(&tokens[end - 1], ApiServerProxy::End) - line(&tokens[at], ApiServerProxy::Start) + 1;
                scan.test_modules.extend(declared_module(&tokens[at..end]));
                end
            }
            TokenTree::Group(group) => {
                test_lines += walk(group.stream(), inside, scan);
                at + 1
            }
            TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                let end = (at..tokens.len()).find(|&i| is_punct(tokens.get(i), ';')).unwrap_or(tokens.len());
                use_trees(&tokens[at + 1..end], &[], inside, scan);
                end
            }
            TokenTree::Ident(word) if word == "mod" => match (tokens.get(at + 1), tokens.get(at + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    let inside: Vec<String> = inside.iter().cloned().chain([name.to_string()]).collect();
                    test_lines += walk(body.stream(), &inside, scan);
                    at + 3
                }
                _ => at + 2,
            },
            TokenTree::Ident(_) => path(&tokens, at, inside, scan),
            _ => at + 1,
        };
    }
    test_lines
}

/// Takes the path that starts at `at`; the index after it.
fn path(tokens: &[TokenTree], at: usize, inside: &[String], scan: &mut Scan) -> usize {
    let mut segments = Vec::new();
    let mut next = at;
    while let Some(TokenTree::Ident(segment)) = tokens.get(next) {
        segments.push(name_of(segment));
        let more = is_path_separator(tokens, next + 1) && matches!(tokens.get(next + 3), Some(TokenTree::Ident(_)));
        next += if more { 3 } else { 1 };
        if !more {
            break;
        }
    }
    let is_macro = is_punct(tokens.get(next), '!') && matches!(tokens.get(next + 1), Some(TokenTree::Group(_)));
    let line = line(&tokens[at], ApiServerProxy::Start);
    scan.mentions.push(Mention { path: segments, line, inside: inside.to_vec(), is_macro, bound_as: None });
    next
}

/// Takes `a::{b, c as d}` apart, one mention for each leaf.
fn use_trees(tokens: &[TokenTree], prefix: &[String], inside: &[String], scan: &mut Scan) {
    for tree in tokens.split(|token| is_punct(Some(token), ',')) {
        let mut segments = prefix.to_vec();
        let mut bound_as = None;
        let mut is_leaf = !tree.is_empty();
        for (index, token) in tree.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    bound_as = tree.get(index + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) => segments.push(name_of(word)),
                TokenTree::Punct(punct) if punct.as_char() == '*' => segments.push("*".to_owned()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    use_trees(&inner, &segments, inside, scan);
                    is_leaf = false;
                }
                _ => {}
            }
        }
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        if is_leaf {
            let bound_as = bound_as.or_else(|| segments.last().cloned());
            let line = line(&tree[0], ApiServerProxy::Start);
            scan.mentions.push(Mention { path: segments, line, inside: inside.to_vec(), is_macro: false, bound_as });
        }
    }
}

/// Returns true for the bracket of `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]` or `#[tokio::test]`.
fn is_test_attribute(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let text: String = group.stream().to_string().chars().filter(|c| !c.is_whitespace()).collect();
    group.delimiter() == Delimiter::Bracket
        && (["cfg(test)", "test"].contains(&text.as_str())
            || ["cfg(all(test,", "test(", "tokio::test"].iter().any(|start| text.starts_with(start)))
}

/// The index after the item whose first attribute stands at `at`.
fn item_end(tokens: &[TokenTree], at: usize) -> usize {
    let mut next = at;
    while is_punct(tokens.get(next), '#') {
        next += 2;
    }
    let ends_in_semicolon = (next..tokens.len())
        .map_while(|i| if let TokenTree::Ident(word) = &tokens[i] { Some(word.to_string()) } else { None })
        .any(|word| ["use", "const", "static", "type", "let"].contains(&word.as_str()));
    let is_last = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => !ends_in_semicolon && group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    (next..tokens.len()).find(|&i| is_last(&tokens[i])).map_or(tokens.len(), |i| i + 1)
}

/// The module in `mod name;`, with its attributes.
fn declared_module(item: &[TokenTree]) -> Option<TestModule> {
    let name = item.windows(3).find_map(|window| match window {
        [TokenTree::Ident(word), TokenTree::Ident(name), end] if word == "mod" && is_punct(Some(end), ';') => {
            Some(name.to_string())
        }
        _ => None,
    })?;
    let path = item.iter().find_map(|token| {
        let TokenTree::Group(attribute) = token else { return None };
        let text = attribute.stream().to_string();
        Some(text.strip_prefix("path")?.trim_start_matches([' ', '=']).trim_matches('"').to_owned())
    });
    Some(TestModule { name, path })
}

fn name_of(ident: &proc_macro2::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
        && is_punct(tokens.get(at + 1), ':')
}

enum ApiServerProxy {
    Start,
    End,
}

fn line(token: &TokenTree, edge: ApiServerProxy) -> usize {
    match edge {
        ApiServerProxy::Start => token.span().start().line,
        ApiServerProxy::End => token.span().end().line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        scan(text).unwrap().mentions.iter().map(|mention| mention.path.join("::")).collect()
    }

    #[test]
    fn nested_use_groups_are_flattened() {
        assert_eq!(
            paths("use crate::{a, b::{self, c as d}, e::*};"),
            ["crate::a", "crate::b", "crate::b::c", "crate::e::*"]
        );
    }

    #[test]
    fn a_renamed_use_has_its_new_name() {
        assert_eq!(scan("use crate::b::c as d;").unwrap().mentions[0].bound_as.as_deref(), Some("d"));
    }

    #[test]
    fn paths_inside_macros_and_generics_are_found() {
        let found = paths("fn f(x: Vec<crate::a::T>) { log!(\"{}\", crate::b::f::<crate::c::T>(x)); }");
        for expected in ["crate::a::T", "crate::b::f", "crate::c::T"] {
            assert!(found.iter().any(|path| path == expected), "{expected} is not in {found:?}");
        }
    }

    #[test]
    fn comments_and_strings_are_skipped() {
        let found = paths("//! crate::a\n/// [`crate::b`]\nconst X: &str = \"crate::c\"; // crate::d\n");
        assert!(!found.iter().any(|path| path.contains("crate")), "{found:?}");
    }

    #[test]
    fn test_code_is_skipped() {
        let text = "use a::b;\n#[cfg(test)]\nuse c::{d};\n#[cfg(test)]\nmod tests {\n  use super::*;\n}\nfn f() {}\n";
        let scan = scan(text).unwrap();
        let found: Vec<String> = scan.mentions.iter().map(|mention| mention.path.join("::")).collect();
        assert_eq!(found, ["a::b", "fn", "f"]);
        assert_eq!(scan.code_lines, 2);
    }

    #[test]
    fn external_test_modules_are_reported() {
        let text = "#[cfg(test)]\nmod a;\nmod other;\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod b;\n";
        let module = |name: &str, path: Option<&str>| TestModule { name: name.into(), path: path.map(str::to_owned) };
        assert_eq!(scan(text).unwrap().test_modules, [module("a", None), module("b", Some("b_tests.rs"))]);
    }

    #[test]
    fn code_for_non_test_builds_counts() {
        assert_eq!(paths("#[cfg(not(test))] use crate::a;").last().unwrap(), "crate::a");
    }

    #[test]
    fn macros_differ_from_comparisons() {
        let scan = scan("fn f() { println!(\"\"); if a != b {} }").unwrap();
        let macros: Vec<&str> =
            scan.mentions.iter().filter(|m| m.is_macro).map(|m| m.path.last().unwrap().as_str()).collect();
        assert_eq!(macros, ["println"]);
    }

    #[test]
    fn inline_modules_are_recorded() {
        assert_eq!(scan("mod a { mod b { use super::super::c; } }").unwrap().mentions[0].inside, ["a", "b"]);
    }
}
