//! Runs the commands of a tutorial as its readers do.
//!
//! Every block fenced as `shell` stands below an HTML comment `<!-- test: NAME -->`, by which the test knows what to check after it. A block
//! fenced as `text` below `<!-- test: output -->` is the output of the block before it; below `<!-- test: prints -->`, it has lines of that.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cli_case::{CliOutput, ITER8};
use super::files;
use super::markdown::{Fence, fences};
use super::tools;

/// Pages of `docs/tutorials` that tests of their own follow, because they need more than a cluster.
pub const FOLLOWED: [&str; 5] =
    ["bentoml-canary.md", "blue-green-modelmesh.md", "canary-modelmesh.md", "kserve-canary.md", "kserve-prometheus.md"];

/// A block of a tutorial.
pub struct Block {
    /// Name in its comment.
    pub name: String,
    /// Output that the tutorial shows for it.
    pub output: Option<String>,
    /// Lines of the output that the tutorial shows.
    pub prints: Vec<String>,
    fence: Fence,
}

/// The blocks of a tutorial in `docs/tutorials`.
#[track_caller]
pub fn blocks(tutorial: &str) -> Vec<Block> {
    assert!(FOLLOWED.contains(&tutorial), "{tutorial} is not in `FOLLOWED`");
    let text = files::text(&files::root().join("docs/tutorials").join(tutorial));
    let mut blocks: Vec<Block> = Vec::new();
    for fence in fences(&text) {
        let name = fence.comment.as_deref().and_then(|comment| comment.strip_prefix("test: ")).map(str::to_owned);
        match (fence.language.as_str(), name) {
            ("shell", Some(name)) => blocks.push(Block { name, output: None, prints: Vec::new(), fence }),
            ("text", Some(name)) if name == "output" => {
                blocks.last_mut().unwrap().output = Some(fence.lines.join("\n"));
            }
            ("text", Some(name)) if name == "prints" => blocks.last_mut().unwrap().prints = fence.lines,
            ("shell" | "text", _) => panic!("{tutorial}:{}: no `<!-- test: NAME -->`", fence.line),
            _ => {}
        }
    }
    blocks
}

/// A shell with kubectl, Helm and the program. Exported variables are kept from block to block.
pub struct Shell<'a> {
    directory: &'a Path,
    session: tempfile::NamedTempFile,
    path: OsString,
    kubeconfig: &'a Path,
    replaced: Vec<(String, String)>,
}

impl<'a> Shell<'a> {
    /// A shell in this directory, with this kubeconfig; `None` if programs are missing.
    pub fn new(directory: &'a Path, kubeconfig: &'a Path) -> Option<Self> {
        let programs = [tools::needed("helm")?, tools::needed("kubectl")?, ITER8.into()];
        let own: BTreeSet<_> = programs.iter().filter_map(|program| program.parent()).map(Path::to_owned).collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path))).unwrap();
        let session = tempfile::NamedTempFile::new().unwrap();
        Some(Self { directory, session, path, kubeconfig, replaced: Vec::new() })
    }

    /// Replaces a text in the commands, such as the address of a gateway.
    pub fn replace(mut self, text: &str, with: &str) -> Self {
        self.replaced.push((text.to_owned(), with.to_owned()));
        self
    }

    /// Runs a block, which must succeed.
    #[track_caller]
    pub fn run(&self, block: &Block) -> CliOutput {
        let script = block.fence.lines.join("\n");
        let mut output = self.script(&script);
        if output.stderr.contains("(AlreadyExists)") && script.contains("kubectl apply") {
            // `kubectl apply` reads an object and then creates it. The release controller may have rendered it in between, from the
            // routemap that the same command has created; applying again is what kubectl's users do then.
            output = self.script(&script);
        }
        assert_eq!(output.code, Some(0), "line {}: {output:#?}", block.fence.line);
        output
    }

    /// Runs a script.
    pub fn script(&self, script: &str) -> CliOutput {
        let script = self.replaced.iter().fold(script.to_owned(), |script, (text, with)| script.replace(text, with));
        let session = self.session.path().display();
        let script = format!("source {session}\n{script}\nexport -p > {session}");
        let mut command = Command::new("bash");
        command.args(["-e", "-o", "pipefail", "-c", &script]).current_dir(self.directory).stdin(Stdio::null());
        command.env("PATH", &self.path).env("KUBECONFIG", self.kubeconfig).env_remove("NO_COLOR");
        CliOutput::run(&mut command, self.directory)
    }
}
