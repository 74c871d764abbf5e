//! A container: a process with a root directory, a user and an environment of its own, and what it says.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal};
use tokio::sync::{oneshot, watch};

use super::process;

/// Command and user of a container.
pub struct Plan {
    pub setpriv: PathBuf,
    pub chroot: PathBuf,
    pub root: PathBuf,
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub user: i64,
    pub group: i64,
    pub other_groups: Vec<i64>,
}

/// A process that was started.
pub struct Started {
    pub pid: Pid,
    /// Says how it ended.
    pub exited: oneshot::Receiver<ExitStatus>,
}

/// Starts a process; its output goes to the log, which is closed when it and its children have closed their outputs.
pub fn start(plan: &Plan, log: &Arc<Log>) -> io::Result<Started> {
    let (mut output, input) = io::pipe()?;
    let mut command = process::dying(&plan.setpriv);
    command.args(["--reuid", &plan.user.to_string(), "--regid", &plan.group.to_string()]);
    if plan.other_groups.is_empty() {
        command.arg("--clear-groups");
    } else {
        let groups: Vec<String> = plan.other_groups.iter().map(i64::to_string).collect();
        command.arg("--groups").arg(groups.join(","));
    }
    // The user is changed before the root directory: a process that changes its user afterwards would outlive the tests, as the
    // kernel then forgets its wish to be killed. To change the root directory takes a capability, the only one that is left.
    command.arg("--no-new-privs");
    for option in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
        command.args([option, "-all,+sys_chroot"]);
    }
    command.arg(&plan.chroot).arg(&plan.root).args(&plan.command);
    command.env_clear().envs(&plan.env).stdout(input.try_clone()?).stderr(input);
    let mut child = process::spawn(command)?;
    let pid = Pid::from_child(&child);
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = output.read(&mut buffer)
            && length > 0
        {
            log.append(&buffer[..length]);
        }
        log.close();
    });
    let (tell, exited) = oneshot::channel();
    std::thread::spawn(move || tell.send(child.wait().unwrap()));
    Ok(Started { pid, exited })
}

/// The exit code as container runtimes report it.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Sends a signal; a process that has ended gets none.
pub fn signal(pid: Pid, signal: Signal) {
    let _ = rustix::process::kill_process(pid, signal);
}

/// Log of a container.
pub struct Log {
    output: Mutex<Vec<u8>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    length: usize,
    is_closed: bool,
}

impl Log {
    pub fn new() -> Self {
        Self { output: Mutex::default(), progress: watch::Sender::new(Progress::default()) }
    }

    fn append(&self, bytes: &[u8]) {
        let mut output = self.output.lock().unwrap();
        output.extend_from_slice(bytes);
        self.progress.send_modify(|progress| progress.length = output.len());
    }

    pub fn close(&self) {
        self.progress.send_modify(|progress| progress.is_closed = true);
    }

    /// Waits for the end of the output.
    pub async fn closed(&self) {
        let _ = self.progress.subscribe().wait_for(|progress| progress.is_closed).await;
    }

    /// Reads on from an offset and waits if there is nothing new. None at the end.
    pub async fn more(&self, from: usize) -> Option<Vec<u8>> {
        let mut progress = self.progress.subscribe();
        let now = *progress.wait_for(|progress| progress.length > from || progress.is_closed).await.ok()?;
        (now.length > from).then(|| self.output.lock().unwrap()[from..].to_vec())
    }

    /// The log so far.
    pub fn so_far(&self) -> Vec<u8> {
        self.output.lock().unwrap().clone()
    }
}

/// Returns true if this machine lets us change a process's root directory and user.
pub fn is_possible(setpriv: &Path) -> bool {
    let mut command = process::dying(setpriv);
    command.args(["--ambient-caps", "-all", "--reuid", "65532", "true"]);
    command.status().is_ok_and(|status| status.success())
}
