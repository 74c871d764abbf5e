//! `ci/gitlab.yml`.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::steps::{gitlab_script, texts};
use super::{below, release, yaml};
use crate::rollout::refusals::unfinished;
use crate::support::echo_server::EchoServer;
use crate::support::files;

/// A job that extends `.iter8`.
struct Job {
    directory: tempfile::TempDir,
    releases: String,
}

impl Job {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let releases = release(directory.path());
        Self { directory, releases }
    }

    fn path(&self, name: &str) -> PathBuf {
        below(self.directory.path(), "project").join(name)
    }

    /// Runs the job with these variables.
    fn run<'a>(&self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Output {
        let template = yaml("ci/gitlab.yml");
        let job = &template[".iter8"];
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &gitlab_script(job)]).current_dir(self.path(""));
        let defaults = texts(&job["variables"]);
        command.envs(&defaults).env("HOME", below(self.directory.path(), "home"));
        for (name, value) in variables {
            assert!(defaults.contains_key(name), "there is no variable {name}");
            command.env(name, value);
        }
        command.env("ITER8_RELEASES", &self.releases).env_remove("ITER8_REPOSITORY");
        command.output().unwrap()
    }
}

#[test]
fn a_satisfied_slo_passes_and_a_violated_one_fails_with_a_report() {
    let url = EchoServer::plain().url();
    for (slo, code) in [("http/error-count <= 0\n", 0), ("http/request-count <= 1\nhttp/error-count <= 0", 1)] {
        let job = Job::new();
        let output = job.run([("ITER8_URL", &*url), ("ITER8_SET", "http.numRequests=20"), ("ITER8_SLO", slo)]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(files::text(&job.path("iter8/report.html")).contains("<html"));
        assert!(job.path("iter8/experiment.yaml").is_file());
        let failures = format!("failures=\"{code}\"");
        assert!(files::text(&job.path("iter8/slo.xml")).contains(&failures));
    }
}

#[test]
fn too_few_requests_have_an_exit_code_of_their_own() {
    let url = EchoServer::plain().url();
    let set = "http.numRequests=20\nassess.confidence=0.95";
    let slo = "error-rate <= 0.1%";
    let output = Job::new().run([("ITER8_URL", &*url), ("ITER8_SET", set), ("ITER8_SLO", slo)]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
}

/// Runners may keep the workspace. The document of another run may be the only record of a rollout.
#[test]
fn files_of_an_earlier_job_are_not_uploaded() {
    let job = Job::new();
    let url = EchoServer::plain().url();
    let load = [("ITER8_URL", &*url), ("ITER8_SET", "http.numRequests=5")];
    assert!(job.run(load.into_iter().chain([("ITER8_ASSERT", "completed")])).status.success());
    let document = files::text(&job.path("iter8/experiment.yaml"));
    let output = job.run([("ITER8_URL", &*url), ("ITER8_SET", "http.qsp=5"), ("ITER8_ASSERT", "completed")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for name in uploaded() {
        assert!(!job.path(&name).exists(), "{name}: {output:?}");
    }
    assert_eq!(files::text(&job.path("iter8/experiment.yaml.earlier")), document);
    assert!(job.run(load.into_iter().chain([("ITER8_ASSERT", "completed")])).status.success());
    assert!(uploaded().iter().all(|name| job.path(name).is_file()));
}

/// A job that is run again is refused again.
#[test]
fn a_rollout_that_has_not_ended_is_never_replaced() {
    let job = Job::new();
    let url = EchoServer::plain().url();
    let document = unfinished();
    std::fs::create_dir_all(job.path("iter8")).unwrap();
    std::fs::write(job.path("iter8/experiment.yaml"), &document).unwrap();
    for _ in 0..2 {
        let output =
            job.run([("ITER8_URL", &*url), ("ITER8_SET", "http.numRequests=5"), ("ITER8_ASSERT", "completed")]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("which has not ended"), "{output:?}");
        assert_eq!(files::text(&job.path("iter8/experiment.yaml.earlier")), document);
    }
}

/// Files that the job uploads, in its default directory.
fn uploaded() -> Vec<String> {
    let artifacts = &yaml("ci/gitlab.yml")[".iter8"]["artifacts"];
    let paths = artifacts["paths"].as_array().unwrap().iter().chain([&artifacts["reports"]["junit"]]);
    paths.map(|path| path.as_str().unwrap().replace("$ITER8_RUN_DIR", "iter8")).collect()
}

#[test]
fn a_version_without_a_release_fails_the_job() {
    let output = Job::new().run([("ITER8_VERSION", "9.9.9")]);
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn an_slo_that_cannot_be_read_fails_before_the_load() {
    let server = EchoServer::plain();
    let output = Job::new().run([("ITER8_URL", &*server.url()), ("ITER8_SLO", "http/error-count is 0")]);
    assert_eq!((output.status.code(), server.requests()), (Some(2), 0), "{output:?}");
}

/// The verdict depends on the machine.
#[test]
fn the_example_works_with_another_url_and_a_shorter_load() {
    let url = EchoServer::plain().url();
    let example = yaml("ci/examples/gitlab.yml");
    let variables = texts(&example["slos"]["variables"]);
    let variables = variables.iter().map(|(name, value)| match name.as_str() {
        "ITER8_URL" => ("ITER8_URL", &*url),
        "ITER8_DURATION" => ("ITER8_DURATION", "1s"),
        _ => (name.as_str(), value.as_str()),
    });
    let job = Job::new();
    let output = job.run(variables);
    assert!(matches!(output.status.code(), Some(0 | 1 | 5)), "{output:?}");
    assert!(job.path("iter8/report.html").is_file());
    assert!(example["include"][0]["remote"].as_str().unwrap().contains(concat!("/v", env!("CARGO_PKG_VERSION"), "/")));
}
