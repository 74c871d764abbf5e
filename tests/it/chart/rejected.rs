//! Values that both reject, each with its own message.

use super::{Helm, chart};
use crate::support::transcript::transcript;

const HTTP: &str = "--set=tasks={http},http.url=http://shop/";

const ROLLOUT: &str = "--set=tasks={rollout,http,assess},rollout.isvc=iris,rollout.steps={10},http.url=http://shop/,assess.SLOs.upper.http/error-rate=0";

/// Rejected by the chart's schema.
const BY_SCHEMA: &[&[&str]] = &[
    &[],
    &["--set-json=tasks=[]"],
    &["--set=tasks={htp}"],
    &["--set=tasks={http}"],
    &["--set=tasks={http},http.url=http://shop/,http.qsp=1"],
    &[HTTP, "--set=http.qps=fast"],
    &[HTTP, "--set=runer=job"],
    &[HTTP, "--set=runner=cron"],
    &[HTTP, "--set=runner=cronjob", "--set=cronjobSchedule=60 * * *"],
    &[HTTP, "--set=logLevel=5"],
    &[HTTP, "--set=runner=job,ttlSecondsAfterFinished=-1"],
    &[HTTP, "--set=runner=job,activeDeadlineSeconds=0"],
    &[HTTP, "--set=runner=job", "--set-string=suspend=yes"],
    &[HTTP, "--set=runner=job,podTemplate.containers=x"],
    &["--set=tasks={ready},ready.deploy=../x"],
];

/// Rejected by the chart's templates, because a schema cannot express it.
const BY_TEMPLATES: &[&[&str]] = &[
    &[HTTP, "--set=runner=cronjob"],
    &[HTTP, "--set=runner=cronjob", "--set-string=cronjobSchedule=  "],
    &[HTTP, "--set=parallelism=0"],
    &[HTTP, "--set=parallelism=101"],
    &[HTTP, "--set=parallelism=1x"],
    &[HTTP, "--set=runner=job,podTemplate.spec.restartPolicy=Always"],
    &[HTTP, "--set=runner=job,podTemplate.spec.serviceAccountName=x"],
    &[HTTP, "--set=runner=job,podTemplate.metadata.name=x"],
    &[HTTP, "--set=podTemplate.spec.containers[0].name=iter8,podTemplate.spec.containers[0].env[0].name=ITER8_JOB_UID"],
    &[HTTP, "--set=runner=job,podTemplate.spec.containers[0].name=iter8,podTemplate.spec.containers[0].args={x}"],
    &[HTTP, "--set=runner=job", "--set=podTemplate.metadata.labels.iter8\\.tools/group=x"],
    &["--set=tasks={ready},ready.namespace=models"],
    &[ROLLOUT, "--set=runner=cronjob,cronjobSchedule=@daily"],
    &[ROLLOUT, "--set=runner=job,parallelism=2"],
    &[HTTP, "--set-file=http.payloadStr=large"],
];

/// Rejected by the chart's templates if Helm skips the schema.
const WITHOUT_SCHEMA: &[&[&str]] =
    &[&[], &["--set-json=tasks=[]"], &["--set=tasks=http"], &[HTTP, "--set=runner=cron"]];

#[test]
fn helm_rejects_what_a_launch_rejects() {
    let Some(helm) = Helm::new() else { return };
    let _transcript = transcript!();
    helm.cli.write("large", &"x".repeat(655_361));
    let tables = [(BY_SCHEMA, &[][..]), (BY_TEMPLATES, &[]), (WITHOUT_SCHEMA, &["--skip-schema-validation"])];
    for (table, flags) in tables {
        for values in table {
            helm.template("shop", &[values, flags].concat()).snapshot(1);
            helm.launch("shop", values).snapshot(2);
        }
    }
}

#[test]
fn large_values_are_accepted_as_by_a_launch() {
    let Some(helm) = Helm::new() else { return };
    helm.cli.write("large", &"x".repeat(654_000));
    let values = [HTTP, "--set-file=http.payloadStr=large"];
    helm.manifests("shop", &values);
    helm.launch("shop", &values).exits(0);
}

#[test]
fn release_names_must_be_group_names() {
    let Some(helm) = Helm::new() else { return };
    let _transcript = transcript!();
    let long = "a".repeat(40);
    let chart = chart();
    let named = |name: &str, values: &[&str]| {
        let output = helm.run(&[&["template", name, chart.to_str().unwrap(), "-n", "shop", HTTP], values].concat());
        let ours = helm.cli.run([&["k", "launch", "--dry", "-g", name, "-n", "shop", HTTP], values].concat());
        assert_eq!(output.code == Some(0), ours.code == Some(0), "{output:?}\n{ours:?}");
        output
    };
    named("a.b", &[]).snapshot(1);
    let cron = "--set=runner=cronjob,cronjobSchedule=@daily";
    named(&long, &[cron]).snapshot(1);
    named(&long[1..], &[cron]).exits(0);
    named(&"a".repeat(53), &["--set=runner=job"]).exits(0);
}
