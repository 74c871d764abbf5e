//! Unusable templates: local ones are rejected before anything runs, downloaded ones fail their task.

use super::trial::{FIRST, Trial, number, template};
use crate::support::cli_case::CliCase;
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A case: file name and template.
type Case = (&'static str, &'static str);

const CASES: &[Case] = &[
    ("open.tpl", "url: {{ .url"),
    ("no-end.tpl", "{{ range .list }}x"),
    ("missing.tpl", "url: {{ .nowhere }}\nmetrics: []"),
    ("missing.hbs", "url: {{nowhere}}\nmetrics: []"),
    ("open.hbs", "url: {{url"),
    ("partial.hbs", "{{> other}}"),
    ("no-yaml.tpl", "url: ["),
    ("text.tpl", "hello"),
    ("empty.tpl", ""),
    ("html.tpl", "<html><body>404</body></html>"),
    ("no-url.tpl", "metrics: []"),
    ("file.tpl", "{url: 'file:///etc/passwd', metrics: []}"),
    ("key.tpl", "{url: 'http://h', metrics: [{name: m, jqExpresion: .v}]}"),
    ("name.tpl", "{url: 'http://h', metrics: [{name: a/b}]}"),
    ("calls-itself.tpl", "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}"),
    ("endless.tpl", "{{ range until 2000000000 }}x{{ end }}"),
    ("loops.tpl", "{{ range until 9000 }}{{ range until 9000 }}{{ range until 9000 }}{{ end }}{{ end }}{{ end }}"),
    (
        "large.tpl",
        "{{ $x := repeat 1000 \"x\" }}{{ range until 1000 }}{{ range until 1000 }}{{ $x }}{{ end }}{{ end }}",
    ),
    ("grows.tpl", "{{ $x := \"x\" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}{{ len $x }}"),
    ("no-function.tpl", "url: {{ .url | defualt \"x\" }}"),
    ("outside.tpl", "url: {{ env \"HOME\" }}"),
    ("fails.tpl", "{{ fail \"labels are missing\" }}"),
    (
        "anchors.tpl",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]",
    ),
];

/// Templates that render, perhaps depending on the time, to an unusable text.
fn is_late(case: &Case) -> bool {
    let faults_of_reading = ["open.tpl", "no-end.tpl", "open.hbs", "partial.hbs", "no-function.tpl", "outside.tpl"];
    case.1.contains("{{") && !faults_of_reading.contains(&case.0)
}

#[test]
fn template_files_are_read_when_the_task_runs() {
    let _transcript = transcript!();
    for (file, text) in CASES.iter().filter(|case| is_late(case)) {
        let trial = Trial::with_template(file, text).set("assess.SLOs.upper.p/m=5");
        trial.run().snapshot(3);
        trial.expect_slos(1);
    }
}

#[test]
fn templates_may_need_a_long_window() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    let url = server.url();
    let text = format!(
        "{{{{ if lt (int64 .elapsedTimeSeconds) 60 }}}}{{{{ fail \"too early\" }}}}{{{{ end }}}}{}",
        template(&url, &[("m", FIRST)])
    );
    let trial = Trial::with_template("p.tpl", &text).set("assess.SLOs.upper.p/m=5");
    let start = (chrono::Utc::now() - chrono::TimeDelta::minutes(5)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let trial = trial
        .set(format!("custommetrics.values.startingTime={start},custommetrics.prometheus.url={url}"))
        .set("custommetrics.prometheus.queries.q.query=up {{ if lt .elapsedTimeSeconds 60 }}{{ fail \"too early\" }}{{ end }}");
    trial.run().exits(0);
    assert_eq!(trial.outcome().value(0, "prometheus/q"), Some(1.0));
    trial.expect_slos(0);
    // A query that cannot be parsed is rejected.
    trial.set("custommetrics.prometheus.queries.q.query=up {{ nothing_such }}").run().snapshot(2);
}

#[test]
fn a_bad_template_file_is_rejected_before_the_run() {
    let _transcript = transcript!();
    for (file, text) in CASES.iter().filter(|case| !is_late(case)) {
        let trial = Trial::with_template(file, text).set("assess.SLOs.upper.p/m=5");
        trial.cli.write("experiment.yaml", "an earlier one");
        let output = trial.run();
        output.snapshot(2);
        assert_eq!(trial.cli.read("experiment.yaml"), "an earlier one", "{file}");
    }
}

#[test]
fn a_failed_template_download_fails_the_task() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| {
        let found = CASES.iter().find(|case| request.path == format!("/{}", case.0));
        found.map_or_else(|| Reply::plain(404, "<html>gone</html>"), |case| Reply::ok(case.1))
    });
    let target = MisbehavingServer::responds(200, "fine");
    let gone = ("gone.tpl", "");
    // Downloads are parsed like files, so a few cases suffice.
    let few = ["open.tpl", "missing.hbs", "no-yaml.tpl", "jq.tpl", "loops.tpl"];
    for (file, _) in CASES.iter().filter(|case| few.contains(&case.0)).chain([&gone]) {
        let cli = CliCase::new();
        let template = format!("custommetrics.templates.p={}{file}", server.url());
        let load = format!("http.url={},http.numRequests=3,http.qps=max,http.connections=1", target.url());
        let slos = "assess.SLOs.upper.http/error-count=0,assess.SLOs.upper.p/m=5";
        let sets = ["tasks={http,custommetrics,assess}", &load, &template, slos, "custommetrics.noData=pass"];
        let output = cli.run(["run", "--quiet"].into_iter().chain(sets.into_iter().flat_map(|set| ["--set", set])));
        output.snapshot(3);
        let document = cli.document();
        let result = &document["result"];
        assert_eq!(result["insights"]["nonHistMetricValues"][0]["http/request-count"][0], 3.0, "{file}");
        assert_eq!((&result["failure"], &result["numCompletedTasks"]), (&true.into(), &1.into()), "{file}");
        let error = result["tasks"][1]["error"].as_str().unwrap();
        assert!(output.stderr.contains(error), "{file}: {error}");
        let output = cli.run(["assert", "-c", "nofailure,slos"]);
        assert_eq!(output.code, Some(1), "{file}");
        assert!(output.stdout.contains("FAILED  slos: the SLOs are not assessed in this loop"), "{output:#?}");
        let report = cli.run(["report"]);
        // It is wrapped.
        let text = report.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.code == Some(0) && text.contains(error), "{file}: {report:#?}");
    }
}

#[test]
fn a_too_long_template_is_rejected() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(Reply::Flood(100 << 20));
    let trial =
        Trial::bare().set(format!("custommetrics.templates.p={}x.tpl", server.url())).set("assess.SLOs.upper.p/m=5");
    trial.run().snapshot(3);
    assert!(server.flooded() < 16 << 20, "{}", server.flooded());
    let trial = Trial::with_template("p.tpl", &"x".repeat(300_000)).set("assess.SLOs.upper.p/m=5");
    trial.run().snapshot(2);
}

#[test]
fn template_downloads_follow_redirects() {
    let server = MisbehavingServer::always(number("1"));
    let text = template(&server.url(), &[("m", FIRST)]);
    let far = MisbehavingServer::responds(200, &text);
    let near = MisbehavingServer::always(Reply::with(302, &format!("location: {}x.tpl\r\n", far.url()), ""));
    let trial =
        Trial::bare().set(format!("custommetrics.templates.p={}p.tpl", near.url())).set("assess.SLOs.upper.p/m=5");
    trial.run().exits(0);
    trial.expect_slos(0);
}
