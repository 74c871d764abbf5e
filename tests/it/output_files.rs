//! Files that `run` writes beside its document: which earlier ones it removes, replaces, keeps or refuses.

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::echo_server::EchoServer;

fn run(cli: &CliCase, arguments: &[&str]) -> CliOutput {
    cli.run(["run"].iter().chain(arguments))
}

/// The files named by the flags are those of this run or of none.
#[test]
fn results_of_an_earlier_run_do_not_survive_a_failure() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let files = ["--report", "report.html", "--junit", "slo.xml"];
    let failing: [(&[&str], i32); 4] = [
        (&["--set", "http.qsp=5"], 2),
        (&["--slo", "p99 is 5ms"], 2),
        (&["-f", "none.yaml"], 2),
        (&["--replay", "none"], 2),
    ];
    for (more, code) in failing {
        run(&cli, &[&[url.as_str(), "-n", "3"], files.as_slice()].concat()).exits(0);
        assert!(cli.path("report.html").exists() && cli.path("slo.xml").exists());
        run(&cli, &[&[url.as_str(), "-n", "3"], files.as_slice(), more].concat()).exits(code);
        assert!(!cli.path("report.html").exists() && !cli.path("slo.xml").exists(), "{more:?}");
    }
    // Another run has the directory.
    let lock = std::fs::File::open(cli.path("")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    run(&cli, &[&url, "-n", "3", "--junit", "slo.xml", "--runDir", "other"]).exits(0);
    run(&cli, &[&url, "-n", "3", "--junit", "slo.xml"]).expect(4, &["another run is active"]);
    assert!(cli.path("slo.xml").exists(), "it may be that of the other run");
}

#[test]
fn earlier_files_that_are_links_read_only_or_inputs_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    // A link to a published page is written through.
    cli.write("published.html", "earlier");
    symlink("published.html", cli.path("report.html")).unwrap();
    run(&cli, &[&url, "-n", "3", "--report", "report.html", "--set", "http.qsp=5"]).exits(2);
    assert_eq!(cli.read("published.html"), "earlier");
    run(&cli, &[&url, "-n", "3", "--report", "report.html"]).exits(0);
    assert!(cli.path("report.html").is_symlink() && cli.read("published.html").contains("<html"));
    let path = cli.write("slo.xml", "earlier");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
    run(&cli, &[&url, "-n", "3", "--junit", "slo.xml"]).expect(4, &["cannot write slo.xml: the file is read-only"]);
    assert_eq!(cli.read("slo.xml"), "earlier");
    for (name, flag) in [("body.json", "-D"), ("values.json", "-f"), ("set.json", "--set-file")] {
        cli.write(name, "{}");
        let value = if flag == "--set-file" { "http.payloadStr=./set.json" } else { name };
        let output = run(&cli, &[&url, flag, value, "--report", name]);
        output.expect(2, &[&format!("cannot write {name}: this run reads it")]);
        assert_eq!(cli.read(name), "{}");
    }
    // Files that values name.
    cli.write("values.yaml", "http: {payloadFile: body.json}\n");
    let output = run(&cli, &[&url, "-n", "3", "-f", "values.yaml", "--report", "./body.json"]);
    output.expect(2, &["cannot write ./body.json: this run reads it"]);
    assert_eq!(cli.read("body.json"), "{}");
}

#[test]
fn files_that_are_no_reports_survive_a_failure() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    for name in ["notes.txt", "notes.md", "data.json", "page.html", "data.csv", "other.xml"] {
        cli.write(name, "of the user");
        let flag = if name == "other.xml" { "--junit" } else { "--report" };
        run(&cli, &[&url, "--slo", "bogus", flag, name]).exits(2);
        assert_eq!(cli.read(name), "of the user");
        run(&cli, &[&url, "-n", "3", flag, name]).exits(0);
        assert_ne!(cli.read(name), "of the user");
    }
    for name in ["main.rs", "values.json", "X.YAML"] {
        run(&cli, &[&url, "--junit", name]).expect(2, &["test results are XML"]);
    }
}

/// A shell that appends to a file has opened it.
#[test]
fn test_results_on_standard_output_keep_what_a_file_has() {
    let (cli, url) = (CliCase::new(), EchoServer::plain().url());
    let all = cli.write("all.xml", "earlier\n");
    let file = std::fs::OpenOptions::new().append(true).open(&all).unwrap();
    let mut command = cli.command();
    assert!(command.args(["run", &url, "-n", "3", "--junit", "/dev/stdout"]).stdout(file).status().unwrap().success());
    let text = cli.read("all.xml");
    assert!(text.starts_with("earlier\n") && text.contains("<testsuites name=\"iter8\""), "{text}");
}

#[test]
fn a_dry_run_writes_no_files_and_says_so() {
    let cli = CliCase::new();
    cli.write("slo.xml", "earlier");
    let line = ["http://h/", "--report", "r.html", "--junit", "slo.xml", "--summary", "--github", "--dry"];
    let warning = "--report, --summary, --junit, --github have no effect with --dry, which runs nothing\n";
    run(&cli, &line).expect(0, &[warning]);
    assert!(cli.read("slo.xml") == "earlier" && !cli.path("r.html").exists());
    run(&cli, &["http://h/", "--summary", "--dry"]).expect(0, &["--summary has no effect with --dry"]);
}

#[test]
fn a_file_is_not_written_twice() {
    use std::os::unix::fs::symlink;
    let cli = CliCase::new();
    std::fs::create_dir(cli.path("sub")).unwrap();
    symlink(cli.path("sub"), cli.path("link")).unwrap();
    cli.write("other.html", "");
    symlink("other.html", cli.path("page.html")).unwrap();
    for (report, other) in [
        ("r.xml", "--junit=r.xml"),
        ("r.xml", "--junit=./r.xml"),
        ("r.xml", "--report=sub/../r.xml"),
        ("sub/r.xml", "--junit=link/r.xml"),
        ("page.html", "--report=other.html"),
    ] {
        let output = run(&cli, &["http://h.invalid/", "--report", report, other, "--dry"]);
        output.expect(2, &["would be written twice\n  hint: give each of --report and --junit its own file"]);
    }
    run(&cli, &["http://h.invalid/", "--report", "r.xml", "--junit", "sub/r.xml", "--dry"]).exits(0);
}
