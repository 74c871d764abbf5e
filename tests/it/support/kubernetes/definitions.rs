//! The resources that KServe, Knative and Istio add to Kubernetes, as they publish them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::wait::{await_condition, conditions};

use super::{ControlPlane, PATIENCE, block_on};
use crate::support::files;

impl ControlPlane {
    /// Adds them, if that has not been done, and waits until objects can be made of them. False if the definitions are missing.
    #[track_caller]
    #[must_use]
    pub fn crds(&self) -> bool {
        *self.definitions.get_or_init(|| {
            let directory = files::root().join(".tools/crds");
            let sources = ["kserve.yaml", "knative.yaml", "istio.yaml"].map(|name| directory.join(name));
            if let Some(missing) = sources.iter().find(|file| !file.is_file()) {
                let message = format!("{} is missing; `make test` gets it", missing.display());
                assert!(std::env::var_os("CI").is_none(), "{message}");
                eprintln!("SKIPPED: {message}");
                return false;
            }
            let mut args = vec!["apply", "--server-side"];
            args.extend(sources.iter().flat_map(|file| ["-f", file.to_str().unwrap()]));
            self.kubectl_ok(&args);
            let established = async { tokio::time::timeout(PATIENCE, established(self.client())).await };
            block_on(established).expect("definitions are established");
            true
        })
    }
}

async fn established(client: kube::Client) {
    let all: Api<CustomResourceDefinition> = Api::all(client);
    for definition in all.list(&ListParams::default()).await.unwrap() {
        let condition = conditions::is_crd_established();
        await_condition(all.clone(), definition.metadata.name.as_deref().unwrap(), condition).await.unwrap();
    }
}
