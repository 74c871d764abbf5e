{{- /* Rejects values that cannot work. The schema finds most mistakes first; the rest cannot be expressed in a schema. */ -}}
{{- define "traffic.check" -}}
{{- $values := .Values -}}
{{- include "traffic.checkOneOf" (list "templateName" $values.templateName (list "initialize-rollout" "initialize" "modify-weights")) -}}
{{- include "traffic.checkOneOf" (list "targetEnv" $values.targetEnv (list "kserve-modelmesh" "kserve" "deployment")) -}}
{{- include "traffic.checkOneOf" (list "trafficStrategy" $values.trafficStrategy (list "blue-green" "canary" "mirror")) -}}
{{- include "traffic.checkOneOf" (list "trafficApi" $values.trafficApi (list "istio" "gateway-api")) -}}
{{- $modes := list "Knative" "Serverless" "Standard" "RawDeployment" -}}
{{- include "traffic.checkOneOf" (list "kserveDeploymentMode" $values.kserveDeploymentMode $modes) -}}
{{- if not $values.modelName -}}
{{- fail "modelName: required; for example: modelName: wisdom" -}}
{{- end -}}
{{- if and (eq $values.templateName "modify-weights") (eq $values.trafficStrategy "canary") -}}
{{- fail "templateName: `modify-weights` cannot be combined with trafficStrategy `canary`, which routes by `match` and has no weights" -}}
{{- end -}}
{{- include "traffic.checkVersions" . -}}
{{- end -}}

{{- /* Rejects a value that is not in a list. Takes the value's name, the value and the list. */ -}}
{{- define "traffic.checkOneOf" -}}
{{- $name := index . 0 -}}
{{- $value := index . 1 -}}
{{- $choices := index . 2 -}}
{{- if kindIs "invalid" $value -}}
{{- fail (printf "%s: required; expected one of %s" $name (join ", " $choices)) -}}
{{- end -}}
{{- if not (has $value $choices) -}}
{{- fail (printf "%s: `%v` is not valid; expected one of %s" $name $value (join ", " $choices)) -}}
{{- end -}}
{{- end -}}

{{- define "traffic.checkVersions" -}}
{{- $route := include "traffic.route" . | fromJson -}}
{{- $versions := $route.versions -}}
{{- $candidates := sub (len $versions) 1 -}}
{{- $names := list -}}
{{- $total := 0 -}}
{{- $defaultMatches := 0 -}}
{{- range $i, $version := $versions -}}
{{- $path := printf "modelVersions[%d]" $i -}}
{{- $name := printf "%s/%s" $version.namespace $version.name -}}
{{- if has $name $names -}}
{{- fail (printf "%s.name: `%s` is used twice in namespace %s; versions need different names" $path $version.name $version.namespace) -}}
{{- end -}}
{{- $names = append $names $name -}}
{{- $total = add $total $version.weight -}}
{{- if and (gt $i 0) (eq $route.strategy "canary") -}}
{{- if not $version.hasMatch -}}
{{- $defaultMatches = add $defaultMatches 1 -}}
{{- if gt $defaultMatches 1 -}}
{{- fail (printf "%s.match: required, because an earlier candidate has the default match `traffic: test` already" $path) -}}
{{- end -}}
{{- end -}}
{{- include "traffic.checkMatch" (dict "path" $path "match" $version.match "api" $route.api) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $route.strategy "blue-green") (eq $total 0) -}}
{{- fail "modelVersions: all weights are 0; expected at least one positive weight" -}}
{{- end -}}
{{- if and $route.mirrorsThroughGateway (gt $candidates 1) -}}
{{- fail (printf "modelVersions: %d candidates; trafficStrategy `mirror` supports one in targetEnv `%s`, because a header selects the version and all copies of a request have the same headers" $candidates $route.env) -}}
{{- end -}}
{{- if eq $route.api "gateway-api" -}}
{{- $limit := eq $route.strategy "blue-green" | ternary 16 15 -}}
{{- $count := eq $route.strategy "blue-green" | ternary (len $versions) (int $candidates) -}}
{{- if gt $count $limit -}}
{{- $what := eq $route.strategy "blue-green" | ternary "versions" "candidates" -}}
{{- fail (printf "modelVersions: %d %s; an HTTPRoute supports at most %d" $count $what $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Rejects matches in the other API's form. The API server reports all other mistakes. */ -}}
{{- define "traffic.checkMatch" -}}
{{- $api := .api -}}
{{- $path := .path -}}
{{- range $i, $match := .match -}}
{{- $here := printf "%s.match[%d]" $path $i -}}
{{- if and (eq $api "istio") (hasKey $match "path") -}}
{{- fail (printf "%s.path: a field of the Gateway API; with trafficApi `istio`, expected `uri: {prefix: …}` or `uri: {exact: …}`" $here) -}}
{{- end -}}
{{- if eq $api "istio" -}}
{{- range $field := list "uri" "scheme" "method" "authority" -}}
{{- if hasKey $match $field -}}
{{- include "traffic.checkStringMatch" (list (printf "%s.%s" $here $field) (get $match $field)) -}}
{{- end -}}
{{- end -}}
{{- range $field := list "headers" "queryParams" "withoutHeaders" -}}
{{- $tests := get $match $field -}}
{{- if kindIs "map" $tests -}}
{{- range $name, $test := $tests -}}
{{- include "traffic.checkStringMatch" (list (printf "%s.%s.%s" $here $field $name) $test) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $field := list "headers" "queryParams" -}}
{{- $tests := get $match $field -}}
{{- if and (eq $api "istio") (kindIs "slice" $tests) -}}
{{- fail (printf "%s.%s: a list is the form of the Gateway API; with trafficApi `istio`, expected a map such as `traffic: {exact: test}`" $here $field) -}}
{{- end -}}
{{- if and (eq $api "gateway-api") (kindIs "map" $tests) -}}
{{- range $name, $test := $tests -}}
{{- $test = kindIs "map" $test | ternary $test dict -}}
{{- if not (or (kindIs "string" $test.exact) (kindIs "string" $test.regex)) -}}
{{- fail (printf "%s.%s.%s: with trafficApi `gateway-api`, expected `exact` or `regex`" $here $field $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq $api "gateway-api" -}}
{{- range $field := keys (omit $match "headers" "path" "method" "queryParams") | sortAlpha -}}
{{- fail (printf "%s.%s: not a field of the Gateway API; with trafficApi `gateway-api`, expected path, headers, queryParams or method" $here $field) -}}
{{- end -}}
{{- if not (kindIs "string" ($match.method | default "")) -}}
{{- fail (printf "%s.method: with trafficApi `gateway-api`, expected a method such as `POST`" $here) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Rejects a test of a text that is not a StringMatch of Istio. Takes its path and the test. */ -}}
{{- define "traffic.checkStringMatch" -}}
{{- $path := index . 0 -}}
{{- $test := index . 1 -}}
{{- if not (kindIs "map" $test) -}}
{{- fail (printf "%s: `%v` is not a map; with trafficApi `istio`, expected `exact`, `prefix` or `regex`" $path $test) -}}
{{- end -}}
{{- end -}}
