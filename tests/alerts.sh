#!/usr/bin/env bash
# Faults held for five minutes each, and which alerts fire: a Prometheus on this machine, in the cluster's network, scrapes the
# pods as the chart's PodMonitors say and evaluates the chart's rules. Nobody plays meanwhile.
# usage: alerts.sh [FAULT...]    FAULT: again, also where it has a result; none: those without one (PURR_HELD: seconds, 300)
# Needs the stack of tests/stack.sh on the test cluster PURR_CLUSTER. Writes target/alerts.json and the table in tests/README.md.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
cluster "${PURR_CLUSTER:-chaos}"
[ -f "$state/ready" ] || die "cluster $name is not up: tests/stack.sh $name"
for need in prometheus jq curl python3; do
  command -v "$need" >/dev/null || die "$need is missing: tests/cluster/prereqs.sh"
done
work=$(mktemp -d)
pid=''
finish() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
  rm -rf -- "$work"
}
trap finish EXIT

# The chart's objects as JSON: helm reads YAML and writes JSON.
mkdir -p "$work/reader/templates" "$work/reader/objects"
printf 'apiVersion: v2\nname: reader\nversion: 0.0.0\n' >"$work/reader/Chart.yaml"
cat >"$work/reader/templates/all.yaml" <<'Y'
{{ range $path, $_ := .Files.Glob "objects/*.yaml" }}
---
{{ $.Files.Get $path | fromYaml | toJson }}
{{ end }}
Y
# Without backup.enabled: its alert is about kube-state-metrics, which the test cluster has not.
"$bin/helm" template purr helm/purr --namespace purr --values tests/stack-values.yaml --set backup.enabled=false \
  --set alerts.enabled=true --set monitors.enabled=true |
  awk -v folder="$work/reader/objects" '/^---/ {count++; next} {print > (folder "/" count ".yaml")}'
grep -LE '^kind: (PrometheusRule|PodMonitor)$' "$work"/reader/objects/*.yaml | xargs rm -f --
"$bin/helm" template reader "$work/reader" | grep '^{' | jq -s . >"$work/documents.json"
python3 tests/alerts/matrix.py configure "$work"
promtool check config --lint=none "$work/prometheus.yml" >"$work/checked" 2>&1 || die "$(cat "$work/checked")"

k() { "${inside[@]}" "$bin/kubectl" --kubeconfig "$state/admin.kubeconfig" --namespace purr "$@"; }
# One table, for faults of tables; it stays, as the cluster does.
k apply --filename crds/examples/heads-up.yaml >/dev/null
k wait --for=jsonpath='{.status.phase}'=Running --timeout=300s ptable/hu100-1 >/dev/null || die "the table hu100-1 is not Running: $(k get ptable hu100-1)"
port=$("${inside[@]}" python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
"${inside[@]}" prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
  --web.listen-address="127.0.0.1:$port" --log.level=warn >"$work/prometheus.log" 2>&1 &
pid=$!
url=http://127.0.0.1:$port
until "${inside[@]}" curl -fsS "$url/-/ready" >/dev/null 2>&1; do
  kill -0 "$pid" 2>/dev/null || die "Prometheus: $(tail -n 5 "$work/prometheus.log")"
  sleep 0.3
done
say "Prometheus $(prometheus --version 2>&1 | sed -nE '1s/.*version ([^ ]+).*/\1/p') scrapes cluster $name"
mkdir -p target
jq -n --arg url "$url" --arg pod_sh "$here/pod.sh" --arg cluster "$name" --arg results "$PWD/target/alerts.json" --arg targets "$work/targets.json" \
  --argjson inside "$(printf '%s\n' "${inside[@]}" | jq -R . | jq -s .)" --arg kubectl "$bin/kubectl" --arg config "$state/admin.kubeconfig" '
  {inside: $inside, kubectl: ($inside + [$kubectl, "--kubeconfig", $config]), namespace: "purr", pod_sh: $pod_sh,
   cluster: $cluster, prometheus: $url, results: $results, targets: $targets}' >"$work/context.json"
code=0
python3 tests/alerts/matrix.py run "$work/context.json" "$@" || code=$?
[ ! -f target/alerts.json ] || python3 tests/alerts/matrix.py table target/alerts.json tests/README.md
[ "$code" -eq 0 ]
