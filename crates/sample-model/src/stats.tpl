# What the sample service itself has counted of one version, asked for as JSON. The load tells what clients see, this what servers do.
# `url` is the address of the version: `curl URL/stats` shows the whole answer.
url: {{ .url }}/stats
provider: server
method: GET
metrics:
- name: request-count
  type: counter
  description: predictions answered
  jqExpression: .requests
- name: error-rate
  type: gauge
  description: share of predictions that failed
  jqExpression: if .requests > 0 then .errors / .requests else null end
  whenEmpty: no prediction was answered
- name: latency-mean
  type: gauge
  units: msec
  description: mean time to answer a prediction
  jqExpression: .latency.mean
  whenEmpty: no prediction was answered
- name: latency-p99
  type: gauge
  units: msec
  description: 99th percentile of the time to answer a prediction
  jqExpression: .latency.p99
  whenEmpty: no prediction was answered
