//! Holds the dependency graph to `deny.toml`: licences, banned crates, one version of each crate, one crypto provider, one source.
//!
//! cargo-deny reads the same file and knows more, but takes minutes to install; this needs only `cargo metadata`. What it takes from
//! the file: `licenses.allow`, `bans.deny[].crate`, `bans.skip[].crate` (`name@major`, or `name@0.minor`).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::support::files;

/// The part of `deny.toml` that is read here.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Entry>,
    skip: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

fn deny() -> Deny {
    toml::from_str(&files::text(&files::root().join("deny.toml"))).unwrap()
}

/// A crate of the graph.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    features: Vec<String>,
    /// Built into the program or its build script, not only into tests.
    ships: bool,
    /// Set for crates of this workspace.
    is_ours: bool,
}

impl Package {
    /// `name@major`, or `name@0.minor`: versions with the same key can stand in for each other.
    fn key(&self) -> String {
        let mut numbers = self.version.split('.');
        let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
        if major == "0" { format!("{}@0.{minor}", self.name) } else { format!("{}@{major}", self.name) }
    }
}

/// The graph for this platform.
fn packages() -> Vec<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let version = Command::new(&cargo).arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform", host])
        .current_dir(files::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    parse(&serde_json::from_slice(&output.stdout).unwrap())
}

fn parse(metadata: &Value) -> Vec<Package> {
    let nodes: BTreeMap<&str, &Value> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| (text(&node["id"]), node)).collect();
    let mut ships = BTreeSet::new();
    let mut open = vec![text(&metadata["resolve"]["root"])];
    while let Some(id) = open.pop() {
        if ships.insert(id) {
            let deps = nodes[id]["deps"].as_array().unwrap().iter();
            let is_shipped =
                |dep: &&Value| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev");
            open.extend(deps.filter(is_shipped).map(|dep| text(&dep["pkg"])));
        }
    }
    let all = metadata["packages"].as_array().unwrap().iter();
    let in_graph = all.filter(|package| nodes.contains_key(text(&package["id"])));
    let read = |package: &Value| Package {
        name: text(&package["name"]).to_owned(),
        version: text(&package["version"]).to_owned(),
        license: package["license"].as_str().map(str::to_owned),
        source: package["source"].as_str().map(str::to_owned),
        features: nodes[text(&package["id"])]["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| text(f).to_owned())
            .collect(),
        ships: ships.contains(text(&package["id"])),
        is_ours: metadata["workspace_members"].as_array().unwrap().contains(&package["id"]),
    };
    in_graph.map(read).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

/// Returns true if a licence expression can be met with allowed licences only.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .unwrap_or_else(|error| panic!("licence `{expression}`: {error}"));
    parsed.evaluate(|wanted| allowed.iter().any(|name| *name == wanted.to_string()))
}

/// Versions that should be one and have no entry, and entries without need.
fn duplicates(packages: &[Package], skipped: &[Entry]) -> (Vec<String>, Vec<String>) {
    let mut keys: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in packages.iter().filter(|package| package.ships) {
        keys.entry(&package.name).or_default().insert(package.key());
    }
    let is_skipped = |key: &String| skipped.iter().any(|entry| entry.name == *key);
    let double = keys.values().filter(|keys| keys.len() > 1);
    let missing = double
        .clone()
        .filter(|keys| keys.iter().filter(|key| !is_skipped(key)).count() > 1)
        .map(|keys| keys.iter().map(String::as_str).collect::<Vec<_>>().join(" and "))
        .collect();
    let needed: BTreeSet<&String> = double.flatten().collect();
    let stale = skipped.iter().filter(|entry| !needed.contains(&entry.name)).map(|entry| entry.name.clone()).collect();
    (missing, stale)
}

#[test]
fn every_licence_is_allowed() {
    let allowed = deny().licenses.allow;
    let wrong: Vec<String> = packages()
        .into_iter()
        .filter(|package| !package.license.as_ref().is_some_and(|license| is_allowed(license, &allowed)))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(wrong.is_empty(), "licences outside deny.toml's licenses.allow:\n  {}", wrong.join("\n  "));
}

#[test]
fn no_banned_crate_is_in_the_lock_file_for_any_platform() {
    let lock = files::text(&files::root().join("Cargo.lock"));
    let banned = deny().bans.deny;
    let found: Vec<String> = banned
        .iter()
        .filter(|entry| lock.lines().any(|line| line == format!("name = \"{}\"", entry.name)))
        .map(|entry| format!("{}: use instead: {}", entry.name, entry.reason))
        .collect();
    assert!(found.is_empty(), "banned in deny.toml:\n  {}", found.join("\n  "));
}

#[test]
fn every_crate_has_one_version_or_a_reason_for_two() {
    let (missing, stale) = duplicates(&packages(), &deny().bans.skip);
    assert!(missing.is_empty(), "align them, or add bans.skip entries with the reason to deny.toml: {missing:?}");
    assert!(stale.is_empty() || !cfg!(target_os = "linux"), "bans.skip entries that nothing needs: {stale:?}");
}

#[test]
fn ring_is_the_only_crypto_provider() {
    let packages = packages();
    let rustls = packages.iter().find(|package| package.name == "rustls").unwrap();
    let providers: Vec<&str> = rustls.features.iter().map(String::as_str).filter(|f| is_provider(f)).collect();
    assert_eq!(providers, ["ring"]);
}

fn is_provider(feature: &str) -> bool {
    ["ring", "aws_lc_rs", "aws-lc-rs", "fips", "custom-provider"].contains(&feature)
}

#[test]
fn every_crate_comes_from_the_registry() {
    let wrong: Vec<String> = packages()
        .iter()
        .filter(|package| !package.is_ours)
        .filter(|package| !package.source.as_deref().is_some_and(|source| source.starts_with("registry+")))
        .map(|package| format!("{} from {:?}", package.name, package.source))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_entry_has_a_reason() {
    let bans = deny().bans;
    let silent: Vec<&str> =
        bans.deny.iter().chain(&bans.skip).filter(|e| e.reason.is_empty()).map(|e| e.name.as_str()).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn licence_expressions_are_judged_by_their_operators() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND Apache-2.0", false),
        ("(Apache-2.0 OR ISC) AND MIT", true),
        ("Apache-2.0 WITH LLVM-exception", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn two_versions_without_an_entry_and_an_entry_without_two_versions_are_found() {
    let package = |name: &str, version: &str, ships| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        license: None,
        source: None,
        is_ours: false,
        features: Vec::new(),
        ships,
    };
    let graph = [
        package("a", "1.2.0", true),
        package("a", "1.3.0", true),
        package("b", "0.2.0", true),
        package("b", "0.3.1", true),
        package("c", "1.0.0", true),
        package("c", "2.0.0", false),
    ];
    let skip = |name: &str| Entry { name: name.to_owned(), reason: String::new() };
    assert_eq!(duplicates(&graph, &[]).0, ["b@0.2 and b@0.3"]);
    assert_eq!(duplicates(&graph, &[skip("b@0.2")]), (vec![], vec![]));
    assert_eq!(duplicates(&graph, &[skip("b@0.2"), skip("c@1")]).1, ["c@1"]);
}
