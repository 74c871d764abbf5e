{{- /*
Istio's standard metrics for HTTP and gRPC requests, as reported by its sidecars.

Values:
  labels              labels that select the series of the version, such as destination_workload, destination_workload_namespace
  reporter            reporter to use: `destination` (default), `source` or `waypoint`. Both sidecars report a request between them,
                      so one must be chosen. `source` also counts requests that never reached the workload. Same as labels.reporter
  destinationWorkload, destinationWorkloadNamespace   same as the labels destination_workload and destination_workload_namespace
  latencyPercentiles  numbers from 0 to 100; each adds a metric latency-pX
  prometheusURL       URL of the server, also accepted as istioPromURL. Default: Istio's add-on

A request failed if its response status was 5xx, or if it was a gRPC call whose status was not 0 (OK): failed calls have the response
status 200.
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
  {{- fail "labels: expected at least one label besides reporter, such as destination_workload" }}
{{- end }}
{{- if not (hasKey $labels "reporter") }}
  {{- $labels = set $labels "reporter" "destination" }}
{{- end }}
{{- template "prometheus" dict
  "provider" "istio-prom"
  "url" (coalesce .prometheusURL .istioPromURL "http://prometheus.istio-system:9090")
  "labels" $labels
  "reserved" (list "response_code" "grpc_response_status" "le")
  "metrics" (list (dict
    "requests" "istio_requests_total"
    "latency" "istio_request_duration_milliseconds"
    "unit" 1.0
    "errors" (list "response_code=~\"5..\"" "response_code!~\"5..\",grpc_response_status!~\"|0\"")
  ))
  "percentiles" .latencyPercentiles
  "seconds" .elapsedTimeSeconds
}}
