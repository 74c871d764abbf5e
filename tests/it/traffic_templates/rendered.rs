//! Rendered objects as reviewed snapshots.

use super::Helm;
use crate::support::transcript::transcript;

const INITIALIZE: &str = "--set=templateName=initialize-rollout,modelName=wisdom";

#[test]
fn rollouts_in_modelmesh_behind_istio() {
    let Some(helm) = Helm::new() else { return };
    let _transcript = transcript!();
    for strategy in super::rollouts::STRATEGIES {
        let values = format!("--set=targetEnv=kserve-modelmesh,trafficStrategy={strategy}");
        helm.template(&[INITIALIZE, &values]).snapshot(0);
    }
    let weights = "--set=templateName=modify-weights,modelName=wisdom,targetEnv=kserve-modelmesh";
    let versions = "--set=trafficStrategy=blue-green,modelVersions[0].weight=20,modelVersions[1].weight=80";
    helm.template(&[weights, versions]).snapshot(0);
    helm.template(&[weights, "--set=trafficStrategy=mirror,mirrorPercentage=30"]).snapshot(0);
}

#[test]
fn rollouts_in_kserve() {
    let Some(helm) = Helm::new() else { return };
    let _transcript = transcript!();
    helm.template(&[INITIALIZE, "--set=targetEnv=kserve,trafficStrategy=blue-green"]).snapshot(0);
    let standard = "--set=targetEnv=kserve,kserveDeploymentMode=Standard,trafficStrategy=canary";
    helm.template(&[INITIALIZE, standard]).snapshot(0);
    let gateway_api = "--set=targetEnv=kserve,trafficApi=gateway-api,trafficStrategy=mirror";
    helm.template(&[INITIALIZE, gateway_api]).snapshot(0);
}

#[test]
fn rollouts_of_deployments() {
    let Some(helm) = Helm::new() else { return };
    let _transcript = transcript!();
    let versions = "--set-json=modelVersions=[{\"name\":\"web\",\"port\":8080},{\"name\":\"next\",\"service\":\"next-web\"},{\"name\":\"third\",\"namespace\":\"lab\"}]";
    for strategy in ["blue-green", "mirror"] {
        for api in ["istio", "gateway-api"] {
            let values = format!("--set=targetEnv=deployment,trafficStrategy={strategy},trafficApi={api}");
            helm.template(&[INITIALIZE, &values, versions, "--set=externalGateway=edge/public"]).snapshot(0);
        }
    }
}
