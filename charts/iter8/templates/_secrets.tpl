{{- /* Secrets that the values of the listed tasks refer to (`secretKeyRef`, `urlSecretKeyRef` and the like), which the pod mounts. Returns JSON: the
name of a Secret → its keys. */ -}}
{{- define "iter8.secretKeys" -}}
{{- $found := dict -}}
{{- range $task := include "iter8.tasks" . | fromJsonArray -}}
{{- if and (kindIs "string" $task) (hasKey $.Values $task) -}}
{{- include "iter8.collectSecretKeys" (list (get $.Values $task) $found) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* Adds the references in a value to a map. Arguments: the value, the map. */ -}}
{{- define "iter8.collectSecretKeys" -}}
{{- $value := first . -}}
{{- $found := last . -}}
{{- if kindIs "slice" $value -}}
{{- range $item := $value -}}
{{- include "iter8.collectSecretKeys" (list $item $found) -}}
{{- end -}}
{{- else if kindIs "map" $value -}}
{{- range $name, $item := $value -}}
{{- if and (hasSuffix "ecretKeyRef" $name) (eq (include "iter8.isSecretKey" $item) "true") -}}
{{- $keys := get $found $item.name | default dict -}}
{{- $_ := set $keys $item.key true -}}
{{- $_ := set $found $item.name $keys -}}
{{- else -}}
{{- include "iter8.collectSecretKeys" (list $item $found) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Returns `true` for the name of a Secret and a key in it. */ -}}
{{- define "iter8.isSecretKey" -}}
{{- if kindIs "map" . -}}
{{- if and (eq (len .) 2) (kindIs "string" .name) (kindIs "string" .key) -}}
{{- if and (regexMatch "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" .name) (regexMatch "^[-._a-zA-Z0-9]+$" .key) (ne .key ".") (not (hasPrefix ".." .key)) -}}
{{- and (le (len .name) 253) (le (len .key) 253) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Listed tasks, and those that analyze a rollout, as a JSON list. */ -}}
{{- define "iter8.tasks" -}}
{{- $tasks := .Values.tasks -}}
{{- if has "rollout" $tasks -}}
{{- $tasks = concat $tasks (index (.Values.rollout | default dict) "analysis" | default list) -}}
{{- end -}}
{{ toJson $tasks }}
{{- end -}}
