//! Templates that can't be used: refused before anything runs where they are at hand, and failing their task where they are not.

use super::trial::{FIRST, Trial, number, template};
use crate::support::cli::Bench;
use crate::support::scripted::{Reply, Scripted};

/// A case: file name, template, what is told.
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("open.tpl", "url: {{ .url", "the template can't be read: "),
    ("no-end.tpl", "{{ range .list }}x", "the template can't be read: "),
    ("missing.tpl", "url: {{ .nowhere }}\nmetrics: []", "the template can't be rendered: "),
    ("missing.hbs", "url: {{nowhere}}\nmetrics: []", "the template can't be rendered: `nowhere` is not known here"),
    ("open.hbs", "url: {{url", "the template can't be read: "),
    ("partial.hbs", "{{> other}}", "the template can't be read: has partials or decorators"),
    ("no-yaml.tpl", "url: [", "what the template becomes is not YAML: "),
    ("text.tpl", "hello", "the template becomes a text; expected a map with `url` and `metrics`"),
    ("empty.tpl", "", "expected a map with `url` and `metrics`"),
    ("html.tpl", "<html><body>404</body></html>", "expected a map with `url` and `metrics`"),
    ("no-url.tpl", "metrics: []", "missing field `url`"),
    (
        "file.tpl",
        "{url: 'file:///etc/passwd', metrics: []}",
        "url: it is not a URL with http:// or https:// and a host",
    ),
    ("key.tpl", "{url: 'http://h', metrics: [{name: m, jqExpresion: .v}]}", "metrics[0].jqExpresion: unknown field"),
    ("name.tpl", "{url: 'http://h', metrics: [{name: a/b}]}", "metrics[0].name: `a/b` is not a name"),
    ("jq.tpl", "{url: 'http://h', metrics: [{name: m, jqExpression: '.a['}]}", "metrics[0].jqExpression: `.a[` "),
    (
        "jq-name.tpl",
        "{url: 'http://h', metrics: [{name: m, jqExpression: 'nothing_such(1)'}]}",
        "metrics[0].jqExpression: `nothing_such(1)` ",
    ),
    (
        "calls-itself.tpl",
        "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}",
        "the template can't be rendered: ",
    ),
    ("endless.tpl", "{{ range until 2000000000 }}x{{ end }}", "the template can't be rendered: "),
    (
        "loops.tpl",
        "{{ range until 9000 }}{{ range until 9000 }}{{ range until 9000 }}{{ end }}{{ end }}{{ end }}",
        "the template can't be rendered: ",
    ),
    (
        "large.tpl",
        "{{ $x := repeat 1000 \"x\" }}{{ range until 1000 }}{{ range until 1000 }}{{ $x }}{{ end }}{{ end }}",
        "the template can't be rendered: ",
    ),
    (
        "grows.tpl",
        "{{ $x := \"x\" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}{{ len $x }}",
        "the template can't be rendered: ",
    ),
    (
        "no-function.tpl",
        "url: {{ .url | defualt \"x\" }}",
        "line 1, column 16: function \"defualt\" is not known here; did you mean \"default\"?",
    ),
    ("outside.tpl", "url: {{ env \"HOME\" }}", "the template can't be read: "),
    ("fails.tpl", "{{ fail \"labels are missing\" }}", "labels are missing"),
    (
        "anchors.tpl",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]",
        "YAML",
    ),
];

/// Whether the template becomes something, which may depend on the time, and only that can't be used.
fn is_late(case: &Case) -> bool {
    let faults_of_reading = ["open.tpl", "no-end.tpl", "open.hbs", "partial.hbs", "no-function.tpl", "outside.tpl"];
    case.1.contains("{{") && !faults_of_reading.contains(&case.0)
}

#[test]
fn what_a_file_becomes_is_looked_at_when_the_task_runs() {
    for (file, text, told) in CASES.iter().filter(|case| is_late(case)) {
        let trial = Trial::with_template(file, text).set("assess.SLOs.upper.p/m=5");
        trial.run().expect(3, &["templates.p: ", told]);
        trial.expect_slos(1);
    }
}

#[test]
fn a_template_that_needs_a_longer_window_than_a_second_is_not_refused() {
    let server = Scripted::always(number("1"));
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
    trial.run().expect(0, &[]);
    assert_eq!(trial.outcome().value(0, "prometheus/q"), Some(1.0));
    trial.expect_slos(0);
    // A query that can't be read is refused.
    trial.set("custommetrics.prometheus.queries.q.query=up {{ nothing_such }}").run().expect(2, &["queries.q.query: "]);
}

#[test]
fn a_file_that_can_not_be_used_is_refused_before_anything_runs() {
    for (file, text, told) in CASES.iter().filter(|case| !is_late(case)) {
        let trial = Trial::with_template(file, text).set("assess.SLOs.upper.p/m=5");
        trial.bench.write("experiment.yaml", "an earlier one");
        let said = trial.run();
        assert!(said.stderr.contains(told), "{file}: {said:#?}");
        said.expect(2, &["custommetrics.templates.p: "]);
        assert_eq!(trial.bench.read("experiment.yaml"), "an earlier one", "{file}");
    }
}

#[test]
fn a_download_that_can_not_be_used_fails_the_task_and_leaves_what_was_measured() {
    let server = Scripted::replies(|request| {
        let found = CASES.iter().find(|case| request.path == format!("/{}", case.0));
        found.map_or_else(|| Reply::plain("404 Not Found", "<html>gone</html>"), |case| Reply::ok(case.1))
    });
    let target = Scripted::answers("200 OK", "fine");
    let gone = ("gone.tpl", "", "can't download http://");
    // All are read as files are: a few will do.
    let few = ["open.tpl", "missing.hbs", "no-yaml.tpl", "jq.tpl", "loops.tpl"];
    for (file, _, told) in CASES.iter().filter(|case| few.contains(&case.0)).chain([&gone]) {
        let bench = Bench::new();
        let template = format!("custommetrics.templates.p={}{file}", server.url());
        let load = format!("http.url={},http.numRequests=3,http.qps=max,http.connections=1", target.url());
        let slos = "assess.SLOs.upper.http/error-count=0,assess.SLOs.upper.p/m=5";
        let sets = ["tasks={http,custommetrics,assess}", &load, &template, slos, "custommetrics.noData=pass"];
        let said = bench.run(["run", "--quiet"].into_iter().chain(sets.into_iter().flat_map(|set| ["--set", set])));
        assert!(said.stderr.contains(told), "{file}: {said:#?}");
        said.expect(3, &["task 2 of 3 (`custommetrics`) failed"]);
        let document = bench.document();
        let result = &document["result"];
        assert_eq!(result["insights"]["nonHistMetricValues"][0]["http/request-count"][0], 3.0, "{file}");
        assert_eq!((&result["failure"], &result["numCompletedTasks"]), (&true.into(), &1.into()), "{file}");
        assert!(result["tasks"][1]["error"].as_str().unwrap().contains(told), "{file}: {}", result["tasks"][1]);
        let said = bench.run(["assert", "-c", "nofailure,slos"]);
        assert_eq!(said.code, Some(1), "{file}");
        assert!(said.stdout.contains("FAILED  slos: the SLOs are not assessed in this loop"), "{said:#?}");
        let report = bench.run(["report"]);
        // It is wrapped.
        let text = report.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.code == Some(0) && text.contains(told.trim_end()), "{file}: {report:#?}");
    }
}

#[test]
fn a_template_too_long_is_not_read() {
    let server = Scripted::always(Reply::Flood(100 << 20));
    let trial =
        Trial::bare().set(format!("custommetrics.templates.p={}x.tpl", server.url())).set("assess.SLOs.upper.p/m=5");
    trial.run().expect(3, &["the answer is larger than 262144 bytes"]);
    assert!(server.flooded() < 16 << 20, "{}", server.flooded());
    let trial = Trial::with_template("p.tpl", &"x".repeat(300_000)).set("assess.SLOs.upper.p/m=5");
    trial.run().expect(2, &["custommetrics.templates.p: can't read `p.tpl`: "]);
}

#[test]
fn a_template_is_downloaded_with_its_redirects() {
    let server = Scripted::always(number("1"));
    let text = template(&server.url(), &[("m", FIRST)]);
    let far = Scripted::answers("200 OK", &text);
    let near = Scripted::always(Reply::with("302 Found", &format!("location: {}x.tpl\r\n", far.url()), ""));
    let trial =
        Trial::bare().set(format!("custommetrics.templates.p={}p.tpl", near.url())).set("assess.SLOs.upper.p/m=5");
    trial.run().expect(0, &[]);
    trial.expect_slos(0);
}
