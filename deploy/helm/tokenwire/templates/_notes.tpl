{{/* What the notes add to the command that calls, by what the gateway file demands of callers. */}}
{{- define "tokenwire.notesFlags" -}}
{{- if get .Values.gatewayFile.content "callers" }} --key-file KEY_FILE
{{- else if .Values.gatewayFile.serviceAccounts.enabled }} --token-file tokenwire-token
{{- end }}
{{- end }}

{{- define "tokenwire.notesToken" -}}
{{- if and .Values.gatewayFile.serviceAccounts.enabled (not (get .Values.gatewayFile.content "callers")) }}
  kubectl create token {{ include "tokenwire.serviceAccountName" . }} --namespace {{ .Release.Namespace }} --audience {{ .Values.gatewayFile.serviceAccounts.audience | squote }} > tokenwire-token
{{- end }}
{{- end }}

{{- define "tokenwire.notesKey" -}}
{{- if get .Values.gatewayFile.content "callers" }}

KEY_FILE is a file with the key of a caller in gatewayFile.content.
{{- else if .Values.gatewayFile.existingConfigMap.name }}

If the gateway file has callers, add --key-file with a file that has the key of one.
{{- end }}
{{- end }}
