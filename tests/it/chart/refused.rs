//! Values that are refused by both, each with a message of its own.

use super::{Helm, chart};

const HTTP: &str = "--set=tasks={http},http.url=http://shop/";

/// Values, and what Helm says to them.
const BY_SCHEMA: &[(&[&str], &str)] = &[
    (&[], "missing property 'tasks'"),
    (&["--set-json=tasks=[]"], "at '/tasks': minItems"),
    (&["--set=tasks={htp}"], "at '/tasks/0': value must be one of 'ready', 'http'"),
    (&["--set=tasks={http}"], "missing property 'http'"),
    (&["--set=tasks={http},http.url=http://shop/,http.qsp=1"], "at '/http': additional properties 'qsp' not allowed"),
    (&[HTTP, "--set=http.qps=fast"], "at '/http/qps'"),
    (&[HTTP, "--set=runer=job"], "at '': additional properties 'runer' not allowed"),
    (&[HTTP, "--set=runner=cron"], "at '/runner': value must be one of 'job', 'cronjob', 'none'"),
    (
        &[HTTP, "--set=runner=cronjob", "--set=cronjobSchedule=60 * * *"],
        "at '/cronjobSchedule': '60 * * *' does not match",
    ),
    (&[HTTP, "--set=logLevel=5"], "at '/logLevel': got number, want string"),
    (&["--set=tasks={ready},ready.deploy=../x"], "at '/ready/deploy'"),
];

/// The same where the schema does not say it.
const BY_TEMPLATES: &[(&[&str], &str)] = &[
    (&[HTTP, "--set=runner=cronjob"], "cronjobSchedule: required by the cronjob runner; for example: --set"),
    (
        &[HTTP, "--set=runner=cronjob", "--set-string=cronjobSchedule=  "],
        "cronjobSchedule: required by the cronjob runner",
    ),
    (&[HTTP, "--set=parallelism=0"], "parallelism: `0` is not a valid number of pods; expected 1 to 100"),
    (&[HTTP, "--set=parallelism=101"], "parallelism: `101` is not a valid number of pods; expected 1 to 100"),
    (&[HTTP, "--set=parallelism=1x"], "parallelism: `1x` is not a valid number of pods; expected 1 to 100"),
    (&["--set=tasks={ready},ready.namespace=models"], "ready: no object is given; expected one of deploy, service"),
    (&[HTTP, "--set-file=http.payloadStr=large"], "the experiment's Secret has room for 655360"),
];

/// And where nobody looks at the schema.
const WITHOUT_SCHEMA: &[(&[&str], &str)] = &[
    (&[], "tasks: required; list the tasks to run, for example --set \"tasks={http,assess}\""),
    (&["--set-json=tasks=[]"], "tasks: required"),
    (&["--set=tasks=http"], "tasks: required"),
    (&[HTTP, "--set=runner=cron"], "runner: `cron` is not a valid runner; expected one of job, cronjob, none"),
];

#[test]
fn what_a_launch_refuses_helm_refuses_before_it_sends_anything() {
    let Some(helm) = Helm::new() else { return };
    helm.bench.write("large", &"x".repeat(655_361));
    let tables = [(BY_SCHEMA, &[][..]), (BY_TEMPLATES, &[]), (WITHOUT_SCHEMA, &["--skip-schema-validation"])];
    for (table, flags) in tables {
        for (values, told) in table {
            helm.template("shop", &[values, flags].concat()).expect(1, &[told]);
            helm.launch("shop", values).expect(2, &["error: "]);
        }
    }
}

#[test]
fn values_as_large_as_a_launch_takes_them_are_taken() {
    let Some(helm) = Helm::new() else { return };
    helm.bench.write("large", &"x".repeat(654_000));
    let values = [HTTP, "--set-file=http.payloadStr=large"];
    helm.manifests("shop", &values);
    helm.launch("shop", &values).exits(0);
}

#[test]
fn names_of_releases_that_are_none_of_groups_are_refused() {
    let Some(helm) = Helm::new() else { return };
    let long = "a".repeat(43);
    let chart = chart();
    let named = |name: &str, values: &[&str]| {
        let said = helm.run(&[&["template", name, chart.to_str().unwrap(), "-n", "shop", HTTP], values].concat());
        let ours = helm.bench.run([&["k", "launch", "--dry", "-g", name, "-n", "shop", HTTP], values].concat());
        assert_eq!(said.code == Some(0), ours.code == Some(0), "{said:?}\n{ours:?}");
        said
    };
    named("a.b", &[]).expect(1, &["the release name `a.b` is not a valid group name"]);
    let cron = "--set=runner=cronjob,cronjobSchedule=@daily";
    named(&long, &[cron]).expect(1, &["would be longer than 52 characters; use a shorter release name"]);
    named(&long[1..], &[cron]).exits(0);
    named(&"a".repeat(53), &["--set=runner=job"]).exits(0);
}
