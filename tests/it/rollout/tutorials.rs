//! The rollout tutorials of `docs/`, command by command on a control plane with KServe. Requests go through the tests' gateway.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use crate::support::cli_case::CliOutput;
use crate::support::kubernetes::{Gateway, KServe, Model};
use crate::support::tutorial::{Block, Shell, blocks};

/// A tutorial, and what it is about.
struct Tutorial {
    file: &'static str,
    namespace: &'static str,
    service: &'static str,
    models: Vec<(&'static str, Model)>,
}

impl Tutorial {
    /// Runs its commands. After each block, `check` gets its name and output.
    fn follow(&self, check: impl Fn(&Gateway, &str, &CliOutput)) {
        let Some(kserve) = KServe::shared() else { return };
        let gateway = Gateway::start(kserve, self.namespace, &self.models);
        let directory = tempfile::tempdir().unwrap();
        // Tutorials change its namespace.
        let kubeconfig = directory.path().join("kubeconfig");
        std::fs::copy(kserve.cluster.kubeconfig(), &kubeconfig).unwrap();
        let Some(shell) = Shell::new(directory.path(), &kubeconfig) else { return };
        let shell = shell.replace("http://localhost:8080", &gateway.url());
        let blocks = blocks(self.file);
        assert!(blocks.len() > 8, "{}", self.file);
        for block in &blocks {
            let output = shell.run(block);
            self.compare(block, &output);
            check(&gateway, &block.name, &output);
        }
    }

    /// Fails unless a block printed what the tutorial shows.
    #[track_caller]
    fn compare(&self, block: &Block, output: &CliOutput) {
        let age = Regex::new(r" +\d+[smh](\d+s)?$").unwrap();
        let plain = |text: &str| {
            // Without Istio, KServe shows the URL of the predictor.
            let text = text.replace(&format!("//{}-predictor.", self.service), &format!("//{}.", self.service));
            let line = |line: &str| age.replace(line, "").split_whitespace().collect::<Vec<_>>().join(" ");
            text.lines().map(line).collect::<Vec<_>>().join("\n")
        };
        let printed = plain(&output.stdout);
        if let Some(shown) = &block.output {
            assert_eq!(printed, plain(shown), "block {}", block.name);
        }
        for shown in &block.prints {
            assert!(printed.lines().any(|line| line == plain(shown)), "block {}: {shown}\n{printed}", block.name);
        }
    }

    /// Waits until requests are split like this, and the status says so: numbers of revisions and their percents.
    #[track_caller]
    fn wait_for_split(&self, gateway: &Gateway, expected: &[(u32, u64)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(number, percent)| (self.revision(*number), *percent)).collect();
        let pairs: Vec<_> = expected.iter().map(|(revision, percent)| (revision.as_str(), *percent)).collect();
        gateway.wait_for_split(self.service, &pairs);
        let cluster = KServe::shared().unwrap().cluster;
        cluster.wait_for("isvc", self.namespace, self.service, |object| {
            let entries = object["status"]["components"]["predictor"]["traffic"].as_array().into_iter().flatten();
            let percent = |entry: &Value| entry["percent"].as_u64().unwrap_or(0);
            let named = |entry: &Value| (entry["revisionName"].as_str().unwrap_or_default().to_owned(), percent(entry));
            entries.filter(|entry| percent(entry) > 0).map(named).collect::<BTreeMap<_, _>>() == expected
        });
        cluster.wait_for_condition("isvc", self.namespace, self.service, "Ready");
    }

    fn revision(&self, number: u32) -> String {
        format!("{}-predictor-{number:05}", self.service)
    }
}

#[test]
fn the_kserve_tutorial_works_command_by_command() {
    let tutorial = Tutorial {
        file: "kserve-canary.md",
        namespace: "kserve-test",
        service: "iris",
        models: vec![
            ("gs://kfserving-examples/models/sklearn/1.0/model", Model::new("first")),
            ("gs://kfserving-examples/models/sklearn/1.0/model-2", Model::new("second").decision_tree()),
        ],
    };
    tutorial.follow(|gateway, block, output| {
        let split = |expected: &[(u32, u64)]| tutorial.wait_for_split(gateway, expected);
        match block {
            "first" => split(&[(1, 100)]),
            "predict" => assert!(output.stdout.contains("\"predictions\":[2,"), "{output:#?}"),
            "canary" => split(&[(2, 10), (1, 90)]),
            "promote" => split(&[(2, 100)]),
            "pin" | "candidate" | "rollback" => split(&[(1, 100)]),
            "set" => split(&[(3, 10), (1, 90)]),
            "tags" => {
                let names = ["second", "first"].map(|name| format!("\"model_name\":\"{name}\""));
                let lines = output.stdout.lines().zip(&names).map(|(line, name)| line.contains(name));
                assert_eq!(lines.collect::<Vec<_>>(), [true, true], "{output:#?}");
            }
            "experiment" => {
                // Commands before have sent one or two requests to each.
                assert_eq!([1, 3].map(|number| gateway.requests(&tutorial.revision(number))), [102, 101]);
                assert!(output.stdout.contains("candidate"), "{output:#?}");
            }
            "promoted" | "run" => split(&[(3, 100)]),
            "setup" | "show" | "clean" => {}
            other => panic!("unknown block {other}"),
        }
    });
}

#[test]
fn the_bentoml_tutorial_works_command_by_command() {
    let tutorial = Tutorial {
        file: "bentoml-canary.md",
        namespace: "kserve-deployments",
        service: "iris-classifier",
        models: vec![
            ("iris-classifier:xgb", Model::new("xgb")),
            ("iris-classifier:rf", Model::new("rf").decision_tree()),
        ],
    };
    tutorial.follow(|gateway, block, _| {
        let split = |expected: &[(u32, u64)]| tutorial.wait_for_split(gateway, expected);
        match block {
            "first" => split(&[(1, 100)]),
            "canary" | "set" => split(&[(2, 20), (1, 80)]),
            "half" => split(&[(2, 50), (1, 50)]),
            "promote" | "next" => split(&[(2, 100)]),
            "run" => split(&[(3, 100)]),
            // Its lines are compared with those that the tutorial shows.
            "setup" | "predict" | "count" | "experiment" | "clean" => {}
            other => panic!("unknown block {other}"),
        }
    });
}
