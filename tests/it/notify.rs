//! Payloads of `notify` that users' templates make, as a webhook receives them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::cli_case::{CliCase, CliOutput};
use crate::support::misbehaving_server::MisbehavingServer;
use crate::support::transcript::transcript;

/// Iter8's default template for Slack: the report as JSON, escaped by hand.
const REPORT_AS_TEXT: &str =
    r#"{"text": "Report: {{ regexReplaceAll "\"" (regexReplaceAll "\n" (.Report | toPrettyJson) "\\n") "\\\"" }}"}"#;

/// Iter8's default template for GitHub.
const REPORT_AS_PAYLOAD: &str = r#"{"event_type": "iter8", "client_payload": {{ .Report | toPrettyJson }}}"#;

fn webhook() -> MisbehavingServer {
    MisbehavingServer::responds(200, "ok")
}

/// Runs `task` (and what else is set) after a script, with the template in a file of this name.
fn notify_by(cli: &CliCase, name: &str, template: &str, webhook: &MisbehavingServer, more: &[&str]) -> CliOutput {
    cli.write(name, template);
    let url = format!("slack.url={}", webhook.url());
    let file = format!("slack.payloadTemplateURL={name}");
    let set = ["tasks={run,slack}", "run=true", &url, &file];
    cli.run(["run"].into_iter().chain(set.into_iter().chain(more.iter().copied()).flat_map(|value| ["--set", value])))
}

/// Head, in lower case, and body of the only request.
fn sent(webhook: &MisbehavingServer) -> (String, String) {
    let received = webhook.received();
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn sent_json(webhook: &MisbehavingServer) -> Value {
    let (head, body) = sent(webhook);
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The notes of the last task.
fn notes(cli: &CliCase) -> String {
    cli.document()["result"]["tasks"].as_array().unwrap().last().unwrap()["notes"].to_string()
}

#[test]
fn handlebars_templates_render_payloads() {
    let (cli, webhook) = (CliCase::new(), webhook());
    let template = r#"{"ok": {{Report.noTaskFailures}}, "done": "{{Report.numCompletedTasks}}/{{Report.numTasks}}",
        "spec": {{json Report.experiment.spec}}, "text": {{json (jsonPretty Report.experiment.result.tasks)}}}"#;
    notify_by(&cli, "payload.HBS", template, &webhook, &[]).exits(0);
    let payload = sent_json(&webhook);
    assert_eq!((&payload["ok"], &payload["done"]), (&json!(true), &json!("1/2")));
    assert_eq!(payload["spec"][0]["run"], "true");
    let tasks: Value = serde_json::from_str(payload["text"].as_str().unwrap()).unwrap();
    assert_eq!(tasks[0]["status"], "done");
    assert!(!cli.document()["result"]["tasks"][1].as_object().unwrap().contains_key("notes"));
}

#[test]
fn go_templates_use_field_names_of_iter8_or_documents() {
    let (cli, webhook) = (CliCase::new(), webhook());
    let template = r#"[{{ .Report.Completed }}, {{ .Report.completed }}, {{ $.Report.NumCompletedTasks }}, "{{ .Report.TimeStamp }}"
        {{- range .Report.Experiment.Spec }}, "{{ or .Task .Run }}"{{ end }}
        {{- with .Report.Experiment.Result }}, {{ .NumLoops }}, {{ .numLoops }}, {{ .Failure }}{{ end }}]"#;
    notify_by(&cli, "payload.tpl", template, &webhook, &[]).exits(0);
    let mut payload = sent_json(&webhook);
    let time = payload[3].take();
    assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).is_ok(), "{time}");
    assert_eq!(payload, json!([true, true, 1, null, "true", "notify", 1, 1, false]));
}

#[test]
fn a_payload_has_no_secret_wherever_the_spec_repeats_it() {
    for template in [REPORT_AS_TEXT, "{{ .Report | toJson }}"] {
        let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
        let url = format!("http.url={}", service.url());
        let more = [
            "tasks={http,slack}",
            &url,
            "http.numRequests=2,http.qps=max,http.headers.Authorization=Bearer hunter-two",
            "http.payloadStr=me: hunter-two",
        ];
        notify_by(&cli, "payload.tpl", template, &webhook, &more).exits(0);
        let (_, body) = sent(&webhook);
        assert!(!body.contains("hunter") && body.contains("[hidden]"), "{body}");
    }
}

#[test]
fn verdicts_have_the_names_of_iter8() {
    let _transcript = transcript!();
    let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
    let template = "{{ range $i, $slo := .Report.Experiment.Result.Insights.SLOs.Upper }}{{ $slo.Metric }} <= {{ $slo.Limit }}: \
                    {{ index $.Report.Experiment.Result.Insights.SLOsSatisfied.Upper $i 0 }}\n{{ end }}";
    let url = format!("http.url={}", service.url());
    let more =
        ["tasks={http,assess,slack}", &url, "http.numRequests=2,http.qps=max", "assess.SLOs.upper.http/error-count=0"];
    notify_by(&cli, "payload.tpl", template, &webhook, &more).snapshot(0);
    assert_eq!(sent(&webhook).1, "http/error-count <= 0: true\n");
}

#[test]
fn default_templates_of_iter8_render_json() {
    let _transcript = transcript!();
    let quoting = "run=: 'says \"a\"\nb'";
    for (template, script) in [(REPORT_AS_TEXT, "run=: done"), (REPORT_AS_PAYLOAD, quoting)] {
        let (cli, webhook) = (CliCase::new(), webhook());
        notify_by(&cli, "payload.tpl", template, &webhook, &[script]).exits(0);
        let payload = sent_json(&webhook);
        let report = match payload["text"].as_str() {
            Some(text) => serde_json::from_str(text.strip_prefix("Report: ").unwrap()).unwrap(),
            None => payload["client_payload"].clone(),
        };
        let keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
        let expected =
            ["completed", "experiment", "noTaskFailures", "numCompletedTasks", "numLoops", "numTasks", "timeStamp"];
        assert_eq!(keys, expected, "each key once");
        assert_eq!(format!("run={}", report["experiment"]["spec"][0]["run"].as_str().unwrap()), script);
    }
    // Iter8's template only replaces quotation marks, which is not enough if strings in the report contain some.
    let (cli, webhook) = (CliCase::new(), webhook());
    notify_by(&cli, "payload.tpl", REPORT_AS_TEXT, &webhook, &[quoting]).snapshot(0);
}

#[test]
fn a_template_is_downloaded_when_the_task_runs() {
    for (path, template) in
        [("a/x.hbs?raw=true", r#"{"n": {{Report.numTasks}}}"#), ("x.tpl", r#"{"n": {{ .Report.NumTasks }}}"#)]
    {
        let (cli, webhook, source) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, template));
        let place = format!("slack.payloadTemplateURL={}{path}", source.url());
        notify_by(&cli, "unused", "", &webhook, &[&place]).exits(0);
        assert_eq!(sent_json(&webhook), json!({"n": 2}));
        assert!(source.received().starts_with(&format!("GET /{path} ")), "{}", source.received());
    }
}

#[test]
fn a_replay_takes_the_template_from_the_recording() {
    let _transcript = transcript!();
    let (cli, webhook, source) =
        (CliCase::new(), webhook(), MisbehavingServer::responds(200, "{{ .Report.NumTasks }}"));
    let place = format!("slack.payloadTemplateURL={}x.tpl", source.url());
    let run = |flag: &str| {
        let url = format!("slack.url={}", webhook.url());
        let set = ["tasks={slack}", &url, &place].into_iter().flat_map(|value| ["--set", value]);
        cli.run(["run", flag, "recording"].into_iter().chain(set)).snapshot(0);
        (source.connections(), webhook.connections(), notes(&cli))
    };
    assert_eq!(run("--record"), (1, 1, "null".to_owned()));
    assert_eq!(run("--replay"), (1, 1, "null".to_owned()));
}

#[test]
fn a_bad_template_sends_nothing() {
    let _transcript = transcript!();
    let gone = MisbehavingServer::responds(404, "<html>gone</html>");
    let broken = MisbehavingServer::responds(200, "{{ if }}");
    let unknown = MisbehavingServer::responds(200, "{{ if false }}{{ .Report.Missing }}{{ end }}");
    let [gone_at, broken_at, unknown_at] =
        [&gone, &broken, &unknown].map(|source| format!("slack.payloadTemplateURL={}x.tpl", source.url()));
    let cases = [
        ("x", "", gone_at),
        ("x", "", broken_at),
        ("x.hbs", "{{Report.missing}}", String::new()),
        ("x.hbs", "{{json nothing}}", String::new()),
        ("x.tpl", "\n{{ .Report.Experiment.Result.Insights.SLOs.Lower }}", String::new()),
        ("x", "", unknown_at),
    ];
    for (name, template, set) in cases {
        let (cli, webhook) = (CliCase::new(), webhook());
        let more: Vec<&str> = [set.as_str()].into_iter().filter(|set| !set.is_empty()).collect();
        notify_by(&cli, name, template, &webhook, &more).snapshot(0);
        assert!(notes(&cli).contains("not sent: cannot build the payload: "), "{}", notes(&cli));
        let hard: Vec<&str> = more.into_iter().chain(["slack.softFailure=false"]).collect();
        notify_by(&cli, name, template, &webhook, &hard).snapshot(3);
        assert_eq!(webhook.connections(), 0, "{template}");
    }
}

#[test]
fn template_mistakes_are_found_before_the_run() {
    let _transcript = transcript!();
    for (name, template, more) in [
        ("x.tpl", "a\n{{ .Report", &[][..]),
        ("x.tpl", "{{ frobnicate .Report }}", &[]),
        ("x.tpl", "\n{{ .Report.Missing }}", &[]),
        ("x.tpl", "{{ .Values.x }}", &[]),
        ("x.tpl", "{{ if .Report.Experiment.SLOs }}{{ .Report.Experiment.Reslt.NumLoops }}{{ end }}", &[]),
        ("x.tpl", "{{ .Report.Experiment.Result.StartTime.Jear }}", &[]),
        ("x.hbs", "{{> me}}", &[]),
        ("x.hbs", "{{#if x}}", &[]),
        ("x", "", &["slack.payloadTemplateURL=no/x.tpl"]),
        ("x", "", &["slack.payloadTemplateURL=builtin:x"]),
        ("x", "", &["slack.payloadTemplateURL=ftp://h/x"]),
        ("x", "", &["slack.method=get"]),
    ] {
        let (cli, webhook) = (CliCase::new(), webhook());
        let more: Vec<&str> = ["run=touch ran"].into_iter().chain(more.iter().copied()).collect();
        notify_by(&cli, name, template, &webhook, &more).snapshot(2);
        assert!(!cli.path("ran").exists() && webhook.connections() == 0, "{more:?}");
    }
}

#[test]
fn a_payload_is_bounded_in_size() {
    let _transcript = transcript!();
    let large = |bytes: usize| format!("{}{{{{Report.numTasks}}}}", "x".repeat(bytes - 1));
    let doubled = format!("{{{{#each Report.experiment.spec}}}}{}{{{{/each}}}}", "x".repeat(200 << 10));
    let six = "tasks={run,run,run,run,run,slack}";
    let (cli, webhook) = (CliCase::new(), webhook());
    notify_by(&cli, "x.hbs", &doubled, &webhook, &[six, "slack.softFailure=false"]).snapshot(3);
    assert_eq!(webhook.connections(), 0);

    let of_github = |bytes: usize| {
        cli.write("y.hbs", &large(bytes));
        let mut command = cli.command();
        let github = "github.owner=o,github.repo=r,github.tokenEnv=TOKEN,github.payloadTemplateURL=y.hbs,github.softFailure=false";
        let api = format!("github.apiURL={}", webhook.url());
        command.args(["run", "--set", "tasks={github}", "--set", github, "--set", &api]).env("TOKEN", "hunter2");
        CliOutput::run(&mut command, &cli.path(""))
    };
    of_github(65_537).snapshot(3);
    assert_eq!(webhook.connections(), 0);
    of_github(65_536).exits(0);
    assert_eq!(webhook.connections(), 1);
}

#[test]
fn a_payload_that_is_not_json_is_sent_as_text_with_a_note() {
    let _transcript = transcript!();
    let (cli, hook) = (CliCase::new(), webhook());
    notify_by(&cli, "x.hbs", "done: {{Report.completed}}", &hook, &[]).snapshot(0);
    let (head, body) = sent(&hook);
    assert!(head.contains("content-type: text/plain; charset=utf-8") && body == "done: true", "{head}\n\n{body}");
    assert!(notes(&cli).contains("it was sent as plain text"), "{}", notes(&cli));
    // The note is most useful if the receiver rejects the payload.
    let hook = MisbehavingServer::responds(400, "what is this?");
    notify_by(&cli, "x.hbs", "done", &hook, &[]).snapshot(0);
    // A custom content type gets no note.
    let hook = webhook();
    let with = json!({"url": hook.url(), "payloadTemplateURL": "x.hbs", "headers": {"content-Type": "text/csv"}});
    cli.write("experiment.yaml", &json!({"spec": [{"task": "notify", "with": with}]}).to_string());
    cli.run(["run"]).exits(0);
    let (head, _) = sent(&hook);
    assert!(head.contains("content-type: text/csv") && !head.contains("text/plain"), "{head}");
    assert!(!cli.read("experiment.yaml").contains("not JSON"));
}

#[test]
fn payloads_contain_no_secrets() {
    for (name, template) in [("x.hbs", "{{jsonPretty Report}}"), ("x.tpl", "{{ .Report | toPrettyJson }}")] {
        let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
        let url = format!("http.url=http://user:SECRETpass@{}/", service.address);
        let hook = format!("slack.url={}services/T0/SECREThook", webhook.url());
        let more = [
            "tasks={http,run,slack}",
            &url,
            &hook,
            "http.headers.Authorization=Bearer SECRETtoken,http.headers.Cookie=id=SECRETcookie",
            "http.numRequests=1,http.qps=max",
            "run=TOKEN=SECRETrun true",
        ];
        notify_by(&cli, name, template, &webhook, &more).exits(0);
        let (_, body) = sent(&webhook);
        assert!(!body.contains("SECRET") && body.contains("[hidden]"), "{body}");
    }
}

/// Values of an `http` task with `count` endpoints of a service.
fn endpoints(service: &MisbehavingServer, count: usize) -> Vec<String> {
    let endpoint = |at| format!("http.endpoints.service-{at}.url={}path/{at}", service.url());
    (0..count).map(endpoint).chain(["http.numRequests=20,http.qps=max".to_owned()]).collect()
}

#[test]
fn go_templates_call_the_methods_of_iter8() {
    let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
    let template = r#"{{ with .Report.Experiment }}{{ .SLOs }} {{ .Completed }} {{ .NoFailure }}
        {{- with .Result }} {{ .StartTime.Year }} {{ .StartTime.Format "2006" }}
        {{- with .Insights }} {{ .ScalarMetricValue 0 "http/request-count" }} {{ .ScalarMetricValue 0 "http/latency-p99.0" | gt 1e9 }}
        {{- if .ScalarMetricValue 0 "http/cost" }} cost{{ end }} {{ .TrackVersionStr 0 }}{{ end }}{{ end }}{{ end }}
        {{- .Report.Experiment | toJson | contains "SLOs\":true" }}"#;
    let url = format!("http.url={}", service.url());
    let more =
        ["tasks={http,assess,slack}", &url, "http.numRequests=7,http.qps=max", "assess.SLOs.upper.http/error-count=0"];
    notify_by(&cli, "payload.tpl", template, &webhook, &more).exits(0);
    let year = cli.document()["result"]["startTime"].as_str().unwrap()[..4].to_owned();
    assert_eq!(sent(&webhook).1, format!("true true true {year} {year} 7 true version 0false"));
}

#[test]
fn absent_fields_of_go_templates_have_their_zero_values() {
    let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
    let template = "{{ with .Report.Experiment }}{{ len .Result.Insights.SLOs.Lower }} {{ .Result.Insights.VersionNames }} \
                    {{ .Result.Revision }} {{ (index .Spec 0).If }} {{ (index .Spec 0).Run }}{{ end }}";
    let url = format!("http.url={}", service.url());
    let more =
        ["tasks={http,assess,slack}", &url, "http.numRequests=1,http.qps=max", "assess.SLOs.upper.http/error-count=0"];
    notify_by(&cli, "payload.tpl", template, &webhook, &more).exits(0);
    assert_eq!(sent(&webhook).1, "0 [] 0 <nil> <nil>");
}

#[test]
fn a_report_has_the_keys_of_iter8_and_is_small() {
    let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
    let slo = "assess.SLOs.upper.http-service-0/service-time-p99=60000";
    let values: Vec<String> = endpoints(&service, 10);
    let more: Vec<&str> =
        ["tasks={http,assess,slack}", slo].into_iter().chain(values.iter().map(String::as_str)).collect();
    notify_by(&cli, "x.tpl", REPORT_AS_PAYLOAD, &webhook, &more).exits(0);
    let (_, body) = sent(&webhook);
    assert!(body.len() < 48 << 10, "{} bytes: {body}", body.len());
    let report = sent_json(&webhook)["client_payload"]["experiment"]["result"].clone();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&report),
        ["failure", "insights", "iter8Version", "numCompletedTasks", "numLoops", "specDigest", "startTime", "tasks"]
    );
    let insights = &report["insights"];
    let known = [
        "SLOs",
        "SLOsSatisfied",
        "SummaryMetricValues",
        "histMetricValues",
        "metricsInfo",
        "nonHistMetricValues",
        "numVersions",
        "verdicts",
        "versionNames",
    ];
    assert!(keys(insights).iter().all(|key| known.contains(&key.as_str())), "{:?}", keys(insights));
    assert!(
        insights["histMetricValues"].is_null() && notes(&cli).contains("it was sent without histograms"),
        "{}",
        notes(&cli)
    );
    // Metrics of ours are sent if an objective names them.
    let values = &insights["nonHistMetricValues"][0];
    assert_eq!(values["http-service-9/request-count"], json!([20]));
    assert!(values["http-service-9/latency-p99"].is_array() && values["http-service-9/service-time-p99"].is_null());
    assert!(values["http-service-0/service-time-p99"].is_array(), "{values}");
}

#[test]
fn github_gets_less_of_a_report_that_is_too_large_with_a_note() {
    let (cli, webhook, service) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "fine"));
    cli.write("y.tpl", REPORT_AS_PAYLOAD);
    let run = |task: &str, count: usize, extra: &str| {
        let api = format!("github.apiURL={},github.owner=o,github.repo=r,github.tokenEnv=TOKEN{extra}", webhook.url());
        let slo = "assess.SLOs.upper.http-service-0/latency-p99=60000";
        let values: Vec<String> = endpoints(&service, count);
        let mut command = cli.command();
        command.arg("run").env("TOKEN", "hunter2");
        let set = [task, &api, slo].into_iter().chain(values.iter().map(String::as_str));
        command.args(set.flat_map(|value| ["--set", value]));
        CliOutput::run(&mut command, &cli.path("")).exits(0);
        let body = webhook.seen().last().unwrap().body.clone();
        assert!(body.len() <= 65_536, "{} bytes", body.len());
        serde_json::from_str::<Value>(&body).unwrap()["client_payload"]["experiment"].take()
    };
    let tasks = "tasks={http,assess,github}";
    for template in ["", ",github.payloadTemplateURL=y.tpl"] {
        let whole = run(tasks, 3, template);
        assert!(notes(&cli) == "null" && whole["result"]["insights"]["histMetricValues"].is_array());
        let reduced = run(tasks, 40, template);
        assert!(notes(&cli).contains("it was sent without the metrics that have no SLO"), "{}", notes(&cli));
        let metrics = reduced["result"]["insights"]["nonHistMetricValues"][0].as_object().unwrap();
        assert_eq!(metrics.keys().collect::<Vec<_>>(), ["http-service-0/latency-p99"]);
    }
}

#[test]
fn a_signal_interrupts_a_template_download() {
    let _transcript = transcript!();
    let (cli, source) = (CliCase::new(), MisbehavingServer::never_responds());
    let set = format!("slack.url=http://127.0.0.1:1/,slack.payloadTemplateURL={}", source.url());
    let mut command = cli.command();
    command.args(["run", "--set", "tasks={slack}", "--set", &set]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    source.wait_for_requests(1);
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    let requested = Instant::now();
    CliOutput::of(&command, child.wait_with_output().unwrap(), &cli.path("")).snapshot(143);
    // Immediately, not only after the pipeline's grace period.
    assert!(requested.elapsed() < Duration::from_secs(12), "{:?}", requested.elapsed());
    assert_eq!(cli.document()["result"]["tasks"][0]["status"], "interrupted");
}

/// As in Iter8: without a payload the request is a signal, and its failure is one of the task.
#[test]
fn a_bare_entry_is_a_get_that_must_succeed() {
    let webhook = webhook();
    let cli = CliCase::new();
    let spec =
        |status_url: &str| format!("spec:\n- task: notify\n  with:\n    url: {status_url}\n    params: {{a: b}}\n");
    cli.write("experiment.yaml", &spec(&webhook.url()));
    cli.run(["run"]).exits(0);
    let (head, body) = sent(&webhook);
    assert!(head.starts_with("get /?a=b ") && body.is_empty(), "{head}");
    let failing = MisbehavingServer::responds(500, "");
    cli.write("experiment.yaml", &spec(&failing.url()));
    cli.run(["run"]).expect(3, &["error: task 1 of 1 (`notify`) failed"]);
}

/// The values `slack` and `github` keep their defaults, and the document says so.
#[test]
fn the_defaults_of_values_are_written_into_the_spec() {
    let github = json!({"owner": "o", "repo": "r", "tokenEnv": "HOME"});
    let values = json!({"tasks": ["slack", "github"], "slack": {"url": "http://h/"}, "github": github});
    let spec = iter8::app::resolve::spec_from_values(&values).unwrap().spec;
    for (task, payload) in spec.iter().zip(["slack", "github"]) {
        let with = task.with.as_ref().unwrap();
        let defaults = [&with["method"], &with["softFailure"], &with["payload"]];
        assert_eq!(defaults, [&json!("POST"), &json!(true), &json!(payload)], "{with}");
    }
}

/// Runs a load against `url` with an SLO on its errors, then notices: of success, of a violation, and always.
fn notices(cli: &CliCase, url: &str, bound: &str) -> (CliOutput, Vec<String>) {
    let webhook = webhook();
    let notice = |name: &str, condition: &str| {
        let hook = format!("{}{name}", webhook.url());
        format!("- task: notify\n{condition}  with: {{url: '{hook}'}}\n")
    };
    let load = format!("- task: http\n  with: {{url: '{url}', {bound}, qps: 100}}\n");
    let slo = "- task: assess\n  with: {SLOs: {upper: [{metric: http/error-count, limit: 0}]}}\n";
    let spec = format!(
        "spec:\n{load}{slo}{}- run: touch promoted\n{}{}",
        notice("passed", "  if: SLOs()\n"),
        notice("rollback", "  if: not SLOs()\n"),
        notice("always", "")
    );
    cli.write("experiment.yaml", &spec);
    let output = cli.run(["run"]);
    (output, webhook.seen().into_iter().map(|request| request.path).collect())
}

#[test]
fn a_service_that_responds_with_errors_only_is_measured_and_its_rollback_is_sent() {
    let cli = CliCase::new();
    for bound in ["numRequests: 4", "duration: 40ms"] {
        let (output, sent) = notices(&cli, &MisbehavingServer::responds(500, "broken").url(), bound);
        let note = "requests failed: status 500 ×4; check URL, method, headers and payload";
        output.expect(0, &[note, "\nSLOs: 1 of 1 violated (http/error-count 4 > 0)\n"]);
        assert_eq!(sent, ["/rollback", "/always"]);
    }
}

/// The load fails early, with its hint; the SLOs are assessed, and only notices with a condition are sent.
#[test]
fn the_rollback_of_a_service_that_cannot_be_reached_is_sent() {
    let cli = CliCase::new();
    let (output, sent) = notices(&cli, "http://127.0.0.1:9/", "numRequests: 4");
    output.expect(
        3,
        &[
            "error: task 1 of 6 (`http`) failed\n  caused by: http: the first 4 requests to http://127.0.0.1:9/ all failed: connection refused",
            "hint: check that the service is running",
            "\nSLOs: 1 of 1 inconclusive (http/error-count: no data: ",
        ],
    );
    assert_eq!(sent, ["/rollback"]);
    assert!(!cli.path("promoted").exists());
    let result = &cli.document()["result"];
    let statuses: Vec<_> = result["tasks"].as_array().unwrap().iter().map(|task| task["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "done", "skipped", "planned", "done", "planned"]);
    assert_eq!((&result["failure"], &result["numCompletedTasks"]), (&json!(true), &json!(3)));
    for condition in ["completed", "nofailure", "slos"] {
        assert_eq!(cli.run(["assert", "-c", condition]).code, Some(1), "{condition}");
    }
}

/// A failed load has measured only a part, so no SLO on it passes.
#[test]
fn no_slo_passes_after_a_failed_load() {
    let (cli, webhook, good) = (CliCase::new(), webhook(), MisbehavingServer::responds(200, "ok"));
    let endpoints = "endpoints: {a: {}, b: {url: 'http://127.0.0.1:9/'}}";
    let load = format!("- task: http\n  with: {{url: '{}', numRequests: 4, qps: max, {endpoints}}}\n", good.url());
    let slo = "- task: assess\n  with: {SLOs: {upper: [{metric: http-a/error-count, limit: 0}]}}\n";
    let notice = format!("- task: notify\n  if: SLOs()\n  with: {{url: '{}'}}\n", webhook.url());
    cli.write("experiment.yaml", &format!("spec:\n{load}{slo}{notice}"));
    let verdict = "SLOs: 1 of 1 inconclusive (http-a/error-count is 0, within the limit of 0, but http failed)\n";
    cli.run(["run"]).expect(3, &[verdict]);
    assert_eq!(webhook.requests(), 0);
    assert_ne!(cli.run(["assert", "-c", "slos"]).code, Some(0));
}
