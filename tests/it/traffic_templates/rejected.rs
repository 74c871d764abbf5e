//! Values that the chart rejects, with its messages.

use super::Helm;
use crate::support::transcript::transcript;

const VALUES: &str = "--set=templateName=initialize,modelName=wisdom,targetEnv=deployment,trafficStrategy=canary";

/// Rejected by the schema.
const BY_SCHEMA: &[&[&str]] = &[
    &[],
    &[VALUES, "--set=templateName=initialise"],
    &[VALUES, "--set=targetEnv=knative"],
    &[VALUES, "--set=trafficStrategy=bluegreen"],
    &[VALUES, "--set=trafficApi=gateway"],
    &[VALUES, "--set=kserveDeploymentMode=ModelMesh"],
    &[VALUES, "--set=modelName="],
    &[VALUES, "--set=modelName=Wisdom_1"],
    &[VALUES, "--set=modelNmae=x"],
    &[VALUES, "--set=mirrorPercentage=101"],
    &[VALUES, "--set=modelVersions[0].weight=-1"],
    &[VALUES, "--set-json=modelVersions[0].weight=2.5"],
    &[VALUES, "--set=modelVersions[0].wieght=1"],
    &[VALUES, "--set=modelVersions[1].match=test"],
    &[VALUES, "--set-json=modelVersions=[{},{\"match\":[{}]}]"],
    &[VALUES, "--set=modelmeshServingPort=0"],
    &[VALUES, "--set=externalGateway=a/b/c"],
    &[VALUES, "--set=externalGateway=null"],
    &[VALUES, "--set=gatewayClassName=null,trafficApi=gateway-api"],
    &[VALUES, "--set=modelmeshServingNamespace=null"],
    &[VALUES, "--set=iter8Version=v0.14"],
    &[VALUES, "--set=trafficApi=gateway-api", "--set-json=modelVersions=[{},{\"match\":[{\"path\":5}]}]"],
    &[VALUES, "--set=trafficApi=gateway-api", "--set-json=modelVersions=[{},{\"match\":[{\"headers\":5}]}]"],
    &[VALUES, "--set=trafficApi=gateway-api", "--set-json=modelVersions=[{},{\"match\":[{\"headers\":[5]}]}]"],
];

/// Rejected by the templates, because a schema cannot express it.
const BY_TEMPLATES: &[&[&str]] = &[
    &[VALUES, "--set=templateName=modify-weights"],
    &[VALUES, "--set-json=modelVersions=[{\"name\":\"a\"},{\"name\":\"a\"}]"],
    &[VALUES, "--set-json=modelVersions=[{},{},{}]"],
    &[VALUES, "--set-json=modelVersions=[{},{\"match\":[{\"headers\":[{\"name\":\"a\",\"value\":\"b\"}]}]}]"],
    &[VALUES, "--set-json=modelVersions=[{},{\"match\":[{\"path\":{\"value\":\"/\"}}]}]"],
    &[VALUES, "--set-json=modelVersions=[{},{\"match\":[{\"headers\":{\"traffic\":\"test\"}}]}]"],
    &[VALUES, "--set-json=modelVersions=[{},{\"match\":[{\"method\":\"POST\"}]}]"],
    &[
        VALUES,
        "--set=trafficApi=gateway-api",
        "--set-json=modelVersions=[{},{\"match\":[{\"headers\":{\"a\":{\"prefix\":\"b\"}}}]}]",
    ],
    &[
        VALUES,
        "--set=trafficApi=gateway-api",
        "--set-json=modelVersions=[{},{\"match\":[{\"uri\":{\"prefix\":\"/\"}}]}]",
    ],
    &[
        VALUES,
        "--set=trafficApi=gateway-api",
        "--set-json=modelVersions=[{},{\"match\":[{\"method\":{\"exact\":\"GET\"}}]}]",
    ],
    &[VALUES, "--set=trafficStrategy=blue-green,modelVersions[0].weight=0,modelVersions[1].weight=0"],
    &[VALUES, "--set=trafficStrategy=mirror,targetEnv=kserve", "--set-json=modelVersions=[{},{},{}]"],
    &[
        VALUES,
        "--set=trafficStrategy=blue-green,trafficApi=gateway-api",
        "--set-json=modelVersions=[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]",
    ],
];

/// Rejected by the templates if Helm skips the schema.
const WITHOUT_SCHEMA: &[&[&str]] = &[
    &[],
    &[VALUES, "--set=templateName=initialise"],
    &[VALUES, "--set=targetEnv=knative"],
    &[VALUES, "--set=trafficStrategy=bluegreen"],
    &[VALUES, "--set=trafficApi=gateway"],
    &[VALUES, "--set=kserveDeploymentMode=ModelMesh"],
    &[VALUES, "--set=modelName="],
];

#[test]
fn invalid_values_are_rejected_with_a_reason() {
    let Some(helm) = Helm::new() else { return };
    let _transcript = transcript!();
    let tables = [(BY_SCHEMA, &[][..]), (BY_TEMPLATES, &[]), (WITHOUT_SCHEMA, &["--skip-schema-validation"])];
    for (table, flags) in tables {
        for values in table {
            helm.template(&[values, flags].concat()).snapshot(1);
        }
    }
}
