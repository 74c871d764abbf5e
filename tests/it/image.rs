//! The static program, as the image has it: it needs nothing beside itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::echo_server::EchoServer;
use crate::support::{files, tools};

/// The user that the image runs as.
const NOBODY: u32 = 65_532;

/// The static program, which `make test` builds. Skips the test if it is missing.
pub(crate) fn program() -> Option<PathBuf> {
    let found = tools::tool("iter8-static");
    if found.is_none() {
        tools::skip("iter8-static is missing; `make test` builds it");
    }
    found
}

/// A root directory that holds the program and a directory to work in, and nothing else.
pub(crate) fn empty_root(program: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(program, root.path().join("iter8")).unwrap();
    let results = root.path().join("results");
    fs::create_dir(&results).unwrap();
    chown(&results, Some(NOBODY), Some(NOBODY)).unwrap();
    root
}

/// Runs the program as nobody with this directory for its root.
pub(crate) fn run_in(root: &Path, args: &[&str]) -> Output {
    let user = format!("--userspec={NOBODY}:{NOBODY}");
    let chroot = tools::tool("chroot").expect("a system with chroot");
    Command::new(chroot).arg(user).arg(root).arg("/iter8").args(args).env_clear().output().unwrap()
}

#[test]
fn the_program_starts_without_other_files() {
    let Some(program) = program() else { return };
    let elf = fs::read(program).unwrap();
    assert_eq!(&elf[..5], b"\x7fELF\x02", "a 64-bit ELF program");
    let number = |at: usize, bytes: usize| {
        elf[at..at + bytes].iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    let kinds: Vec<usize> = (0..count).map(|at| number(table + at * size, 4)).collect();
    assert!(kinds.contains(&1), "it has something to load: {kinds:?}");
    assert!(!kinds.contains(&3), "it names an interpreter: {kinds:?}");
}

#[test]
fn an_experiment_runs_in_an_empty_root_directory_as_nobody() {
    let Some(program) = program() else { return };
    if !is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root may change the root directory");
        tools::skip("only root may change the root directory");
        return;
    }
    let root = empty_root(&program);
    let url = format!("http.url={}", EchoServer::plain().url());
    let run = run_in(
        root.path(),
        &[
            "run",
            "--runDir",
            "/results",
            "--set",
            "tasks={http,assess}",
            "--set",
            &url,
            "--set",
            "http.numRequests=20",
            "--set",
            "assess.SLOs.upper.http/error-count=0",
        ],
    );
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let asserted = run_in(root.path(), &["assert", "--runDir", "/results", "-c", "completed,nofailure,slos"]);
    assert_eq!(asserted.status.code(), Some(0), "{asserted:?}");
    let report =
        run_in(root.path(), &["report", "--runDir", "/results", "-o", "html", "--outputFile", "/results/report.html"]);
    assert_eq!(report.status.code(), Some(0), "{report:?}");
    assert!(files::text(&root.path().join("results/report.html")).contains("class=\"banner good\""));
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[test]
fn the_image_is_the_program_alone_and_runs_as_nobody() {
    let text = files::text(&files::root().join("Dockerfile"));
    let last = text.split("\nFROM ").last().unwrap();
    assert!(last.starts_with("scratch\n"), "{last}");
    let words: Vec<&str> = last.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(words, ["scratch", "COPY --from=build /image /", "USER 65532:65532", "ENTRYPOINT [\"/iter8\"]"]);
    assert!(text.contains("ca-certificates.crt /image/etc/ssl/certs/"), "{text}");
    let rust = format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(text.contains(&rust), "the image is built with the oldest Rust that is supported: {rust}");
}
