{{- /*
The rollout with all defaults applied, as JSON. Everything else is rendered from it:

model, namespace, env, strategy, api    namespace is that of version 0 and of all objects but weight ConfigMaps
hosts                                   host names of the route
gateway                                 name, namespace (empty: that of the route)
mirrorsThroughGateway                   see _mirror.tpl
gatewayService                          Service of the gateway: name, namespace, port
versions                                name, namespace, weight, givenWeight (empty: none), match, hasMatch, resources, and
                                        backend: Service, namespace, port, and the request header that selects the version, if any
*/ -}}
{{- define "traffic.route" -}}
{{- $values := .Values -}}
{{- $isModelmesh := eq $values.targetEnv "kserve-modelmesh" -}}
{{- $isKnative := and (eq $values.targetEnv "kserve") (has $values.kserveDeploymentMode (list "Knative" "Serverless")) -}}
{{- $defaultNamespace := $isModelmesh | ternary $values.modelmeshServingNamespace .Release.Namespace -}}
{{- $versions := list -}}
{{- range $i, $given := $values.modelVersions | default (list dict dict) -}}
{{- /* `--set modelVersions[1].weight=20` alone makes version 0 null. */ -}}
{{- $given = $given | default dict -}}
{{- $name := $given.name | default (printf "%s-%d" $values.modelName $i) -}}
{{- $namespace := $given.namespace | default $defaultNamespace -}}
{{- $version := dict "name" $name "namespace" $namespace -}}
{{- $_ := set $version "givenWeight" (include "traffic.givenWeight" (dict "values" $values "index" $i "version" $given)) -}}
{{- $defaultWeight := dict "blue-green" 50 "mirror" 100 "canary" 1 -}}
{{- $_ := set $version "weight" (ternary (get $defaultWeight $values.trafficStrategy) (int64 $version.givenWeight) (empty $version.givenWeight)) -}}
{{- $_ := set $version "hasMatch" (not (empty $given.match)) -}}
{{- $_ := set $version "match" ($given.match | default (list (dict "headers" (dict "traffic" (dict "exact" "test"))))) -}}
{{- $backend := dict "namespace" $namespace "port" ($given.port | default 80) -}}
{{- $header := dict -}}
{{- if $isModelmesh -}}
{{- $_ := set $backend "service" $values.modelmeshServingService -}}
{{- $_ := set $backend "namespace" $values.modelmeshServingNamespace -}}
{{- $_ := set $backend "port" $values.modelmeshServingPort -}}
{{- $header = dict "mm-vmodel-id" $name -}}
{{- else if $isKnative -}}
{{- $_ := set $backend "service" $values.knativeLocalGatewayService -}}
{{- $_ := set $backend "namespace" $values.knativeLocalGatewayNamespace -}}
{{- $_ := set $backend "port" 80 -}}
{{- $header = dict "Host" ($given.host | default (printf "%s.%s.svc.cluster.local" $name $namespace)) -}}
{{- else if eq $values.targetEnv "kserve" -}}
{{- $_ := set $backend "service" ($given.service | default (printf "%s-predictor" $name)) -}}
{{- else -}}
{{- $_ := set $backend "service" ($given.service | default $name) -}}
{{- end -}}
{{- $_ := set $backend "header" $header -}}
{{- $_ := set $version "backend" $backend -}}
{{- $resources := list -}}
{{- $hasWeights := or (eq $values.trafficStrategy "blue-green") (and (eq $values.trafficStrategy "mirror") (gt $i 0)) -}}
{{- $_ := set $version "hasWeights" $hasWeights -}}
{{- if $hasWeights -}}
{{- $resources = append $resources (dict "gvrShort" "cm" "name" (printf "%s-weight-config" $name)) -}}
{{- end -}}
{{- if eq $values.targetEnv "deployment" -}}
{{- $resources = append $resources (dict "gvrShort" "svc" "name" $backend.service) -}}
{{- $resources = append $resources (dict "gvrShort" "deploy" "name" $name) -}}
{{- else -}}
{{- $resources = append $resources (dict "gvrShort" "isvc" "name" $name) -}}
{{- end -}}
{{- $_ := set $version "resources" $resources -}}
{{- $versions = append $versions $version -}}
{{- end -}}
{{- $namespace := (first $versions).namespace -}}
{{- $gateway := splitList "/" $values.externalGateway -}}
{{- $gateway = dict "name" (last $gateway) "namespace" (gt (len $gateway) 1 | ternary (first $gateway) "") -}}
{{- $gatewayService := dict "name" "istio-ingressgateway" "namespace" "istio-system" -}}
{{- if eq $values.trafficApi "gateway-api" -}}
{{- $name := printf "%s-%s" $gateway.name $values.gatewayClassName -}}
{{- $gatewayService = dict "name" $name "namespace" ($gateway.namespace | default $namespace) -}}
{{- end -}}
{{- $_ := set $gatewayService "name" ($values.externalGatewayService | default $gatewayService.name) -}}
{{- $_ := set $gatewayService "namespace" ($values.externalGatewayServiceNamespace | default $gatewayService.namespace) -}}
{{- $_ := set $gatewayService "port" $values.externalGatewayServicePort -}}
{{- $isMirror := and (eq $values.trafficStrategy "mirror") (gt (len $versions) 1) -}}
{{- $mirrorsThroughGateway := and $isMirror (or $isModelmesh $isKnative) -}}
{{- $host := printf "%s.%s" $values.modelName ($isModelmesh | ternary $values.modelmeshServingNamespace $namespace) -}}
{{- $hosts := list $host (printf "%s.svc" $host) (printf "%s.svc.cluster.local" $host) -}}
{{- $copies := $isKnative | ternary (list (dig "backend" "header" "Host" "" (first $versions))) $hosts -}}
{{- if $mirrorsThroughGateway -}}
{{- $hosts = $isKnative | ternary (concat $hosts $copies) $hosts -}}
{{- range $copies -}}
{{- $hosts = append $hosts (printf "%s-shadow" .) -}}
{{- end -}}
{{- end -}}
{{- $route := dict "model" $values.modelName "namespace" $namespace "env" $values.targetEnv -}}
{{- $_ := set $route "strategy" $values.trafficStrategy -}}
{{- $_ := set $route "api" $values.trafficApi -}}
{{- $_ := set $route "hosts" $hosts -}}
{{- $_ := set $route "gateway" $gateway -}}
{{- $_ := set $route "gatewayService" $gatewayService -}}
{{- $_ := set $route "mirrorsThroughGateway" $mirrorsThroughGateway -}}
{{- $_ := set $route "versions" $versions -}}
{{- toJson $route -}}
{{- end -}}

{{- /* Weight of a version that the values give; empty if they give none. Candidates that get copies share `mirrorPercentage`. */ -}}
{{- define "traffic.givenWeight" -}}
{{- $weight := .version.weight -}}
{{- $isMirrored := and (eq .values.trafficStrategy "mirror") (gt .index 0) -}}
{{- if and (kindIs "invalid" $weight) $isMirrored -}}
{{- $weight = .values.mirrorPercentage -}}
{{- end -}}
{{- if not (kindIs "invalid" $weight) -}}
{{- int64 $weight -}}
{{- end -}}
{{- end -}}
