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
