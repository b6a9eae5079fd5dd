{{- define "tokenwire.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "tokenwire.fullname" -}}
{{- $name := include "tokenwire.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels that select the server's pods, and not those of `helm test`. They never change. */}}
{{- define "tokenwire.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tokenwire.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "tokenwire.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: tokenwire
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tokenwire.labels" -}}
{{ include "tokenwire.selectorLabels" . }}
{{ include "tokenwire.commonLabels" . }}
{{- end }}

{{- define "tokenwire.testLabels" -}}
app.kubernetes.io/name: {{ include "tokenwire.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{- define "tokenwire.image" -}}
{{- with .Values.image }}
{{- $name := empty .registry | ternary .repository (printf "%s/%s" (trimSuffix "/" .registry) .repository) }}
{{- if .digest }}
{{- printf "%s@%s" $name .digest }}
{{- else }}
{{- /* The simulator is in a variant of the image. */}}
{{- $variant := ternary "-demo" "" $.Values.demo.enabled }}
{{- printf "%s:%s" $name (.tag | default (printf "%s%s" $.Chart.AppVersion $variant)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tokenwire.serviceAccountName" -}}
{{- $own := ternary (include "tokenwire.fullname" .) "default" .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default $own }}
{{- end }}

{{/* The Secret that holds the upstream's key; nothing if there is none. */}}
{{- define "tokenwire.secretName" -}}
{{- if .Values.apiKey.existingSecret.name }}
{{- .Values.apiKey.existingSecret.name }}
{{- else if or .Values.apiKey.value .Values.apiKey.externalSecret.enabled }}
{{- include "tokenwire.fullname" . }}-upstream
{{- end }}
{{- end }}

{{/* The entry of that Secret. */}}
{{- define "tokenwire.secretKey" -}}
{{- ternary .Values.apiKey.existingSecret.key "OPENAI_API_KEY" (not (empty .Values.apiKey.existingSecret.name)) }}
{{- end }}

{{/* The setting that the key is mounted as: each provider has its own. */}}
{{- define "tokenwire.keyVariable" -}}
{{- $provider := get .Values.settings "TOKENWIRE_PROVIDER" | default "openai" }}
{{- get (dict "anthropic" "ANTHROPIC_API_KEY" "bedrock" "AWS_BEARER_TOKEN_BEDROCK" "google-genai" "GOOGLE_API_KEY" "google_genai" "GOOGLE_API_KEY" "mistralai" "MISTRAL_API_KEY" "ollama" "OLLAMA_API_KEY") $provider | default "OPENAI_API_KEY" }}
{{- end }}

{{/* Whether an autoscaler sets the number of pods: "true" or nothing. */}}
{{- define "tokenwire.scaled" -}}
{{- if or .Values.autoscaling.hpa.enabled .Values.autoscaling.keda.enabled }}true{{ end }}
{{- end }}

{{/* The minimum number of pods. */}}
{{- define "tokenwire.leastPods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicas (eq (include "tokenwire.scaled" .) "true") }}
{{- end }}

{{- define "tokenwire.terminationGracePeriodSeconds" -}}
{{- $drain := ceil .Values.settings.TOKENWIRE_DRAIN_SECONDS | int }}
{{- $grace := ceil .Values.settings.TOKENWIRE_GRACE_SECONDS | int }}
{{- add .Values.preStopSeconds $drain $grace .Values.terminationMarginSeconds }}
{{- end }}

{{/* The settings as environment variables; toString would write 4194304 as 4.194304e+06. */}}
{{- define "tokenwire.settings" -}}
{{- range $name, $value := omit .Values.settings "OTEL_RESOURCE_ATTRIBUTES" }}
{{ $name }}: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}

{{- define "tokenwire.target" -}}
dns:///{{ include "tokenwire.host" . }}:{{ .Values.service.port }}
{{- end }}
