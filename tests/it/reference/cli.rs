//! The page of the command line: the help of every command.

use super::hold;
use crate::support::cli_case::CliCase;

/// Help of a command, as wide as it is without a terminal.
fn help(words: &[String]) -> String {
    let cli = CliCase::new();
    let mut command = cli.command();
    command.args(words).arg("--help").env("COLUMNS", "100").env_remove("ITER8_RUNDIR").env_remove("ITER8_LOGLEVEL");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Names of the commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let (list, _) = help.split_once("\nOptions:\n").unwrap_or_default();
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let is_command = |name: &&str| *name != "help" && name.starts_with(|c: char| c.is_ascii_lowercase());
    names.filter(is_command).map(str::to_owned).collect()
}

fn add(words: &[String], page: &mut String) {
    let help = help(words);
    let name = ["iter8"].into_iter().chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help.trim()));
    for command in commands(&help) {
        add(&[words, &[command]].concat(), page);
    }
}

#[test]
fn the_page_of_the_command_line_is_its_help() {
    let mut page = "What `iter8 help COMMAND` prints.\n".to_owned();
    add(&[], &mut page);
    assert!(page.contains("\n## iter8 k rollout status\n") && page.contains("\n## iter8 assert\n"), "{page}");
    hold("cli.md", "Command line", &page);
}
