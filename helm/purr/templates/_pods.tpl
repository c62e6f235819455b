{{/* Settings of one workload's pods as JSON: `pods`, replaced key by key by the workload's `pod`.
Call all of this file with (dict "root" $ "values" .Values.gateway). */}}
{{- define "purr.pod" -}}
{{- $settings := deepCopy (.root.Values.pods | default dict) -}}
{{- range $key, $value := .values.pod | default dict -}}
{{- $_ := set $settings $key $value -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{- define "purr.podLabels" -}}
{{- with (include "purr.pod" . | fromJson).labels }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "purr.podAnnotations" -}}
{{- with (include "purr.pod" . | fromJson).annotations }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* Not empty where the workload has constraints that replace the chart's own. */}}
{{- define "purr.ownSpread" -}}
{{- if (include "purr.pod" . | fromJson).topologySpreadConstraints }}true{{ end -}}
{{- end -}}

{{/* The part of a pod's spec that has nothing to do with its program. */}}
{{- define "purr.podSettings" -}}
{{- $settings := include "purr.pod" . | fromJson -}}
{{- $spec := dict -}}
{{- with .root.Values.imagePullSecrets }}{{ $_ := set $spec "imagePullSecrets" . }}{{ end -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" -}}
{{- with index $settings $key }}{{ $_ := set $spec $key . }}{{ end -}}
{{- end -}}
{{- if $spec }}{{ toYaml $spec }}{{ end -}}
{{- end -}}

{{/* A file of rules with the release's own names. Call with (dict "root" $ "path" "files/…"). */}}
{{- define "purr.rulesText" -}}
{{- $names := (include "purr.tablesNamespaces" .root | fromJson).names -}}
{{- $tables := $names | join "|" | default ".+" -}}
{{- .root.Files.Get .path | replace "TABLE_NAMESPACES" $tables | replace "NAMESPACE" .root.Release.Namespace | replace "RELEASE" .root.Release.Name -}}
{{- end -}}

{{/* The fewest replicas that a workload has. Call this and the next three with (dict "root" $ "component" "gateway" "values"
.Values.gateway). */}}
{{- define "purr.leastReplicas" -}}
{{- $own := .values.autoscaling | default dict -}}
{{- ternary $own.minReplicas .values.replicas ($own.enabled | default false) | int -}}
{{- end -}}

{{/* Replicas of a Deployment; nothing where an autoscaler sets them. */}}
{{- define "purr.replicas" -}}
{{- if not (dig "autoscaling" "enabled" false .values) }}replicas: {{ .values.replicas }}{{ end -}}
{{- end -}}

{{- define "purr.autoscaler" -}}
{{- with .values.autoscaling }}
{{- if .enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $.root.Release.Name }}-{{ $.component }}
  labels: {{- include "purr.labels" $.root | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $.root.Release.Name }}-{{ $.component }}}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .cpuPercent }}}}
  behavior:
    # Each replica that goes ends its connections: one at a time, and not for a short calm.
    scaleDown: {stabilizationWindowSeconds: 600, policies: [{type: Pods, value: 1, periodSeconds: 120}]}
{{- end }}
{{- end }}
{{- end -}}

{{/* One replica at a time may be down, where there are more. */}}
{{- define "purr.budget" -}}
{{- if gt (include "purr.leastReplicas" . | int) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels: {{- include "purr.labels" .root | nindent 4 }}
spec:
  {{- $own := .values.podDisruptionBudget | default dict }}
  {{- if kindIs "invalid" $own.minAvailable }}
  maxUnavailable: {{ dig "maxUnavailable" 1 $own }}
  {{- else }}
  minAvailable: {{ $own.minAvailable }}
  {{- end }}
  selector:
    matchLabels: {{- include "purr.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
