{{- /*
Knative's metrics of a revision, as reported by the queue proxy; used by KServe's serverless models. Since Knative 1.19 they have other
names, and latencies are in seconds; both generations are read.

Values:
  labels              labels that select the series of the version, such as revision_name, service_name, namespace_name; labels are
                      translated for Knative 1.19 and later
  latencyPercentiles  numbers from 0 to 100; each adds a metric latency-pX
  prometheusURL       URL of the server. Default: the one from KServe's monitoring instructions

A request failed if its response status was not 2xx.
*/ -}}
{{- template "prometheus" dict
  "provider" "kserve-prometheus"
  "url" (.prometheusURL | default "http://prometheus-operated.kfserving-monitoring:9090")
  "labels" .labels
  "reserved" (list "response_code" "response_code_class" "http_response_status_code" "le")
  "metrics" (list
    (dict
      "requests" "revision_app_request_count"
      "latency" "revision_app_request_latencies"
      "unit" 1.0
      "errors" (list "response_code_class!=\"2xx\"")
    )
    (dict
      "requests" "kn_serving_invocation_duration_seconds_count"
      "latency" "kn_serving_invocation_duration_seconds"
      "unit" 1000.0
      "errors" (list "http_response_status_code!~\"2..\"")
      "renamed" (dict
        "revision_name" "kn_revision_name"
        "service_name" "kn_service_name"
        "configuration_name" "kn_configuration_name"
        "namespace_name" "k8s_namespace_name"
        "pod_name" "k8s_pod_name"
      )
    )
  )
  "percentiles" .latencyPercentiles
  "seconds" .elapsedTimeSeconds
}}
