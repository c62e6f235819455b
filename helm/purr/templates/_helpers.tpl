{{- define "purr.fullname" -}}{{ .Release.Name }}{{- end -}}

{{- define "purr.labels" -}}
{{ include "purr.templateLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* Labels of pods. No version: a chart upgrade with the same images restarts nothing. */}}
{{- define "purr.templateLabels" -}}
app.kubernetes.io/part-of: purr
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Labels that select the pods of one component. Call with (dict "root" $ "component" "gateway"). */}}
{{- define "purr.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Pod Security "restricted", for a given user id. */}}
{{- define "purr.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "purr.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Probes of a program of ours: liveness never depends on another program. */}}
{{- define "purr.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: ops}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: ops}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: /readyz, port: ops}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end -}}

{{- define "purr.internalDomain" -}}{{ .Release.Namespace }}.svc.cluster.local{{- end -}}

{{/* host:port list of a Sentinel group. Call with (dict "root" $ "group" "redis" "replicas" 3). */}}
{{- define "purr.sentinels" -}}
{{- $svc := printf "%s-%s" .root.Release.Name .group -}}
{{- $hosts := list -}}
{{- range $i := until (int .replicas) -}}
{{- $hosts = append $hosts (printf "%s-%d.%s.%s.svc.cluster.local:26379" $svc $i $svc $.root.Release.Namespace) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- end -}}

{{- define "purr.storeSentinels" -}}
{{- if .Values.store.external.sentinels -}}
{{- join "," .Values.store.external.sentinels -}}
{{- else -}}
{{- include "purr.sentinels" (dict "root" . "group" "redis" "replicas" .Values.redis.replicas) -}}
{{- end -}}
{{- end -}}

{{- define "purr.sessionsSentinels" -}}
{{- if .Values.store.external.sessionsSentinels -}}
{{- join "," .Values.store.external.sessionsSentinels -}}
{{- else -}}
{{- include "purr.sentinels" (dict "root" . "group" "redis-sessions" "replicas" .Values.redisSessions.replicas) -}}
{{- end -}}
{{- end -}}

{{/* The chart's own groups beside "default", as JSON, by name: the suffix of what belongs to one, its Sentinels, and its
values, in which redis stands in for what is left out. */}}
{{- define "purr.ownGroups" -}}
{{- $groups := dict -}}
{{- range $name, $own := .Values.redisGroups -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$" $name) -}}
{{- fail (printf "redisGroups.%s: a name has at most 20 lower-case letters, digits and dashes, and begins with a letter" $name) -}}
{{- end -}}
{{- if or (has $name (list "default" "auto" "sessions")) (hasKey $.Values.stores $name) -}}
{{- fail (printf "redisGroups.%s: this name is taken" $name) -}}
{{- end -}}
{{- $suffix := printf "redis-%s" $name -}}
{{- $values := mergeOverwrite (deepCopy $.Values.redis) ($own | default dict) -}}
{{- $sentinels := include "purr.sentinels" (dict "root" $ "group" $suffix "replicas" $values.replicas) -}}
{{- $_ := set $groups $name (dict "suffix" $suffix "sentinels" $sentinels "values" $values) -}}
{{- end -}}
{{- toJson $groups -}}
{{- end -}}

{{/* Every group that a table may be in beside "default", as JSON: its Sentinels and its master's name. */}}
{{- define "purr.moreStores" -}}
{{- $stores := deepCopy .Values.stores -}}
{{- range $name, $group := include "purr.ownGroups" . | fromJson -}}
{{- $_ := set $stores $name (dict "sentinels" (splitList "," $group.sentinels) "master" "purr") -}}
{{- end -}}
{{- toJson $stores -}}
{{- end -}}

{{/* Environment for a client of the table store. Call with (dict "root" $ "user" "table"). */}}
{{- define "purr.storeEnv" -}}
- name: PURR_STORE_SENTINELS
  value: {{ include "purr.storeSentinels" .root | quote }}
- name: PURR_STORE_MASTER
  value: {{ .root.Values.store.external.master | default "purr" | quote }}
- name: PURR_STORE_USER
  value: {{ .user }}
- name: PURR_STORE_PASSWORD_FILE
  value: /etc/purr/redis/{{ .user }}
{{- end -}}

{{- define "purr.sessionsEnv" -}}
- name: PURR_SESSIONS_SENTINELS
  value: {{ include "purr.sessionsSentinels" .root | quote }}
- name: PURR_SESSIONS_MASTER
  value: {{ .root.Values.store.external.sessionsMaster | default "sessions" | quote }}
- name: PURR_SESSIONS_USER
  value: {{ .user }}
- name: PURR_SESSIONS_PASSWORD_FILE
  value: /etc/purr/redis/{{ .user }}
{{- end -}}

{{/* Environment for a client of PostgreSQL. Call with (dict "root" $ "user" "signer"). */}}
{{- define "purr.postgresEnv" -}}
- name: PURR_PG_HOST
  value: {{ .root.Values.postgres.external.host | default (printf "%s-postgres.%s" .root.Release.Name (include "purr.internalDomain" .root)) | quote }}
- name: PURR_PG_PORT
  value: {{ .root.Values.postgres.external.port | default 5432 | quote }}
- name: PURR_PG_DATABASE
  value: {{ .root.Values.postgres.external.database | default "purr" | quote }}
- name: PURR_PG_USER
  value: {{ .user }}
- name: PURR_PG_PASSWORD_FILE
  value: /etc/purr/postgres/{{ .user }}
{{- end -}}

{{/* CAs that PostgreSQL's certificate may have: the internal one, or those of a server of your own. */}}
{{- define "purr.postgresCaFile" -}}
{{- if .Values.postgres.external.caConfigMap }}/etc/purr/postgres-ca/ca.crt{{ else }}/etc/purr/tls/ca.crt{{ end -}}
{{- end -}}

{{- define "purr.postgresCaMount" -}}
{{- if .Values.postgres.external.caConfigMap }}
            - {name: postgres-ca, mountPath: /etc/purr/postgres-ca, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "purr.postgresCaVolume" -}}
{{- with .Values.postgres.external.caConfigMap }}
        - name: postgres-ca
          configMap: {name: {{ . | quote }}}
{{- end -}}
{{- end -}}

{{/* Whole tokens in minor units: as many zeros as the token has decimals. No amount of chips is above the largest that is
written here, 2^64 - 1. Call with (dict "root" $ "tokens" 100). */}}
{{- define "purr.minorUnits" -}}
{{- $tokens := int64 .tokens -}}
{{- $units := printf "%d%s" $tokens (repeat (int .root.Values.chain.decimals) "0") -}}
{{- if eq $tokens 0 }}0{{ else if gt (len $units) 19 }}18446744073709551615{{ else }}{{ $units }}{{ end -}}
{{- end -}}

{{/* One user's password out of a Secret, as a file. */}}
{{- define "purr.redisAuthVolume" -}}
- name: redis-auth
  secret:
    secretName: {{ .root.Release.Name }}-redis-auth
    defaultMode: 0440
    items:
      - {key: {{ .user }}, path: {{ .user }}}
{{- end -}}

{{- define "purr.postgresAuthVolume" -}}
- name: postgres-auth
  secret:
    secretName: {{ .root.Release.Name }}-postgres-auth
    defaultMode: 0440
    items:
      - {key: {{ .user }}, path: {{ .user }}}
{{- end -}}

{{- define "purr.tlsVolume" -}}
- name: tls
  secret:
    secretName: {{ .root.Release.Name }}-{{ .component }}-tls
    defaultMode: 0440
{{- end -}}

{{/* Refuses to let administrators in from networks that nodes and pods may be in where every client has such an address. */}}
{{- define "purr.clientAddresses" -}}
{{- $gateway := .Values.gateway -}}
{{- $proxies := concat $gateway.clientAddress.forwardedFrom $gateway.clientAddress.proxyProtocolFrom -}}
{{- $hides := "" -}}
{{- if and (has $gateway.service.type (list "NodePort" "LoadBalancer")) (ne $gateway.service.externalTrafficPolicy "Local") -}}
{{- $hides = printf "gateway.service.type %s with gateway.service.externalTrafficPolicy %s" $gateway.service.type ($gateway.service.externalTrafficPolicy | default "Cluster") -}}
{{- end -}}
{{- if $gateway.ingress.enabled -}}{{- $hides = "gateway.ingress.enabled" -}}{{- end -}}
{{- if $gateway.tlsRoute.enabled -}}{{- $hides = "gateway.tlsRoute.enabled" -}}{{- end -}}
{{- if and $hides (not $proxies) (not $gateway.clientAddress.hiddenAccepted) -}}
{{- range $network := $gateway.allowedAddresses.admin -}}
{{- if has $network (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "100.64.0.0/10" "fc00::/7" "0.0.0.0/0" "::/0") -}}
{{- fail (printf "gateway.allowedAddresses.admin has %s, which nodes and pods may be in, and %s hides clients' addresses: this list would keep no player out. Name administrators' own networks, or keep clients' addresses: gateway.service.externalTrafficPolicy Local, or gateway.clientAddress.forwardedFrom or proxyProtocolFrom with the proxy's network." $network $hides) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels of the tables' namespaces as a selector; empty where they are named. */}}
{{- define "purr.tablesSelector" -}}
{{- $labels := dig "selector" dict (.Values.tableNamespaces | default dict) -}}
{{- $all := list -}}
{{- range $key, $value := $labels }}{{ $all = append $all (printf "%s=%s" $key $value) }}{{ end -}}
{{- join "," $all -}}
{{- end -}}

{{/* The tables' namespaces as JSON {"names": []}; none where labels select them. */}}
{{- define "purr.tablesNamespaces" -}}
{{- $names := dig "names" list (.Values.tableNamespaces | default dict) -}}
{{- if include "purr.tablesSelector" . -}}
{{- if $names -}}
{{- fail (printf "tableNamespaces.names %s with tableNamespaces.selector: name the namespaces, or select them by labels." (join "," $names)) -}}
{{- end -}}
{{- else if not $names -}}
{{- $names = list .Release.Namespace -}}
{{- end -}}
{{- dict "names" $names | toJson -}}
{{- end -}}

{{/* What PokerTables may name, as JSON; a release upgraded with --reuse-values has no such value. */}}
{{- define "purr.tableAllowed" -}}
{{- $allowed := dig "allowed" dict (.Values.table | default dict) -}}
{{- dict "images" (dig "images" list $allowed) "nodeSelectorKeys" (dig "nodeSelectorKeys" list $allowed)
  "tolerationKeys" (dig "tolerationKeys" list $allowed) "policy" (dig "policy" true $allowed) | toJson -}}
{{- end -}}

{{/* Environment of the programs that watch tables or their pods. */}}
{{- define "purr.tablesNamespacesEnv" -}}
{{- with include "purr.tablesSelector" . -}}
- {name: PURR_NAMESPACE_SELECTOR, value: {{ . | quote }}}
{{- else -}}
- {name: PURR_NAMESPACES, value: {{ join "," (include "purr.tablesNamespaces" . | fromJson).names | quote }}}
{{- end -}}
{{- end -}}

{{/* Rights in every namespace that has tables. Call with (dict "root" $ "component" "gateway" "rules" "…").

Named namespaces: a Role and its binding in each, so that nothing else of the cluster can be read. Labels: whoever may
label a namespace must not thereby hand out its Secrets. So a ClusterRole holds the rules and is bound nowhere; the
namespace's owner binds it. Only the names of namespaces are read in the whole cluster. */}}
{{- define "purr.tablesRoles" -}}
{{- $root := .root -}}
{{- $account := printf "%s-%s" $root.Release.Name .component -}}
{{- $name := printf "%s-tables" $account -}}
{{- if include "purr.tablesSelector" $root }}
{{- $cluster := printf "%s-%s" $root.Release.Namespace $name }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $cluster }}
  labels: {{- include "purr.labels" $root | nindent 4 }}
rules:
{{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $cluster }}-namespaces
  labels: {{- include "purr.labels" $root | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [namespaces]
    verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $cluster }}-namespaces
  labels: {{- include "purr.labels" $root | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $cluster }}-namespaces}
subjects:
  - {kind: ServiceAccount, name: {{ $account }}, namespace: {{ $root.Release.Namespace }}}
{{- else }}
{{- $rules := .rules }}
{{- range $namespace := (include "purr.tablesNamespaces" $root | fromJson).names }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "purr.labels" $root | nindent 4 }}
rules:
{{ $rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "purr.labels" $root | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $account }}, namespace: {{ $root.Release.Namespace }}}
{{- end }}
{{- end }}
{{- end -}}
