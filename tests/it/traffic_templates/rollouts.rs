//! All combinations of strategy, environment, API and number of versions.

use serde_json::{Value, json};

/// The strategies.
pub const STRATEGIES: [&str; 3] = ["blue-green", "canary", "mirror"];

/// Serving environment, with the deployment mode of InferenceServices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Modelmesh,
    Knative,
    Standard,
    Deployment,
}

/// A rollout of the model `wisdom`.
#[derive(Clone, Copy, Debug)]
pub struct Rollout {
    pub environment: Environment,
    pub strategy: &'static str,
    pub api: &'static str,
    pub versions: usize,
}

impl Rollout {
    /// All rollouts that the chart supports, with up to five versions.
    pub fn all() -> Vec<Self> {
        use Environment::{Deployment, Knative, Modelmesh, Standard};
        let mut all = Vec::new();
        for environment in [Modelmesh, Knative, Standard, Deployment] {
            for strategy in STRATEGIES {
                for api in ["istio", "gateway-api"] {
                    let rollout = |versions| Self { environment, strategy, api, versions };
                    let rollouts = [1, 2, 3, 5].map(rollout);
                    all.extend(rollouts.into_iter().filter(Self::is_supported));
                }
            }
        }
        all
    }

    /// Copies of a request have the headers of the request, so a header tells two versions apart, but not three.
    fn is_supported(&self) -> bool {
        !(self.strategy == "mirror" && self.is_selected_by_header() && self.versions > 2)
    }

    /// Returns true if all versions have one backend, and a header of the request selects the version.
    pub fn is_selected_by_header(&self) -> bool {
        matches!(self.environment, Environment::Modelmesh | Environment::Knative)
    }

    /// Returns true if copies of requests go to the gateway.
    pub fn mirrors_through_gateway(&self) -> bool {
        self.strategy == "mirror" && self.is_selected_by_header() && self.versions > 1
    }

    /// Values of the chart as flags.
    pub fn flags(&self) -> Vec<String> {
        let (environment, mode) = match self.environment {
            Environment::Modelmesh => ("kserve-modelmesh", "Knative"),
            Environment::Knative => ("kserve", "Serverless"),
            Environment::Standard => ("kserve", "Standard"),
            Environment::Deployment => ("deployment", "Knative"),
        };
        let Self { strategy, api, .. } = self;
        let versions: Vec<Value> = (0..self.versions).map(version).collect();
        vec![
            format!(
                "--set=templateName=initialize,modelName=wisdom,targetEnv={environment},kserveDeploymentMode={mode}"
            ),
            format!("--set=trafficStrategy={strategy},trafficApi={api}"),
            format!("--set-json=modelVersions={}", Value::from(versions)),
        ]
    }
}

/// Values of a version. The first candidate has the default match, and others match a user.
fn version(index: usize) -> Value {
    if index < 2 { json!({}) } else { json!({"match": [{"headers": {"user": {"exact": format!("u{index}")}}}]}) }
}
