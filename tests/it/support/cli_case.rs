//! Runs the built program in a directory of its own and keeps what it said.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::transcript;

/// Path of the built program.
pub const ITER8: &str = env!("CARGO_BIN_EXE_iter8");

/// A temporary directory in which the program runs.
pub struct CliCase {
    directory: tempfile::TempDir,
}

/// One call of the program: arguments in; exit code, standard output and standard error out.
#[derive(Debug)]
pub struct CliOutput {
    /// The program's name and the arguments.
    pub command: Vec<String>,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl CliCase {
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

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> CliOutput {
        self.run_with_input(args, "")
    }

    pub fn run_with_input<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &str) -> CliOutput {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read its input closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        CliOutput::of(&command, child.wait_with_output().unwrap(), self.directory.path())
    }
}

impl CliOutput {
    /// Runs a command to its end. `directory` is called `<dir>` in its output.
    pub fn run(command: &mut Command, directory: &Path) -> Self {
        let output = command.output().unwrap();
        Self::of(command, output, directory)
    }

    /// The call of a command that has ended.
    pub fn of(command: &Command, output: Output, directory: &Path) -> Self {
        let directory = directory.to_str().unwrap().trim_end_matches('/');
        let repository = env!("CARGO_MANIFEST_DIR");
        let plain = |text: &str| {
            let text = text.replace(directory, "<dir>").replace(ITER8, "iter8").replace(repository, "<repository>");
            text.replace("\r\n", "\n")
        };
        let program = Path::new(command.get_program()).file_name().unwrap();
        let words = std::iter::once(program).chain(command.get_args());
        let text = |bytes: Vec<u8>| plain(&String::from_utf8(bytes).unwrap());
        Self {
            command: words.map(|word| plain(&word.to_string_lossy())).collect(),
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Fails unless the call ended with this exit code, and without a panic.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// The same, and adds the call to the test's transcript, which is compared with its snapshot when the test ends.
    #[track_caller]
    pub fn snapshot(&self, code: i32) -> &Self {
        self.exits(code);
        transcript::add(self);
        self
    }

    /// Fails unless the call ended with this exit code and standard error holds each of these texts. For output that differs from run
    /// to run; else [`CliOutput::snapshot`].
    #[track_caller]
    pub fn expect(&self, code: i32, texts: &[&str]) -> &Self {
        self.exits(code);
        for text in texts {
            assert!(self.stderr.contains(text), "standard error lacks {text:?}: {self:#?}");
        }
        self
    }
}
