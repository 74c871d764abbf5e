# Statistics of one version as the sample service counts them, in JSON. The load measures what clients see; these are the server's numbers.
# `url` is the address of the version: `curl URL/stats` shows the whole response.
url: {{ .url }}/stats
provider: server
method: GET
metrics:
- name: request-count
  type: counter
  description: predictions served
  jqExpression: .requests
- name: error-rate
  type: gauge
  description: share of predictions that failed
  jqExpression: if .requests > 0 then .errors / .requests else null end
  whenEmpty: no predictions were served
- name: latency-mean
  type: gauge
  units: msec
  description: mean response time of predictions
  jqExpression: .latency.mean
  whenEmpty: no predictions were served
- name: latency-p99
  type: gauge
  units: msec
  description: 99th percentile of the response time of predictions
  jqExpression: .latency.p99
  whenEmpty: no predictions were served
