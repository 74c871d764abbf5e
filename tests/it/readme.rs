//! Runs README's commands as a reader would.
//!
//! Every block fenced as `sh` stands below an HTML comment (invisible to readers) that says what the test does with it:
//!
//! ```text
//! <!-- test: run -->                                         runs it; it must end with exit code 0
//! <!-- test: run; exit 1; prints not satisfied -->           … with this code, and this text on stdout or stderr
//! <!-- test: run; service http://localhost:8080 -->          … with this address replaced by that of a running service
//! <!-- test: run; cluster -->                                 … with a namespace of a cluster behind KUBECONFIG
//! <!-- test: skip; needs a browser -->                       does not run it, and why
//! ```
//!
//! A block without a comment fails the test, and so does a comment that means nothing. Lines that start with `$ ` are the commands,
//! others are their output; in a block without such lines, all are commands. A command that ends in `\` goes on in the next line.
//! Blocks run in order in one empty directory, so that one can use what an earlier one wrote, by `sh -e` with the built program on
//! PATH as `iter8`, without terminal and input, for at most [`DEADLINE`] each.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::echo_server::EchoServer;
use crate::support::files;
use crate::support::markdown::{Fence, fences};
use crate::support::tools;

/// Longest time one block may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Test plan of a block.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    exit: i32,
    prints: Vec<String>,
    service: Option<String>,
    cluster: bool,
}

/// The plan in a block's comment; nothing for a block to skip.
fn plan(fence: &Fence) -> Result<Option<Plan>, String> {
    let comment = fence.comment.as_deref().and_then(|comment| comment.strip_prefix("test:"));
    let comment = comment.ok_or("no `<!-- test: … -->` comment before the block (see tests/it/readme.rs)")?;
    let mut parts = comment.split(';').map(str::trim);
    match (parts.next().unwrap_or(""), parts.clone().next()) {
        ("run", _) => {}
        ("skip", Some(reason)) if !reason.is_empty() => return Ok(None),
        ("skip", _) => return Err("`skip` without a reason: write `skip; <reason>`".to_owned()),
        (other, _) => return Err(format!("`{other}` is neither `run` nor `skip`")),
    }
    let mut plan = Plan::default();
    for part in parts {
        match part.split_once(' ') {
            Some(("exit", code)) => plan.exit = code.parse().map_err(|_| format!("`exit {code}` is not a number"))?,
            Some(("prints", text)) => plan.prints.push(text.to_owned()),
            None if part == "cluster" => plan.cluster = true,
            Some(("service", url)) => plan.service = Some(url.trim_end_matches('/').to_owned()),
            _ => return Err(format!("`{part}` is none of `exit <code>`, `prints <text>`, `service <url>`, `cluster`")),
        }
    }
    Ok(Some(plan))
}

/// The commands of a block.
fn script(lines: &[String]) -> String {
    if !lines.iter().any(|line| line.starts_with("$ ")) {
        return lines.join("\n");
    }
    let mut commands = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let command = line.strip_prefix("$ ").or(goes_on.then_some(line.as_str()));
        goes_on = command.is_some_and(|command| command.ends_with('\\'));
        commands.extend(command);
    }
    commands.join("\n")
}

/// Runs a script in `directory`, with what is in `programs` before everything else on PATH.
fn run(script: &str, directory: &Path, programs: &Path, kubeconfig: Option<&Path>) -> Result<Output, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(directory).env("PATH", path).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("KUBECONFIG", kubeconfig.unwrap_or(Path::new("/no/kubeconfig")));
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.spawn().map_err(|error| format!("sh: {error}"))?;
    let group = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let ended = receiver.recv_timeout(DEADLINE);
    // Also ends what the block left in the background.
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    ended.map_err(|_| format!("not done after {} s", DEADLINE.as_secs()))?.map_err(|error| error.to_string())
}

/// A kubeconfig of a cluster whose pods run, with a namespace of its own.
#[cfg(target_os = "linux")]
fn kubeconfig() -> Option<std::path::PathBuf> {
    use crate::support::kubernetes::{ControlPlane, Node};
    Node::shared()?;
    let cluster = ControlPlane::shared()?;
    let namespace = cluster.namespace();
    let grant = ["create", "clusterrolebinding", &namespace, "--clusterrole=cluster-admin"];
    let account = format!("--serviceaccount={namespace}:default");
    cluster.kubectl_ok(&grant.into_iter().chain([account.as_str()]).collect::<Vec<_>>());
    Some(cluster.kubeconfig_with_token(&cluster.token(&namespace, "default"), &namespace))
}

#[cfg(not(target_os = "linux"))]
fn kubeconfig() -> Option<std::path::PathBuf> {
    crate::support::tools::skip("clusters of tests run on Linux only");
    None
}

/// Runs one block; the error describes its failure.
fn check(fence: &Fence, directory: &Path, programs: &Path) -> Result<(), String> {
    let Some(plan) = plan(fence)? else { return Ok(()) };
    let mut script = script(&fence.lines);
    if let Some(url) = &plan.service {
        if !script.contains(url) {
            return Err(format!("the comment names the service {url}, and the block does not"));
        }
        script = script.replace(url, &format!("http://{}", EchoServer::plain().address));
    }
    let kubeconfig = match plan.cluster.then(kubeconfig) {
        // `kubeconfig` has reported the missing tool.
        Some(None) => return Ok(()),
        Some(kubeconfig) => kubeconfig,
        None => None,
    };
    let output = run(&script, directory, programs, kubeconfig.as_deref())?;
    let rendered = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(plan.exit) {
        return Err(format!(
            "ended with {}, not with exit code {}:\n{script}\n---\n{rendered}",
            output.status, plan.exit
        ));
    }
    match plan.prints.iter().find(|text| !rendered.contains(text.as_str())) {
        Some(text) => Err(format!("does not print `{text}`:\n{script}\n---\n{rendered}")),
        None => Ok(()),
    }
}

/// Runs all blocks of a text; what is wrong, by line.
fn problems(markdown: &str, program: &Path) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, programs) = (scratch.path().join("work"), scratch.path().join("programs"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(program, programs.join("iter8")).unwrap();
    // Readers have the charts of their checkout, and Helm.
    std::os::unix::fs::symlink(files::root().join("charts"), directory.join("charts")).unwrap();
    if let Some(helm) = tools::tool("helm") {
        std::os::unix::fs::symlink(helm, programs.join("helm")).unwrap();
    }
    let mut wrong = Vec::new();
    for fence in fences(markdown) {
        let outcome = match fence.language.as_str() {
            "sh" => check(&fence, &directory, &programs),
            "bash" | "shell" | "console" | "zsh" => Err(format!("fenced as `{}`: write `sh`", fence.language)),
            _ => Ok(()),
        };
        wrong.extend(outcome.err().map(|problem| format!("line {}: {problem}", fence.line)));
    }
    wrong
}

#[test]
fn every_command_in_the_readme_works() {
    let readme = files::text(&files::root().join("README.md"));
    let wrong = problems(&readme, Path::new(env!("CARGO_BIN_EXE_iter8")));
    assert!(wrong.is_empty(), "README.md:\n{}", wrong.join("\n"));
    assert!(fences(&readme).iter().any(|fence| fence.language == "sh"), "README.md has no `sh` block");
}

/// The checker itself, on small texts.
mod checker {
    use super::*;

    fn block(comment: &str, lines: &str) -> String {
        format!("{comment}\n```sh\n{lines}\n```\n")
    }

    fn check_all(markdown: &str) -> Vec<String> {
        problems(markdown, Path::new("/bin/echo"))
    }

    #[test]
    fn a_block_that_matches_its_comment_passes() {
        let text = block("<!-- test: run -->", "iter8 one > file\ntest -s file");
        let text =
            text + &block("<!-- test: run; exit 3; prints one -->", "$ cat file\none\n$ exit \\\n  3\nnot a command");
        assert_eq!(check_all(&text), [""; 0]);
    }

    #[test]
    fn a_wrong_exit_code_fails_with_the_output() {
        let wrong = check_all(&block("<!-- test: run -->", "echo shown; exit 4"));
        assert!(wrong[0].starts_with("line 2: ended with exit status: 4") && wrong[0].contains("shown"), "{wrong:?}");
    }

    #[test]
    fn a_command_that_fails_ends_its_block() {
        assert!(check_all(&block("<!-- test: run -->", "false\ntrue"))[0].contains("exit status: 1"));
    }

    #[test]
    fn missing_text_fails() {
        assert!(check_all(&block("<!-- test: run; prints two -->", "iter8 one"))[0].contains("does not print `two`"));
    }

    #[test]
    fn blocks_without_a_plan_and_bad_plans_fail() {
        for (comment, problem) in [
            ("", "no `<!-- test:"),
            ("<!-- note -->", "no `<!-- test:"),
            ("<!-- test: -->", "`` is neither"),
            ("<!-- test: ran -->", "`ran` is neither"),
            ("<!-- test: skip -->", "`skip` without a reason"),
            ("<!-- test: run; exit one -->", "`exit one` is not a number"),
            ("<!-- test: run; quick -->", "`quick` is none of"),
            ("<!-- test: run; service http://a:1 -->", "the block does not"),
        ] {
            let wrong = check_all(&block(comment, "true"));
            assert!(wrong.len() == 1 && wrong[0].contains(problem), "{comment}: {wrong:?}");
        }
        assert!(check_all("```console\n```\n")[0].contains("write `sh`"));
    }

    #[test]
    fn skipped_blocks_and_other_languages_do_not_run() {
        let text = block("<!-- test: skip; needs a cluster -->", "exit 1") + "```yaml\na: b\n```\n";
        assert_eq!(check_all(&text), [""; 0]);
    }

    #[test]
    fn the_address_of_a_service_is_replaced() {
        let address = EchoServer::plain().address;
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        for _ in 0..2 {
            std::io::Write::write_all(&mut stream, b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").unwrap();
            let mut answer = [0; 15];
            std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            let mut rest = [0; 4096];
            std::io::Read::read(&mut stream, &mut rest).unwrap();
        }
        let text = block(
            "<!-- test: run; service http://localhost:8080; prints http://127.0.0.1: -->",
            "iter8 http://localhost:8080/x",
        );
        assert_eq!(check_all(&text), [""; 0]);
    }
}
