{{- /*
Knative's metrics of a revision, as reported by the queue proxy; used by KServe's serverless models.

Values:
  labels              labels that select the series of the version, such as revision_name, service_name, namespace_name
  latencyPercentiles  numbers from 0 to 100; each adds a metric latency-pX
  prometheusURL       URL of the server. Default: the one from KServe's monitoring instructions

A request failed if its response status was not 2xx.
*/ -}}
{{- template "prometheus" dict
  "provider" "kserve-prometheus"
  "url" (.prometheusURL | default "http://prometheus-operated.kfserving-monitoring:9090")
  "labels" .labels
  "reserved" (list "response_code" "response_code_class" "le")
  "errors" "response_code_class!=\"2xx\""
  "requests" "revision_app_request_count"
  "latency" "revision_app_request_latencies"
  "percentiles" .latencyPercentiles
  "seconds" .elapsedTimeSeconds
}}
