{{- /*
What the built-in templates for Prometheus share. A template of the program is this text, followed by its own.

"prometheus" writes the whole provider. It takes a dict:
  provider     name of the provider
  url          the server, with or without /api/v1/query
  labels       which series belong to the version: label to value, at least one
  reserved     labels that the queries set themselves
  errors       matcher of requests that failed
  requests     counter of requests
  latency      histogram of latencies in milliseconds, without _bucket, _sum, _count
  percentiles  which of them to ask for, each from 0 to 100
  seconds      length of the window, which ends when the query is evaluated
*/ -}}

{{- /*
"increase" writes how much each series grew inside the window. It takes a dict of "series", a selector, and "window", a duration.

increase() alone won't do: it extrapolates, so that 1 becomes 1.04, and it starts at a series' first sample, so that what a fresh pod
counted before its first scrape is lost. last_over_time() alone won't do either: it has everything since the pod began. Hence:

    last sample in the window
  - last sample before it, as far back as an hour; nothing for a series that is new or that began anew in between
  + what the resets in the window took away

A series began anew before its first sample in the window if that is below the last one before it. Where the window has resets, the
least sample says nothing of that, but the greatest does. What resets took away is the difference of increase(), which adds it, and
delta(), which doesn't. Both extrapolate, and rounding undoes that for all but large counts. A series without a sample in the window
has no increase: nobody knows it.
*/ -}}
{{- define "increase" }}
            last_over_time({{ .series }}[{{ .window }}])
          - (
              last_over_time({{ .series }}[1h] offset {{ .window }}) <= min_over_time({{ .series }}[{{ .window }}])
              or last_over_time({{ .series }}[1h] offset {{ .window }}) <= max_over_time({{ .series }}[{{ .window }}])
                and resets({{ .series }}[{{ .window }}]) > 0
              or 0 * last_over_time({{ .series }}[{{ .window }}])
            )
          + (
              round(increase({{ .series }}[{{ .window }}]) - delta({{ .series }}[{{ .window }}]))
                and resets({{ .series }}[{{ .window }}]) > 0
              or 0 * last_over_time({{ .series }}[{{ .window }}])
            )
{{- end }}

{{- define "prometheus" }}
{{- $matchers := "" }}
{{- range $name, $value := .labels }}
  {{- if has $name $.reserved }}
    {{- fail (printf "labels.%s is set by the queries themselves; leave it out" $name) }}
  {{- end }}
  {{- if not (regexMatch "^[a-zA-Z_][a-zA-Z0-9_]*$" $name) }}
    {{- fail (printf "labels.%s is no name of a label; expected letters, digits and _" $name) }}
  {{- end }}
  {{- if or (kindIs "map" $value) (kindIs "slice" $value) (kindIs "invalid" $value) }}
    {{- fail (printf "labels.%s is a %s; expected a text" $name (kindOf $value)) }}
  {{- end }}
  {{- $matchers = printf "%s%s=%s," $matchers $name (quote (toString $value)) }}
{{- end }}
{{- if not $matchers }}
  {{- fail "labels is empty; expected at least one label that tells this version from others" }}
{{- end }}
{{- $url := trimSuffix "/" .url }}
{{- if not (hasSuffix "/api/v1/query" $url) }}
  {{- $url = printf "%s/api/v1/query" $url }}
{{- end }}
{{- $window := printf "%vs" .seconds }}
{{- $all := dict "window" $window "series" (printf "%s{%s}" .requests $matchers) }}
{{- $failed := dict "window" $window "series" (printf "%s{%s%s}" .requests $matchers .errors) }}
{{- $buckets := dict "window" $window "series" (printf "%s_bucket{%s}" .latency $matchers) }}
{{- $sum := dict "window" $window "series" (printf "%s_sum{%s}" .latency $matchers) }}
{{- $count := dict "window" $window "series" (printf "%s_count{%s}" .latency $matchers) }}
url: {{ quote $url }}
provider: {{ .provider }}
method: GET
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
  whenEmpty: {{ printf "no %s with these labels was scraped in the window of %s" .requests $window }}
- name: error-count
  description: number of requests that failed
  type: counter
  params:
  - name: query
    # No series of failed requests means none failed, if there were requests.
    value: |
      (
        sum(
          {{- template "increase" $failed }}
        )
        or 0 * sum(
          {{- template "increase" $all }}
        )
      )
      and sum(
          {{- template "increase" $all }}
      ) > 0
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
- name: error-rate
  description: share of requests that failed
  type: gauge
  params:
  - name: query
    # Without requests there is nothing to divide by, and no rate.
    value: |
      (
        sum(
          {{- template "increase" $failed }}
        )
        or 0 * sum(
          {{- template "increase" $all }}
        )
      )
      / (
        sum(
          {{- template "increase" $all }}
        ) > 0
      )
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
      )
      / (
        sum(
          {{- template "increase" $count }}
        ) > 0
      )
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
{{- if and .percentiles (not (kindIs "slice" .percentiles)) }}
  {{- fail (printf "latencyPercentiles is a %s; expected a list, such as {50,99.9}" (kindOf .percentiles)) }}
{{- end }}
{{- range $value := .percentiles }}
  {{- $percentile := toString $value }}
  {{- if not (regexMatch "^(100|[0-9]{1,2}([.][0-9]+)?)$" $percentile) }}
    {{- fail (printf "latencyPercentiles has %q; expected numbers from 0 to 100" $percentile) }}
  {{- end }}
- name: latency-p{{ $percentile }}
  description: latency that {{ $percentile }} % of requests do not exceed, linear within its bucket
  type: gauge
  units: msec
  params:
  - name: query
    # The division is Prometheus' own, so that any percentile is one. The comparison leaves out NaN, which is what no requests give.
    value: |
      histogram_quantile({{ $percentile }} / 100, sum by (le) (
          {{- template "increase" $buckets }}
      )) >= 0
  jqExpression: .data.result[0].value[1]
  whenEmpty: no requests in the window of {{ $window }}
{{- end }}
{{- end }}
