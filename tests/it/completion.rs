//! Completion in real shells.

use std::process::Command;

use crate::support::cli_case::ITER8;
use crate::support::tools;

/// Runs a script in a shell with the program on PATH as `iter8`; lines of its output. Skips the test without the shell.
fn lines(shell: &str, args: &[&str], script: &str) -> Option<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(ITER8, directory.path().join("iter8")).unwrap();
    let path = std::env::join_paths(
        [directory.path().to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let shell = tools::needed(shell)?;
    let output = Command::new(shell).args(args).arg("-c").arg(script).env("PATH", path.unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// Candidates that bash offers for a line. Its words are split as readline splits them.
fn bash(line: &str) -> Vec<String> {
    let script = format!(
        "source <(iter8 completion bash)\n\
         COMP_LINE={line:?} COMP_POINT=${{#COMP_LINE}}\n\
         read -ra COMP_WORDS <<<\"$(sed 's/[=:]/ & /g' <<<\"$COMP_LINE\")\"\n\
         [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')\n\
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         compopt() {{ :; }}\n\
         read -r function < <(complete -p iter8 | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
         $function iter8 \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    lines("bash", &["--norc"], &script).unwrap()
}

#[test]
fn bash_completes_paths_metrics_and_values() {
    assert_eq!(bash("iter8 run --set http.basic"), ["http.basicAuth."]);
    assert_eq!(bash("iter8 run --set=http.basic"), ["http.basicAuth."]);
    assert_eq!(bash("iter8 validate --set-string http.basicAuth.u"), ["http.basicAuth.username="]);
    assert_eq!(
        bash("iter8 run --set assess.SLOs.upper.http/latency-p9"),
        ["p90", "p95", "p99"].map(|p| format!("assess.SLOs.upper.http/latency-{p}="))
    );
    // Readline replaces what follows the sign only.
    assert_eq!(bash("iter8 run --set rollout.onFailure=r"), ["rollback"]);
    assert_eq!(bash("iter8 run --set tasks={http,as"), ["{http,assess"]);
    assert_eq!(bash("iter8 explain http.qp"), ["http.qps"]);
    assert!(bash("iter8 explain ").contains(&"http.".to_owned()));
}

/// A quote is open, because a limit follows.
#[test]
fn bash_completes_the_metric_of_an_slo() {
    assert_eq!(bash("iter8 run http://h/ --slo 'p9"), ["p95", "p99"]);
    assert_eq!(bash("iter8 run http://h/ --slo err"), ["error-rate", "errors"]);
    assert_eq!(bash("iter8 run http://h/ --slo='http/error-"), ["http/error-count", "http/error-rate"]);
    let all = bash("iter8 run http://h/ --slo '");
    assert!(
        ["mean", "requests", "http/latency-p99"].iter().all(|name| all.iter().any(|other| other == name)),
        "{all:?}"
    );
}

#[test]
fn bash_completes_everything_else_as_before() {
    assert_eq!(bash("iter8 asser"), ["assert"]);
    assert_eq!(bash("iter8 assert -c "), ["completed", "nofailure", "slos"]);
    assert_eq!(bash("iter8 report -o j"), ["json", "junit"]);
    assert_eq!(bash("iter8 init k"), ["kserve"]);
    assert_eq!(bash("iter8 run --reuseR"), ["--reuseResult"]);
    assert_eq!(bash("iter8 help metr"), ["metrics"]);
}

#[test]
fn fish_completes_paths_and_conditions() {
    let fish = |line: &str| {
        let script =
            format!("iter8 completion fish | source; complete -C '{line}' | string replace -r '\\t.*' ''; or true");
        lines("fish", &["--no-config"], &script)
    };
    let Some(paths) = fish("iter8 run --set http.basic") else { return };
    assert_eq!(paths, ["http.basicAuth."]);
    assert_eq!(fish("iter8 run --set rollout.onFailure=r").unwrap(), ["rollout.onFailure=rollback"]);
    assert_eq!(fish("iter8 run --set=http.basic").unwrap(), ["--set=http.basicAuth."]);
    assert_eq!(fish("iter8 assert -c n").unwrap(), ["nofailure"]);
    assert_eq!(fish("iter8 explain http.qp").unwrap(), ["http.qps"]);
    assert_eq!(fish("iter8 run http://h/ --slo \\'p9").unwrap(), ["p95", "p99"]);
}

/// The completion system of zsh needs a terminal, which zsh's own `zpty` provides.
#[test]
fn zsh_completes_paths() {
    let zsh = |line: &str| {
        let script = format!(
            "zmodload zsh/zpty || exit 0\n\
             zpty shell 'zsh -f -i'\n\
             zpty -w shell 'autoload -Uz compinit; compinit -u -D; source <(iter8 completion zsh); bindkey \"^I\" complete-word'\n\
             zpty -w shell 'finish() {{ print -r -- \"<$BUFFER>\"; exit }}; zle -N finish; bindkey \"^X\" finish'\n\
             zpty -w -n shell $'{line}\\t\\C-x'\n\
             while zpty -r shell text; do print -rn -- \"$text\"; done"
        );
        lines("zsh", &["-f"], &script)
    };
    let Some(output) = zsh("iter8 run --set http.basic") else { return };
    assert!(output.iter().any(|line| line.contains("<iter8 run --set http.basicAuth.>")), "{output:#?}");
    let output = zsh("iter8 run --slo \\'requ").unwrap();
    assert!(output.iter().any(|line| line.contains("<iter8 run --slo 'requests")), "{output:#?}");
}
