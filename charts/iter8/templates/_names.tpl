{{- /* What an object says of itself. Of: the root, the object's name, and its namespace if it is not the release's. */ -}}
{{- define "iter8.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 | quote }}
namespace: {{ gt (len .) 2 | ternary (last .) $root.Release.Namespace | quote }}
{{ include "iter8.marks" $root }}
{{- end -}}

{{- /* Labels and annotations. */ -}}
{{- define "iter8.marks" -}}
labels:
  iter8.tools/group: {{ .Release.Name | quote }}
annotations:
  iter8.tools/group: {{ .Release.Name | quote }}
  iter8.tools/revision: {{ .Release.Revision | quote }}
{{- end -}}

{{- /* The service account that the experiment runs under. */ -}}
{{- define "iter8.account" -}}
{{ .Values.serviceAccountName | default "" | trim | default (printf "%s-iter8-sa" .Release.Name) }}
{{- end -}}

{{- /* The runner; `null` takes it back. */ -}}
{{- define "iter8.runner" -}}
{{ kindIs "invalid" .Values.runner | ternary "none" .Values.runner }}
{{- end -}}

{{- /* How many pods make the load together; 0 if that is no number. */ -}}
{{- define "iter8.pods" -}}
{{ kindIs "invalid" .Values.parallelism | ternary "1" (.Values.parallelism | toString | trim) | atoi }}
{{- end -}}

{{- /* The Job or CronJob of this revision. */ -}}
{{- define "iter8.run" -}}
{{ .Release.Name }}-{{ .Release.Revision }}-{{ include "iter8.runner" . }}
{{- end -}}

{{- /* Name of role and binding for what is waited for. Of: the root, the namespace. Elsewhere than in the release's namespace, releases
       of several namespaces may meet: the dot keeps them apart. */ -}}
{{- define "iter8.ready" -}}
{{- $root := index . 0 -}}
{{ $root.Release.Name }}-ready
{{- if ne (index . 1) $root.Release.Namespace }}.{{ $root.Release.Namespace }}{{ end }}
{{- end -}}
