//! Help of the program, with its commands in groups: clap lists them all under one heading.

use clap::Command;

use super::text::aligned;

/// Headings and the names of their commands.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Experiments", &["run", "assert", "report", "assess", "compare", "demo"]),
    ("Values", &["init", "validate", "explain", "metrics", "schema"]),
    ("Kubernetes", &["k", "controllers"]),
    ("Other", &["completion", "version", HELP]),
];

/// Command that clap adds when it parses.
const HELP: &str = "help";

/// Groups the commands in the help of the program.
pub(super) fn grouped(command: Command) -> Command {
    let rows: Vec<[String; 2]> =
        GROUPS.iter().flat_map(|(_, names)| names.iter().map(|name| row(&command, name))).collect();
    let table = aligned(&rows);
    let mut lines = table.lines();
    let mut sections = String::new();
    for (heading, names) in GROUPS {
        sections.push_str(&format!("{heading}:\n"));
        lines.by_ref().take(names.len()).for_each(|line| sections.push_str(&format!("  {line}\n")));
        sections.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{sections}Options:\n{{options}}{{after-help}}"
    ))
}

/// Returns the name of a command and its summary.
fn row(command: &Command, name: &str) -> [String; 2] {
    let found = command.get_subcommands().find(|command| command.get_name() == name);
    let summary = found.and_then(Command::get_about).map(ToString::to_string);
    let aliases: Vec<&str> = found.iter().flat_map(|command| command.get_visible_aliases()).collect();
    let aliases = if aliases.is_empty() { String::new() } else { format!(" [alias: {}]", aliases.join(", ")) };
    let summary = summary.unwrap_or_else(|| "Print this help, or that of a command".to_owned());
    [name.to_owned(), format!("{summary}{aliases}")]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn every_command_is_in_a_group() {
        let command = Cli::command();
        let visible = command.get_subcommands().filter(|command| !command.is_hide_set());
        let mut names: Vec<&str> = visible.map(Command::get_name).chain([HELP]).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        names.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(names, grouped);
    }
}
