{{- /*
ModelMesh's metrics for external inference requests, which it counts only in the histogram of their latencies.

Values:
  labels              labels that select the series of the version, such as vModelId (the InferenceService) or modelId, namespace, method
  latencyPercentiles  numbers from 0 to 100; each adds a metric latency-pX
  prometheusURL       URL of the server. Default: the one from ModelMesh's monitoring instructions

ModelMesh leaves modelId and vModelId empty unless per_model_metrics is enabled. A request failed if its gRPC status was not OK.
*/ -}}
{{- template "prometheus" dict
  "provider" "kserve-modelmesh"
  "url" (.prometheusURL | default "http://prometheus-operated.monitoring:9090")
  "labels" .labels
  "reserved" (list "code" "le")
  "metrics" (list (dict
    "requests" "modelmesh_api_request_milliseconds_count"
    "latency" "modelmesh_api_request_milliseconds"
    "unit" 1.0
    "errors" (list "code!=\"OK\"")
  ))
  "percentiles" .latencyPercentiles
  "seconds" .elapsedTimeSeconds
}}
