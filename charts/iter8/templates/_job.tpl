{{- /* The spec of the Job: the program, directly, as nobody, with nothing it does not need. */ -}}
{{- define "iter8.job" -}}
{{- $pods := include "iter8.pods" . | int -}}
{{- if eq $pods 1 -}}
backoffLimit: 0
{{- else -}}
completionMode: Indexed
completions: {{ $pods }}
parallelism: {{ $pods }}
backoffLimitPerIndex: 3
# Pods that make way for others are started again without being counted. What the experiment itself came to is not tried again: wrong
# input (2), a task that failed (3), and what was waited for in vain for minutes (4).
podFailurePolicy:
  rules:
  - action: Ignore
    onPodConditions:
    - type: DisruptionTarget
      status: "True"
  - action: FailIndex
    onExitCodes:
      containerName: iter8
      operator: In
      values: [2, 3, 4]
# Two pods of one index would be in each other's way.
podReplacementPolicy: Failed
{{- end }}
template:
  metadata:
    labels:
      iter8.tools/group: {{ .Release.Name | quote }}
      iter8.tools/revision: {{ .Release.Revision | quote }}
    annotations:
      iter8.tools/group: {{ .Release.Name | quote }}
      iter8.tools/revision: {{ .Release.Revision | quote }}
      # Jobs never end where a sidecar runs on.
      sidecar.istio.io/inject: "false"
  spec:
    serviceAccountName: {{ include "iter8.account" . | quote }}
    restartPolicy: Never
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      runAsGroup: 65532
      seccompProfile:
        type: RuntimeDefault
    containers:
    - name: iter8
      image: {{ .Values.iter8Image | default "" | trim | default (printf "iter8:%s" .Chart.AppVersion) | quote }}
      command: [/iter8]
      args:
      - k
      - run
      - --namespace
      - {{ .Release.Namespace | quote }}
      - --group
      - {{ .Release.Name | quote }}
      - --revision
      - {{ .Release.Revision | quote }}
      - --loglevel
      - {{ .Values.logLevel | default "" | trim | default "info" | quote }}
      {{- if eq (include "iter8.runner" .) "cronjob" }}
      - --reuseResult
      {{- end }}
      {{- if gt $pods 1 }}
      env:
      # Tells pods that make a load together which Job they belong to.
      - name: ITER8_JOB_UID
        valueFrom:
          fieldRef:
            fieldPath: metadata.labels['batch.kubernetes.io/controller-uid']
      {{- end }}
      resources:
        {{- include "iter8.resources" . | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
{{- end -}}
