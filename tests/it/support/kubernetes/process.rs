//! Programs and directories that go when the test program goes, whatever ends it: a panic, a signal, or the end of its last test.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts a command from a thread that lives as long as the test program. [`dying`] needs this: the kernel tells a child that its
/// parent died when the *thread* that started it ends, and tests run on threads of their own.
pub fn spawn(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in taken {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, answered) = mpsc::sync_channel(1);
    orders.lock().unwrap().send((command, answer)).unwrap();
    answered.recv().unwrap()
}

/// A command that is killed when the thread ends that starts it; more options of `setpriv`, then the program, are to be added.
pub fn dying(setpriv: &Path) -> Command {
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]);
    command.stdin(Stdio::null());
    command
}

/// A part of the control plane. It is killed when it is dropped.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts it, with what it says appended to a file.
    pub fn start<S: AsRef<OsStr>>(
        setpriv: &Path,
        program: &Path,
        args: impl IntoIterator<Item = S>,
        log: &Path,
    ) -> Self {
        let mut command = dying(setpriv);
        command.arg(program).args(args);
        Self::run(command, log)
    }

    /// Starts a [`dying`] command in the same way.
    pub fn run(mut command: Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: spawn(command).unwrap() }
    }

    /// Exit status, if it has ended.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what a program logged.
pub fn last_words(program: &str, log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let mut message = format!("what {program} logged last:\n");
    lines.iter().skip(lines.len().saturating_sub(20)).for_each(|line| message.push_str(&format!("  {line}\n")));
    message
}

/// A temporary directory that others may enter, because pods run as other users. A shell removes it when this is dropped, or when
/// the test program is gone: nothing is dropped in a program that is killed, nor in statics.
pub struct Directory {
    path: PathBuf,
    remover: Option<(Child, ChildStdin)>,
}

impl Directory {
    pub fn new() -> Self {
        let path = tempfile::Builder::new().prefix("kubernetes-").tempdir().unwrap().keep();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        // The end of its input is the event. Programs that die at the same time may still write: hence a second try.
        let script = "trap '' INT TERM HUP; cat; rm -rf -- \"$1\" || { sleep 1; rm -rf -- \"$1\"; }";
        let mut remover = Command::new("sh")
            .args(["-c", script, "remover"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = remover.stdin.take().unwrap();
        Self { path, remover: Some((remover, input)) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some((mut remover, input)) = self.remover.take() {
            drop(input);
            let _ = remover.wait();
        }
    }
}
