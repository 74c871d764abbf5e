//! Runs the commands of README and the manual as a reader would.
//!
//! Every block fenced as `sh` stands below an HTML comment (invisible to readers) that says what the test does with it:
//!
//! ```text
//! <!-- test: run -->                                         runs it; it must end with exit code 0
//! <!-- test: run; exit 1; prints not satisfied -->           … with this code, and this text on stdout or stderr
//! <!-- test: run; service http://localhost:8080 -->          … with this address replaced by that of a running service (repeatable)
//! <!-- test: run; sample localhost:8080 -->                   … by that of a running sample model service
//! <!-- test: run; cluster -->                                 … with a namespace of a cluster behind KUBECONFIG
//! <!-- test: skip; needs a browser -->                       does not run it, and why
//! ```
//!
//! Other blocks may have one:
//!
//! ```text
//! <!-- test: file values.yaml -->                            writes it to this file, for the commands below it
//! <!-- test: values -->                                      values of an experiment, which must be valid
//! ```
//!
//! A block of commands without a comment fails the test, and so does a comment that means nothing. Lines that start with `$ ` are the
//! commands, others are their output; in a block without such lines, all are commands. A command that ends in `\` goes on in the next
//! line. The blocks of a page run in order in one empty directory and one namespace, so that one can use what an earlier one wrote, by
//! `sh -e` with the built program on PATH as `iter8`, without terminal and input, for at most [`DEADLINE`] each.
//!
//! Blocks fenced as `shell` are those of tutorials with a test of their own, which [`tutorial::FOLLOWED`] lists.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sample_model::{SampleConfig, SampleService};

use super::pages;
use crate::support::echo_server::EchoServer;
use crate::support::files;
use crate::support::markdown::{Fence, fences};
use crate::support::runtime::runtime;
use crate::support::tools;
use crate::support::tutorial;

/// Longest time one block may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Test plan of a block.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Skip,
    Run(RunPlan),
    /// Written to a file of this name, after addresses are replaced.
    File(String, Addresses),
    Values,
}

/// Test plan of commands.
#[derive(Debug, Default, PartialEq, Eq)]
struct RunPlan {
    exit: i32,
    prints: Vec<String>,
    addresses: Addresses,
    cluster: bool,
}

/// Addresses in a block that stand for running services.
#[derive(Debug, Default, PartialEq, Eq)]
struct Addresses {
    services: Vec<String>,
    sample: Option<String>,
}

impl Addresses {
    /// Reads a part of a comment; false if it is another part.
    fn read(&mut self, part: &str) -> bool {
        match part.split_once(' ') {
            Some(("service", url)) => self.services.push(url.trim_end_matches('/').to_owned()),
            Some(("sample", address)) => self.sample = Some(address.to_owned()),
            _ => return false,
        }
        true
    }

    /// The text with the addresses of services that run until `sample` is dropped.
    fn replace(&self, text: String, sample: &Sample) -> Result<String, String> {
        let services = self.services.iter().map(|address| (address, format!("http://{}", EchoServer::plain().address)));
        let sample = self.sample.iter().map(|address| (address, sample.address()));
        let mut text = text;
        for (address, running) in services.chain(sample) {
            if !text.contains(address.as_str()) {
                return Err(format!("the comment names the service {address}, and the block does not"));
            }
            text = text.replace(address.as_str(), &running);
        }
        Ok(text)
    }
}

/// A sample service that starts when it is first used.
#[derive(Default)]
struct Sample(OnceCell<SampleService>);

impl Sample {
    fn address(&self) -> String {
        let start = || runtime().block_on(sample_model::start(SampleConfig::demo())).unwrap();
        self.0.get_or_init(start).front.to_string()
    }
}

/// The plan in a block's comment; nothing for a block that needs none.
fn plan(fence: &Fence) -> Result<Option<Plan>, String> {
    let are_commands = fence.language == "sh";
    let comment = fence.comment.as_deref().and_then(|comment| comment.strip_prefix("test:"));
    let Some(comment) = comment else {
        let missing = "no `<!-- test: … -->` comment before the block (see tests/it/docs/commands.rs)";
        return if are_commands { Err(missing.to_owned()) } else { Ok(None) };
    };
    let mut parts = comment.split(';').map(str::trim);
    let kind = parts.next().unwrap_or("");
    if !are_commands {
        let mut addresses = Addresses::default();
        if let Some(part) = parts.find(|part| !addresses.read(part)) {
            return Err(format!("`{part}` is none of `service <url>`, `sample <address>`"));
        }
        return match kind.split_once(' ') {
            Some(("file", name)) => Ok(Some(Plan::File(name.to_owned(), addresses))),
            None if kind == "values" => Ok(Some(Plan::Values)),
            _ => Err(format!("`{kind}` is neither `file <name>` nor `values`")),
        };
    }
    match (kind, parts.clone().next()) {
        ("run", _) => {}
        ("skip", Some(reason)) if !reason.is_empty() => return Ok(Some(Plan::Skip)),
        ("skip", _) => return Err("`skip` without a reason: write `skip; <reason>`".to_owned()),
        (other, _) => return Err(format!("`{other}` is neither `run` nor `skip`")),
    }
    let mut plan = RunPlan::default();
    for part in parts {
        match part.split_once(' ') {
            Some(("exit", code)) => plan.exit = code.parse().map_err(|_| format!("`exit {code}` is not a number"))?,
            Some(("prints", text)) => plan.prints.push(text.to_owned()),
            None if part == "cluster" => plan.cluster = true,
            _ if plan.addresses.read(part) => {}
            _ => {
                let expected = "`exit <code>`, `prints <text>`, `service <url>`, `sample <address>`, `cluster`";
                return Err(format!("`{part}` is none of {expected}"));
            }
        }
    }
    Ok(Some(Plan::Run(plan)))
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
fn kubeconfig() -> Option<PathBuf> {
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
fn kubeconfig() -> Option<PathBuf> {
    crate::support::tools::skip("clusters of tests run on Linux only");
    None
}

/// A reader of one page.
struct Reader {
    directory: PathBuf,
    programs: PathBuf,
    /// Nothing if a tool is missing.
    kubeconfig: OnceCell<Option<PathBuf>>,
    sample: Sample,
}

impl Reader {
    /// Follows one block; the error describes its failure.
    fn follow(&self, fence: &Fence) -> Result<(), String> {
        let text = fence.lines.join("\n");
        match plan(fence)? {
            None | Some(Plan::Skip) => Ok(()),
            Some(Plan::Run(plan)) => self.run(&script(&fence.lines), &plan),
            Some(Plan::File(name, addresses)) => {
                std::fs::write(self.directory.join(name), addresses.replace(text, &self.sample)? + "\n").unwrap();
                Ok(())
            }
            Some(Plan::Values) => {
                std::fs::write(self.directory.join(".values"), text).unwrap();
                self.run("iter8 validate -f .values", &RunPlan::default())
            }
        }
    }

    fn run(&self, script: &str, plan: &RunPlan) -> Result<(), String> {
        let script = plan.addresses.replace(script.to_owned(), &self.sample)?;
        let kubeconfig = match plan.cluster.then(|| self.kubeconfig.get_or_init(kubeconfig)) {
            // `kubeconfig` has reported the missing tool.
            Some(None) => return Ok(()),
            Some(kubeconfig) => kubeconfig.as_deref(),
            None => None,
        };
        let output = run(&script, &self.directory, &self.programs, kubeconfig)?;
        let rendered =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(plan.exit) {
            let expected = plan.exit;
            return Err(format!(
                "ended with {}, not with exit code {expected}:\n{script}\n---\n{rendered}",
                output.status
            ));
        }
        match plan.prints.iter().find(|text| !rendered.contains(text.as_str())) {
            Some(text) => Err(format!("does not print `{text}`:\n{script}\n---\n{rendered}")),
            None => Ok(()),
        }
    }
}

/// Follows all blocks of a page; what is wrong, by line.
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
    let reader = Reader { directory, programs, kubeconfig: OnceCell::new(), sample: Sample::default() };
    let mut wrong = Vec::new();
    for fence in fences(markdown) {
        let outcome = match fence.language.as_str() {
            "bash" | "shell" | "console" | "zsh" => Err(format!("fenced as `{}`: write `sh`", fence.language)),
            _ => reader.follow(&fence),
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

/// `ITER8_PAGE` restricts the test to pages whose path contains it.
#[test]
fn every_command_in_the_manual_works() {
    let only = std::env::var("ITER8_PAGE").unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        let is_followed = tutorial::FOLLOWED.iter().any(|page| name == format!("docs/tutorials/{page}"));
        if !is_followed && name.contains(&only) {
            let problems = problems(&text, Path::new(env!("CARGO_BIN_EXE_iter8")));
            wrong.extend(problems.into_iter().map(|problem| format!("{name}, {problem}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            ("<!-- test: run; sample a:1 -->", "the block does not"),
            ("<!-- test: file a -->", "`file a` is neither `run` nor `skip`"),
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
    fn files_are_written_for_the_commands_below_them() {
        let text =
            "<!-- test: file a.yaml; service http://localhost:8080 -->\n```yaml\na: http://localhost:8080/x\n```\n";
        let commands = block("<!-- test: run -->", "grep -q '^a: http://127.0.0.1:[0-9]*/x$' a.yaml");
        assert_eq!(check_all(&format!("{text}{commands}")), [""; 0]);
        let wrong = check_all("<!-- test: fil a -->\n```yaml\n```\n<!-- test: values; cluster -->\n```yaml\n```\n");
        assert!(wrong[0].contains("`fil a` is neither `file <name>` nor `values`"), "{wrong:?}");
        assert!(wrong[1].contains("`cluster` is none of"), "{wrong:?}");
    }

    #[test]
    fn values_are_validated() {
        let check = |values: &str| {
            let text = format!("<!-- test: values -->\n```yaml\n{values}\n```\n");
            problems(&text, Path::new(env!("CARGO_BIN_EXE_iter8")))
        };
        assert_eq!(check("tasks: [http]\nhttp: {url: http://a.example/}"), [""; 0]);
        assert!(check("tasks: [http]\nhttp: {url: http://a.example/, qsp: 1}")[0].contains("qsp"));
    }

    #[test]
    fn the_address_of_a_sample_service_is_replaced() {
        let text = block("<!-- test: run; sample localhost:8080; prints 127.0.0.1: -->", "iter8 localhost:8080/x");
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
