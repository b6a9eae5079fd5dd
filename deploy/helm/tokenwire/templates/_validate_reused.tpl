{{/* `helm upgrade --reuse-values` takes the values of the earlier chart for defaults, so values that
this chart has added are missing, and templates would fail with a nil pointer or do without. */}}
{{- define "tokenwire.validateReused" -}}
{{- range list "tls" "gatewayFile" "gatewayFile.serviceAccounts" "helmTest.callerKey" "minReadySeconds" }}
{{- $part := $.Values }}
{{- range splitList "." . }}
{{- $part = index $part . }}
{{- end }}
{{- if kindIs "invalid" $part }}
{{- fail (printf "the value %s is missing, because --reuse-values keeps the defaults of the earlier chart, which did not have it; upgrade with --reset-then-reuse-values instead, or with --values and your own values" .) }}
{{- end }}
{{- end }}
{{- end }}
