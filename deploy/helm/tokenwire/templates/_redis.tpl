{{/* The Redis in which all pods count the limits of callers together: what `redis` adds. */}}

{{/* Its URL, or the reference to its URL; nothing if there is none. */}}
{{- define "tokenwire.redisUrl" -}}
{{- with .Values.redis }}
{{- if .trial.enabled }}
{{- printf "redis://%s.%s.svc:6379/0" (include "tokenwire.redisName" $) $.Release.Namespace }}
{{- else if .existingSecret.name }}
{{- printf "file:/etc/tokenwire-secrets/%s/%s" .existingSecret.name .existingSecret.key }}
{{- else }}
{{- .url }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenwire.redisName" -}}
{{ include "tokenwire.fullname" . | trunc 57 | trimSuffix "-" }}-redis
{{- end }}

{{- define "tokenwire.redisLabels" -}}
app.kubernetes.io/name: {{ include "tokenwire.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: redis
{{- end }}

{{- define "tokenwire.validateRedis" -}}
{{- $given := list }}
{{- if .Values.redis.url }}{{ $given = append $given "redis.url" }}{{ end }}
{{- if .Values.redis.existingSecret.name }}{{ $given = append $given "redis.existingSecret.name" }}{{ end }}
{{- if .Values.redis.trial.enabled }}{{ $given = append $given "redis.trial.enabled" }}{{ end }}
{{- $limits := get .Values.gatewayFile.content "limits" | default dict }}
{{- if get $limits "store" }}{{ $given = append $given "gatewayFile.content.limits.store" }}{{ end }}
{{- if gt (len $given) 1 }}
{{- fail (printf "the Redis of the limits is given more than once, by %s; keep one of them" (join " and " $given)) }}
{{- end }}
{{- if and $given (not .Values.gatewayFile.content) }}
{{- fail (printf "%s needs gatewayFile.content, which has the callers and their limits; into a file of your own, write limits.store as docs/callers.md shows" (first $given)) }}
{{- end }}
{{- if and .Values.redis.existingSecret.name (has .Values.redis.existingSecret.name .Values.gatewayFile.secrets) }}
{{- fail (printf "gatewayFile.secrets lists %s, which redis.existingSecret.name mounts already; remove it from the list" .Values.redis.existingSecret.name) }}
{{- end }}
{{- end }}
