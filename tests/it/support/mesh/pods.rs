//! The sample service as the pods of a cluster: one service per version in this process, each on a loopback address of its own.

use std::net::Ipv4Addr;

use sample_model::{Classifier, HeaderRule, SampleConfig, SampleService, VersionConfig, start};
use serde_json::{Value, json};

use super::{service, workload};
use crate::support::kubernetes::free_port;
use crate::support::runtime::block_on;

/// The model of all versions.
pub const MODEL: &str = "sklearn-iris";

/// One pod per version. As in ModelMesh, each serves every version by the header `mm-vmodel-id`; without it, its own.
pub struct Pods {
    pods: Vec<Pod>,
    /// Port of every pod.
    port: u16,
}

struct Pod {
    version: String,
    address: Ipv4Addr,
    service: SampleService,
}

impl Pods {
    pub fn start(versions: &[&str]) -> Self {
        let port = free_port();
        let pod = |(index, version): (usize, &&str)| {
            let address = Ipv4Addr::new(127, 0, 1, u8::try_from(index + 1).unwrap());
            let all = versions.iter().map(|name| VersionConfig {
                weight: u32::from(name == version),
                ..VersionConfig::new(*name, Classifier::NearestCentroid)
            });
            let config = SampleConfig {
                model: MODEL.to_owned(),
                bind: address.into(),
                front_port: port,
                versions: all.collect(),
                // Otherwise the service itself would select the version, which is what the routes of a canary are for.
                header: HeaderRule { name: "x-of-no-test".to_owned(), value: String::new() },
                ..SampleConfig::default()
            };
            Pod { version: (*version).to_owned(), address, service: block_on(start(config)).unwrap() }
        };
        Self { pods: versions.iter().enumerate().map(pod).collect(), port }
    }

    /// The pods and their Services, as objects for the API server and istiod.
    pub fn objects(&self) -> Vec<Value> {
        let modelmesh = json!({"modelmesh-service": "modelmesh-serving"});
        let mut objects = vec![service("modelmesh-serving", &modelmesh, "grpc", 8033, self.port)];
        for Pod { version, address, .. } in &self.pods {
            let labels = json!({"modelmesh-service": "modelmesh-serving", "app": version});
            objects.push(workload(version, &address.to_string(), &labels));
            for name in [version.clone(), format!("{version}-predictor")] {
                objects.push(service(&name, &json!({"app": version}), "http", 80, self.port));
            }
        }
        objects
    }

    /// Number of predictions of a version, in all pods.
    #[track_caller]
    pub fn predictions(&self, version: &str) -> u64 {
        assert!(self.pods.iter().any(|pod| pod.version == version), "no version {version}");
        let stats = self.pods.iter().flat_map(|pod| pod.service.stats());
        stats.filter(|stats| stats.name == version).map(|stats| stats.requests).sum()
    }
}
