//! The objects of both, over a table of values.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iter8::model::codec;
use iter8::redact;
use serde_json::{Value, json};

use super::{GROUP, Helm, chart, objects};

/// The namespace of the release.
const NAMESPACE: &str = "shop";

/// An http experiment.
const HTTP: &str = "--set=tasks={http},http.url=http://shop/";

/// A rollout in steps.
const ROLLOUT: &str = "--set=tasks={rollout},rollout.isvc=iris,rollout.steps={10,50},rollout.analysis={http,assess},http.url=http://shop/,assess.SLOs.upper.http/error-rate=0";

/// One that compares a split.
const SPLIT: &str = "--set=tasks={custommetrics,split},custommetrics.prometheus.url=http://p/,custommetrics.prometheus.queries.n.query=up,custommetrics.versionValues[0].a=b,custommetrics.versionValues[1].a=c,split.metric=prometheus/n";

/// One that waits first.
const READY: &str = "--set=tasks={ready,http},http.url=http://shop/";

const FILE: &str = "
tasks: [ready, http, assess, custommetrics, slack, github]
runner: job
ready:
  timeout: 180s
  deploy: [web, api, web]
  isvc: iris
  resources:
  - {group: networking.istio.io, version: v1, resource: virtualservices, name: web}
  - {version: v1, resource: pods, name: web-0, condition: Ready}
  - {group: apps, version: v1, resource: deployments, name: worker}
http:
  url: http://shop/
  qps: 3.5
  numRequests: 1000000
  duration: null
  headers: {Authorization: Bearer s3cret-of-http, X-Id: 12345678901, X-Yes: 'yes', X-0: '012', X-E: 1e3}
  payloadStr: |
    {\"a\": \"{{ .Values }}\"}
    ---
    # {{- fail \"no template\" }}
  endpoints:
    a: {url: http://shop/a, percentiles: [50, 99.99, '95']}
assess:
  if: Result.NumLoops == 10
  SLOs: {upper: {http-a/latency-mean: 50.25, http-a/error-count: 0}}
custommetrics:
  templates: {m: http://shop/m.tpl}
  values: {labels: {app: web}}
slack: {url: 'https://hooks.slack.com/services/T0/B0/s3cret-of-slack', if: 'not SLOs()'}
github: {owner: a, repo: b, token: s3cret-of-github}
resources:
  requests: {cpu: 0.5, memory: 134217728, ephemeral-storage: 1Gi}
  limits: {memory: null, cpu: 2}
";

/// A patch of the pods.
const PODS: &str = "
podTemplate:
  metadata:
    labels: {team: ml, sidecar.istio.io/inject: 'true'}
    annotations: {note: x}
  spec:
    nodeSelector: {disk: ssd}
    tolerations:
    - {key: gpu, operator: Exists}
    imagePullSecrets: [{name: registry}]
    priorityClassName: high
    securityContext: {fsGroup: 2000}
    volumes:
    - name: keys
      secret: {secretName: keys}
    containers:
    - name: iter8
      imagePullPolicy: Always
      env:
      - {name: TOKEN, valueFrom: {secretKeyRef: {name: keys, key: token}}}
      volumeMounts:
      - {name: keys, mountPath: /keys, readOnly: true}
    - name: proxy
      image: proxy:1
      ports: [{containerPort: 8080}]
";

/// Sources of secrets.
const SECRETS: &str = "
tasks: [http, custommetrics, slack]
runner: job
http:
  url: http://shop/
  headers:
    X-Api-Key: {secretKeyRef: {name: shop-b, key: api-key}}
    X-Env: {env: KEY}
  bearerToken: {secretKeyRef: {name: shop, key: token}}
custommetrics:
  templates: {m: http://shop/m.tpl}
  values: {secretKeyRef: text, other: {secretKeyRef: {name: 'NO', key: x}}}
  valuesFrom: {k: {secretKeyRef: {name: shop, key: .query}}}
  providers: {m: {basicAuth: {username: me, passwordSecretKeyRef: {name: a.b, key: p_w}}}}
slack: {urlSecretKeyRef: {name: shop, key: url}}
github: {owner: a, repo: b, tokenSecretKeyRef: {name: not-listed, key: token}}
podTemplate:
  spec:
    volumes: [{name: keys, secret: {secretName: keys}}]
    containers: [{name: iter8, volumeMounts: [{name: keys, mountPath: /keys}]}]
";

/// Values as flags of both.
const CASES: &[&[&str]] = &[
    &[HTTP],
    &[HTTP, "--set=runner=none"],
    &[HTTP, "--set=runner=null,parallelism=null,resources=null,logLevel=null,startTimeout=null"],
    &[HTTP, "--set=runner=job"],
    &[HTTP, "--set=runner=cronjob", "--set=cronjobSchedule= */10 * * * * "],
    &[HTTP, "--set=runner=job,parallelism=3"],
    &[HTTP, "--set=runner=job", "--set-string=parallelism=+012"],
    &[HTTP, "--set=runner=cronjob,cronjobSchedule=@hourly,parallelism=2"],
    &[HTTP, "--set=runner=job", "--set-json=parallelism=2.0"],
    &[HTTP, "--set=runner=job,serviceAccountName=mine,iter8Image=registry.local:5000/iter8:1,logLevel=debug"],
    &[HTTP, "--set=runner=job", "--set-string=serviceAccountName= ,iter8Image= ,logLevel=  trace "],
    &[HTTP, "--set=runner=job,resources.limits.cpu=2,resources.requests.memory=null"],
    &[HTTP, "--set=runner=job,resources.limits=null,resources.requests.example\\.com/gpu=1"],
    &[HTTP, "--set=http.qps=0.5,http.numRequests=1000", "--set-string=http.connections=4"],
    &[HTTP, "--set=ready.deploy=not-listed"],
    &[READY, "--set=ready.deploy=web"],
    &[READY, "--set=ready.deploy={web,api},ready.service=web,ready.ksvc=web"],
    &[READY, "--set=ready.isvc=iris,ready.namespace=models,runner=job"],
    &[READY, "--set=ready.isvc=iris,ready.namespace=shop,ready.deploy=null"],
    &[READY, "--set=ready.chaosengine=chaos,ready.namespace=models,serviceAccountName=mine"],
    &[SPLIT, "--set=split.expected={80,20}"],
    &[SPLIT, "--set=split.expectedFrom.isvc=iris,runner=job"],
    &[
        SPLIT,
        "--set=split.expectedFrom.virtualService=shop,split.expectedFrom.namespace=models,serviceAccountName=mine",
    ],
    &[
        SPLIT,
        "--set=split.expectedFrom.routemap=shop,split.expectedFrom.resources[0].group=apps,split.expectedFrom.resources[0].resource=deployments,split.expectedFrom.resources[0].name=a",
    ],
    &[READY, "--set=ready.resources[0].version=v1,ready.resources[0].resource=pods,ready.resources[0].name=a"],
    &[HTTP, "--set=runner=job,ttlSecondsAfterFinished=0,activeDeadlineSeconds=600"],
    &[HTTP, "-f=numbers.yaml"],
    &[ROLLOUT, "--set=runner=job"],
    &[ROLLOUT, "--set=runner=job,http.bearerToken.secretKeyRef.name=s,http.bearerToken.secretKeyRef.key=t"],
    &[ROLLOUT, "--set=runner=job,rollout.analysis={ready,http,assess},ready.deploy=web"],
    &[
        ROLLOUT,
        "--set=runner=job,rollout.isvc=null,rollout.routemap=m,rollout.resources[0].resource=services,rollout.resources[0].name=a",
    ],
    &[
        ROLLOUT,
        "--set=runner=job,rollout.namespace=models,tasks={ready,rollout},ready.isvc=iris,ready.namespace=models",
    ],
    &[
        HTTP,
        "--set=runner=cronjob,cronjobSchedule=@daily,timeZone=Europe/Zurich,suspend=true,successfulJobsHistoryLimit=0",
    ],
    &[
        HTTP,
        "--set=runner=cronjob,cronjobSchedule=@daily,suspend=false,ttlSecondsAfterFinished=60",
        "--set-string=failedJobsHistoryLimit=2",
    ],
    &[HTTP, "--set=runner=job", "-f=pods.yaml"],
    &[HTTP, "--set=runner=cronjob,cronjobSchedule=@daily,parallelism=2", "-f=pods.yaml"],
    &["-f=secrets.yaml"],
    &["-f=values.yaml"],
    &["-f=values.yaml", "--set=ready.namespace=models,runner=cronjob,cronjobSchedule=* * * * *"],
];

/// The same value with whole numbers in one form: Helm and YAML may write them as floats.
fn normalized(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => json!(whole as i64),
            _ => Value::Number(number),
        },
        Value::Array(list) => list.into_iter().map(normalized).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, normalized(value))).collect(),
        other => other,
    }
}

/// Differences between the objects of both.
fn differences(helm: &Helm, case: &[&str]) -> Option<String> {
    let (theirs, ours) = (helm.template(NAMESPACE, case), helm.launch(NAMESPACE, case));
    if (theirs.code, ours.code) != (Some(0), Some(0)) {
        return Some(format!("{case:?}: {}\n{}", theirs.stderr, ours.stderr));
    }
    let redacted = |mut object: Value| {
        if let Some(values) = object.pointer_mut("/texts/values.yaml") {
            *values = redact::redact(values);
        }
        normalized(object)
    };
    let [theirs, ours] = [theirs, ours].map(|output| objects(&output.stdout));
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differing = names.into_iter().filter_map(|name| {
        let [theirs, ours] = [&theirs, &ours].map(|all| all.get(name).cloned().map(redacted));
        (theirs != ours).then(|| format!("{case:?}: {name}\n  Helm {theirs:?}\n  ours {ours:?}"))
    });
    let message: Vec<String> = differing.collect();
    (!message.is_empty()).then(|| message.join("\n"))
}

#[test]
fn the_chart_renders_the_objects_of_a_launch() {
    let Some(helm) = Helm::new() else { return };
    helm.cli.write("values.yaml", FILE);
    helm.cli.write("pods.yaml", PODS);
    helm.cli.write("secrets.yaml", SECRETS);
    // Helm reads numbers in files as floats.
    helm.cli.write("numbers.yaml", "runner: job\nttlSecondsAfterFinished: 2592000\nactiveDeadlineSeconds: 1000000\n");
    let message = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (helm, message) = (&helm, &message);
        for part in 0..4 {
            scope.spawn(move || {
                for case in CASES.iter().skip(part).step_by(4) {
                    let differences = differences(helm, case);
                    message.lock().unwrap().extend(differences);
                }
            });
        }
    });
    let message = message.into_inner().unwrap();
    assert!(message.is_empty(), "{} of {} cases differ:\n{}", message.len(), CASES.len(), message.join("\n"));
}

#[test]
fn secrets_are_passed_and_rendering_is_deterministic() {
    let Some(helm) = Helm::new() else { return };
    helm.cli.write("values.yaml", FILE);
    let text = helm.manifests(NAMESPACE, &["-f=values.yaml"]);
    assert_eq!(text, helm.manifests(NAMESPACE, &["-f=values.yaml"]));
    let values = objects(&text)[&format!("Secret {NAMESPACE}/{GROUP}")]["texts"]["values.yaml"].to_string();
    for secret in ["s3cret-of-http", "s3cret-of-slack", "s3cret-of-github"] {
        assert!(values.contains(secret), "{values}");
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn numeric_names_stay_strings() {
    let Some(helm) = Helm::new() else { return };
    let chart = chart();
    let args = ["template", "1", chart.to_str().unwrap(), "-n", "2", READY];
    let output = helm.run(
        &[&args[..], &["--set=runner=job,parallelism=2", "--set-string=ready.deploy=3,ready.namespace=4"]].concat(),
    );
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let found = objects(&output.stdout);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "Job 2/1-1-job",
        "Role 2/1",
        "Role 4/1-ready.2",
        "RoleBinding 2/1",
        "RoleBinding 4/1-ready.2",
        "Secret 2/1",
        "Secret 2/1-shard-0",
        "Secret 2/1-shard-1",
        "ServiceAccount 2/1-iter8-sa",
    ];
    assert_eq!(names, expected);
    assert_eq!(found["Role 4/1-ready.2"]["rules"][0]["resourceNames"], json!(["3"]));
}

#[test]
fn global_values_are_accepted() {
    let Some(helm) = Helm::new() else { return };
    let dependency = format!("[{{name: iter8, version: {}}}]", env!("CARGO_PKG_VERSION"));
    let about = format!("{{apiVersion: v2, name: whole, version: 0.1.0, dependencies: {dependency}}}");
    helm.cli.write("whole/Chart.yaml", &about);
    helm.cli.write("whole/values.yaml", "global: {a: b}\niter8: {tasks: [http], http: {url: 'http://x'}}\n");
    let packed = helm.run(&["package", chart().to_str().unwrap(), "-d", "whole/charts"]);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    let output = helm.run(&["template", GROUP, "whole", "-n", NAMESPACE]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let found = &objects(&output.stdout)[&format!("Secret {NAMESPACE}/{GROUP}")]["texts"]["values.yaml"];
    assert_eq!((&found["http"], &found["global"]), (&json!({"url": "http://x"}), &Value::Null), "{found}");
}

#[test]
fn helm_lint_passes() {
    let Some(helm) = Helm::new() else { return };
    helm.cli.write("values.yaml", FILE);
    let chart = chart();
    let args = ["lint", "--strict", chart.to_str().unwrap(), "-f", "values.yaml"];
    for more in [&[][..], &["--set=runner=cronjob,cronjobSchedule=@daily,parallelism=2"]] {
        let output = helm.run(&[&args[..], more].concat());
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    }
}

#[test]
fn values_of_helm_are_passed_to_the_run() {
    let Some(helm) = Helm::new() else { return };
    helm.cli.write("values.yaml", FILE);
    let text = helm.manifests(NAMESPACE, &["-f=values.yaml"]);
    let encoded = text.lines().find_map(|line| line.trim().strip_prefix("values.yaml: ")).unwrap();
    let values = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    let (given, found) = (codec::value_from_yaml(FILE).unwrap(), codec::value_from_yaml(&values).unwrap());
    for key in ["tasks", "ready", "assess", "custommetrics", "slack", "github"] {
        assert_eq!(normalized(found[key].clone()), normalized(given[key].clone()), "{key}");
    }
    assert_eq!(found["http"]["payloadStr"], given["http"]["payloadStr"]);
}
