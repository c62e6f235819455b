# Tables whose pods the API server refuses: how many requests the controller makes then, and how many fencing generations
# it spends. Sourced by fleet.sh. Waits double from one second to five minutes, so what a short run counts is an upper
# bound. PURR_REFUSED is the number of tables, PURR_REFUSED_S how long they have been refused when 20 seconds are counted.
# shellcheck shell=bash disable=SC2154

refused_count=${PURR_REFUSED:-100}
refused() {
  n get ptable -o json |
    jq '[.items[] | select(.metadata.name | startswith("refused-")) |
      select(any(.status.conditions[]?; .type == "Degraded" and .reason == "PodRefused"))] | length'
}
# Leases are renewed whether tables are refused or not.
requests() {
  k get --raw /metrics | awk '/^apiserver_request_total/ && !/verb="WATCH"/ &&
    /resource="(pods|pokertables|events|secrets)"/ {sum += $NF} END {printf "%d\n", sum}'
}
# Whoever is to have a pod has one, and the API server knows the quota, before anything is counted.
reach 120 "pods of all tables" "$(tables)" pods
n create -f - >/dev/null <<'QUOTA'
{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: "0"}}}
QUOTA
# There is no controller of quotas here: what one would have written.
n patch resourcequota none --subresource=status --type=merge -p '{"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}' >/dev/null
is_refused() { n run probe --image=localhost/none --dry-run=server >/dev/null 2>&1 && echo no || echo yes; }
reach 20 "a pod beyond the quota is refused" yes is_refused
for number in $(seq "$refused_count"); do
  sed "s/name: nl100-1/name: refused-$number/" crds/examples/table.yaml
  echo ---
done | n create -f - >/dev/null
reach 120 "refused tables" "$refused_count" refused
sleep "${PURR_REFUSED_S:-30}"
from=$(requests)
sleep 20
made=$(($(requests) - from))
# Pods of other tables are moved and deleted all the while, as was asked above: only those of refused ones are counted.
refused_pods() { n get pods -o name | grep -c '^pod/refused-' || true; }
[ "$(refused_pods)" = 0 ] || die "$(refused_pods) pods were made in spite of the quota"
generations=$(n get ptable -o json | jq '[.items[] | select(.metadata.name | startswith("refused-")) | .status.fencingGeneration] | max')
[ "$generations" = 1 ] || die "a table that never had a pod has generation $generations"
[ "$made" -lt 100 ] || die "$made requests in 20 s for $refused_count refused tables"
said=$(n get events --field-selector involvedObject.name=refused-1,reason=PodRefused -o json | jq '.items | length')
[ "$said" = 1 ] || die "$said events instead of one"
n delete resourcequota none >/dev/null
# Another configuration is tried at once.
n patch ptable refused-1 --type=merge -p '{"spec": {"pod": {"image": "localhost/purr/table:2"}}}' >/dev/null
# By now others' waits end, too: only this one's pod is looked for.
first_pod() { n get pods --selector purr.poker/table=refused-1 -o name | wc -l; }
reach 20 "pod of the table with another configuration" 1 first_pod
say "$refused_count refused tables: $made requests in 20 s, ${PURR_REFUSED_S:-30} s after they were refused; one generation each"
