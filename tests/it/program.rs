//! The program as a whole: what its help, its tables and README say is what the code does.

use iter8::cli::exit::Exit;
use iter8::tasks::registry::TASKS;

use crate::support::cli_case::CliCase;
use crate::support::markdown::table_rows;
use crate::support::transcript::transcript;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

#[test]
fn the_exit_codes_of_readme_are_the_codes_of_the_program() {
    let expected: Vec<_> = Exit::DESCRIPTIONS
        .iter()
        .map(|(exit, meaning)| vec![(*exit as u8).to_string(), (*meaning).to_owned()])
        .collect();
    assert_eq!(table_rows(&readme(), "Exit codes"), expected);
}

#[test]
fn the_tasks_of_readme_are_the_tasks_of_the_registry() {
    let expected: Vec<_> = TASKS
        .iter()
        .map(|kind| vec![kind.name.to_owned(), kind.value_names.join(", "), kind.summary.to_owned()])
        .collect();
    assert_eq!(table_rows(&readme(), "Tasks"), expected);
}

#[test]
fn every_command_has_help_and_those_that_need_one_an_example() {
    let bench = CliCase::new();
    for command in ["run", "assert", "report", "validate", "demo", "schema", "completion"] {
        let said = bench.run([command, "--help"]);
        assert_eq!(said.code, Some(0), "{command}");
        assert!(said.stdout.contains("Examples:"), "{command}: {}", said.stdout);
    }
    let said = bench.run(["--help"]);
    assert!(said.stdout.contains("iter8 demo") && said.stderr.is_empty(), "{said:#?}");
}

#[test]
fn a_mistyped_command_or_flag_is_bad_input() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.run(["asert"]).snapshot(2);
    bench.run(["run", "--sett", "a=b"]).snapshot(2);
    bench.run(["assert"]).snapshot(2);
}

#[test]
fn launch_is_another_spelling_of_run() {
    let bench = CliCase::new();
    bench.run(["launch", "--set", "tasks={run}", "--set", "run=touch ran"]).exits(0);
    assert!(bench.path("ran").exists());
}

#[test]
fn completion_scripts_are_printed_for_every_shell() {
    let bench = CliCase::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = bench.run(["completion", shell]);
        assert!(said.code == Some(0) && said.stdout.contains("reuseResult"), "{shell}");
    }
    let checked = std::process::Command::new("bash")
        .args(["-c", &format!("source <({} completion bash) && complete -p iter8", crate::support::cli_case::ITER8)])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn the_version_is_the_packages() {
    let said = CliCase::new().run(["version", "--short"]);
    assert_eq!(said.stdout.trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn quiet_says_nothing_but_errors() {
    let bench = CliCase::new();
    let said = bench.run(["run", "-q", "--set", "tasks={run}", "--set", "run=echo loud", "--set", "http.qps=5"]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn values_come_from_standard_input_and_files_too() {
    let bench = CliCase::new();
    bench.write("script.sh", "echo from a file >out\n");
    bench.run_with_input(["run", "-q", "-f", "-", "--set-file", "run.script=script.sh"], "tasks: [run]\n").exits(0);
    assert_eq!(bench.read("out"), "from a file\n");
}

#[test]
fn what_belongs_elsewhere_is_told_where() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.run(["k", "lauch"]).snapshot(2);
    bench.write("mine.yaml", "spec:\n- run: 'true'\n");
    bench.run(["run", "-f", "mine.yaml"]).snapshot(2);
    let said = bench.run(["assert", "-c", "completed", "--runDir", "nowhere", "-t", "300ms"]);
    assert_eq!((said.code, said.stdout.contains("none appeared within 300ms")), (Some(1), true), "{said:#?}");
}

#[test]
fn the_demo_spares_a_document_that_is_not_its_own() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    let text = "spec:\n- run: 'true'\n";
    bench.write("experiment.yaml", text);
    bench.run(["demo"]).snapshot(2);
    assert_eq!(bench.read("experiment.yaml"), text);
}

#[test]
fn what_a_script_prints_can_not_act_on_the_terminal() {
    let bench = CliCase::new();
    bench.write("experiment.yaml", "spec:\n- run: printf 'a\\033[2Jb\\342\\200\\256c\\n'\n");
    let said = bench.run(["run"]);
    assert!(
        said.stderr.contains(r"a\u{1b}[2Jb\u{202e}c") && !said.stderr.contains(['\u{1b}', '\u{202e}']),
        "{said:#?}"
    );
}

#[test]
fn a_report_into_a_device_or_pipe_is_written_there() {
    let _transcript = transcript!();
    let bench = CliCase::new();
    bench.write("experiment.yaml", "spec:\n- run: 'true'\n");
    let said = bench.run(["report", "-o", "json", "--outputFile", "/dev/stdout"]);
    assert!(said.code == Some(0) && said.stdout.starts_with('{'), "{said:#?}");
    bench.run(["assert", "-c", "completed", "-t", "-1s"]).snapshot(2);
}
