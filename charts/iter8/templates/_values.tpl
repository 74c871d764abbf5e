{{- /* Values for the run. `global` exists if this chart is a subchart, and is not a value of the experiment. */ -}}
{{- define "iter8.values" -}}
{{ toYaml (omit .Values "global") }}
{{ end -}}

{{- /* Rejects what `iter8 k launch` rejects, except mistakes within tasks. Every template includes it first. */ -}}
{{- define "iter8.check" -}}
{{- $values := .Values -}}
{{- if contains "." .Release.Name -}}
{{- fail (printf "the release's name `%s` is not the name of a group: small letters, digits and -, at most 63" .Release.Name) -}}
{{- end -}}
{{- if not (and (kindIs "slice" $values.tasks) $values.tasks) -}}
{{- fail "tasks: no tasks are given; list the tasks to run, such as --set \"tasks={http,assess}\"" -}}
{{- end -}}
{{- $runner := include "iter8.runner" . -}}
{{- if not (has $runner (list "job" "cronjob" "none")) -}}
{{- fail (printf "runner: `%s` is not a runner; expected one of job, cronjob, none" $runner) -}}
{{- end -}}
{{- if and (eq $runner "cronjob") (not ($values.cronjobSchedule | default "" | trim)) -}}
{{- fail "cronjobSchedule: the cronjob runner needs a schedule, such as --set cronjobSchedule=\"*/10 * * * *\"" -}}
{{- end -}}
{{- $pods := include "iter8.pods" . | int -}}
{{- if or (lt $pods 1) (gt $pods 100) -}}
{{- fail (printf "parallelism: `%v` is not a number of pods from 1 to 100" $values.parallelism) -}}
{{- end -}}
{{- /* Kubernetes' limits: pods have the name of their Job as a label, and a CronJob appends the time to the names of its Jobs. */ -}}
{{- $longest := eq $runner "cronjob" | ternary 52 63 -}}
{{- /* The host name of an Indexed Job's pod consists of the Job's name and the index. */ -}}
{{- if gt $pods 1 -}}
{{- $longest = sub $longest (printf "-%d" (sub $pods 1) | len) -}}
{{- end -}}
{{- $run := include "iter8.run" . -}}
{{- if and (ne $runner "none") (gt (len $run) $longest) -}}
{{- fail (printf "the %s would be called `%s`, which is longer than %d characters: give the release a shorter name" $runner $run $longest) -}}
{{- end -}}
{{- $size := include "iter8.values" . | len -}}
{{- if gt $size 655360 -}}
{{- fail (printf "the values have %d bytes, and at most 655360 fit into the experiment's Secret beside its document: name large payloads by URL, such as http.payloadURL" $size) -}}
{{- end -}}
{{- end -}}

{{- /* CPU and memory of a pod. Quantities are strings in the API, but users often write numbers. */ -}}
{{- define "iter8.resources" -}}
{{- $resources := dict -}}
{{- range $key, $value := .Values.resources -}}
{{- if and (has $key (list "requests" "limits")) (kindIs "map" $value) -}}
{{- $quantities := dict -}}
{{- range $name, $quantity := $value -}}
{{- if not (kindIs "invalid" $quantity) -}}
{{- $_ := set $quantities $name (kindIs "string" $quantity | ternary $quantity (toJson $quantity)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $resources $key $quantities -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $resources $key $value -}}
{{- end -}}
{{- end -}}
{{ toYaml $resources }}
{{- end -}}
