{{- /*
Routing template of an HTTPRoute. It spells out the defaults of the API server, so that the object in the cluster equals the rendered one.
*/ -}}
{{- define "traffic.httpRoute" -}}
{{ include "traffic.available" . }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ toYaml .model }}
  {{- if .showsNamespace }}
  namespace: {{ toYaml .namespace }}
  {{- end }}
spec:
  parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: {{ toYaml .gateway.name }}
    {{- if .gateway.namespace }}
    namespace: {{ toYaml .gateway.namespace }}
    {{- end }}
  hostnames:
  {{- range .hosts }}
  - {{ toYaml . }}
  {{- end }}
  rules:
  {{- include (printf "traffic.httpRoute.%s" .strategy) . | trim | nindent 2 }}
{{ end -}}

{{- define "traffic.httpRoute.blue-green" -}}
- matches:
  {{- include "traffic.everything" . | nindent 2 }}
  backendRefs:
  {{- range $i, $version := .versions }}
  <%- if {{ $i | eq 0 | ternary "eq $first 0" (printf "gt (index .Weights %d) 0" $i) }} %>
  {{- include "traffic.backendRef" (dict "version" $version "weightOf" (toString $i)) | nindent 2 }}
  <%- end %>
  {{- end }}
{{- end -}}

{{- define "traffic.httpRoute.canary" -}}
{{- range $i, $version := .versions }}
{{- if gt $i 0 }}
<%- if gt (index .Weights {{ $i }}) 0 %>
- matches:
  {{- range $version.match }}
  - {{ include "traffic.literal" (include "traffic.httpRouteMatch" .) | indent 4 | trim }}
  {{- end }}
  backendRefs:
  {{- include "traffic.backendRef" (dict "version" $version) | nindent 2 }}
<%- end %>
{{- end }}
{{- end }}
- matches:
  {{- include "traffic.everything" . | nindent 2 }}
  backendRefs:
  {{- include "traffic.toFirst" (dict "versions" .versions "name" "traffic.backendRef") | trim | nindent 2 }}
{{- end -}}

{{- define "traffic.httpRoute.mirror" -}}
{{- $candidates := rest .versions -}}
{{- if .mirrorsThroughGateway -}}
{{- $header := include "traffic.copyHeader" . -}}
<%- if $several %>
- matches:
  - headers:
    - name: {{ $header }}
      type: Exact
      value: {{ toYaml .model }}
    path:
      type: PathPrefix
      value: /
  backendRefs:
  {{- include "traffic.backendRef" (dict "version" (first $candidates) "remove" $header) | nindent 2 }}
<%- end %>
- matches:
  {{- include "traffic.everything" . | nindent 2 }}
  <%- if $several %>
  filters:
  {{- include "traffic.requestMirror" (dict "backend" .gatewayService "percentage" 1) | nindent 2 }}
  backendRefs:
  {{- include "traffic.backendRef" (dict "version" (first .versions) "header" (dict $header .model)) | nindent 2 }}
  <%- else %>
  backendRefs:
  {{- include "traffic.toFirst" (dict "versions" .versions "name" "traffic.backendRef") | trim | nindent 2 }}
  <%- end %>
{{- else -}}
- matches:
  {{- include "traffic.everything" . | nindent 2 }}
  {{- if $candidates }}
  <%- if $several %>
  filters:
  {{- range $i, $version := $candidates }}
  <%- if and (gt (index .Weights {{ add1 $i }}) 0) (ne $first {{ add1 $i }}) %>
  {{- $backend := dict "name" $version.backend.service "namespace" $version.backend.namespace "port" $version.backend.port }}
  {{- include "traffic.requestMirror" (dict "backend" $backend "percentage" (add1 $i)) | nindent 2 }}
  <%- end %>
  {{- end }}
  <%- end %>
  {{- end }}
  backendRefs:
  {{- include "traffic.toFirst" (dict "versions" .versions "name" "traffic.backendRef") | trim | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Match of all requests. */ -}}
{{- define "traffic.everything" -}}
- path:
    type: PathPrefix
    value: /
{{- end -}}

{{- /* A match of the user with the defaults of the API server. Headers and query parameters may have Istio's form. */ -}}
{{- define "traffic.httpRouteMatch" -}}
{{- $match := deepCopy . -}}
{{- range $field := list "headers" "queryParams" -}}
{{- $tests := get $match $field -}}
{{- if kindIs "map" $tests -}}
{{- $list := list -}}
{{- range $name := keys $tests | sortAlpha -}}
{{- $test := get $tests $name -}}
{{- $type := hasKey $test "exact" | ternary "Exact" "RegularExpression" -}}
{{- $list = append $list (dict "name" $name "type" $type "value" (hasKey $test "exact" | ternary $test.exact $test.regex)) -}}
{{- end -}}
{{- $_ := set $match $field $list -}}
{{- end -}}
{{- range get $match $field | default list -}}
{{- $_ := set . "type" (.type | default "Exact") -}}
{{- end -}}
{{- end -}}
{{- $_ := set $match "path" (merge dict ($match.path | default dict) (dict "type" "PathPrefix" "value" "/")) -}}
{{- toYaml $match -}}
{{- end -}}

{{- /* Filter that copies requests to a Service. */ -}}
{{- define "traffic.requestMirror" -}}
- type: RequestMirror
  requestMirror:
    backendRef:
      group: ""
      kind: Service
      name: {{ toYaml .backend.name }}
      namespace: {{ toYaml .backend.namespace }}
      port: {{ int .backend.port }}
    percent: {{ include "traffic.percentage" .percentage }}
{{- end -}}

{{- /*
Backend of a version. `weightOf` is the index of the weight that it gets if there are others; `header` has more request headers, and
`remove` names one to remove.
*/ -}}
{{- define "traffic.backendRef" -}}
{{- $headers := merge dict (.header | default dict) .version.backend.header -}}
- group: ""
  kind: Service
  name: {{ toYaml .version.backend.service }}
  namespace: {{ toYaml .version.backend.namespace }}
  port: {{ int .version.backend.port }}
  {{- if .weightOf }}
  weight: <% if $several %><% index .Weights {{ .weightOf }} %><% else %>1<% end %>
  {{- else }}
  weight: 1
  {{- end }}
  {{- if or $headers .remove }}
  filters:
  - type: RequestHeaderModifier
    requestHeaderModifier:
      {{- if $headers }}
      set:
      {{- range $name := keys $headers | sortAlpha }}
      - name: {{ $name }}
        value: {{ get $headers $name | toYaml }}
      {{- end }}
      {{- end }}
      {{- if .remove }}
      remove:
      - {{ .remove }}
      {{- end }}
  {{- end }}
{{- end -}}
