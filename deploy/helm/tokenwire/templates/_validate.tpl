{{/* What the schema cannot express: values that exclude or require each other. */}}
{{- define "tokenwire.validate" -}}
{{- $keys := list }}
{{- if .Values.apiKey.value }}{{ $keys = append $keys "apiKey.value" }}{{ end }}
{{- if .Values.apiKey.existingSecret.name }}{{ $keys = append $keys "apiKey.existingSecret.name" }}{{ end }}
{{- if .Values.apiKey.externalSecret.enabled }}{{ $keys = append $keys "apiKey.externalSecret.enabled" }}{{ end }}
{{- range .Values.extraEnv }}
{{- if eq .name "OPENAI_API_KEY" }}{{ $keys = append $keys "extraEnv's OPENAI_API_KEY" }}{{ end }}
{{- if has .name (list "TOKENWIRE_DRAIN_SECONDS" "TOKENWIRE_GRACE_SECONDS") }}
{{- fail (printf "extraEnv sets %s; set settings.%s, from which terminationGracePeriodSeconds is derived" .name .name) }}
{{- end }}
{{- if hasPrefix "TOKENWIRE_TLS_" .name }}
{{- fail (printf "extraEnv sets %s; set tls.enabled and the other values of tls, which probes and `helm test` use too" .name) }}
{{- end }}
{{- end }}
{{- if gt (len $keys) 1 }}
{{- fail (printf "the upstream's key is given more than once, by %s; keep one of them" (join " and " $keys)) }}
{{- end }}
{{- if and .Values.demo.enabled $keys }}
{{- fail (printf "demo.enabled needs no key, but %s gives one; unset one of them" (first $keys)) }}
{{- end }}
{{- $file := include "tokenwire.gatewayConfigMap" . }}
{{- if and $file $keys }}
{{- fail (printf "a gateway file names its keys itself, but %s gives one too; unset it, and list its Secret in gatewayFile.secrets" (first $keys)) }}
{{- end }}
{{- include "tokenwire.validateGatewayFile" . }}
{{- include "tokenwire.validateServiceAccounts" . }}
{{- include "tokenwire.validateRedis" . }}
{{- $other := ne (get .Values.settings "TOKENWIRE_PROVIDER" | default "openai") "openai" }}
{{- if not (or .Values.demo.enabled $file $keys .Values.settings.OPENAI_BASE_URL $other .Values.extraEnvFrom) }}
{{- fail "no upstream: set apiKey.existingSecret.name to a Secret with the upstream's key, or settings.OPENAI_BASE_URL to an upstream that needs none, or gatewayFile to several upstreams, or demo.enabled=true for the built-in demo model" }}
{{- end }}
{{- with .Values.apiKey.externalSecret }}
{{- if and .enabled (not .secretStoreRef.name) }}
{{- fail "apiKey.externalSecret.enabled needs apiKey.externalSecret.secretStoreRef.name, the store that holds the key" }}
{{- end }}
{{- if and .enabled (not .remoteRef.key) }}
{{- fail "apiKey.externalSecret.enabled needs apiKey.externalSecret.remoteRef.key, the entry's name in the store" }}
{{- end }}
{{- end }}
{{- if and .Values.preStopSeconds (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "preStopSeconds needs Kubernetes 1.30, this is %s; set it to 0; the service drains by itself" .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if and .Values.autoscaling.hpa.enabled .Values.autoscaling.keda.enabled }}
{{- fail "autoscaling.hpa.enabled and autoscaling.keda.enabled would both scale the Deployment; keep one of them" }}
{{- end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas is %v and autoscaling.maxReplicas %v; the first must not be greater" .Values.autoscaling.minReplicas .Values.autoscaling.maxReplicas) }}
{{- end }}
{{- if and .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled }}
{{- fail "monitoring.podMonitor.enabled and monitoring.serviceMonitor.enabled would both scrape each pod; keep one of them" }}
{{- end }}
{{- if eq (int .Values.ports.grpc) (int .Values.ports.metrics) }}
{{- fail (printf "ports.grpc and ports.metrics are both %v; they must differ" .Values.ports.grpc) }}
{{- end }}
{{- if eq (int .Values.service.port) (int .Values.service.metricsPort) }}
{{- fail (printf "service.port and service.metricsPort are both %v; they must differ" .Values.service.port) }}
{{- end }}
{{- if and .Values.service.headless (or (ne (int .Values.service.port) (int .Values.ports.grpc)) (ne (int .Values.service.metricsPort) (int .Values.ports.metrics))) }}
{{- fail "a headless Service maps no ports: with service.headless, service.port must equal ports.grpc and service.metricsPort must equal ports.metrics" }}
{{- end }}
{{- if and (has (toString .Values.rollingUpdate.maxSurge) (list "0" "0%")) (has (toString .Values.rollingUpdate.maxUnavailable) (list "0" "0%")) }}
{{- fail "rollingUpdate.maxSurge and rollingUpdate.maxUnavailable are both 0; then no pod can ever be replaced" }}
{{- end }}
{{- if and .Values.grpcRoute.enabled (not .Values.grpcRoute.parentRefs) }}
{{- fail "grpcRoute.enabled needs grpcRoute.parentRefs, the Gateways to attach to" }}
{{- end }}
{{- with .Values.certificate }}
{{- if and .enabled (not .issuerRef.name) }}
{{- fail "certificate.enabled needs certificate.issuerRef.name, the issuer" }}
{{- end }}
{{- if and .enabled (not (include "tokenwire.certificateNames" $ | fromJsonArray)) }}
{{- fail "certificate.enabled needs certificate.dnsNames or grpcRoute.hostnames, the names in the certificate" }}
{{- end }}
{{- end }}
{{- include "tokenwire.validateTLS" . }}
{{- end }}

{{- define "tokenwire.validateTLS" -}}
{{- $given := dict "tls.existingSecret" .Values.tls.existingSecret "tls.serverName" .Values.tls.serverName "tls.clientCA.existingSecret" .Values.tls.clientCA.existingSecret "tls.probeSecret" .Values.tls.probeSecret "tls.caConfigMap" .Values.tls.caConfigMap }}
{{- range $name, $value := $given }}
{{- if and $value (not $.Values.tls.enabled) }}
{{- fail (printf "%s is set, but without tls.enabled=true the pods do not use TLS; set it, or unset %s" $name $name) }}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- if not (or .Values.tls.existingSecret .Values.certificate.enabled) }}
{{- fail "tls.enabled needs a certificate: set tls.existingSecret to a Secret with tls.crt and tls.key, or certificate.enabled=true for one from cert-manager" }}
{{- end }}
{{- if eq .Values.probes.type "grpc" }}
{{- fail "probes.type=grpc cannot be combined with tls.enabled: the kubelet's own gRPC probe does not support TLS; unset probes.type, or set it to exec" }}
{{- end }}
{{- if eq .Values.service.appProtocol "kubernetes.io/h2c" }}
{{- fail "service.appProtocol=kubernetes.io/h2c cannot be combined with tls.enabled: it means HTTP/2 without TLS; unset service.appProtocol" }}
{{- end }}
{{- if and .Values.tls.clientCA.existingSecret (not .Values.tls.probeSecret) }}
{{- fail "tls.clientCA.existingSecret needs tls.probeSecret, the certificate that probes and `helm test` present: a Secret with tls.crt and tls.key that this authority signed, which may be the server's own" }}
{{- end }}
{{- if and .Values.tls.probeSecret (not .Values.tls.clientCA.existingSecret) }}
{{- fail "tls.probeSecret needs tls.clientCA.existingSecret: without an authority of callers the server requests no certificate from the probes" }}
{{- end }}
{{- if and .Values.tls.caConfigMap (not .Values.grpcRoute.enabled) }}
{{- fail "tls.caConfigMap needs grpcRoute.enabled: only a Gateway reads it" }}
{{- end }}
{{- end }}
{{- end }}
