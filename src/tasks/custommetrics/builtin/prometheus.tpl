{{- /*
What the built-in templates for Prometheus share. A template of the program is this text, followed by its own.

"prometheus" writes the whole provider. Queries are sent as forms: with a few labels they outgrow what proxies take of a URL. It takes a
dict:
  provider     name of the provider
  url          the server, with or without /api/v1/query
  labels       which series belong to the version: label to value, at least one
  reserved     labels that the queries set themselves
  errors       matcher of requests that failed
  requests     counter of requests
  latency      histogram of latencies in milliseconds, without _bucket, _sum, _count
  percentiles  which of them to ask for, each from 0 to 100
  seconds      length of the window, which ends when the query is evaluated

Without requests there is nothing to say about errors and latencies: those queries give nothing, never 0 and never NaN. Where there
were requests, no series of failed ones means that none failed. Prometheus itself makes a quantile of a percentile, so that any will do;
one that lies beyond the last bound of the histogram is +Inf, where Prometheus would say that bound.
*/ -}}

{{- /*
"increase" writes how much each series grew inside the window. It takes a dict of "series", a selector, and "window", a duration.

increase() alone won't do: it extrapolates, so that 1 becomes 1.04, and it starts at a series' first sample, so that what a fresh pod
counted before its first scrape is lost. last_over_time() alone won't do either: it has everything since the pod began. Hence three
cases, of which the first that has a value counts:

1. The series was reset inside the window. Only increase() knows of resets, so its estimate is taken; rounding undoes the
   extrapolation of small counts. If the series is new, too, what it had at its first sample is added: it ended at its last sample, and
   increase() less delta() is what the resets took away.
2. The series was there before the window (an hour is looked back), and did not begin anew in between, which would show as a sample
   below the one before the window. It grew from that sample to its last one.
3. The series is new, or began anew. It grew from 0 to its last sample. A pod that is old, and that Prometheus did not know before the
   window, looks the same: whoever asks for a window must have had Prometheus scrape before it.

A series without a sample in the window has no increase: nobody knows it.
*/ -}}
{{- define "increase" }}
        round(
          increase({{ .series }}[{{ .window }}]) and last_over_time({{ .series }}[1h] offset {{ .window }})
          or last_over_time({{ .series }}[{{ .window }}]) + increase({{ .series }}[{{ .window }}]) - delta({{ .series }}[{{ .window }}])
        ) and resets({{ .series }}[{{ .window }}]) > 0
        or last_over_time({{ .series }}[{{ .window }}]) - (
          last_over_time({{ .series }}[1h] offset {{ .window }}) <= min_over_time({{ .series }}[{{ .window }}])
        )
        or last_over_time({{ .series }}[{{ .window }}])
{{- end }}

{{- define "prometheus" }}
{{- if not (and .labels (kindIs "map" .labels)) }}
  {{- fail "labels is empty or no map; expected at least one label that tells this version from others" }}
{{- end }}
{{- $matchers := list }}
{{- range $name, $value := .labels }}
  {{- if has $name $.reserved }}
    {{- fail (printf "labels.%s is set by the queries themselves; leave it out" $name) }}
  {{- end }}
  {{- if not (regexMatch "^[a-zA-Z_][a-zA-Z0-9_]*$" $name) }}
    {{- fail (printf "labels.%s is no name of a label; expected letters, digits and _" $name) }}
  {{- end }}
  {{- if or (kindIs "map" $value) (kindIs "slice" $value) (kindIs "invalid" $value) }}
    {{- fail (printf "labels.%s is no text; expected a text, a number, true or false" $name) }}
  {{- end }}
  {{- $matchers = append $matchers (printf "%s=%s" $name (quote (toString $value))) }}
{{- end }}
{{- $url := trimSuffix "/" .url }}
{{- if not (hasSuffix "/api/v1/query" $url) }}
  {{- $url = printf "%s/api/v1/query" $url }}
{{- end }}
{{- $window := printf "%vs" .seconds }}
{{- $ours := join "," $matchers }}
{{- $all := dict "window" $window "series" (printf "%s{%s}" .requests $ours) }}
{{- $failed := dict "window" $window "series" (printf "%s{%s}" .requests (join "," (append $matchers .errors))) }}
{{- $buckets := dict "window" $window "series" (printf "%s_bucket{%s}" .latency $ours) }}
{{- $bounded := dict "window" $window "series" (printf "%s_bucket{%s}" .latency (join "," (append $matchers "le!=\"+Inf\""))) }}
{{- $sum := dict "window" $window "series" (printf "%s_sum{%s}" .latency $ours) }}
{{- $count := dict "window" $window "series" (printf "%s_count{%s}" .latency $ours) }}
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
        {{- template "increase" $all }}
      )
  jqExpression: .data.result[0].value[1]
  whenEmpty: no {{ .requests }} with these labels was scraped in the window of {{ $window }}
- name: error-count
  description: number of requests that failed
  type: counter
  params:
  - name: query
    value: |
      sum(
        {{- template "increase" $failed }}
      ) > 0
      or 0 * (sum(
        {{- template "increase" $all }}
      ) > 0)
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
- name: error-rate
  description: share of requests that failed
  type: gauge
  params:
  - name: query
    value: |
      (sum(
        {{- template "increase" $failed }}
      ) or 0 * sum(
        {{- template "increase" $all }}
      )) / (sum(
        {{- template "increase" $all }}
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
        {{- template "increase" $sum }}
      ) / (sum(
        {{- template "increase" $count }}
      ) > 0)
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
{{- if and .percentiles (not (kindIs "slice" .percentiles)) }}
  {{- fail "latencyPercentiles is no list; expected one, such as {50,99.9}" }}
{{- end }}
{{- range $value := .percentiles }}
  {{- $percentile := toString $value }}
  {{- if not (regexMatch "^(100|(0|[1-9][0-9]?)([.][0-9]+)?)$" $percentile) }}
    {{- fail (printf "latencyPercentiles has %q; expected numbers from 0 to 100" $percentile) }}
  {{- end }}
- name: latency-p{{ $percentile }}
  description: latency that {{ $percentile }} % of requests do not exceed, linear within its bucket, +Inf beyond the last
  type: gauge
  units: msec
  params:
  - name: query
    value: |
      Inf * (sum(
        {{- template "increase" $count }}
      ) * {{ $percentile }} / 100 > max(sum by (le) (
        {{- template "increase" $bounded }}
      ))) or histogram_quantile({{ $percentile }} / 100, sum by (le) (
        {{- template "increase" $buckets }}
      )) >= 0
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
{{- end }}
{{- end }}
