{{- /*
ModelMesh's metrics of inference requests from outside. It counts them in the histogram of their latencies alone.

Values:
  labels              which series belong to the version, such as vModelId (the InferenceService) or modelId, namespace, method
  latencyPercentiles  numbers from 0 to 100: each becomes a metric latency-pX
  prometheusURL       the server. Default: that of ModelMesh's instructions for monitoring

ModelMesh leaves modelId and vModelId empty unless it is told to count per model (per_model_metrics). Requests failed if their gRPC
code was not OK.
*/ -}}
{{- template "prometheus" dict
  "provider" "kserve-modelmesh"
  "url" (.prometheusURL | default "http://prometheus-operated.monitoring:9090")
  "labels" .labels
  "reserved" (list "code" "le")
  "errors" "code!=\"OK\""
  "requests" "modelmesh_api_request_milliseconds_count"
  "latency" "modelmesh_api_request_milliseconds"
  "percentiles" .latencyPercentiles
  "seconds" .elapsedTimeSeconds
}}
