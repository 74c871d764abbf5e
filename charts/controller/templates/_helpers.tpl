{{- define "controller.labels" -}}
app.kubernetes.io/name: iter8-controller
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{- define "controller.selector" -}}
app.kubernetes.io/name: iter8-controller
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "controller.image" -}}
{{- .Values.image | default (printf "iter8:%s" .Chart.AppVersion) -}}
{{- end -}}

{{- /* Configuration file of the controller. */ -}}
{{- define "controller.config" -}}
defaultResync: {{ .Values.defaultResync | quote }}
clusterScoped: {{ .Values.clusterScoped }}
otherNamespaces: {{ .Values.otherNamespaces }}
holdTime: {{ .Values.holdTime | quote }}
resourceTypes:
  {{- toYaml .Values.resourceTypes | nindent 2 }}
routeTypes: {{ .Values.routeTypes | default list | toJson }}
{{- end -}}

{{- /* Spec of all pods: one container that runs the program with the configuration. */ -}}
{{- define "controller.pod" -}}
{{- $root := index . 0 -}}
{{- $args := index . 1 -}}
serviceAccountName: {{ $root.Release.Name | quote }}
automountServiceAccountToken: true
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
volumes:
- name: config
  configMap:
    name: {{ $root.Release.Name | quote }}
containers:
- name: iter8
  image: {{ include "controller.image" $root | quote }}
  imagePullPolicy: {{ $root.Values.imagePullPolicy | quote }}
  command: [/iter8]
  args:
  - controllers
  {{- range $args }}
  - {{ . | quote }}
  {{- end }}
  env:
  - name: CONFIG_FILE
    value: /config/config.yaml
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  volumeMounts:
  - name: config
    mountPath: /config
    readOnly: true
  resources:
    {{- toYaml $root.Values.resources | nindent 4 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
{{- end -}}
