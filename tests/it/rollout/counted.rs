//! The split of two BentoML images as their canary example counts it: a hundred requests by hand, and the same as an experiment.

use serde_json::{Value, json};

use crate::kubernetes::cluster_case::ClusterCase;
use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::{Gateway, KServe, Model};
use crate::support::mesh::binomial;
use crate::support::mesh::client::Client;
use crate::support::runtime::block_on;

const NAME: &str = "fraud-classifier";

/// Responses of the two models to this row.
const XGB: &str = "[2]";
const RF: &str = "[1]";
const ROW: &str = "[[6.8, 2.8, 4.8, 1.4]]";

/// Requests of each count.
const REQUESTS: usize = 100;

struct Example {
    case: ClusterCase,
    gateway: Gateway,
}

impl Example {
    fn start() -> Option<Self> {
        let kserve = KServe::shared()?;
        let case = ClusterCase::of(kserve.cluster);
        let models = [
            ("example/fraud-classifier:xgb", Model::new("xgb")),
            ("example/fraud-classifier:rf", Model::new("rf").decision_tree()),
        ];
        let gateway = Gateway::start(kserve, &case.namespace, &models);
        Some(Self { case, gateway })
    }

    /// Applies a container as users do, on the client's side.
    #[track_caller]
    fn apply(&self, container: &str, percent: Option<u8>) {
        let mut predictor = json!({"containers": [{
            "name": container, "image": format!("example/fraud-classifier:{container}"),
            "env": [{"name": "VERSION", "value": container}], "ports": [{"containerPort": 3000}],
        }]});
        if let Some(percent) = percent {
            predictor["canaryTrafficPercent"] = json!(percent);
        }
        let object = json!({
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": NAME, "labels": {"app": "kserve"}}, "spec": {"predictor": predictor},
        });
        let args = ["apply", "-n", &self.case.namespace, "-f", "-"];
        self.case.cluster.kubectl_with_input(&args, &object.to_string()).exits(0);
    }

    /// Sends requests one after the other, and counts the responses of each model: XGBoost, random forest.
    fn count_by_hand(&self) -> [usize; 2] {
        let host = self.gateway.host(NAME);
        let mut counts = [0, 0];
        block_on(async {
            let mut client = Client::new(self.gateway.address.port());
            for _ in 0..REQUESTS {
                let answer = client.send(&host, "/fraud-classifier", &[], Some(ROW)).await.unwrap();
                let response = String::from_utf8_lossy(&answer.body).into_owned();
                let model = [XGB, RF].iter().position(|model| response == **model);
                counts[model.unwrap_or_else(|| panic!("unknown response {response}"))] += 1;
            }
        });
        counts
    }

    /// Runs an experiment that does the same. Returns the counts in its document, and its report.
    fn experiment(&self) -> ([usize; 2], CliOutput) {
        let values = json!({
            "tasks": ["http"],
            "http": {
                "url": format!("{}/fraud-classifier", self.gateway.url()), "headers": {"Host": self.gateway.host(NAME)},
                "contentType": "application/json", "payloadStr": ROW, "numRequests": REQUESTS, "qps": 200,
                "versionFrom": {"jq": ".[0]", "map": {"2": "xgb", "1": "rf"}, "versions": ["xgb", "rf"]},
            },
        });
        self.case.cli.write("count.yaml", &values.to_string());
        self.case.cli.run(["run", "-f", "count.yaml"]).exits(0);
        let insights = self.case.cli.document()["result"]["insights"].take();
        let count = |version: usize| {
            let values = &insights["nonHistMetricValues"][version]["http/request-count"];
            values.as_array().and_then(|values| values.last()).and_then(Value::as_f64).unwrap() as usize
        };
        ([count(0), count(1)], self.case.cli.run(["report"]))
    }

    /// Fails unless both counts show this percent for the random forest, and the report has it with an interval.
    #[track_caller]
    fn shows(&self, percent: u8) {
        let expected = match percent {
            100 => REQUESTS..=REQUESTS,
            percent => binomial::interval(REQUESTS, f64::from(percent) / 100.0),
        };
        let by_hand = self.count_by_hand();
        let (counted, report) = self.experiment();
        for counts in [by_hand, counted] {
            assert_eq!(counts.iter().sum::<usize>(), REQUESTS, "{counts:?}");
            assert!(expected.contains(&counts[1]), "{counts:?}");
        }
        let [xgb, rf] = counted;
        let line = report.exits(0).stdout.lines().find(|line| line.contains(" % xgb (")).unwrap();
        let shown = [format!("{xgb} % xgb ("), format!("{rf} % rf (")];
        assert!(shown.iter().all(|share| line.contains(share)), "{counted:?} {line}");
    }
}

#[test]
fn both_ways_of_counting_show_the_split_at_each_step_of_the_example() {
    let Some(example) = Example::start() else { return };
    let [first, second] = [1, 2].map(|number: u32| format!("{NAME}-predictor-{number:05}"));
    example.apply("xgb", None);
    example.gateway.wait_for_split(NAME, &[(&first, 100)]);
    example.apply("rf", Some(20));
    example.gateway.wait_for_split(NAME, &[(&first, 80), (&second, 20)]);
    example.shows(20);
    example.case.k(["rollout", "set", NAME, "--percent", "50"]).exits(0);
    example.shows(50);
    example.case.k(["rollout", "promote", NAME]).exits(0);
    example.shows(100);
}
