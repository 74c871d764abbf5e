{{- /*
Knative's metrics of a revision, as the queue proxy reports them: what KServe's serverless models have.

Values:
  labels              which series belong to the version, such as revision_name, service_name, namespace_name
  latencyPercentiles  numbers from 0 to 100: each becomes a metric latency-pX
  prometheusURL       the server. Default: that of KServe's instructions for monitoring

Requests failed if they were not answered with 2xx.
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
