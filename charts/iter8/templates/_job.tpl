{{- /* Spec of the Job: runs the binary as an unprivileged user without capabilities. */ -}}
{{- define "iter8.job" -}}
{{- $pods := include "iter8.pods" . | int -}}
{{- if has "rollout" .Values.tasks -}}
# A killed pod is replaced, and goes on with the rollout in its document. Exit codes are final, also an unreachable cluster after minutes of
# retries (4): no rollout starts again by itself.
backoffLimit: 6
podFailurePolicy:
  rules:
  - action: Ignore
    onPodConditions:
    - type: DisruptionTarget
      status: "True"
  - action: FailJob
    onExitCodes:
      containerName: iter8
      operator: In
      values: [1, 2, 3, 4, 5]
# Two pods would move the same traffic.
podReplacementPolicy: Failed
{{- else if eq $pods 1 -}}
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
{{- include "iter8.number" (list . "ttlSecondsAfterFinished") }}
{{- include "iter8.number" (list . "activeDeadlineSeconds") }}
template:
  {{- $template := include "iter8.podTemplate" . | fromYaml }}
  {{- include "iter8.merge" (list $template (.Values.podTemplate | default dict)) | fromJson | toYaml | nindent 2 }}
{{- end -}}

{{- /* Pod that runs the binary. */ -}}
{{- define "iter8.podTemplate" -}}
{{- $pods := include "iter8.pods" . | int -}}
{{- $secrets := include "iter8.secretKeys" . | fromJson -}}
metadata:
  labels:
    iter8.tools/group: {{ .Release.Name | quote }}
    iter8.tools/revision: {{ .Release.Revision | quote }}
    sidecar.istio.io/inject: "false"
    kuma.io/sidecar-injection: disabled
  annotations:
    iter8.tools/group: {{ .Release.Name | quote }}
    iter8.tools/revision: {{ .Release.Revision | quote }}
    # A sidecar would keep the Job running forever.
    sidecar.istio.io/inject: "false"
    linkerd.io/inject: disabled
    kuma.io/sidecar-injection: disabled
    consul.hashicorp.com/connect-inject: "false"
spec:
  serviceAccountName: {{ include "iter8.account" . | quote }}
  # The account may be set to mount none.
  automountServiceAccountToken: true
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
      {{- include "iter8.resources" . | nindent 6 }}
    {{- if $secrets }}
    volumeMounts:
    - name: iter8-secrets
      mountPath: /var/run/secrets/iter8
      readOnly: true
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
  {{- with $secrets }}
  volumes:
  - name: iter8-secrets
    projected:
      sources:
      {{- range $name, $keys := . }}
      - secret:
          name: {{ $name | quote }}
          items:
          {{- range $key, $_ := $keys }}
          - key: {{ $key | quote }}
            path: {{ printf "%s/%s" $name $key | quote }}
          {{- end }}
      {{- end }}
  {{- end }}
{{- end -}}

{{- /* Line with a whole number, if the value is set. Arguments: the root, the name. */ -}}
{{- define "iter8.number" -}}
{{- $value := get (first .).Values (last .) -}}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{- /* Numbers in files are floats. */}}
{{ last . }}: {{ kindIs "string" $value | ternary (toString $value | trim | trimPrefix "+" | atoi) (int64 $value) }}
{{- end -}}
{{- end -}}

{{- /* Merges a patch into a value, as kubectl does: maps, and lists whose items have a key. Arguments: the value, the patch. Returns JSON. */ -}}
{{- define "iter8.merge" -}}
{{- $base := first . -}}
{{- $keys := dict "containers" "name" "initContainers" "name" "env" "name" "volumes" "name" "imagePullSecrets" "name" "volumeMounts" "mountPath" "volumeDevices" "devicePath" "ports" "containerPort" "hostAliases" "ip" "topologySpreadConstraints" "topologyKey" -}}
{{- range $name, $value := last . -}}
{{- $known := get $base $name -}}
{{- if and (kindIs "map" $value) (kindIs "map" $known) -}}
{{- $_ := set $base $name (include "iter8.merge" (list $known $value) | fromJson) -}}
{{- else if and (kindIs "slice" $value) (kindIs "slice" $known) (hasKey $keys $name) -}}
{{- $key := get $keys $name -}}
{{- $items := $known -}}
{{- range $item := $value -}}
{{- $merged := list -}}
{{- $found := false -}}
{{- range $existing := $items -}}
{{- if eq (get $existing $key | toString) (get $item $key | toString) -}}
{{- $found = true -}}
{{- $merged = append $merged (include "iter8.merge" (list $existing $item) | fromJson) -}}
{{- else -}}
{{- $merged = append $merged $existing -}}
{{- end -}}
{{- end -}}
{{- $items = ternary $merged (append $items $item) $found -}}
{{- end -}}
{{- $_ := set $base $name $items -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $base $name $value -}}
{{- end -}}
{{- end -}}
{{- toJson $base -}}
{{- end -}}
