#!/usr/bin/env bash
# What the chart takes, refuses and renders; needs helm and promtool, and no cluster.
# usage: chart.sh            checks
#        chart.sh --write    writes the tables of helm/purr/README.md and helm/purr/METRICS.md
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
if [ "${1:-}" = --write ]; then
  python3 tests/chart/alerts.py --write
  python3 tests/chart/rights.py --write
  python3 tests/chart/flows.py --write
  exec python3 tests/chart/chart.py readme --write
fi

helm=$cache/cluster/bin/helm
[ -x "$helm" ] || die "helm is not built: run tests/cluster/build.sh first"
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# Values that are safe with a real chain, and switch on what is off by default.
cat >"$work/production.yaml" <<'Y'
imagePullSecrets: [{name: registry}]
pods:
  nodeSelector: {purr.example/pool: poker}
  tolerations: [{key: poker, operator: Exists}]
  priorityClassName: poker
  annotations: {example.com/team: poker}
  labels: {cost: poker}
audit: {publicKey: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}
controller: {replicas: 2, extraArgs: [--summary-every-ms=2000]}
gateway:
  replicas: 3
  podDisruptionBudget: {minAvailable: 2}
  domain: poker.example
  publicUrl: https://poker.example
  certificate: {existingSecret: poker-tls}
  allowedAddresses: {admin: [192.0.2.0/24, "2001:db8::/32"]}
  clientAddress: {forwardedFrom: [10.0.0.0/8]}
  outside: {issuer: "https://id.example", audience: purr, jwksUrl: "https://id.example/keys", caConfigMap: id-ca, roles: {abc: [support]}}
  allowedOrigins: ["https://app.example"]
  keepApartAddr: "fairplay:8443"
  roles: {"0x00000000000000000000000000000000000000aA": [auditor, admin]}
  ingress: {enabled: true, host: poker.example, className: nginx, annotations: {a: b}}
  extraEnv: [{name: RUST_BACKTRACE, value: "1"}]
  pod: {nodeSelector: {purr.example/pool: edge}, topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]}
records: {replicas: 2, networkName: Net, export: {enabled: true}, autoscaling: {enabled: true, minReplicas: 2, maxReplicas: 6}}
kubeStateMetrics: {enabled: true, serviceAccount: {name: kube-state-metrics, namespace: monitoring}}
fairplay: {enabled: true, keySecret: fair-play-key, publicKey: "aa112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}
chainSigner:
  replicas: 2
  hsm: {module: /opt/vendor/pkcs11.so, initToken: false}
  limits: {hand: 0, tableHour: 5000000}
chain:
  chainId: 999
  rpcUrlsSecret: {name: rpc}
  rpcCaConfigMap: rpc-ca
  vault: "0x1111111111111111111111111111111111111111"
  token: "0x2222222222222222222222222222222222222222"
redisGroups: {second: {replicas: 2, maxmemory: 64mb}}
redisSessions: {replicas: 3, maxmemory: 64mb, storage: {size: 1Gi}}
stores: {eu-2: {sentinels: ["redis.example:26379"], master: purr}}
backup: {enabled: true, schedule: "@daily"}
alerts: {enabled: true, labels: {release: prometheus}, runbooksUrl: "https://git.example/purr/runbooks"}
monitors: {enabled: true, labels: {release: prometheus}}
dashboards: {enabled: true, labels: {grafana_dashboard: "1"}}
tableNamespaces: {names: [purr, poker-2]}
Y
cat >"$work/outside-stores.yaml" <<'Y'
store: {external: {sentinels: ["a:26379", "b:26379"], sessionsSentinels: ["a:26379"], master: main}}
postgres: {external: {host: db.example, port: 5433, caConfigMap: db-ca}}
chain: {rpcUrls: ["https://rpc.example/key", "http://10.0.0.1:8545"]}
Y

render() { "$helm" template purr helm/purr --namespace purr "$@"; }
# Accepted combinations: the defaults, those of every install in tests, and the two above.
accepts() { # values...
  local said
  said=$(render "$@" 2>&1 >/dev/null) || die "the chart refuses $*: $said"
  said=$("$helm" lint --quiet helm/purr "$@" 2>&1) || die "helm lint refuses $*: $said"
}
# The message names each of the words before --.
refuses() { # words... -- values...
  local words=() word said
  while [ "$1" != -- ]; do words+=("$1") && shift; done
  shift
  if said=$(render "$@" 2>&1 >/dev/null); then die "the chart takes $*"; fi
  for word in "${words[@]}"; do
    [[ $said == *"$word"* ]] || die "the chart refuses $* without naming $word: $said"
  done
  refused=$((refused + 1))
}
refused=0

say "chart: values, schema and README"
mkdir -p "$work/plain/templates"
printf 'apiVersion: v2\nname: plain\nversion: 0.0.0\n' >"$work/plain/Chart.yaml"
cp helm/purr/values.yaml "$work/plain/values.yaml"
echo '{{ .Values | toJson }}' >"$work/plain/templates/NOTES.yaml"
"$helm" template plain "$work/plain" | grep '^{' >"$work/values.json"
python3 tests/chart/chart.py agree "$work/values.json"
python3 tests/chart/chart.py readme

say "chart: alerts"
tests/chart/alerts.sh "$helm"

say "chart: what it takes"
accepts --set anvil.enabled=true
accepts --values tests/stack-values.yaml
accepts --values tests/stack-values.yaml --set-string gateway.domain=localhost:8443 --set gateway.publicUrl=https://localhost:8443 \
  --set 'gateway.roles.0x00000000000000000000000000000000000000aa[0]=auditor' \
  --set-string chain.vault=0x1111111111111111111111111111111111111111 --set-string chain.token=0x2222222222222222222222222222222222222222
accepts --set anvil.enabled=true --set gateway.ingress.enabled=true --set gateway.ingress.host=poker.example \
  --set gateway.ingress.className=nginx --set gateway.tlsRoute.enabled=true --set 'gateway.tlsRoute.hostnames={poker.example}' \
  --set 'gateway.tlsRoute.parentRefs[0].name=edge' --set gateway.service.type=LoadBalancer --set 'gateway.clientAddress.forwardedFrom={10.0.0.0/8}'
accepts --set anvil.enabled=true --set crds.install=false
accepts --set anvil.enabled=true --set gateway.guestKeys=true
accepts --values "$work/production.yaml"
accepts --set anvil.enabled=true --set-string 'tableNamespaces.selector.purr\.poker/tables=true'
accepts --values "$work/outside-stores.yaml"

say "chart: typos and values out of range"
anvil=(--set anvil.enabled=true)
while read -r at what value; do
  refuses "'${at%/}'" "$what" -- "${anvil[@]}" --set-json "$value"
done <<'C'
/chain confirmation chain.confirmation=64
/chain/confirmations minimum chain.confirmations=0
/chain/confirmations maximum chain.confirmations=1001
/chain/vault pattern chain.vault="0x12"
/chain/decimals maximum chain.decimals=19
/chain/rpcUrls/0 pattern chain.rpcUrls=["rpc.example"]
/backup/keep minimum backup.keep=0
/backup/schedule pattern backup.schedule="daily"
/backup retain backup.retain=3
/gateway replica gateway.replica=2
/gateway/replicas minimum gateway.replicas=0
/gateway/replicas integer gateway.replicas="two"
/gateway/rates/signIn minimum gateway.rates.signIn=0
/gateway/extraVolumes/0 name gateway.extraVolumes=[{"emptyDir":{}}]
/chainSigner extraVolume chainSigner.extraVolume=[]
/gateway/autoscaling cpu gateway.autoscaling.cpu=70
/records/autoscaling/maxReplicas minimum records.autoscaling.maxReplicas=0
/kubeStateMetrics account kubeStateMetrics.account="x"
/gateway/ingress/preset contour gateway.ingress.preset="envoy"
/gateway/rates signin gateway.rates.signin=5
/gateway/stopDelayMs maximum gateway.stopDelayMs=60000
/gateway/publicUrl pattern gateway.publicUrl="http://poker.example"
/gateway/service/type 'NodePort' gateway.service.type="Nodeport"
/gateway/service/nodePort maximum gateway.service.nodePort=70000
/gateway/allowedAddresses/admin minItems gateway.allowedAddresses.admin=[]
/gateway/allowedAddresses/admin/0 pattern gateway.allowedAddresses.admin=["everywhere"]
/gateway/roles 0x12 gateway.roles={"0x12":["auditor"]}
/gateway/roles/0x00000000000000000000000000000000000000aa/0 auditor gateway.roles={"0x00000000000000000000000000000000000000aa":["auditer"]}
/gateway/guestKeys boolean gateway.guestKeys="false"
/gateway/pod tolerance gateway.pod.tolerance=[]
/gateway/resources limit gateway.resources.limit={}
/pods/labels/app.kubernetes.io~1component false pods.labels={"app.kubernetes.io/component":"x"}
/redis/replicas minimum redis.replicas=1
/redis/storage sizes redis.storage.sizes="1Gi"
/redis/spread DoNotSchedule redis.spread="Never"
/redisGroups/second maxMemory redisGroups.second.maxMemory="64mb"
/redisSessions replica redisSessions.replica=1
/stores/eu sentinels stores.eu={"master":"purr"}
/tableNamespaces/names/0 pattern tableNamespaces.names=["A"]
/tableNamespaces name tableNamespaces.name="a"
/controller/tableGraceSeconds minimum controller.tableGraceSeconds=5
/controller/summaryEveryMs minimum controller.summaryEveryMs=100
/chainSigner/gas/max minimum chainSigner.gas.max=21000
/chainSigner/limits/hand minimum chainSigner.limits.hand=-1
/chainSigner/hsm tokenLable chainSigner.hsm.tokenLable="x"
/table/allowed image table.allowed.image=[]
/table/allowed/images/0 pattern table.allowed.images=["*"]
/table/allowed/tolerationKeys/0 pattern table.allowed.tolerationKeys=["a b"]
/audit/publicKey pattern audit.publicKey="00"
/records/version 2 records.version=1
/fairplay/thresholds/pair maximum fairplay.thresholds.pair=50
/fairplay keysecret fairplay.keysecret="x"
/postgres/external hostname postgres.external.hostname="db"
/imagePullPolicy IfNotPresent imagePullPolicy="Sometimes"
/alerts/runbooksUrl pattern alerts.runbooksUrl="https://git.example/"
/dashboards/labels/grafana_dashboard string dashboards.labels={"grafana_dashboard":1}
/monitors/intervalSeconds minimum monitors.intervalSeconds=1
/ anvill anvill.enabled=true
C

say "chart: dangerous combinations"
real=(--set 'chain.rpcUrls={https://rpc.example}' --set chain.chainId=999)
refuses gateway.replicas gateway.podDisruptionBudget.maxUnavailable -- "${anvil[@]}" --set gateway.podDisruptionBudget.maxUnavailable=0
refuses gateway.replicas gateway.podDisruptionBudget.minAvailable -- "${anvil[@]}" --set gateway.podDisruptionBudget.minAvailable=1
refuses gateway.autoscaling.minReplicas gateway.podDisruptionBudget.minAvailable -- "${anvil[@]}" --set gateway.autoscaling.enabled=true --set gateway.replicas=9 --set gateway.podDisruptionBudget.minAvailable=2
refuses records.autoscaling.minReplicas records.autoscaling.maxReplicas -- "${anvil[@]}" --set records.autoscaling.enabled=true --set records.autoscaling.minReplicas=5
admins=(--set 'gateway.allowedAddresses.admin={192.0.2.0/24}')
refuses gateway.ingress.enabled gateway.clientAddress.forwardedFrom -- "${anvil[@]}" "${admins[@]}" --set gateway.ingress.enabled=true --set gateway.ingress.host=a.example
refuses gateway.tlsRoute.enabled gateway.clientAddress.proxyProtocolFrom -- "${anvil[@]}" "${admins[@]}" --set gateway.tlsRoute.enabled=true
# Addresses of administrators and of everybody else must not be the same ones.
refuses gateway.allowedAddresses.admin gateway.service.externalTrafficPolicy -- "${anvil[@]}" --set gateway.service.type=NodePort
refuses gateway.guestKeys chain.chainId -- "${real[@]}" --set gateway.guestKeys=true
refuses anvil.enabled chain.rpcUrls -- "${anvil[@]}" "${real[@]}"
refuses anvil.enabled chain.rpcUrlsSecret.name -- "${anvil[@]}" --set chain.rpcUrlsSecret.name=rpc
refuses chain.rpcUrls chain.rpcUrlsSecret.name -- "${real[@]}" --set chain.rpcUrlsSecret.name=rpc
refuses chain.rpcUrls chain.rpcUrlsSecret.name anvil.enabled --
refuses chain.vault chain.token -- "${anvil[@]}" --set chain.vault=0x1111111111111111111111111111111111111111
refuses chainSigner.replicas chainSigner.hsm.initToken -- "${anvil[@]}" --set chainSigner.replicas=2
refuses chainSigner.replicas chainSigner.hsm.module -- "${anvil[@]}" --set chainSigner.replicas=2 --set chainSigner.hsm.initToken=false
refuses fairplay.enabled fairplay.keySecret -- "${anvil[@]}" --set fairplay.enabled=true
refuses fairplay.enabled fairplay.publicKey -- "${anvil[@]}" --set fairplay.enabled=true --set fairplay.keySecret=k
refuses chainSigner.hsm.settleKey chainSigner.hsm.voucherKey -- "${anvil[@]}" --set chainSigner.hsm.voucherKey=settle
refuses tableNamespaces.names tableNamespaces.selector -- "${anvil[@]}" --set 'tableNamespaces.names={a}' --set-string tableNamespaces.selector.a=b
say "chart: $refused refused"

say "chart: programs' options"
mkdir "$work/programs"
fair=(--set records.export.enabled=true --set fairplay.enabled=true --set fairplay.keySecret=k --set-string "fairplay.publicKey=$(printf 'ab%.0s' {1..32})")
for part in bootstrap controller/deployment gateway/deployment records/deployment records/export fairplay/deployment signer/statefulset; do
  # Options that exclude each other are in one of the two.
  { render --values "$work/production.yaml" --show-only "templates/$part.yaml" &&
    render --values tests/stack-values.yaml --set 'gateway.clientAddress.proxyProtocolFrom={10.0.0.0/8}' "${fair[@]}" \
      --set-string 'tableNamespaces.selector.purr\.poker/tables=true' --show-only "templates/$part.yaml"; } >>"$work/programs/${part%%/*}"
done
python3 tests/chart/chart.py options "$work/programs"

say "chart: rights, and a reason for each verb"
read_manifests() { # name: of standard input, as JSON
  awk -v folder="$work/reader/manifests" 'BEGIN {RS = "\n?---\n"} /kind:/ {print > (folder "/" ++count ".yaml")}'
  "$helm" template reader "$work/reader" | grep '^{' | jq -s . >"$work/manifests/$1.json"
  rm -f -- "$work"/reader/manifests/*
}
mkdir -p "$work/reader/templates" "$work/reader/manifests" "$work/manifests"
printf 'apiVersion: v2\nname: reader\nversion: 0.0.0\n' >"$work/reader/Chart.yaml"
cat >"$work/reader/templates/all.yaml" <<'Y'
{{ range $path, $_ := .Files.Glob "manifests/*.yaml" }}{{ $read := $.Files.Get $path | fromYaml }}
{{ if $read.Error }}{{ fail (printf "%s: %s" $path $read.Error) }}{{ end }}
---
{{ $read | toJson }}
{{ end }}
Y
render --values "$work/production.yaml" | read_manifests production
render "${anvil[@]}" --set-string 'tableNamespaces.selector.purr\.poker/tables=true' | read_manifests selected
python3 tests/chart/rights.py "$work/manifests"
say "chart: network policies, and a reason for each flow"
python3 tests/chart/flows.py "$work/manifests"
[[ $(render "${anvil[@]}" --set networkPolicy.enabled=false) != *'kind: NetworkPolicy'* ]] || die "policies are rendered in spite of networkPolicy.enabled"
[[ $(render "${anvil[@]}" --set roles.aggregate=false) != *aggregate-to-* ]] || die "roles are aggregated in spite of roles.aggregate"

say "chart: settings of pods"
# Every pod's template has this line once.
mark='fsGroupChangePolicy: OnRootMismatch'
anvil_too=(--set crds.install=false --set chain.rpcUrlsSecret.name= --set anvil.enabled=true)
render --skip-tests --values "$work/production.yaml" "${anvil_too[@]}" >"$work/production"
pods=$(grep -c "$mark" "$work/production")
[ "$pods" -ge 12 ] || die "the chart renders $pods pods, fewer than there are workloads"
for setting in 'priorityClassName: poker' 'imagePullSecrets:' 'key: poker' 'example.com/team: poker' 'cost: poker' 'nodeSelector:'; do
  have=$(grep -cE "^ *(- )?$setting" "$work/production")
  [ "$have" -eq "$pods" ] || die "$have of $pods pods have $setting"
done
[ "$(grep -c 'purr.example/pool: edge' "$work/production")" -eq 1 ] || die "gateway.pod.nodeSelector does not replace pods.nodeSelector"
own=$(render --values "$work/production.yaml" --show-only templates/gateway/deployment.yaml)
[[ $own == *'topologyKey: zone'* && $own != *kubernetes.io/hostname* ]] || die "gateway.pod.topologySpreadConstraints is not the only one"

say "chart: rendering makes no state"
[ "$(render --values "$work/production.yaml" | sha256sum)" = "$(render --values "$work/production.yaml" | sha256sum)" ] ||
  die "two renderings differ"
if made=$(grep -rnE '\{\{[^}]*\b(lookup|rand[A-Z][A-Za-z]*|gen(CA|SelfSigned|Signed|Private)[A-Za-z]*|uuidv4|now|htpasswd|derivePassword)\b' \
  helm/purr/templates); then
  die "a template makes state or reads the cluster: $made"
fi
[ "$(render --values "$work/production.yaml" | grep -c '^kind: Secret$')" = 0 ] || die "the chart renders a Secret"
say "chart: what decisions render"
# renders TEXT TEMPLATE values...: the manifest has the text. lacks: it has not.
manifest() { render --show-only "templates/$1" "${@:2}"; }
renders() { [[ $(manifest "${@:2}") == *"$1"* ]] || die "'$1' is missing in $2 with ${*:3}"; }
lacks() { [[ $(manifest "${@:2}") != *"$1"* ]] || die "'$1' is in $2 with ${*:3}"; }
signer=signer/statefulset.yaml
renders '{name: PURR_HAND_LIMIT, value: "100000000000"}' "$signer" "${anvil[@]}"
renders '{name: PURR_HOUR_LIMIT, value: "1000000000000"}' "$signer" "${anvil[@]}"
renders '{name: PURR_HAND_LIMIT, value: "0"}' "$signer" --values "$work/production.yaml"
# 100000 tokens of 18 decimals are more than the signer's numbers hold.
renders '{name: PURR_HAND_LIMIT, value: "18446744073709551615"}' "$signer" "${anvil[@]}" --set chain.decimals=18
renders '{name: PURR_VAULT_BLOCK, value: "12345678901"}' "$signer" "${anvil[@]}" --set chain.vaultBlock=12345678901
hyperevm=(--values "$work/production.yaml" --values helm/purr/values-hyperevm.yaml)
renders '{name: PURR_RPC_REQUESTS_PER_MINUTE, value: "100"}' "$signer" "${hyperevm[@]}"
renders '{name: PURR_POLL_MS, value: "5000"}' "$signer" "${hyperevm[@]}"
renders '{name: PURR_TRANSACTION_FEE_MAX_GWEI, value: "500000000"}' "$signer" "${anvil[@]}"
renders '{name: PURR_HOUR_FEE_MAX_GWEI, value: "5000000000"}' "$signer" "${anvil[@]}"
renders 'secretKeyRef: {name: "rpc", key: "urls"}' "$signer" --values "$work/production.yaml"
renders 'configMap: {name: "rpc-ca"}' "$signer" --values "$work/production.yaml"
renders 'configMap: {name: "db-ca"}' "$signer" --values "$work/outside-stores.yaml"
renders 'configMap: {name: "db-ca"}' records/deployment.yaml --values "$work/outside-stores.yaml"
renders '- --summary-every-ms=2000' controller/deployment.yaml --values "$work/production.yaml"
renders 'name: RUST_BACKTRACE' gateway/deployment.yaml --values "$work/production.yaml"
renders 'minAvailable: 2' gateway/deployment.yaml --values "$work/production.yaml"
renders 'maxUnavailable: 1' gateway/deployment.yaml --values tests/stack-values.yaml
# The same of all programs; and an autoscaler's Deployment says no number of its own.
for part in controller/deployment gateway/deployment records/deployment fairplay/deployment signer/statefulset; do
  workload=${part%%/*}
  [ "$workload" != signer ] || workload=chainSigner
  more=(--values "$work/production.yaml" --set "$workload.extraVolumes[0].name=more" --set "$workload.extraVolumeMounts[0].name=more"
    --set "$workload.extraVolumeMounts[0].mountPath=/more" --set "$workload.extraInitContainers[0].name=before")
  text=$(manifest "$part.yaml" "${more[@]}" --set "$workload.extraEnv[0].name=RUST_BACKTRACE" --set "$workload.extraArgs={--more=1}")
  for wanted in '- name: more' 'mountPath: /more' '- name: before' 'name: RUST_BACKTRACE' '- --more=1'; do
    [[ $text == *"$wanted"* ]] || die "$part.yaml has no '$wanted' of $workload.extra…"
  done
done
# Each preset's annotations, on what the controller reads them from; one's own replace them.
through=("${anvil[@]}" --set gateway.ingress.enabled=true --set gateway.ingress.host=poker.example --set 'gateway.clientAddress.forwardedFrom={10.0.0.0/8}')
through+=(--set 'gateway.allowedAddresses.admin={192.0.2.0/24}')
while read -r preset template text; do
  renders "$text" "gateway/$template.yaml" "${through[@]}" --set "gateway.ingress.preset=$preset"
done <<'P'
contour ingress projectcontour.io/websocket-routes: /
contour service projectcontour.io/upstream-protocol.tls: https,443
nginx ingress nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
haproxy ingress haproxy.org/server-ssl: "true"
traefik service traefik.ingress.kubernetes.io/service.serverstransport: purr-purr-gateway@kubernetescrd
traefik ingress rootCAsSecrets: [purr-gateway-public-tls]
alb ingress alb.ingress.kubernetes.io/target-type: ip
gke service cloud.google.com/backend-config: '{"default":"purr-gateway"}'
gke ingress requestPath: /readyz
P
lacks annotations gateway/ingress.yaml "${through[@]}" --set gateway.ingress.preset=none
lacks projectcontour.io gateway/service.yaml "${anvil[@]}" --set gateway.ingress.preset=contour
own=$(manifest gateway/ingress.yaml "${through[@]}" --set-string 'gateway.ingress.annotations.nginx\.ingress\.kubernetes\.io/proxy-read-timeout=60')
[[ $own == *'proxy-read-timeout: "60"'* && $own != *'proxy-read-timeout: "3600"'* ]] || die "an annotation of one's own does not replace the preset's"
lacks '  replicas: ' records/deployment.yaml --values "$work/production.yaml"
renders 'kind: HorizontalPodAutoscaler' records/deployment.yaml --values "$work/production.yaml"
lacks HorizontalPodAutoscaler gateway/deployment.yaml --values "$work/production.yaml"
renders 'minReplicas: 2' gateway/deployment.yaml "${anvil[@]}" --set gateway.autoscaling.enabled=true
renders 'maxUnavailable: 1' gateway/deployment.yaml "${anvil[@]}" --set gateway.autoscaling.enabled=true
for part in controller/deployment records/deployment signer/statefulset; do
  renders 'maxUnavailable: 1' "$part.yaml" --values "$work/production.yaml"
  lacks PodDisruptionBudget "$part.yaml" "${anvil[@]}"
done
# What kube-state-metrics reads is in the definitions.
state=$(manifest kube-state-metrics.yaml --values "$work/production.yaml")
[[ $state == *'name: kube-state-metrics, namespace: monitoring'* && $state == *'kind: PokerTable}'* ]] || die "kube-state-metrics lacks the tables or its account"
for kind in pokertable pokertablefleet; do
  definition=helm/purr/files/crds/${kind}s.yaml
  status=$(awk '/^          status:/ {status = 1} status' "$definition")
  fields=$(awk -v prefix="purr_$kind" '$1 == "metricNamePrefix:" {mine = $2 == prefix} mine' <<<"$state" | grep -oE 'path: \[status, [a-zA-Z]+' | sed 's/.* //' | sort -u)
  [ -n "$fields" ] || die "kube-state-metrics reads nothing of $kind"
  while read -r field; do
    [[ $status == *$'\n'"              $field:"* ]] || die "$definition has no status.$field, which kube-state-metrics reads"
  done <<<"$fields"
done
lacks 'kind: PokerTable}' kube-state-metrics.yaml --values "$work/production.yaml" --set kubeStateMetrics.tables=false
# A chart upgrade with the same images restarts nothing.
templated=$(render --values "$work/production.yaml" | awk '/^---/ {inside = 0} /^  template:/ {inside = 1} inside && /app.kubernetes.io\/version/')
[ -z "$templated" ] || die "a pod template has the label app.kubernetes.io/version"
lacks PodDisruptionBudget gateway/deployment.yaml "${anvil[@]}"
renders 'helm.sh/hook: test' tests/gateway.yaml --values tests/stack-values.yaml
lacks 'kubernetes.io/tls' tests/gateway.yaml --values "$work/production.yaml"
# One monitor for each program and one for tables, which finds them where they are.
monitors=$(manifest monitors.yaml --values "$work/production.yaml")
[ "$(grep -c '^kind: PodMonitor$' <<<"$monitors")" = 6 ] || die "the chart has not one PodMonitor for each program"
[[ $monitors == *'matchNames: ["purr","poker-2"]'* ]] || die "the tables' monitor does not look into their namespaces"
renders 'runbook_url: https://git.example/purr/runbooks/PurrGatewayDown.md' alerts/rules.yaml --values "$work/production.yaml"
renders 'any: true' monitors.yaml "${anvil[@]}" --set monitors.enabled=true --set-string 'tableNamespaces.selector.purr\.poker/tables=true'
# Rights where tables are: a Role in each namespace that is named, and by labels one that is bound nowhere.
rights=$(manifest controller/rbac.yaml --values "$work/production.yaml")
[ "$(grep -c '^kind: Role$' <<<"$rights")" = 3 ] || die "the controller has not one Role of its own and one for each of two namespaces"
[[ $rights == *'namespace: poker-2'* && $rights != *ClusterRole* ]] || die "the controller's rights are not the namespaces' own"
selected=("${anvil[@]}" --set-string 'tableNamespaces.selector.purr\.poker/tables=true')
renders 'name: purr-purr-controller-tables' controller/rbac.yaml "${selected[@]}"
lacks 'name: purr-purr-controller-tables}' controller/rbac.yaml "${selected[@]}"
renders 'purr.poker/tables: "true"' networkpolicies.yaml "${selected[@]}"
renders 'values: ["purr","poker-2"]' networkpolicies.yaml --values "$work/production.yaml"
lacks "operator: In" networkpolicies.yaml "${anvil[@]}"
# What tables may name: the policy and the controller say the same, where the tables are.
renders 'value: "registry.example/purr/table:,b@sha256:c"' controller/deployment.yaml "${anvil[@]}" --set 'table.allowed.images={registry.example/purr/table:,b@sha256:c}'
renders '["registry.example/purr/"].exists' tables-policy.yaml "${anvil[@]}" --set 'table.allowed.images={registry.example/purr/}'
renders 'values: ["purr","poker-2"]' tables-policy.yaml --values "$work/production.yaml"
renders 'purr.poker/tables: "true"' tables-policy.yaml "${selected[@]}"
lacks "variables.labels.all" tables-policy.yaml "${anvil[@]}" --set 'table.allowed.nodeSelectorKeys={*}'
[[ $(render "${anvil[@]}" --set table.allowed.policy=false) != *purr-purr-tables* ]] || die "the policy of tables is rendered in spite of table.allowed.policy"
