{{- /*
Istio's standard metrics of HTTP and gRPC requests, as its sidecars report them.

Values:
  labels              which series belong to the version, such as destination_workload, destination_workload_namespace
  reporter            whose report counts: `destination` (default), `source` or `waypoint`. A request between two sidecars is reported
                      by both, so one must be chosen. `source` also counts what never reached the workload. labels.reporter is the same
  destinationWorkload, destinationWorkloadNamespace   the same as the labels of these names
  latencyPercentiles  numbers from 0 to 100: each becomes a metric latency-pX
  prometheusURL       the server; istioPromURL is the same. Default: Istio's add-on

Requests failed if they were answered with 5xx.
*/ -}}
{{- $labels := merge (dict) (.labels | default (dict)) }}
{{- $given := dict "reporter" .reporter "destination_workload" .destinationWorkload }}
{{- $given = set $given "destination_workload_namespace" .destinationWorkloadNamespace }}
{{- range $name, $value := $given }}
  {{- if and $value (not (hasKey $labels $name)) }}
    {{- $labels = set $labels $name $value }}
  {{- end }}
{{- end }}
{{- if not (omit $labels "reporter") }}
  {{- fail "labels is empty; expected at least one label besides reporter, such as destination_workload" }}
{{- end }}
{{- if not (hasKey $labels "reporter") }}
  {{- $labels = set $labels "reporter" "destination" }}
{{- end }}
{{- template "prometheus" dict
  "provider" "istio-prom"
  "url" (coalesce .prometheusURL .istioPromURL "http://prometheus.istio-system:9090")
  "labels" $labels
  "reserved" (list "response_code" "le")
  "errors" "response_code=~\"5..\""
  "requests" "istio_requests_total"
  "latency" "istio_request_duration_milliseconds"
  "percentiles" .latencyPercentiles
  "seconds" .elapsedTimeSeconds
}}
