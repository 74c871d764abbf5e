{{- /*
Definitions shared by the built-in Prometheus templates. Each built-in template is this text followed by its own.

"prometheus" writes the whole provider. Queries are sent as forms, because with a few labels they exceed the URL length that proxies
accept. It takes a dict:
  provider     name of the provider
  url          URL of the server, with or without /api/v1 or /api/v1/query
  labels       labels that select the series of the version: label to value, at least one
  reserved     labels that the queries set themselves
  metrics      the metrics, a list with one dict per generation of the exporter; the requests of all are added up:
    requests   counter of requests
    latency    histogram of latencies, without _bucket, _sum, _count
    unit       milliseconds per unit of the histogram
    errors     matchers of failed requests, a list; no request matches two of them
    renamed    labels of other generations with another name in this one: their name to the one here
  percentiles  percentiles to query, each from 0 to 100
  seconds      length of the window, which ends when the query is evaluated

Without requests, the queries for errors and latencies return nothing, never 0 or NaN. With requests, no series of failed ones means
that none failed. Prometheus computes quantiles itself, so any percentile works. A percentile beyond the last bound of the histogram is
+Inf; Prometheus alone would return that bound. If an upgrade inside the window left requests in both generations, a percentile is the
larger one of the two, because their buckets have different bounds.
*/ -}}

{{- /*
"increase" writes the growth of each series inside the window. It takes a dict of "series", a selector, "window", a duration, and "nearest",
the precision of rounding.

increase() alone is not enough: it extrapolates, so 1 becomes 1.04, and it starts at the first sample of a series, so requests that a new
pod counted before its first scrape are lost. last_over_time() alone is not enough either: it covers the whole life of the pod. Hence
three cases; the first one with a value is used:

1. The series was reset inside the window. Only increase() handles resets, so its estimate is used; rounding undoes the extrapolation of
   small counts. If the series is also new, the value of its first sample is added: that is the last sample plus increase() minus
   delta(), because increase() minus delta() is what the resets removed.
2. The series existed before the window (an hour is looked back) and was not reset in between, which would show as a sample below the
   one before the window. Its growth is the difference between that sample and its last one.
3. The series is new or was reset. Its growth is its last sample. An old pod that Prometheus did not scrape before the window looks the
   same, so Prometheus must scrape a pod before its window starts.

The increase of a series without a sample in the window is unknown, so it has none.
*/ -}}
{{- define "increase" }}
        round(
          increase({{ .series }}[{{ .window }}]) and last_over_time({{ .series }}[1h] offset {{ .window }})
          or last_over_time({{ .series }}[{{ .window }}]) + increase({{ .series }}[{{ .window }}]) - delta({{ .series }}[{{ .window }}])
        {{- if ne .nearest 1.0 }}, {{ .nearest }}{{ end }}) and resets({{ .series }}[{{ .window }}]) > 0
        or last_over_time({{ .series }}[{{ .window }}]) - (
          last_over_time({{ .series }}[1h] offset {{ .window }}) <= min_over_time({{ .series }}[{{ .window }}])
        )
        or last_over_time({{ .series }}[{{ .window }}])
{{- end }}

{{- /*
"increases" writes those of several selectors, which have no series in common. It takes a list of dicts for "increase", each with "unit", a
factor.
*/ -}}
{{- define "increases" }}
  {{- range $index, $one := . }}
    {{- if $index }} or {{ end }}
    {{- if ne $one.unit 1.0 }} {{ $one.unit }} * {{ end }}(
    {{- template "increase" $one }}
      )
  {{- end }}
{{- end }}

{{- define "prometheus" }}
{{- if not (and .labels (kindIs "map" .labels)) }}
  {{- fail "labels: expected a map with at least one label that selects this version" }}
{{- end }}
{{- $matchers := list }}
{{- range $name, $value := .labels }}
  {{- if has $name $.reserved }}
    {{- fail (printf "labels.%s: reserved, because the queries set it themselves" $name) }}
  {{- end }}
  {{- if not (regexMatch "^[a-zA-Z_][a-zA-Z0-9_]*$" $name) }}
    {{- fail (printf "labels.%s: not a valid label name; expected letters, digits and _" $name) }}
  {{- end }}
  {{- if or (kindIs "map" $value) (kindIs "slice" $value) (kindIs "invalid" $value) }}
    {{- fail (printf "labels.%s: expected a string, number or boolean" $name) }}
  {{- end }}
{{- end }}
{{- $url := trimSuffix "/" .url | trimSuffix "/query" | trimSuffix "/api/v1" | printf "%s/api/v1/query" }}
{{- $window := printf "%vs" .seconds }}
{{- $all := list }}
{{- $failed := list }}
{{- $sum := list }}
{{- $count := list }}
{{- $histograms := list }}
{{- $counters := list }}
{{- range $metric := .metrics }}
  {{- $matchers := list }}
  {{- range $name, $value := $.labels }}
    {{- $matchers = append $matchers (printf "%s=%s" (get ($metric.renamed | default dict) $name | default $name) (quote (toString $value))) }}
  {{- end }}
  {{- $ours := join "," $matchers }}
  {{- $one := dict "window" $window "unit" 1.0 "nearest" 1.0 }}
  {{- $all = append $all (merge (dict "series" (printf "%s{%s}" $metric.requests $ours)) $one) }}
  {{- range $errors := $metric.errors }}
    {{- $failed = append $failed (merge (dict "series" (printf "%s{%s,%s}" $metric.requests $ours $errors)) $one) }}
  {{- end }}
  {{- $total := dict "series" (printf "%s_sum{%s}" $metric.latency $ours) "unit" $metric.unit "nearest" (divf 1.0 $metric.unit) }}
  {{- $sum = append $sum (merge $total $one) }}
  {{- $counted := merge (dict "series" (printf "%s_count{%s}" $metric.latency $ours)) $one }}
  {{- $count = append $count $counted }}
  {{- $buckets := merge (dict "series" (printf "%s_bucket{%s}" $metric.latency $ours)) $one }}
  {{- $bounded := merge (dict "series" (printf "%s_bucket{%s,le!=\"+Inf\"}" $metric.latency $ours)) $one }}
  {{- $histograms = append $histograms (dict "count" $counted "buckets" $buckets "bounded" $bounded "unit" $metric.unit) }}
  {{- $counters = append $counters $metric.requests }}
{{- end }}
url: {{ quote $url }}
provider: {{ .provider }}
method: POST
headers:
  Content-Type: application/x-www-form-urlencoded
metrics:
- name: request-count
  description: number of requests
  type: counter
  params:
  - name: query
    value: |
      sum(
        {{- template "increases" $all }}
      )
  jqExpression: .data.result[0].value[1]
  whenEmpty: no {{ join " or " $counters }} with these labels was scraped in the window of {{ $window }}
- name: error-count
  description: number of requests that failed
  type: counter
  params:
  - name: query
    value: |
      sum(
        {{- template "increases" $failed }}
      ) > 0
      or 0 * (sum(
        {{- template "increases" $all }}
      ) > 0)
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
- name: error-rate
  description: fraction of requests that failed
  type: gauge
  params:
  - name: query
    value: |
      (sum(
        {{- template "increases" $failed }}
      ) or 0 * sum(
        {{- template "increases" $all }}
      )) / (sum(
        {{- template "increases" $all }}
      ) > 0)
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
- name: latency-mean
  description: mean latency
  type: gauge
  units: msec
  params:
  - name: query
    value: |
      sum(
        {{- template "increases" $sum }}
      ) / (sum(
        {{- template "increases" $count }}
      ) > 0)
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
{{- if and .percentiles (not (kindIs "slice" .percentiles)) }}
  {{- fail "latencyPercentiles: expected a list, such as {50,99.9}" }}
{{- end }}
{{- range $value := .percentiles }}
  {{- $percentile := toString $value }}
  {{- if not (regexMatch "^(100|(0|[1-9][0-9]?)([.][0-9]+)?)$" $percentile) }}
    {{- fail (printf "latencyPercentiles: %q is not a percentile; expected 0 to 100" $percentile) }}
  {{- end }}
- name: latency-p{{ $percentile }}
  description: percentile {{ $percentile }} of the latency, interpolated within its bucket; +Inf beyond the last bound
  type: gauge
  units: msec
  params:
  - name: query
    value: |
      max(
        {{- range $index, $one := $histograms }}
          {{- if $index }} or {{ end }}label_replace(
        Inf * (sum(
        {{- template "increase" $one.count }}
      ) * {{ $percentile }} / 100 > max(sum by (le) (
        {{- template "increase" $one.bounded }}
      ))) or {{ if ne $one.unit 1.0 }}{{ $one.unit }} * {{ end }}histogram_quantile({{ $percentile }} / 100, sum by (le) (
        {{- template "increase" $one.buckets }}
      )) >= 0, "generation", "{{ $index }}", "", "")
        {{- end }})
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
{{- end }}
{{- end }}
