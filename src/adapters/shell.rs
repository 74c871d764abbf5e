//! Runs shell scripts in their own process group, so that a timeout also kills their children.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::ports::{BoxFuture, ScriptEnd, ScriptLog, Shell};

/// Maximum length of an output line; longer ones are split.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Time for reading the remaining output after the script has ended: a background process may keep the pipe open forever.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// The system's shell: `bash` as in Iter8, `sh` if there is no bash.
pub(crate) struct SystemShell;

impl Shell for SystemShell {
    fn run<'a>(
        &'a self,
        script: &'a str,
        timeout: Duration,
        log: &'a dyn ScriptLog,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, io::Result<ScriptEnd>> {
        Box::pin(async move {
            let mut child = spawn("bash", script).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => spawn("sh", script),
                _ => Err(error),
            })?;
            let outputs = (child.stdout.take(), child.stderr.take());
            let output = async {
                tokio::join!(pass_lines(outputs.0, log), pass_lines(outputs.1, log));
            };
            tokio::pin!(output);
            let mut output_ended = false;
            let deadline = tokio::time::sleep(timeout);
            tokio::pin!(deadline);
            let end = loop {
                tokio::select! {
                    status = child.wait() => break end_of(status?),
                    () = &mut output, if !output_ended => output_ended = true,
                    () = &mut deadline => break ScriptEnd::TimedOut,
                    () = stop.cancelled() => break ScriptEnd::Interrupted,
                }
            };
            if matches!(end, ScriptEnd::TimedOut | ScriptEnd::Interrupted) {
                kill_group(&mut child).await;
            }
            if !output_ended {
                let _ = tokio::time::timeout(OUTPUT_GRACE, output).await;
            }
            Ok(end)
        })
    }
}

fn spawn(program: &str, script: &str) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.arg("-c").arg(script).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // As in Iter8, whose scripts share files there.
    command.env("TEMP_DIR", std::env::temp_dir());
    #[cfg(unix)]
    command.process_group(0);
    command.spawn()
}

fn end_of(status: std::process::ExitStatus) -> ScriptEnd {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return ScriptEnd::Killed(signal);
    }
    ScriptEnd::Exited(status.code().unwrap_or(-1))
}

/// Kills the script and everything it started.
async fn kill_group(child: &mut Child) {
    #[cfg(unix)]
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
        // The group may have ended already.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill().await;
}

async fn pass_lines(output: Option<impl tokio::io::AsyncRead + Unpin>, log: &dyn ScriptLog) {
    let Some(output) = output else { return };
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(next_part(&mut reader, &mut line).await, Ok(read) if read > 0) {
        if line.ends_with(b"\n") {
            pass(&line, log);
            line.clear();
        } else if line.len() >= MAX_LINE_BYTES {
            line = pass_start(&line, log);
        }
    }
    if !line.is_empty() {
        pass(&line, log);
    }
}

async fn next_part(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<usize> {
    let room = MAX_LINE_BYTES.saturating_sub(line.len()).max(1);
    reader.take(room as u64).read_until(b'\n', line).await
}

fn pass(line: &[u8], log: &dyn ScriptLog) {
    log.line(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']));
}

/// Passes the start of a long line, and returns its end, in which a secret may have begun.
fn pass_start(line: &[u8], log: &dyn ScriptLog) -> Vec<u8> {
    let text = log.redact(&String::from_utf8_lossy(line));
    let kept = log.longest_secret().min(MAX_LINE_BYTES / 2);
    let (start, end) = text.split_at(text.floor_char_boundary(text.len().saturating_sub(kept)));
    log.line(start);
    end.as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    async fn run(script: &str, timeout: Duration, stop: &CancellationToken) -> (ScriptEnd, Vec<String>) {
        let lines = Mutex::new(Vec::new());
        let end = SystemShell
            .run(script, timeout, &|line: &str| lines.lock().unwrap().push(line.to_owned()), stop)
            .await
            .unwrap();
        (end, lines.into_inner().unwrap())
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn output_arrives_line_by_line_with_the_exit_code() {
        let (end, lines) = run("echo one; echo two >&2; printf three; exit 7", LONG, &CancellationToken::new()).await;
        assert_eq!(end, ScriptEnd::Exited(7));
        let mut sorted = lines;
        sorted.sort();
        assert_eq!(sorted, ["one", "three", "two"]);
    }

    #[tokio::test]
    async fn scripts_know_the_directory_of_temporary_files() {
        let (_, lines) = run("echo $TEMP_DIR", LONG, &CancellationToken::new()).await;
        assert_eq!(lines, [std::env::temp_dir().display().to_string()]);
    }

    #[tokio::test]
    async fn a_timeout_kills_the_script_and_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let script = format!("sleep 100 & echo $! > {}; wait", pid_file.display());
        let (end, _) = run(&script, Duration::from_secs(2), &CancellationToken::new()).await;
        assert_eq!(end, ScriptEnd::TimedOut);
        let pid: i32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
        // A killed orphan may remain a zombie until init reaps it; it must not be running.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = state.rsplit(')').next().unwrap_or_default().trim().chars().next();
        assert!(matches!(state, None | Some('Z' | 'X')), "child is in state {state:?}");
    }

    #[tokio::test]
    async fn cancellation_kills_the_script() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(run("sleep 100", LONG, &stop).await.0, ScriptEnd::Interrupted);
    }

    /// A log that redacts one secret.
    struct Redacting(Mutex<Vec<String>>);

    const SECRET: &str = "hunter-two";

    impl ScriptLog for Redacting {
        fn line(&self, line: &str) {
            self.0.lock().unwrap().push(self.redact(line));
        }

        fn redact(&self, text: &str) -> String {
            text.replace(SECRET, "[hidden]")
        }

        fn longest_secret(&self) -> usize {
            SECRET.len()
        }
    }

    #[tokio::test]
    async fn a_secret_is_redacted_wherever_its_line_is_split() {
        for before in [MAX_LINE_BYTES - SECRET.len(), MAX_LINE_BYTES - 4, MAX_LINE_BYTES, 5] {
            let log = Redacting(Mutex::default());
            // The pause splits it into two writes.
            let script =
                format!("head -c {before} /dev/zero | tr '\\0' x; printf hunter-; sleep 0.05; echo two; echo end");
            SystemShell.run(&script, LONG, &log, &CancellationToken::new()).await.unwrap();
            let lines = log.0.into_inner().unwrap();
            let expected = format!("{}[hidden]end", "x".repeat(before));
            assert_eq!(lines.concat(), expected, "{before}");
            assert_eq!(lines.last().map(String::as_str), Some("end"));
        }
    }

    #[tokio::test]
    async fn an_endless_line_is_split() {
        let (end, lines) = run("head -c 100000 /dev/zero | tr '\\0' x", LONG, &CancellationToken::new()).await;
        assert_eq!(end, ScriptEnd::Exited(0));
        assert!(lines.len() > 1);
        assert_eq!(lines.iter().map(String::len).sum::<usize>(), 100_000);
    }
}
