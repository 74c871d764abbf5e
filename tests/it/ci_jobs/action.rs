//! `action.yml`.

use super::runner::{Job, JobResult, example};
use crate::support::echo_server::EchoServer;
use crate::support::files;

/// The outputs `verdict` and `exit-code`.
fn verdict(result: &JobResult) -> (&str, &str) {
    (&result.outputs["verdict"], &result.outputs["exit-code"])
}

/// Inputs of a short load.
fn load<'a>(url: &'a str, slo: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("url", url), ("set", "http.numRequests=20"), ("slo", slo)]
}

#[test]
fn satisfied_slos_pass_with_a_summary_and_an_artifact() {
    let job = Job::new();
    let url = EchoServer::plain().url();
    let result = job.run(&load(&url, "errors = 0\n\np99.9 < 10s\n"));
    assert_eq!((verdict(&result), &result.failed), (("satisfied", "0"), &None), "{}", result.log);
    assert_eq!(result.outputs["document"], "iter8/experiment.yaml");
    assert!(job.path("iter8/experiment.yaml").is_file());
    assert!(files::text(&job.path(&result.outputs["report"])).contains("<html"));
    assert!(result.summary.contains("http/latency-p99.9"), "{}", result.summary);
    assert_eq!(result.artifacts["iter8"], ["iter8/experiment.yaml", "iter8/report.html", "iter8/slo.xml"]);
    assert!(files::text(&job.path(&result.outputs["junit"])).contains("failures=\"0\""));
}

#[test]
fn a_violated_slo_fails_the_job_after_the_report() {
    let job = Job::new();
    let url = EchoServer::plain().url();
    let result = job.run(&load(&url, "http/request-count <= 1"));
    assert_eq!(verdict(&result), ("violated", "1"), "{}", result.log);
    assert_eq!(result.failed, Some(("Verdict".to_owned(), 1)));
    assert!(result.log.contains("\n::error title=iter8%3A violated::SLOs: 1 of 1 violated"), "{}", result.log);
    assert!(!result.summary.is_empty() && result.artifacts.len() == 1);
}

#[test]
fn a_job_may_go_on_after_a_violated_slo() {
    let url = EchoServer::plain().url();
    let mut with = load(&url, "http/request-count <= 1");
    with.extend([("fail", "false"), ("artifact", ""), ("run-dir", "results/a b")]);
    let result = Job::new().run(&with);
    assert_eq!((verdict(&result), &result.failed), (("violated", "1"), &None), "{}", result.log);
    assert_eq!(result.outputs["report"], "results/a b/report.html");
    assert!(result.artifacts.is_empty());
}

#[test]
fn too_few_requests_are_inconclusive_and_never_pass() {
    let url = EchoServer::plain().url();
    let set = "http.numRequests=20\nassess.confidence=0.95";
    let result = Job::new().run(&[("url", &url), ("set", set), ("slo", "http/error-rate <= 0.001")]);
    assert_eq!(verdict(&result), ("inconclusive", "5"), "{}", result.log);
    assert_eq!(result.failed, Some(("Verdict".to_owned(), 5)));
    assert!(result.log.contains("::warning title=iter8%3A inconclusive::"), "{}", result.log);
}

#[test]
fn a_service_that_is_down_fails_the_job_with_a_report() {
    let result = Job::new().run(&load("http://127.0.0.1:9/", "http/error-count <= 0"));
    assert_eq!(verdict(&result), ("failed", "3"), "{}", result.log);
    assert_eq!(result.failed, Some(("Verdict".to_owned(), 3)));
    assert!(!result.outputs["report"].is_empty());
}

#[test]
fn an_slo_that_cannot_be_read_fails_before_the_load() {
    let server = EchoServer::plain();
    let result = Job::new().run(&load(&server.url(), "http/error-count is 0"));
    assert_eq!(result.failed.as_ref().map(|(_, code)| *code), Some(2), "{}", result.log);
    assert!(result.log.contains("--slo \"http/error-count is 0\": column 18: expected `<=`"), "{}", result.log);
    assert!(result.log.contains("\n::error title=iter8::the experiment failed with exit code 2\n"), "{}", result.log);
    assert_eq!((server.requests(), result.outputs["document"].as_str()), (0, ""));
}

/// Workspaces may be kept between jobs.
#[test]
fn the_document_of_an_earlier_job_is_not_reported() {
    let job = Job::new();
    let url = EchoServer::plain().url();
    job.run(&load(&url, "http/error-count <= 0"));
    let result = job.run(&[("url", &url), ("set", "http.qsp=1")]);
    assert_eq!(
        (verdict(&result), &result.failed),
        (("failed", "2"), &Some(("Verdict".to_owned(), 2))),
        "{}",
        result.log
    );
    assert_eq!((result.outputs["document"].as_str(), result.outputs["report"].as_str()), ("", ""));
    assert!(result.artifacts.is_empty());
    // Steps that read the files by name find none.
    assert!(!job.path("iter8/report.html").exists() && !job.path("iter8/slo.xml").exists());
}

/// A directory has the name of the test results of a job whose load has been sent.
#[test]
fn a_document_is_kept_even_if_other_files_cannot_be_written() {
    let job = Job::new();
    let url = EchoServer::plain().url();
    let values = format!("tasks: [run, http]\nrun: mkdir iter8/slo.xml\nhttp: {{url: '{url}', numRequests: 5}}\n");
    std::fs::write(job.path("values.yaml"), values).unwrap();
    let result = job.run(&[("values", "values.yaml"), ("assert", "completed")]);
    assert_eq!(result.outputs["document"], "iter8/experiment.yaml", "{}", result.log);
    assert_eq!(verdict(&result), ("failed", "4"), "{}", result.log);
    assert_eq!(result.artifacts["iter8"], ["iter8/experiment.yaml", "iter8/report.html"]);
}

#[test]
fn a_values_file_describes_the_experiment_and_inputs_take_precedence() {
    let job = Job::new();
    let server = EchoServer::plain();
    let values = "tasks: [http, assess]\nhttp: {url: 'http://127.0.0.1:9/', numRequests: 20}\n\
                  assess: {SLOs: {upper: {http/error-count: 0}}}\n";
    std::fs::write(job.path("values.yaml"), values).unwrap();
    let result = job.run(&[("values", "values.yaml"), ("url", &format!("{}a,b", server.url()))]);
    assert_eq!(verdict(&result), ("satisfied", "0"), "{}", result.log);
    assert_eq!(server.seen()[0].uri.path(), "/a,b");
}

#[test]
fn text_of_inputs_is_not_run() {
    let job = Job::new();
    let url = format!("{}?$(touch ran)`touch ran`'\"", EchoServer::plain().url());
    job.run(&load(&url, "http/error-count <= 0"));
    assert!(!job.path("ran").exists());
}

#[test]
fn versions_without_a_release_fail_the_installation() {
    let result = Job::new().run(&[("version", "9.9.9")]);
    assert_eq!(result.failed, Some(("Install iter8".to_owned(), 1)));
    assert!(result.log.contains("/download/v9.9.9/checksums.txt cannot be downloaded"), "{}", result.log);
}

#[test]
fn the_latest_release_can_be_chosen() {
    let url = EchoServer::plain().url();
    let mut with = load(&url, "http/error-count <= 0");
    with.push(("version", "latest"));
    let result = Job::new().run(&with);
    assert_eq!(verdict(&result), ("satisfied", "0"), "{}", result.log);
}

/// The verdict depends on the machine.
#[test]
fn the_example_works_with_another_url_and_a_shorter_load() {
    let url = EchoServer::plain().url();
    let example = example();
    let with: Vec<(&str, &str)> = example
        .iter()
        .map(|(name, value)| match name.as_str() {
            "url" => ("url", url.as_str()),
            "duration" => ("duration", "1s"),
            _ => (name.as_str(), value.as_str()),
        })
        .collect();
    let result = Job::new().run(&with);
    assert!(!result.outputs["document"].is_empty() && result.outputs["verdict"] != "failed", "{}", result.log);
}
