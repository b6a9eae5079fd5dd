{{- define "tokenwire.container" -}}
name: tokenwire
image: {{ include "tokenwire.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command:
  - tokenwire
  - serve
  {{- if .Values.demo.enabled }}
  - --demo
  {{- end }}
ports:
  - name: grpc
    containerPort: {{ .Values.ports.grpc }}
  - name: metrics
    containerPort: {{ .Values.ports.metrics }}
envFrom:
  - configMapRef:
      name: {{ include "tokenwire.fullname" . }}
  {{- with .Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: TOKENWIRE_LISTEN
    value: {{ printf "%s:%v" .Values.listenHost .Values.ports.grpc | quote }}
  - name: TOKENWIRE_METRICS_LISTEN
    value: {{ printf "%s:%v" .Values.listenHost .Values.ports.metrics | quote }}
  {{- if include "tokenwire.secretName" . }}
  - name: TOKENWIRE_SECRETS_DIR
    value: /etc/tokenwire
  {{- end }}
  {{- if include "tokenwire.gatewayConfigMap" . }}
  - name: TOKENWIRE_CONFIG
    value: /etc/tokenwire-gateway/gateway.yaml
  {{- end }}
  {{- if .Values.tls.enabled }}
  - name: TOKENWIRE_TLS_CERTIFICATE_FILE
    value: /etc/tokenwire-tls/tls.crt
  - name: TOKENWIRE_TLS_KEY_FILE
    value: /etc/tokenwire-tls/tls.key
  {{- if .Values.tls.clientCA.existingSecret }}
  - name: TOKENWIRE_TLS_CLIENT_CA_FILE
    value: /etc/tokenwire-tls/client-ca.crt
  {{- end }}
  {{- end }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  - name: NODE_NAME
    valueFrom:
      fieldRef:
        fieldPath: spec.nodeName
  # Where spans come from, with what the settings say besides.
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: {{ list "k8s.pod.name=$(POD_NAME)" "k8s.node.name=$(NODE_NAME)" "k8s.namespace.name=$(POD_NAMESPACE)" (printf "k8s.deployment.name=%s" (include "tokenwire.fullname" .)) .Values.settings.OTEL_RESOURCE_ATTRIBUTES | compact | join "," | quote }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
# The kubelet stops asking for liveness once a pod is told to end, so NOT_SERVING ends no drain.
{{- range $probe, $service := dict "startup" "openai.Chatgpt" "readiness" "openai.Chatgpt" "liveness" "" }}
{{ $probe }}Probe:
  {{- $times := get $.Values.probes $probe }}
  {{- if eq ($.Values.probes.type | default (ternary "exec" "grpc" $.Values.tls.enabled)) "grpc" }}
  grpc:
    # The number: a gRPC probe takes no name.
    port: {{ $.Values.ports.grpc }}
    {{- with $service }}
    service: {{ . }}
    {{- end }}
  {{- else }}
  exec:
    command:
      - grpc_health_probe
      - -addr=localhost:{{ $.Values.ports.grpc }}
      - -service={{ $service }}
      - -connect-timeout={{ $times.timeoutSeconds }}s
      - -rpc-timeout={{ $times.timeoutSeconds }}s
      {{- with include "tokenwire.probeFlags" $ }}
      {{- . | nindent 6 }}
      {{- end }}
  {{- end }}
  {{- toYaml $times | nindent 2 }}
{{- end }}
{{- if .Values.preStopSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.preStopSeconds }}
{{- end }}
# A server that cannot start says why in its last line: `kubectl describe pod` then shows it.
terminationMessagePolicy: FallbackToLogsOnError
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if include "tokenwire.secretName" . }}
  - name: upstream-key
    mountPath: /etc/tokenwire
    readOnly: true
  {{- end }}
  {{- if include "tokenwire.gatewayConfigMap" . }}
  {{- include "tokenwire.gatewayMounts" . | nindent 2 }}
  {{- end }}
  {{- if .Values.gatewayFile.serviceAccounts.enabled }}
  - {{ include "tokenwire.clusterMount" . | nindent 4 | trim }}
  {{- end }}
  {{- if .Values.tls.enabled }}
  - {{ include "tokenwire.tlsMount" . | nindent 4 | trim }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
