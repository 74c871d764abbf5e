{{- /* Routing template of a VirtualService. */ -}}
{{- define "traffic.virtualService" -}}
{{ include "traffic.available" . }}
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata:
  name: {{ toYaml .model }}
  {{- if .showsNamespace }}
  namespace: {{ toYaml .namespace }}
  {{- end }}
spec:
  gateways:
  - {{ .gateway.namespace | empty | ternary .gateway.name (printf "%s/%s" .gateway.namespace .gateway.name) | toYaml }}
  hosts:
  {{- range .hosts }}
  - {{ toYaml . }}
  {{- end }}
  http:
  {{- include (printf "traffic.virtualService.%s" .strategy) . | trim | nindent 2 }}
{{ end -}}

{{- define "traffic.virtualService.blue-green" -}}
- route:
  {{- range $i, $version := .versions }}
  <%- if {{ $i | eq 0 | ternary "eq $first 0" (printf "gt (index .Weights %d) 0" $i) }} %>
  {{- include "traffic.destination" (dict "version" $version "weightOf" (toString $i)) | nindent 2 }}
  <%- end %>
  {{- end }}
{{- end -}}

{{- define "traffic.virtualService.canary" -}}
{{- range $i, $version := .versions }}
{{- if gt $i 0 }}
<%- if gt (index .Weights {{ $i }}) 0 %>
- match:
  {{- include "traffic.literal" (toYaml $version.match) | nindent 2 }}
  route:
  {{- include "traffic.destination" (dict "version" $version) | nindent 2 }}
<%- end %>
{{- end }}
{{- end }}
- route:
  {{- include "traffic.toFirst" (dict "versions" .versions "name" "traffic.destination") | trim | nindent 2 }}
{{- end -}}

{{- define "traffic.virtualService.mirror" -}}
{{- $candidates := rest .versions -}}
{{- if .mirrorsThroughGateway -}}
{{- $header := include "traffic.copyHeader" . -}}
<%- if $several %>
- match:
  - headers:
      {{ $header }}:
        exact: {{ toYaml .model }}
  route:
  {{- include "traffic.destination" (dict "version" (first $candidates) "remove" $header) | nindent 2 }}
<%- end %>
- route:
  <%- if $several %>
  {{- include "traffic.destination" (dict "version" (first .versions) "header" (dict $header .model)) | nindent 2 }}
  mirror:
    host: {{ .gatewayService.name }}.{{ .gatewayService.namespace }}.svc.cluster.local
    port:
      number: {{ int .gatewayService.port }}
  mirrorPercentage:
    value: {{ include "traffic.percentage" 1 }}
  <%- else %>
  {{- include "traffic.toFirst" (dict "versions" .versions "name" "traffic.destination") | trim | nindent 2 }}
  <%- end %>
{{- else -}}
- route:
  {{- include "traffic.toFirst" (dict "versions" .versions "name" "traffic.destination") | trim | nindent 2 }}
  {{- if eq (len $candidates) 1 }}
  <%- if $several %>
  mirror:
    {{- include "traffic.host" (first $candidates) | nindent 4 }}
  mirrorPercentage:
    value: {{ include "traffic.percentage" 1 }}
  <%- end %>
  {{- else if $candidates }}
  <%- if $several %>
  mirrors:
  {{- range $i, $version := $candidates }}
  <%- if and (gt (index .Weights {{ add1 $i }}) 0) (ne $first {{ add1 $i }}) %>
  - destination:
      {{- include "traffic.host" $version | nindent 6 }}
    percentage:
      value: {{ include "traffic.percentage" (add1 $i) }}
  <%- end %>
  {{- end }}
  <%- end %>
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Host and port of a version. */ -}}
{{- define "traffic.host" -}}
host: {{ .backend.service }}.{{ .backend.namespace }}.svc.cluster.local
port:
  number: {{ int .backend.port }}
{{- end -}}

{{- /*
Destination of a version. `weightOf` is the index of the weight that it gets if there are others; `header` has more request headers,
and `remove` names one to remove.
*/ -}}
{{- define "traffic.destination" -}}
{{- $headers := merge dict (.header | default dict) .version.backend.header -}}
- destination:
    {{- include "traffic.host" .version | nindent 4 }}
  {{- if .weightOf }}
  <%- if $several %>
  weight: <% index .Weights {{ .weightOf }} %>
  <%- end %>
  {{- end }}
  {{- if or $headers .remove }}
  headers:
    request:
      {{- if $headers }}
      set:
        {{- toYaml $headers | nindent 8 }}
      {{- end }}
      {{- if .remove }}
      remove:
      - {{ .remove }}
      {{- end }}
  {{- end }}
{{- end -}}
