//! `install.sh`, with releases on a server of the test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{platform, sha256, write_archive, write_program};
use crate::support::file_server::{FileServer, ReleaseFiles};
use crate::support::files;

/// A program that knows its version.
const PROGRAM: &str = "#!/bin/sh\n[ \"$*\" = 'version --short' ] && echo 0.1.0\n";

/// A release, and a machine to install it on.
struct Install {
    directory: tempfile::TempDir,
    truncated: Option<String>,
}

impl Install {
    fn new(program: &str) -> Self {
        let install = Self { directory: tempfile::tempdir().unwrap(), truncated: None };
        for name in ["release", "tmp", "home"] {
            std::fs::create_dir(install.path(name)).unwrap();
        }
        let archive = write_archive(&install.path("release"), &platform(), program);
        install.write_checksum(&sha256(&install.path("release").join(archive)));
        install
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write_checksum(&self, checksum: &str) {
        let text = format!("{checksum}  iter8-{}.tar.gz\n", platform());
        std::fs::write(self.path("release/checksums.txt"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let release = ReleaseFiles {
            directory: self.path("release"),
            version: "0.1.0".to_owned(),
            truncated: self.truncated.clone(),
        };
        let mut command = Command::new("sh");
        command.arg(files::root().join("install.sh")).args(arguments).current_dir(self.directory.path());
        command.env("ITER8_RELEASES", FileServer::start(release).url());
        command.env("TMPDIR", self.path("tmp")).env("HOME", self.path("home")).env_remove("ITER8_REPOSITORY");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Names of the files in the target directory and the temporary directory.
    fn left(&self) -> Vec<String> {
        let names = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten();
        let all = names(self.path("bin")).chain(names(self.path("tmp")));
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Runs the installer, which must fail with this message and install nothing.
    fn fails(&self, arguments: &[&str], expected: &str) {
        let output = self.run(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(message.starts_with("error: ") && message.contains(expected), "{message}");
        assert_eq!(self.left(), Vec::<String>::new(), "{message}");
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_latest_release_is_installed_in_a_new_directory() {
    let install = Install::new(PROGRAM);
    let said = stdout(&install.run(&["--dir", "bin"]));
    let program = install.path("bin/iter8");
    let program = program.canonicalize().unwrap();
    assert!(said.starts_with("installed iter8 0.1.0: ") && said.contains("export PATH="), "{said}");
    assert_eq!(install.left(), ["iter8"]);
    assert_eq!(stdout(&Command::new(program).args(["version", "--short"]).output().unwrap()), "0.1.0\n");
}

#[test]
fn a_version_may_be_written_with_v_and_an_older_program_is_replaced() {
    for arguments in [["--version", "0.1.0"], ["--version", "v0.1.0"]] {
        let install = Install::new(PROGRAM);
        std::fs::create_dir(install.path("bin")).unwrap();
        write_program(&install.path("bin/iter8"), "#!/bin/sh\necho 0.0.9\n");
        stdout(&install.run(&[&arguments[..], &["--dir=bin"]].concat()));
        assert_eq!(files::text(&install.path("bin/iter8")), PROGRAM);
    }
}

#[test]
fn a_program_that_comes_first_in_path_is_named() {
    let install = Install::new(PROGRAM);
    let other = install.path("other");
    std::fs::create_dir(&other).unwrap();
    write_program(&other.join("iter8"), PROGRAM);
    let path = format!("{}:{}", other.display(), std::env::var("PATH").unwrap());
    let said = stdout(&install.command(&["--dir", "bin"]).env("PATH", path).output().unwrap());
    assert!(said.contains(&format!("hint: `iter8` is still {}", other.join("iter8").display())), "{said}");
}

#[test]
fn a_wrong_checksum_installs_nothing() {
    let install = Install::new(PROGRAM);
    install.write_checksum(&"0".repeat(64));
    install.fails(&["--dir", "bin"], "does not match\n  caused by: expected 0000");
}

#[test]
fn a_wrong_checksum_leaves_the_older_program() {
    let install = Install::new(PROGRAM);
    install.write_checksum(&"0".repeat(64));
    std::fs::create_dir(install.path("bin")).unwrap();
    write_program(&install.path("bin/iter8"), "old");
    assert_eq!(install.run(&["--dir", "bin"]).status.code(), Some(1));
    assert_eq!((install.left(), files::text(&install.path("bin/iter8"))), (vec!["iter8".to_owned()], "old".to_owned()));
}

#[test]
fn a_missing_or_malformed_checksum_installs_nothing() {
    let install = Install::new(PROGRAM);
    install.write_checksum("<html>");
    install.fails(&["--dir", "bin"], "is not valid\n  caused by: `<html>`");
    std::fs::write(install.path("release/checksums.txt"), "").unwrap();
    install.fails(&["--dir", "bin"], "the release has no checksum of iter8-");
}

#[test]
fn a_truncated_download_installs_nothing() {
    let mut install = Install::new(PROGRAM);
    install.truncated = Some(format!("iter8-{}.tar.gz", platform()));
    install.fails(&["--dir", "bin"], ".tar.gz cannot be downloaded\n  caused by: curl");
}

/// A proxy may end the connection properly, so that only the checksum shows it.
#[test]
fn an_archive_that_was_truncated_on_the_server_installs_nothing() {
    let install = Install::new(PROGRAM);
    let archive = install.path("release").join(format!("iter8-{}.tar.gz", platform()));
    let content = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &content[..content.len() / 2]).unwrap();
    install.fails(&["--dir", "bin"], "does not match");
    install.write_checksum(&sha256(&archive));
    install.fails(&["--dir", "bin"], "cannot be unpacked\n  caused by: ");
}

#[test]
fn a_program_that_does_not_run_is_not_installed() {
    let install = Install::new("#!/bin/sh\necho 'bad CPU type' >&2\nexit 1\n");
    let output = install.run(&["--dir", "bin"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("does not run on this machine\n  caused by: bad CPU type\n"), "{message}");
    assert_eq!((output.status.code(), install.left()), (Some(1), Vec::new()));
}

#[test]
fn an_archive_of_another_version_is_not_installed() {
    let install = Install::new("#!/bin/sh\necho 0.2.0\n");
    install.fails(&["--dir", "bin", "--version", "0.1.0"], "the archive has version 0.2.0, not 0.1.0");
}

#[test]
fn an_unknown_version_names_the_list_of_releases() {
    let install = Install::new(PROGRAM);
    let expected = "/download/v9.9.9/checksums.txt cannot be downloaded\n  caused by: curl: (22)";
    install.fails(&["--dir", "bin", "--version", "9.9.9"], expected);
    install.fails(&["--dir", "bin", "--version", "9.9.9"], "hint: check that 9.9.9 was released: http://127.0.0.1");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    Install::new(PROGRAM).fails(&["--dir", "/dev/null/bin"], "/dev/null/bin is not writable");
}

#[test]
fn wrong_arguments_are_named() {
    let install = Install::new(PROGRAM);
    install.fails(&["--directory", "bin"], "unexpected argument `--directory`");
    install.fails(&["--dir"], "--dir needs a value");
    let help = stdout(&install.run(&["--help"]));
    assert!(help.contains("--version VERSION") && install.left().is_empty(), "{help}");
}

/// A directory with these programs of PATH, and no others.
fn programs(directory: &Path, names: &[&str]) -> PathBuf {
    let path = directory.join("programs");
    std::fs::create_dir(&path).unwrap();
    for name in names {
        let program = crate::support::tools::tool(name).unwrap_or_else(|| panic!("no {name}"));
        std::os::unix::fs::symlink(program, path.join(name)).unwrap();
    }
    path
}

const COMMON: [&str; 16] = [
    "sh", "awk", "cat", "chmod", "cp", "cut", "gzip", "mkdir", "mktemp", "mv", "rm", "sed", "tail", "tar", "tr",
    "uname",
];

#[test]
fn wget_and_openssl_do_as_well() {
    let install = Install::new(PROGRAM);
    let path = programs(install.directory.path(), &[&COMMON[..], &["wget", "openssl"]].concat());
    stdout(&install.command(&["--dir", "bin"]).env("PATH", &path).output().unwrap());
    assert_eq!(install.left(), ["iter8"]);
}

#[test]
fn missing_tools_are_named() {
    for (tools, expected) in [(&["openssl"][..], "curl or wget is needed"), (&["curl"], "sha256sum, shasum or openssl")]
    {
        let install = Install::new(PROGRAM);
        let path = programs(install.directory.path(), &[&COMMON[..], tools].concat());
        let output = install.command(&["--dir", "bin"]).env("PATH", &path).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(expected), "{message}");
        assert_eq!((output.status.code(), install.left()), (Some(1), Vec::new()));
    }
}

#[test]
fn platforms_without_a_release_are_named() {
    for (system, machine, expected) in [
        ("FreeBSD", "amd64", "there is no release for FreeBSD\n"),
        ("Linux", "riscv64", "there is no release for Linux on riscv64\n"),
    ] {
        let install = Install::new(PROGRAM);
        let programs = install.path("fake");
        std::fs::create_dir(&programs).unwrap();
        let uname = format!("#!/bin/sh\ncase $1 in -s) echo {system} ;; -m) echo {machine} ;; esac\n");
        write_program(&programs.join("uname"), &uname);
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let output = install.command(&["--dir", "bin"]).env("PATH", path).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && message.contains(expected), "{message}");
    }
}

#[test]
fn the_repository_must_be_known() {
    let install = Install::new(PROGRAM);
    let output = install.command(&["--dir", "bin"]).env_remove("ITER8_RELEASES").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("the repository is unknown") && message.contains("ITER8_REPOSITORY"), "{message}");
    assert_eq!(output.status.code(), Some(1));
}

/// `curl … | sh` runs what has arrived.
#[test]
fn a_script_that_arrives_truncated_does_nothing() {
    let install = Install::new(PROGRAM);
    let whole = files::text(&files::root().join("install.sh"));
    let last_line = whole.trim_end().rfind('\n').unwrap();
    let cuts = (0..last_line).step_by(97).chain(last_line..whole.trim_end().len());
    for cut in cuts.filter(|cut| whole.is_char_boundary(*cut)) {
        let mut command = Command::new("sh");
        command.env("TMPDIR", install.path("tmp")).env("HOME", install.path("home"));
        command.env("ITER8_RELEASES", "http://127.0.0.1:9").current_dir(install.directory.path());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(&whole.as_bytes()[..cut]);
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!message.lines().any(|line| line.starts_with("error: ")), "the first {cut} bytes run: {message}");
    }
    assert_eq!(install.left(), Vec::<String>::new());
}
