{{/* TLS of the pods' gRPC port: where its files are, and how probes and `helm test` use it. */}}

{{/* The Secret with the server's certificate. */}}
{{- define "tokenwire.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (include "tokenwire.certificateSecret" .) }}
{{- end }}

{{/* The Secret that cert-manager writes. */}}
{{- define "tokenwire.certificateSecret" -}}
{{- .Values.certificate.secretName | default (printf "%s-tls" (include "tokenwire.fullname" .)) }}
{{- end }}

{{/* Whether the pods serve with cert-manager's certificate: "true" or nothing. */}}
{{- define "tokenwire.servesCertificate" -}}
{{- if and .Values.tls.enabled .Values.certificate.enabled (not .Values.tls.existingSecret) }}true{{ end }}
{{- end }}

{{- define "tokenwire.host" -}}
{{ include "tokenwire.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{/* The names in cert-manager's certificate, as JSON. */}}
{{- define "tokenwire.certificateNames" -}}
{{- $own := ternary (list (include "tokenwire.host" .)) list (eq (include "tokenwire.servesCertificate" .) "true") }}
{{- .Values.certificate.dnsNames | default (concat $own .Values.grpcRoute.hostnames) | toJson }}
{{- end }}

{{/* The name in the server's certificate. */}}
{{- define "tokenwire.serverName" -}}
{{- if .Values.tls.serverName }}
{{- .Values.tls.serverName }}
{{- else if include "tokenwire.servesCertificate" . }}
{{- include "tokenwire.certificateNames" . | fromJsonArray | first }}
{{- else }}
{{- include "tokenwire.host" . }}
{{- end }}
{{- end }}

{{/* Flags of the pods' probes. A probe checks, from inside the pod, whether the process answers. If it
     verified the certificate, an expired one would end pods that still answer. */}}
{{- define "tokenwire.probeFlags" -}}
{{- if .Values.tls.enabled -}}
- -tls
- -tls-no-verify
{{- if .Values.tls.probeSecret }}
- -tls-client-cert=/etc/tokenwire-tls/probe.crt
- -tls-client-key=/etc/tokenwire-tls/probe.key
{{- end }}
{{- end }}
{{- end }}

{{/* Flags of `helm test`, which verifies the certificate as any caller does. */}}
{{- define "tokenwire.testFlags" -}}
{{- if .Values.tls.enabled -}}
- --ca=/etc/tokenwire-tls/tls.crt
- --server-name={{ include "tokenwire.serverName" . }}
{{- if .Values.tls.probeSecret }}
- --cert
- /etc/tokenwire-tls/probe.crt
- /etc/tokenwire-tls/probe.key
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenwire.tlsMount" -}}
name: tls
mountPath: /etc/tokenwire-tls
readOnly: true
{{- end }}

{{/* One volume, so that all files change at once. Takes the context and whether it is the server's. */}}
{{- define "tokenwire.tlsVolume" -}}
{{- $tls := .context.Values.tls -}}
name: tls
projected:
  # For the group that fsGroup names.
  defaultMode: 0440
  sources:
    - secret:
        name: {{ include "tokenwire.tlsSecret" .context }}
        items:
          - key: tls.crt
            path: tls.crt
          {{- if .server }}
          - key: tls.key
            path: tls.key
          {{- end }}
    {{- if and .server $tls.clientCA.existingSecret }}
    - secret:
        name: {{ $tls.clientCA.existingSecret }}
        items:
          - key: {{ $tls.clientCA.key }}
            path: client-ca.crt
    {{- end }}
    {{- if $tls.probeSecret }}
    - secret:
        name: {{ $tls.probeSecret }}
        items:
          - key: tls.crt
            path: probe.crt
          - key: tls.key
            path: probe.key
    {{- end }}
{{- end }}
