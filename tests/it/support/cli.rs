//! Runs the built program in a directory of its own and keeps what it said.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Path of the built program.
pub const ITER8: &str = env!("CARGO_BIN_EXE_iter8");

/// A temporary directory in which the program runs.
pub struct Bench {
    directory: tempfile::TempDir,
}

/// How a call ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The document of the run, as JSON.
    pub fn document(&self) -> serde_json::Value {
        iter8::model::codec::value_from_yaml(&self.read("experiment.yaml")).unwrap()
    }

    /// The command, without variables that would change what it does.
    pub fn command(&self) -> Command {
        let mut command = Command::new(ITER8);
        command.current_dir(self.directory.path());
        for name in ["NO_COLOR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        self.run_with_input(args, "")
    }

    pub fn run_with_input<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &str) -> Said {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Said::of(child.wait_with_output().unwrap(), self.directory.path())
    }
}

impl Said {
    pub fn of(output: std::process::Output, directory: &Path) -> Self {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap().replace(directory.to_str().unwrap(), "<dir>").replace("\r\n", "\n")
        };
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Fails unless the call ended with this code and standard error holds each of these texts.
    #[track_caller]
    pub fn expect(&self, code: i32, told: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in told {
            assert!(self.stderr.contains(text), "standard error lacks {text:?}: {self:#?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }
}
