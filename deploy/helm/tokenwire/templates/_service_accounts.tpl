{{/* Kubernetes service accounts as callers: what gatewayFile.serviceAccounts adds. */}}

{{/* Adds the cluster as an issuer, and a caller for each namespace, to a gateway file. */}}
{{- define "tokenwire.addServiceAccounts" -}}
{{- $content := .content }}
{{- $release := .context.Release }}
{{- with .context.Values.gatewayFile.serviceAccounts }}
{{- if .enabled }}
{{- $cluster := dict "audience" .audience "jwks_url" .jwksUrl "ca_file" "/etc/tokenwire-cluster/ca.crt" "token_file" "/etc/tokenwire-cluster/token" }}
{{- $issuers := get $content "issuers" | default dict }}
{{- $_ := set $content "issuers" (merge $issuers (dict "kubernetes" $cluster)) }}
{{- $callers := get $content "callers" | default dict }}
{{- range $namespace := concat (list $release.Namespace) .namespaces | uniq }}
{{- $caller := get $callers $namespace | default dict }}
{{- $token := dict "issuer" "kubernetes" "subject" (printf "system:serviceaccount:%s:*" $namespace) }}
{{- $_ := set $caller "tokens" (append (get $caller "tokens" | default list) $token) }}
{{- $_ := set $callers $namespace $caller }}
{{- end }}
{{- $_ := set $content "callers" $callers }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenwire.clusterMount" -}}
name: cluster
mountPath: /etc/tokenwire-cluster
readOnly: true
{{- end }}

{{/* The pod's own token, with which it reads the keys of the API server, and its authority. */}}
{{- define "tokenwire.clusterVolume" -}}
name: cluster
projected:
  # For the group that fsGroup names.
  defaultMode: 0440
  sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: kube-root-ca.crt
        items:
          - key: ca.crt
            path: ca.crt
{{- end }}

{{/* The token with which `helm test` calls, as any pod does. */}}
{{- define "tokenwire.callerVolume" -}}
name: caller
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken:
        path: token
        audience: {{ .Values.gatewayFile.serviceAccounts.audience | quote }}
        expirationSeconds: 600
{{- end }}

{{- define "tokenwire.callerMount" -}}
name: caller
mountPath: /var/run/secrets/tokenwire
readOnly: true
{{- end }}

{{- define "tokenwire.validateServiceAccounts" -}}
{{- with .Values.gatewayFile }}
{{- if and .serviceAccounts.enabled (not .content) }}
{{- fail "gatewayFile.serviceAccounts.enabled needs gatewayFile.content, to which it adds the issuer and the callers; into a file of your own, write them as docs/callers.md shows" }}
{{- end }}
{{- end }}
{{- end }}
