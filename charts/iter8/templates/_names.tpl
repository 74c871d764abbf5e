{{- /* Metadata of an object. Arguments: the root, the name, and the namespace if it is not the release's. */ -}}
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

{{- /* Service account of the experiment. */ -}}
{{- define "iter8.account" -}}
{{ .Values.serviceAccountName | default "" | trim | default (printf "%s-iter8-sa" .Release.Name) }}
{{- end -}}

{{- /* Runner; `null` means none. */ -}}
{{- define "iter8.runner" -}}
{{ kindIs "invalid" .Values.runner | ternary "none" .Values.runner }}
{{- end -}}

{{- /* Number of pods that share the load; 0 if the value is not a number. */ -}}
{{- define "iter8.pods" -}}
{{ kindIs "invalid" .Values.parallelism | ternary "1" (.Values.parallelism | toString | trim) | atoi }}
{{- end -}}

{{- /* Name of the Job or CronJob of this revision. */ -}}
{{- define "iter8.run" -}}
{{ .Release.Name }}-{{ .Release.Revision }}-{{ include "iter8.runner" . }}
{{- end -}}

{{- /* Name of Role and RoleBinding for watched objects. Arguments: the root, the namespace of the objects. Another namespace may have Roles
       for releases of several namespaces; the part after the dot keeps them apart. */ -}}
{{- define "iter8.ready" -}}
{{- $root := index . 0 -}}
{{ $root.Release.Name }}-ready
{{- if ne (index . 1) $root.Release.Namespace }}.{{ $root.Release.Namespace }}{{ end }}
{{- end -}}
