{{- /* Spec of the Job: runs the binary as an unprivileged user without capabilities. */ -}}
{{- define "iter8.job" -}}
{{- $pods := include "iter8.pods" . | int -}}
{{- if eq $pods 1 -}}
backoffLimit: 0
{{- else -}}
completionMode: Indexed
completions: {{ $pods }}
parallelism: {{ $pods }}
backoffLimitPerIndex: 3
# Restart evicted pods without counting them. Give up on final exit codes: bad input (2), a failed task (3), and an unreachable cluster or
# store after minutes of retries (4).
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
# Two pods of one index would write the same Secret.
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
      # A sidecar would keep the Job running forever.
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
      # UID of the Job that the pods of a shared load belong to.
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
