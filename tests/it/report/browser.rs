//! The HTML report in a real browser: headless Chromium loads copies of it with a checking script and prints the findings.
//!
//! A window of Chromium is at least some 500 pixels wide, so the reports are loaded in frames as wide as the devices they stand for.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;

use super::{documents, extremes, render};

const WIDTHS: [u32; 4] = [360, 390, 768, 1280];
const CSP: &str =
    r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"#;
/// Longest that one run of the browser may take; far beyond what it takes on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scheme {
    Dark,
    Light,
}

/// Results of the checking script in one frame.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    id: String,
    pub(super) width: u32,
    dark: bool,
    charts: usize,
    /// Height of the page as it opens, in pixels.
    pub(super) height: u32,
    pub(super) findings: Vec<String>,
}

/// Returns true if there is a browser. Without one, its tests are reported as skipped, and fail if they are required.
pub(super) fn has_browser() -> bool {
    let found =
        Command::new("chromium").arg("--version").stderr(Stdio::null()).output().is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("not tested: `chromium` is not on the PATH, so the HTML report was not looked at in a browser");
        assert!(std::env::var_os("CI").is_none(), "CI is set, and `chromium` is not on the PATH; install it");
    }
    found
}

/// Runs the browser in a fresh profile and gives what it prints.
fn browse(profile: &Path, scheme: Scheme, args: &[&str]) -> String {
    let mut child = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args(["--disable-component-update", "--disable-sync", "--virtual-time-budget=20000", "--window-size=1400,900"])
        // The browser's own services ask for accounts, updates and the time, whatever the flags above say: no name resolves for them.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-component-extensions-with-background-pages"])
        .arg(format!("--blink-settings=preferredColorScheme={}", scheme as u8))
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        let _ = send.send(text);
    });
    let text = receive.recv_timeout(TIMEOUT);
    if text.is_err() {
        let _ = child.kill();
    }
    child.wait().unwrap();
    text.expect("the browser did not end in time")
}

/// Loads every page at every width in one browser and gives what the checks found.
pub(super) fn check(pages: &[(&str, String)], scheme: Scheme) -> Vec<Found> {
    let directory = tempfile::tempdir().unwrap();
    let mut wrapper =
        String::from("<!DOCTYPE html><body><pre id=found></pre><script>addEventListener('message', (m) => {");
    wrapper.push_str("found.append(encodeURIComponent(JSON.stringify(m.data)) + '\\n')})</script>");
    for (name, page) in pages {
        // The script needs the policy out of its way; without it, nothing but the page itself keeps requests from leaving.
        let page = page.replace(CSP, "");
        let script = include_str!("checks.js");
        let page = page.replace("</body>", &format!("<script>{script}</script></body>"));
        std::fs::write(directory.path().join(format!("{name}.html")), page).unwrap();
        for width in WIDTHS {
            let _ = write!(
                wrapper,
                "<iframe src='{name}.html#{name}' style='border:0;width:{width}px;height:800px'></iframe>"
            );
        }
    }
    let path = directory.path().join("wrapper.html");
    std::fs::write(&path, wrapper).unwrap();
    let url = format!("file://{}", path.display());
    let dom = browse(&directory.path().join("profile"), scheme, &["--dump-dom", &url]);
    let found = dom
        .split("<pre id=\"found\">")
        .nth(1)
        .and_then(|rest| rest.split("</pre>").next())
        .expect("the page was dumped");
    found.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(&decoded(line)).unwrap()).collect()
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn pages_fit_every_width_and_load_nothing() {
    if !has_browser() {
        return;
    }
    let pages: Vec<(&str, String)> =
        documents::all().into_iter().map(|(name, document)| (name, render("html", &document))).collect();
    for scheme in [Scheme::Light, Scheme::Dark] {
        let found = check(&pages, scheme);
        assert_eq!(found.len(), pages.len() * WIDTHS.len(), "every page reports once per width");
        for page in &found {
            assert!(WIDTHS.contains(&page.width), "{page:?}");
            assert_eq!(page.dark, scheme == Scheme::Dark, "{page:?}");
        }
        let wrong = found.iter().filter(|page| !page.findings.is_empty());
        let wrong: Vec<String> = wrong
            .map(|page| format!("{} at {} px, {scheme:?}:\n{}", page.id, page.width, page.findings.join("\n")))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(found.iter().any(|page| page.charts > 0), "there are charts to check");
    }
}

#[test]
fn the_checks_find_broken_pages() {
    if !has_browser() {
        return;
    }
    let page = render("html", &documents::two_versions());
    let styled = |css: &str| page.replace("</style>", &format!("{css}</style>"));
    let pages = [
        ("wide", styled(".banner{width:1300px}"), "leaves the viewport"),
        ("unwrapped", styled(".meta{white-space:nowrap;width:100px}"), "overflows its box"),
        ("crowded", styled(".x text{font-size:60px}"), "texts overlap"),
        ("faint", styled(".meta{color:#999}"), "too little contrast"),
        ("faint-line", styled(".times.s1{color:#ccc}"), "too little contrast: g.s1 times"),
        ("crowded-line", styled("text.requested{font-size:90px}"), "text"),
        (
            "asking",
            page.replace("<main id", "<link rel=stylesheet href='http://127.0.0.1:9/x.css'><main id"),
            "request",
        ),
        ("script", page.replace("<main id", "<script>1</script><main id"), "foreign element"),
        ("lost", page.replace("id=\"ft1\"", ""), "link without a target"),
        ("green", styled(".state.bad,.state.open{color:var(--good)}"), "not satisfied, but green"),
        (
            "folded",
            page.replace("<section aria-labelledby=\"slos\">", "<details><section aria-labelledby=\"slos\">"),
            "not satisfied, but folded",
        ),
        ("unscoped", page.replace("<th scope=\"col\">SLO</th>", "<th>SLO</th>"), "header without a scope"),
    ];
    let copies: Vec<(&str, String)> = pages.iter().map(|(name, page, _)| (*name, page.clone())).collect();
    let found = check(&copies, Scheme::Light);
    for (name, _, kind) in &pages {
        let of_page: Vec<&String> = found.iter().filter(|f| f.id == *name).flat_map(|f| &f.findings).collect();
        assert!(of_page.iter().any(|finding| finding.starts_with(kind)), "{name}: {of_page:?}");
    }
}

/// Network requests of a page, from the browser's log. Requests of the browser itself have no origin.
fn asked(page: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.html");
    std::fs::write(&path, page).unwrap();
    let log = directory.path().join("net.json");
    let (log_arg, url) = (format!("--log-net-log={}", log.display()), format!("file://{}", path.display()));
    let dom = browse(&directory.path().join("profile"), Scheme::Light, &[&log_arg, "--dump-dom", &url]);
    assert!(dom.contains("Experiment report"), "the page was loaded");
    let is_of_page = |line: &&str| {
        let is_outside = ["\"url\":\"http", "\"url\":\"ws"].iter().any(|url| line.contains(url));
        is_outside && line.contains("\"initiator\":") && !line.contains("\"initiator\":\"not an origin\"")
    };
    std::fs::read_to_string(&log).unwrap().lines().filter(is_of_page).map(str::to_owned).collect()
}

#[test]
fn no_request_leaves_a_page() {
    if !has_browser() {
        return;
    }
    for document in [extremes::hostile(), documents::two_versions()] {
        let asked = asked(&render("html", &document));
        assert!(asked.is_empty(), "{asked:#?}");
    }
    // The log would show one; and the page's policy stops even what the template would let through.
    let leaky = render("html", &documents::passing())
        .replace("<main id", "<img alt='' src='http://127.0.0.1:9/x.png'><main id");
    assert!(asked(&leaky).is_empty(), "the policy holds");
    assert!(!asked(&leaky.replace(CSP, "")).is_empty(), "the log shows requests");
}
