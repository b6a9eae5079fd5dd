{{/* The ConfigMap that holds the gateway file; nothing if there is none. */}}
{{- define "tokenwire.gatewayConfigMap" -}}
{{- with .Values.gatewayFile }}
{{- if .existingConfigMap.name }}
{{- .existingConfigMap.name }}
{{- else if .content }}
{{- include "tokenwire.fullname" $ }}-gateway
{{- end }}
{{- end }}
{{- end }}

{{/* The gateway file as JSON, with what `serviceAccounts` and `redis` add. */}}
{{- define "tokenwire.gatewayContent" -}}
{{- $content := deepCopy .Values.gatewayFile.content }}
{{- include "tokenwire.addServiceAccounts" (dict "content" $content "context" .) }}
{{- with include "tokenwire.redisUrl" . }}
{{- $_ := set $content "limits" (set (get $content "limits" | default dict) "store" .) }}
{{- end }}
{{- $content | toPrettyJson }}
{{- end }}

{{/* The Secrets that are mounted for the gateway file, as JSON. */}}
{{- define "tokenwire.gatewaySecrets" -}}
{{- concat .Values.gatewayFile.secrets (list .Values.redis.existingSecret.name | compact) | toJson }}
{{- end }}

{{- define "tokenwire.gatewayMounts" -}}
- name: gateway-file
  # A folder: the kubelet never replaces a file that is mounted by subPath.
  mountPath: /etc/tokenwire-gateway
  readOnly: true
{{- range $index, $name := include "tokenwire.gatewaySecrets" . | fromJsonArray }}
- name: gateway-secret-{{ $index }}
  mountPath: /etc/tokenwire-secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- range $index, $name := .Values.gatewayFile.authorities }}
- name: gateway-authority-{{ $index }}
  mountPath: /etc/tokenwire-authorities/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "tokenwire.gatewayVolumes" -}}
- name: gateway-file
  configMap:
    name: {{ include "tokenwire.gatewayConfigMap" . }}
    items:
      - key: {{ ternary .Values.gatewayFile.existingConfigMap.key "gateway.yaml" (not (empty .Values.gatewayFile.existingConfigMap.name)) }}
        path: gateway.yaml
{{- range $index, $name := include "tokenwire.gatewaySecrets" . | fromJsonArray }}
- name: gateway-secret-{{ $index }}
  secret:
    secretName: {{ $name }}
    # For the group that fsGroup names.
    defaultMode: 0440
{{- end }}
{{- range $index, $name := .Values.gatewayFile.authorities }}
- name: gateway-authority-{{ $index }}
  configMap:
    name: {{ $name }}
{{- end }}
{{- end }}

{{/* What gives the upstream's key, or another upstream, beside a gateway file. */}}
{{- define "tokenwire.validateGatewayFile" -}}
{{- with .Values.gatewayFile }}
{{- if and .content .existingConfigMap.name }}
{{- fail "gatewayFile.content and gatewayFile.existingConfigMap.name both give a gateway file; keep one of them" }}
{{- end }}
{{- range $name, $value := dict "secrets" .secrets "authorities" .authorities }}
{{- if and $value (not (include "tokenwire.gatewayConfigMap" $)) }}
{{- fail (printf "gatewayFile.%s has no effect without a gateway file; set gatewayFile.content or gatewayFile.existingConfigMap.name" $name) }}
{{- end }}
{{- end }}
{{- if and (gt (len (get .content "models" | default dict)) 1) (not (get .content "default_model")) }}
{{- fail "gatewayFile.content.default_model is not set; with several models set it, because Helm sorts maps, so that the first model is not the one that was written first" }}
{{- end }}
{{- end }}
{{- if include "tokenwire.gatewayConfigMap" . }}
{{- if .Values.demo.enabled }}
{{- fail "demo.enabled cannot be combined with a gateway file, which names the upstreams; unset one of them" }}
{{- end }}
{{- range $name := list "TOKENWIRE_MODEL" "TOKENWIRE_MODELS" "TOKENWIRE_EMBEDDING_MODEL" "TOKENWIRE_PRICES" }}
{{- if hasKey $.Values.settings $name }}
{{- fail (printf "settings.%s cannot be combined with a gateway file, which has it; unset it" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
