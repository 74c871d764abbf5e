# A provider template as users of Iter8 write them: Knative's metrics of one revision of a KServe model.
# What it asks for are totals since the pod began, and 0 where there is no series: `builtin:kserve-prometheus` does it better.
#
# Variables:
#   labels               which series to take, such as service_name and revision_name: plain texts
#   latencyPercentiles   list of whole numbers with two digits; a metric latency-pX for each
#   elapsedTimeSeconds   comes from the task

{{- define "matchers" }}
  {{- range $label, $wanted := .labels }}
    {{- if or (eq (kindOf $wanted) "map") (eq (kindOf $wanted) "slice") }}
      {{- fail (printf "label %s needs a plain text, and has: %v" $label $wanted) }}
    {{- end }}
        {{ $label }}="{{ $wanted }}",
  {{- end }}
{{- end }}

url: {{ .prometheusURL | default "http://prometheus-operated.kfserving-monitoring:9090/api/v1/query" }}
provider: kserve-prometheus
method: GET
metrics:
- name: request-count
  type: counter
  description: |
    Requests that the model answered
  params:
  - name: query
    value: |
      sum(last_over_time(revision_app_request_count{
        {{- template "matchers" . }}
      }[{{ .elapsedTimeSeconds }}s])) or on() vector(0)
  jqExpression: .data.result[0].value[1] | tonumber
- name: error-count
  type: counter
  description: |
    Requests that the model did not answer with success
  params:
  - name: query
    value: |
      sum(last_over_time(revision_app_request_count{
        response_code_class!="2xx",
        {{- template "matchers" . }}
      }[{{ .elapsedTimeSeconds }}s])) or on() vector(0)
  jqExpression: .data.result[0].value[1] | tonumber
- name: error-rate
  type: gauge
  description: |
    Part of the requests that the model did not answer with success
  params:
  - name: query
    value: |
      (sum(last_over_time(revision_app_request_count{
        response_code_class!="2xx",
        {{- template "matchers" . }}
      }[{{ .elapsedTimeSeconds }}s])) or on() vector(0)) / sum(last_over_time(revision_app_request_count{
        {{- template "matchers" . }}
      }[{{ .elapsedTimeSeconds }}s]))
  jqExpression: .data.result[0].value[1] | tonumber
- name: latency-mean
  type: gauge
  description: |
    Mean time to answer
  units: milliseconds
  params:
  - name: query
    value: |
      sum(last_over_time(revision_app_request_latencies_sum{
        {{- template "matchers" . }}
      }[{{ .elapsedTimeSeconds }}s])) / sum(last_over_time(revision_app_request_latencies_count{
        {{- template "matchers" . }}
      }[{{ .elapsedTimeSeconds }}s]))
  jqExpression: .data.result[0].value[1] | tonumber
{{- range $index, $percentile := .latencyPercentiles }}
- name: latency-p{{ $percentile }}
  type: gauge
  description: |
    Time that {{ $percentile }} percent of the answers take at most
  units: milliseconds
  params:
  - name: query
    value: |
      histogram_quantile(0.{{ $percentile }}, sum(last_over_time(revision_app_request_latencies_bucket{
        {{- template "matchers" $ }}
      }[{{ $.elapsedTimeSeconds }}s])) by (le))
  jqExpression: .data.result[0].value[1] | tonumber
{{- end }}
