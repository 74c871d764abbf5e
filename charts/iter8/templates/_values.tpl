{{- /* Values for the run. `global` exists if this chart is a subchart, and is not a value of the experiment. */ -}}
{{- define "iter8.values" -}}
{{ toYaml (omit .Values "global") }}
{{ end -}}

{{- /* Rejects the same values as `iter8 k launch`, except for mistakes within tasks. Every template includes it first. */ -}}
{{- define "iter8.check" -}}
{{- $values := .Values -}}
{{- if contains "." .Release.Name -}}
{{- fail (printf "the release name `%s` is not a valid group name; expected at most 63 lowercase letters, digits and `-`" .Release.Name) -}}
{{- end -}}
{{- if not (and (kindIs "slice" $values.tasks) $values.tasks) -}}
{{- fail "tasks: required; list the tasks to run, for example --set \"tasks={http,assess}\"" -}}
{{- end -}}
{{- $runner := include "iter8.runner" . -}}
{{- if not (has $runner (list "job" "cronjob" "none")) -}}
{{- fail (printf "runner: `%s` is not a valid runner; expected one of job, cronjob, none" $runner) -}}
{{- end -}}
{{- if and (eq $runner "cronjob") (not ($values.cronjobSchedule | default "" | trim)) -}}
{{- fail "cronjobSchedule: required by the cronjob runner; for example: --set cronjobSchedule=\"*/10 * * * *\"" -}}
{{- end -}}
{{- $pods := include "iter8.pods" . | int -}}
{{- if or (lt $pods 1) (gt $pods 100) -}}
{{- fail (printf "parallelism: `%v` is not a valid number of pods; expected 1 to 100" $values.parallelism) -}}
{{- end -}}
{{- if has "rollout" $values.tasks -}}
{{- if eq $runner "cronjob" -}}
{{- fail "runner: a rollout cannot run on a schedule: each run would start it again; use --set runner=job" -}}
{{- end -}}
{{- if gt $pods 1 -}}
{{- fail "parallelism: the load of a rollout cannot be shared between pods yet; leave out parallelism" -}}
{{- end -}}
{{- end -}}
{{- /* Limits of Kubernetes: the name of a Job is a label of its pods, and a CronJob appends the time to the names of its Jobs. */ -}}
{{- $longest := eq $runner "cronjob" | ternary 52 63 -}}
{{- /* The host name of an Indexed Job's pod consists of the Job's name and the index. */ -}}
{{- if gt $pods 1 -}}
{{- $longest = sub $longest (printf "-%d" (sub $pods 1) | len) -}}
{{- end -}}
{{- /* A new release has room for its later revisions. */ -}}
{{- $revision := ternary 9999 .Release.Revision .Release.IsInstall -}}
{{- $run := printf "%s-%v-%s" .Release.Name $revision $runner -}}
{{- if and (ne $runner "none") (gt (len $run) $longest) -}}
{{- fail (printf "the name of its %s, `%s` in revision %v, would be longer than %d characters; use a shorter release name" $runner $run $revision $longest) -}}
{{- end -}}
{{- include "iter8.checkPodTemplate" . -}}
{{- $size := include "iter8.values" . | len -}}
{{- if gt $size 655360 -}}
{{- fail (printf "the values have %d bytes; at most 655360 fit into the experiment's Secret together with its document; move large payloads to a URL, such as http.payloadURL" $size) -}}
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

{{- /* Rejects a patch of what the program depends on. */ -}}
{{- define "iter8.checkPodTemplate" -}}
{{- $patch := .Values.podTemplate | default dict -}}
{{- $metadata := get $patch "metadata" | default dict -}}
{{- $spec := get $patch "spec" | default dict -}}
{{- range $kind, $marks := $metadata -}}
{{- if not (has $kind (list "labels" "annotations")) -}}
{{- fail (printf "podTemplate.metadata.%s: unknown field; expected one of labels, annotations" $kind) -}}
{{- end -}}
{{- range $name, $_ := $marks -}}
{{- if hasPrefix "iter8.tools/" $name -}}
{{- fail (printf "podTemplate.metadata.%s.%s: cannot be changed: iter8 depends on it" $kind $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name := list "restartPolicy" "serviceAccountName" -}}
{{- if hasKey $spec $name -}}
{{- fail (printf "podTemplate.spec.%s: cannot be changed: iter8 depends on it" $name) -}}
{{- end -}}
{{- end -}}
{{- range $index, $container := get $spec "containers" | default list -}}
{{- if eq (get $container "name" | toString) "iter8" -}}
{{- range $name := list "command" "args" -}}
{{- if hasKey $container $name -}}
{{- fail (printf "podTemplate.spec.containers[%d].%s: cannot be changed: iter8 depends on it" $index $name) -}}
{{- end -}}
{{- end -}}
{{- range $at, $variable := get $container "env" | default list -}}
{{- if eq (get $variable "name" | toString) "ITER8_JOB_UID" -}}
{{- fail (printf "podTemplate.spec.containers[%d].env[%d]: cannot be changed: iter8 depends on it" $index $at) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
