{{- /* One Sentinel group: each pod holds a data node and its Sentinel, so that the side of a split which has
most Sentinels has most data nodes. Call with (dict "root" $ "suffix" "redis" "key" "redis" "group" "store" "master" "purr"
"values" …); key is where the values are, for messages. */ -}}
{{- define "purr.redisGroup" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $name := printf "%s-%s" $root.Release.Name .suffix -}}
{{- $selector := dict "root" $root "component" .suffix -}}
{{- if and (eq .group "store") (lt (int $values.replicas) 2) -}}
{{- fail (printf "%s.replicas: must be at least 2, every commit is acknowledged by a replica" .key) -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels: {{- include "purr.labels" $root | nindent 4 }}
data:
  {{- ($root.Files.Glob "files/redis/*").AsConfig | nindent 2 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "purr.labels" $root | nindent 4 }}
spec:
  clusterIP: None
  # The nodes find each other by name before any of them is ready.
  publishNotReadyAddresses: true
  selector: {{- include "purr.selector" $selector | nindent 4 }}
  ports:
    - {name: redis, port: 6379, targetPort: redis}
    - {name: sentinel, port: 26379, targetPort: sentinel}
---
{{- if gt (int $values.replicas) 1 }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- include "purr.labels" $root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "purr.selector" $selector | nindent 6 }}
---
{{- end }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels:
    {{- include "purr.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .suffix }}
spec:
  replicas: {{ $values.replicas }}
  serviceName: {{ $name }}
  # After an outage of all they must find each other: none waits for the one before it.
  podManagementPolicy: Parallel
  minReadySeconds: 5
  selector:
    matchLabels: {{- include "purr.selector" $selector | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "purr.templateLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .suffix }}
        {{- with include "purr.podLabels" (dict "root" $root "values" $values) }}
        {{- . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ ($root.Files.Glob "files/redis/*").AsConfig | sha256sum }}
        {{- with include "purr.podAnnotations" (dict "root" $root "values" $values) }}
        {{- . | nindent 8 }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {{- include "purr.podSecurity" 65532 | nindent 8 }}
      # A master first hands over to a replica that has all of its history.
      terminationGracePeriodSeconds: 40
      {{- if not (include "purr.ownSpread" (dict "root" $root "values" $values)) }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: {{ $values.spread | default "ScheduleAnyway" }}
          labelSelector:
            matchLabels: {{- include "purr.selector" $selector | nindent 14 }}
      {{- end }}
      {{- with include "purr.podSettings" (dict "root" $root "values" $values) }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: redis
          image: {{ $root.Values.images.redis }}
          imagePullPolicy: {{ $root.Values.imagePullPolicy }}
          securityContext: {{- include "purr.containerSecurity" $root | nindent 12 }}
          command: [/bin/bash, /etc/purr/scripts/start.sh]
          env: &env
            - {name: GROUP, value: {{ .group }}}
            - {name: SERVICE, value: {{ $name }}}
            - {name: DOMAIN, value: {{ include "purr.internalDomain" $root }}}
            - {name: MASTER_NAME, value: {{ .master }}}
            - {name: REPLICAS, value: {{ $values.replicas | quote }}}
            - {name: MAXMEMORY, value: {{ $values.maxmemory | default "128mb" }}}
          ports:
            - {name: redis, containerPort: 6379}
          readinessProbe:
            exec: {command: [/usr/bin/test, -f, /run/redis/ready]}
            periodSeconds: 2
          lifecycle:
            preStop:
              exec: {command: [/bin/bash, /etc/purr/scripts/stop.sh]}
          resources: {{- toYaml ($values.resources | default $root.Values.redis.resources) | nindent 12 }}
          volumeMounts: &mounts
            - {name: data, mountPath: /data}
            - {name: run, mountPath: /run/redis}
            - {name: tmp, mountPath: /tmp}
            - {name: scripts, mountPath: /etc/purr/scripts, readOnly: true}
            - {name: tls, mountPath: /etc/purr/tls, readOnly: true}
            - {name: auth, mountPath: /etc/purr/redis, readOnly: true}
        - name: sentinel
          image: {{ $root.Values.images.redis }}
          imagePullPolicy: {{ $root.Values.imagePullPolicy }}
          securityContext: {{- include "purr.containerSecurity" $root | nindent 12 }}
          command: [/bin/bash, /etc/purr/scripts/sentinel.sh]
          env: *env
          ports:
            - {name: sentinel, containerPort: 26379}
          readinessProbe:
            exec: {command: [/usr/bin/test, -f, /run/redis/sentinel.go]}
            periodSeconds: 2
          lifecycle:
            preStop:
              exec:
                command:
                  - /bin/bash
                  - -c
                  - for i in {1..100}; do test -f /run/redis/handed-over && exit 0; sleep 0.2; done
          resources: {requests: {cpu: 20m, memory: 16Mi}, limits: {memory: 64Mi}}
          volumeMounts: *mounts
      volumes:
        - name: run
          emptyDir: {medium: Memory, sizeLimit: 8Mi}
        - name: tmp
          emptyDir: {sizeLimit: 16Mi}
        - name: scripts
          configMap: {name: {{ $name }}}
        - name: auth
          secret: {secretName: {{ $root.Release.Name }}-redis-auth, defaultMode: 0440}
        {{- include "purr.tlsVolume" (dict "root" $root "component" "redis") | nindent 8 }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with ($values.storage | default $root.Values.redis.storage) }}
        {{- with .className }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ .size }}}}
        {{- end }}
{{- end -}}
