{{/* What the pod of `helm test` calls as. */}}

{{/* "key", "token", "anyone", or "nobody" if callers need a key and there is none. The callers of
     gatewayFile.existingConfigMap cannot be seen here. */}}
{{- define "tokenwire.testCaller" -}}
{{- if .Values.helmTest.callerKey.existingSecret.name }}key
{{- else if .Values.gatewayFile.serviceAccounts.enabled }}token
{{- else if get .Values.gatewayFile.content "callers" }}nobody
{{- else }}anyone
{{- end }}
{{- end }}

{{- define "tokenwire.testVolume" -}}
{{- if eq (include "tokenwire.testCaller" .) "token" }}
{{- include "tokenwire.callerVolume" . }}
{{- else }}
{{- with .Values.helmTest.callerKey.existingSecret -}}
name: caller
secret:
  secretName: {{ .name }}
  # For the group that fsGroup names.
  defaultMode: 0440
  items:
    - key: {{ .key }}
      path: key
{{- end }}
{{- end }}
{{- end }}
