//! The whole program: its help, its tables and the manual agree with the code.

use iter8::cli::exit::Exit;
use iter8::tasks::registry::TASKS;

use crate::support::cli_case::CliCase;
use crate::support::files;
use crate::support::markdown::table_rows;
use crate::support::transcript::transcript;

/// Rows of a table of a page.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    table_rows(&files::text(&files::root().join(page)), heading)
}

#[test]
fn the_readme_lists_all_exit_codes() {
    let expected: Vec<_> = Exit::DESCRIPTIONS.iter().map(|(exit, _)| (*exit as u8).to_string()).collect();
    let rows = table("README.md", "Exit codes");
    let codes: Vec<_> = rows.iter().flat_map(|row| row[0].split(", ")).collect();
    assert_eq!(codes, expected);
}

#[test]
fn the_manual_lists_all_tasks() {
    let expected: Vec<_> = TASKS
        .iter()
        .map(|kind| vec![kind.name.to_owned(), kind.value_names.join(", "), kind.summary.to_owned()])
        .collect();
    assert_eq!(table("docs/concepts/experiment.md", "Tasks"), expected);
}

#[test]
fn every_command_has_help() {
    let cli = CliCase::new();
    for command in ["run", "assert", "assess", "compare", "report", "validate", "demo", "schema", "completion"] {
        let output = cli.run([command, "--help"]);
        assert_eq!(output.code, Some(0), "{command}");
        assert!(output.stdout.contains("Examples:"), "{command}: {}", output.stdout);
    }
    let output = cli.run(["--help"]);
    assert!(output.stdout.contains("iter8 demo") && output.stderr.is_empty(), "{output:#?}");
}

#[test]
fn a_mistyped_command_or_flag_is_bad_input() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.run(["asert"]).snapshot(2);
    cli.run(["run", "--sett", "a=b"]).snapshot(2);
    cli.run(["assert"]).snapshot(2);
}

#[test]
fn launch_is_an_alias_of_run() {
    let cli = CliCase::new();
    cli.run(["launch", "--set", "tasks={run}", "--set", "run=touch ran"]).exits(0);
    assert!(cli.path("ran").exists());
}

#[test]
fn completion_scripts_are_printed_for_every_shell() {
    let cli = CliCase::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = cli.run(["completion", shell]);
        assert!(output.code == Some(0) && output.stdout.contains("reuseResult"), "{shell}");
    }
    let checked = std::process::Command::new("bash")
        .args(["-c", &format!("source <({} completion bash) && complete -p iter8", crate::support::cli_case::ITER8)])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = CliCase::new().run(["version", "--short"]);
    assert_eq!(output.stdout.trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_version_is_also_json() {
    let output = CliCase::new().run(["version", "-o", "json"]);
    let version: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&version["os"], &version["arch"]), (&std::env::consts::OS.into(), &std::env::consts::ARCH.into()));
    assert_eq!(version["commit"].as_str().unwrap_or_default(), env!("ITER8_COMMIT"));
}

#[test]
fn man_pages_need_a_directory() {
    let cli = CliCase::new();
    let output = cli.run(["man", "missing"]);
    assert_eq!(output.code, Some(4), "{output:?}");
    assert!(output.stderr.starts_with("error: cannot write man pages to missing\n  caused by: "), "{output:?}");
}

#[test]
fn quiet_prints_only_errors_and_the_verdict() {
    let cli = CliCase::new();
    let output = cli.run(["run", "-q", "--set", "tasks={run}", "--set", "run=echo loud", "--set", "http.qps=5"]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(0), "", "SLOs: none defined\n"));
}

#[test]
fn values_are_read_from_stdin_and_files() {
    let cli = CliCase::new();
    cli.write("script.sh", "echo from a file >out\n");
    cli.run_with_input(["run", "-q", "-f", "-", "--set-file", "run.script=script.sh"], "tasks: [run]\n").exits(0);
    assert_eq!(cli.read("out"), "from a file\n");
}

/// As in Helm.
#[test]
fn several_values_files_may_be_joined_by_commas() {
    let cli = CliCase::new();
    cli.write("a.yaml", "tasks: [run]\nrun: echo a >out\n");
    cli.write("b.yaml", "run: echo b >out\n");
    cli.run(["run", "-q", "-f", "a.yaml,b.yaml"]).exits(0);
    assert_eq!(cli.read("out"), "b\n");
    cli.write("a.yaml,b.yaml", "tasks: [run]\nrun: echo one file >out\n");
    cli.run(["run", "-q", "-f", "a.yaml,b.yaml"]).exits(0);
    assert_eq!(cli.read("out"), "one file\n");
}

#[test]
fn misplaced_flags_have_a_hint() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.run(["k", "lauch"]).snapshot(2);
    cli.write("mine.yaml", "spec:\n- run: 'true'\n");
    cli.run(["run", "-f", "mine.yaml"]).snapshot(2);
    let output = cli.run(["assert", "-c", "completed", "--runDir", "nowhere", "-t", "300ms"]);
    assert_eq!((output.code, output.stdout.contains("none appeared within 300ms")), (Some(1), true), "{output:#?}");
}

#[test]
fn the_demo_does_not_overwrite_foreign_documents() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let text = "spec:\n- run: 'true'\n";
    cli.write("experiment.yaml", text);
    cli.run(["demo"]).snapshot(2);
    assert_eq!(cli.read("experiment.yaml"), text);
}

#[test]
fn output_of_scripts_is_sanitized() {
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: printf 'a\\033[2Jb\\342\\200\\256c\\n'\n");
    let output = cli.run(["run"]);
    assert!(
        output.stderr.contains(r"a\u{1b}[2Jb\u{202e}c") && !output.stderr.contains(['\u{1b}', '\u{202e}']),
        "{output:#?}"
    );
}

#[test]
fn reports_are_written_to_devices_and_pipes() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    cli.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let output = cli.run(["report", "-o", "json", "--outputFile", "/dev/stdout"]);
    assert!(output.code == Some(0) && output.stdout.starts_with('{'), "{output:#?}");
    cli.run(["assert", "-c", "completed", "-t", "-1s"]).snapshot(2);
}
