//! Templates that can't be used: refused before anything runs where they are at hand, and failing their task where they are not.

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
    ("jq.tpl", "{url: 'http://h', metrics: [{name: m, jqExpression: '.a['}]}"),
    ("jq-name.tpl", "{url: 'http://h', metrics: [{name: m, jqExpression: 'nothing_such(1)'}]}"),
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

/// Whether the template becomes something, which may depend on the time, and only that can't be used.
fn is_late(case: &Case) -> bool {
    let faults_of_reading = ["open.tpl", "no-end.tpl", "open.hbs", "partial.hbs", "no-function.tpl", "outside.tpl"];
    case.1.contains("{{") && !faults_of_reading.contains(&case.0)
}

#[test]
fn what_a_file_becomes_is_looked_at_when_the_task_runs() {
    let _transcript = transcript!();
    for (file, text) in CASES.iter().filter(|case| is_late(case)) {
        let trial = Trial::with_template(file, text).set("assess.SLOs.upper.p/m=5");
        trial.run().snapshot(3);
        trial.expect_slos(1);
    }
}

#[test]
fn a_template_that_needs_a_longer_window_than_a_second_is_not_refused() {
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
    // A query that can't be read is refused.
    trial.set("custommetrics.prometheus.queries.q.query=up {{ nothing_such }}").run().snapshot(2);
}

#[test]
fn a_file_that_can_not_be_used_is_refused_before_anything_runs() {
    let _transcript = transcript!();
    for (file, text) in CASES.iter().filter(|case| !is_late(case)) {
        let trial = Trial::with_template(file, text).set("assess.SLOs.upper.p/m=5");
        trial.bench.write("experiment.yaml", "an earlier one");
        let said = trial.run();
        said.snapshot(2);
        assert_eq!(trial.bench.read("experiment.yaml"), "an earlier one", "{file}");
    }
}

#[test]
fn a_download_that_can_not_be_used_fails_the_task_and_leaves_what_was_measured() {
    let _transcript = transcript!();
    let server = MisbehavingServer::scripted(|request| {
        let found = CASES.iter().find(|case| request.path == format!("/{}", case.0));
        found.map_or_else(|| Reply::plain(404, "<html>gone</html>"), |case| Reply::ok(case.1))
    });
    let target = MisbehavingServer::responds(200, "fine");
    let gone = ("gone.tpl", "");
    // All are read as files are: a few will do.
    let few = ["open.tpl", "missing.hbs", "no-yaml.tpl", "jq.tpl", "loops.tpl"];
    for (file, _) in CASES.iter().filter(|case| few.contains(&case.0)).chain([&gone]) {
        let bench = CliCase::new();
        let template = format!("custommetrics.templates.p={}{file}", server.url());
        let load = format!("http.url={},http.numRequests=3,http.qps=max,http.connections=1", target.url());
        let slos = "assess.SLOs.upper.http/error-count=0,assess.SLOs.upper.p/m=5";
        let sets = ["tasks={http,custommetrics,assess}", &load, &template, slos, "custommetrics.noData=pass"];
        let said = bench.run(["run", "--quiet"].into_iter().chain(sets.into_iter().flat_map(|set| ["--set", set])));
        said.snapshot(3);
        let document = bench.document();
        let result = &document["result"];
        assert_eq!(result["insights"]["nonHistMetricValues"][0]["http/request-count"][0], 3.0, "{file}");
        assert_eq!((&result["failure"], &result["numCompletedTasks"]), (&true.into(), &1.into()), "{file}");
        let error = result["tasks"][1]["error"].as_str().unwrap();
        assert!(said.stderr.contains(error), "{file}: {error}");
        let said = bench.run(["assert", "-c", "nofailure,slos"]);
        assert_eq!(said.code, Some(1), "{file}");
        assert!(said.stdout.contains("FAILED  slos: the SLOs are not assessed in this loop"), "{said:#?}");
        let report = bench.run(["report"]);
        // It is wrapped.
        let text = report.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.code == Some(0) && text.contains(error), "{file}: {report:#?}");
    }
}

#[test]
fn a_template_too_long_is_not_read() {
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
fn a_template_is_downloaded_with_its_redirects() {
    let server = MisbehavingServer::always(number("1"));
    let text = template(&server.url(), &[("m", FIRST)]);
    let far = MisbehavingServer::responds(200, &text);
    let near = MisbehavingServer::always(Reply::with(302, &format!("location: {}x.tpl\r\n", far.url()), ""));
    let trial =
        Trial::bare().set(format!("custommetrics.templates.p={}p.tpl", near.url())).set("assess.SLOs.upper.p/m=5");
    trial.run().exits(0);
    trial.expect_slos(0);
}
