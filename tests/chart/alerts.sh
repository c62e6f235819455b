#!/usr/bin/env bash
# The chart's alert rules under promtool, each with its runbook and its cases; its dashboards' queries; METRICS.md. usage: alerts.sh HELM
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
helm=$1
command -v promtool >/dev/null || {
  echo "error: promtool is missing: run tests/cluster/prereqs.sh (Debian's package prometheus)" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
chart=$root/helm/purr
all=(--set anvil.enabled=true --set alerts.enabled=true --set monitors.enabled=true --set dashboards.enabled=true --set backup.enabled=true
  --set fairplay.enabled=true --set fairplay.keySecret=k --set-string "fairplay.publicKey=$(printf 'ab%.0s' {1..32})")

# helm reads YAML and writes JSON, one line a file.
mkdir -p "$work/reader/templates" "$work/reader/rules"
printf 'apiVersion: v2\nname: reader\nversion: 0.0.0\n' >"$work/reader/Chart.yaml"
cat >"$work/reader/templates/all.yaml" <<'Y'
{{ range $path, $_ := .Files.Glob (printf "%s/*.yaml" .Values.folder) }}{{ $read := $.Files.Get $path | fromYaml }}
{{ if $read.Error }}{{ fail (printf "%s: %s" $path $read.Error) }}{{ end }}
---
{{ $read | toJson }}
{{ end }}
Y
read_yaml() { # folder: a JSON list of what its files hold
  "$helm" template reader "$work/reader" --set "folder=$1" | grep '^{' | jq -s .
}

# Every PrometheusRule of the chart, whichever template makes it.
"$helm" template purr "$chart" --namespace purr "${all[@]}" >"$work/rendered"
awk -v folder="$work/reader/rules" '
  /^---/ {name = ""; inside = 0}
  /^kind: PrometheusRule/ {count++; name = folder "/" count ".yaml"}
  name != "" && /^spec:/ {inside = 1; next}
  /^[^ ]/ {inside = 0}
  inside {print substr($0, 3) > name}' "$work/rendered"
[ -s "$work/reader/rules/1.yaml" ] || { echo "error: the chart renders no PrometheusRule" >&2; exit 1; }
cp -r "$root/tests/chart/alerts" "$work/reader/cases"
read_yaml rules >"$work/rules.json"
read_yaml cases | jq add >"$work/cases.json"
python3 "$root/tests/chart/alerts.py" "$work"
python3 "$root/tests/alerts/matrix.py" check
