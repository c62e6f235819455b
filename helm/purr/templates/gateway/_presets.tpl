{{/* What each ingress controller wants to be told of the gateway, as JSON {"ingress": annotations, "service": annotations}: it
speaks HTTPS, it has WebSockets and streams that are open for hours. helm/purr/README.md says which were tried. */}}
{{- define "purr.ingressPreset" -}}
{{- $name := printf "%s-gateway" .Release.Name -}}
{{- $preset := .Values.gateway.ingress.preset -}}
{{- $ingress := dict -}}
{{- $service := dict -}}
{{- if eq $preset "contour" -}}
{{- $ingress = dict "projectcontour.io/websocket-routes" "/" "projectcontour.io/response-timeout" "infinity" "ingress.kubernetes.io/force-ssl-redirect" "true" -}}
{{- $service = dict "projectcontour.io/upstream-protocol.tls" (printf "https,%v" (int .Values.gateway.service.port)) -}}
{{- else if eq $preset "nginx" -}}
{{- $ingress = dict "nginx.ingress.kubernetes.io/backend-protocol" "HTTPS" "nginx.ingress.kubernetes.io/proxy-read-timeout" "3600"
  "nginx.ingress.kubernetes.io/proxy-send-timeout" "3600" "nginx.ingress.kubernetes.io/proxy-buffering" "off" -}}
{{- else if eq $preset "haproxy" -}}
{{- $ingress = dict "haproxy.org/server-ssl" "true" "haproxy.org/timeout-server" "1h" "haproxy.org/forwarded-for" "true" "haproxy.org/ssl-redirect" "true" -}}
{{- else if eq $preset "traefik" -}}
{{- $ingress = dict "traefik.ingress.kubernetes.io/router.entrypoints" "websecure" "traefik.ingress.kubernetes.io/router.tls" "true" -}}
{{- $service = dict "traefik.ingress.kubernetes.io/service.serversscheme" "https"
  "traefik.ingress.kubernetes.io/service.serverstransport" (printf "%s-%s@kubernetescrd" .Release.Namespace $name) -}}
{{- else if eq $preset "alb" -}}
{{- $ingress = dict "alb.ingress.kubernetes.io/backend-protocol" "HTTPS" "alb.ingress.kubernetes.io/target-type" "ip"
  "alb.ingress.kubernetes.io/listen-ports" "[{\"HTTPS\":443}]" "alb.ingress.kubernetes.io/healthcheck-protocol" "HTTP"
  "alb.ingress.kubernetes.io/healthcheck-port" "9090" "alb.ingress.kubernetes.io/healthcheck-path" "/readyz"
  "alb.ingress.kubernetes.io/load-balancer-attributes" "idle_timeout.timeout_seconds=3600" -}}
{{- else if eq $preset "gke" -}}
{{- $ingress = dict "kubernetes.io/ingress.allow-http" "false" -}}
{{- $service = dict "cloud.google.com/app-protocols" "{\"https\":\"HTTPS\"}" "cloud.google.com/neg" "{\"ingress\":true}"
  "cloud.google.com/backend-config" (printf "{\"default\":%q}" $name) -}}
{{- end -}}
{{- if .Values.gateway.ingress.enabled -}}
{{- dict "ingress" (mergeOverwrite $ingress (deepCopy .Values.gateway.ingress.annotations)) "service" (mergeOverwrite $service (deepCopy .Values.gateway.service.annotations)) | toJson -}}
{{- else -}}
{{- dict "ingress" dict "service" .Values.gateway.service.annotations | toJson -}}
{{- end -}}
{{- end -}}
