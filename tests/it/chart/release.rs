//! Releases of the chart in a real cluster.

use serde_json::Value;

use super::{GROUP, Helm, chart};
use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::cli_case::CliOutput;
use crate::support::echo_server::EchoServer;
use crate::support::transcript::transcript;

/// Arguments of `iter8 k assert`.
const ASSERT: [&str; 7] = ["assert", "-g", GROUP, "-c", "completed,nofailure,slos", "--timeout", "60s"];

/// Runs Helm on the release in a case.
#[track_caller]
pub(super) fn helm(helm: &Helm, case: &ClusterCase, verb: &str, args: &[&str]) -> CliOutput {
    let kubeconfig = case.kubeconfig.to_str().unwrap();
    let place = [verb, GROUP, "-n", &case.namespace, "--kubeconfig", kubeconfig];
    let output = helm.run(&[&place[..], args].concat());
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

/// Number of requests in a document.
fn requests(document: &Value) -> Option<f64> {
    document["result"]["insights"]["nonHistMetricValues"][0]["http/request-count"][0].as_f64()
}

#[test]
fn the_api_server_accepts_the_chart() {
    let (Some(case), Some(helm)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let elsewhere = format!("--set=ready.namespace={}", case.cluster.namespace());
    let cases: [&[&str]; 3] = [
        &["--set=tasks={http},http.url=http://shop/,runner=job,resources.requests.cpu=0.1"],
        &["--set=tasks={ready},ready.deploy={a,b},runner=job,parallelism=3", &elsewhere],
        &["--set=tasks={ready},ready.isvc=a,runner=cronjob,cronjobSchedule=*/5 * * * *,parallelism=2"],
    ];
    for values in cases {
        let manifests = helm.manifests(&case.namespace, values);
        let args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
        let output = case.cluster.kubectl_with_input(&args, &manifests);
        assert_eq!(output.code, Some(0), "{values:?}: {}\n{manifests}", output.stderr);
        assert_eq!(output.stdout.lines().count(), manifests.matches("\nkind: ").count(), "{}", output.stdout);
    }
}

#[test]
fn a_suspended_cron_job_stays_suspended() {
    let (Some(case), Some(program)) = (ClusterCase::without_node(), Helm::new()) else { return };
    let chart = chart();
    let chart = chart.to_str().unwrap();
    let values = [chart, "--set=tasks={http},http.url=http://shop/,runner=cronjob,cronjobSchedule=0 0 1 1 *"];
    let helm = |verb: &str, args: &[&str]| helm(&program, &case, verb, &[&values[..], args].concat());
    let suspend =
        |revision: u32| case.get("cronjobs", &format!("{GROUP}-{revision}-cronjob"))["spec"]["suspend"].clone();
    helm("install", &[]);
    assert_eq!(suspend(1), false);
    let patch = r#"{"spec": {"suspend": true}}"#;
    case.cluster.kubectl_ok(&["patch", "cronjob", "-n", &case.namespace, &format!("{GROUP}-1-cronjob"), "-p", patch]);
    helm("upgrade", &[]);
    assert_eq!(suspend(2), true);
    helm("upgrade", &["--set=suspend=false"]);
    assert_eq!(suspend(3), false);
}

#[test]
fn a_release_is_installed_upgraded_and_uninstalled() {
    let (Some(case), Some(program)) = (ClusterCase::with_node(), Helm::new()) else { return };
    let _transcript = transcript!();
    let chart = chart();
    let chart = chart.to_str().unwrap();
    let load = format!("--set=http.qps=200,http.connections=2,http.url={}", EchoServer::plain().url());
    let values = [chart, "--set=tasks={http,assess},runner=job,assess.SLOs.upper.http/error-count=0", &load];
    let helm = |verb: &str, args: &[&str]| helm(&program, &case, verb, &[&values[..], args].concat());

    let message = helm("install", &["--set=http.numRequests=20"]).stdout;
    assert!(message.contains("Revision 1 of experiment canary runs as job/canary-1-job"), "{message}");
    case.k(ASSERT).exits(0);
    assert_eq!(requests(&case.document(GROUP)), Some(20.0));

    // `iter8 k` does not touch a Helm release.
    let launch = ["launch", "-g", GROUP, "--set=tasks={http},runner=job", &load];
    case.k(launch).snapshot(4);
    case.k(["delete", "-g", GROUP]).snapshot(4);

    // The result of the first launch does not count for the second, even before that runs.
    helm("upgrade", &["--set=http.numRequests=30,runner=none"]);
    case.k(["assert", "-g", GROUP, "-c", "completed"]).snapshot(1);
    case.k(["list"]).snapshot(0);
    case.cluster.wait_until_gone("jobs", &case.namespace, "canary-1-job");

    // The third waits for an object in another namespace, and two pods share its load.
    let other = case.cluster.namespace();
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
    case.cluster.apply_in(&other, service);
    let ready = format!("--set=tasks={{ready,http,assess}},ready.service=web,ready.namespace={other}");
    helm("upgrade", &["--set=http.numRequests=40,parallelism=2,serviceAccountName=null", &ready]);
    case.k(ASSERT).exits(0);
    let document = case.document(GROUP);
    assert_eq!((requests(&document), &document["result"]["revision"]), (Some(40.0), &3.into()), "{document:#}");

    self::helm(&program, &case, "uninstall", &[]);
    case.wait_until_nothing_is_left_of(GROUP);
    for namespace in [&case.namespace, &other] {
        let kinds = ["get", "secrets,roles,rolebindings,jobs", "-n", namespace, "-o", "name"];
        assert_eq!(case.cluster.kubectl_ok(&kinds), "", "in {namespace}");
    }
}
