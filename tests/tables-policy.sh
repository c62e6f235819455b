# What PokerTables and fleets may name in spec.pod, by the chart's admission policy on a real API server. Sourced by
# bootstrap.sh, whose definitions, chart and namespace it uses.
# shellcheck shell=bash disable=SC2154

allowed=(--set 'table.allowed.images={registry.example/purr/table:}' --set 'table.allowed.tolerationKeys={poker}')
render "${allowed[@]}" --show-only templates/tables-policy.yaml | k apply -f - >/dev/null
objects=0
# Creates nothing: words, example, patch of spec.pod; no words: accepted.
asks() {
  local words=$1 said object
  object=$(k create --dry-run=client -o json -f "crds/examples/$2" | jq --argjson pod "$3" '
    .metadata.namespace = "purr" | if .kind == "PokerTable" then .spec.pod = $pod else .spec.template.pod = $pod end')
  if said=$(n create --dry-run=server -f - <<<"$object" 2>&1); then
    [ -z "$words" ] || die "$2 with spec.pod $3 is accepted"
  elif [ -z "$words" ] || [[ $said != *"$words"* ]]; then
    die "$2 with spec.pod $3 is refused, but not with '$words': $said"
  fi
  objects=$((objects + 1))
}
is_in_force() { (asks 'is not allowed' table.yaml '{"image": "evil.example/table:1"}') >/dev/null 2>&1; }
end=$((SECONDS + 20))
until is_in_force; do
  [ "$SECONDS" -lt "$end" ] || die "the policy of tables does not come into force"
  sleep 0.2
done
for example in table.yaml fleet.yaml; do
  asks '' "$example" '{}'
  asks '' "$example" '{"image": "localhost/purr/table:dev"}'
  asks '' "$example" '{"image": "registry.example/purr/table:7"}'
  asks '' "$example" '{"nodeSelector": {"topology.kubernetes.io/zone": "a"}, "tolerations": [{"key": "poker", "operator": "Exists"}]}'
  asks 'evil.example/table:1 is not allowed' "$example" '{"image": "evil.example/table:1"}'
  asks 'is not allowed' "$example" '{"image": "localhost/purr/table:dev2"}'
  asks 'is not allowed' "$example" '{"image": "registry.example/purr/table-evil:7"}'
  asks 'kubernetes.io/hostname is not allowed' "$example" '{"nodeSelector": {"kubernetes.io/hostname": "n1"}}'
  asks 'node-role.kubernetes.io/control-plane is not allowed' "$example" \
    '{"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]}'
  asks '(every taint) is not allowed' "$example" '{"tolerations": [{"operator": "Exists"}]}'
done
# A table from before the rules: all but spec.pod can still be changed, and its finalizer taken off.
k delete validatingadmissionpolicybinding purr-purr-tables >/dev/null
old=$(k create --dry-run=client -o json -f crds/examples/table.yaml |
  jq '.metadata.namespace = "purr" | .metadata.finalizers = ["purr.poker/test"] | .spec.pod = {image: "evil.example/table:1"}')
is_lifted() { n create --dry-run=server -f - <<<"$old" >/dev/null 2>&1; }
end=$((SECONDS + 20))
until is_lifted; do
  [ "$SECONDS" -lt "$end" ] || die "the policy of tables does not end with its binding"
  sleep 0.2
done
n create -f - <<<"$old" >/dev/null
render "${allowed[@]}" --show-only templates/tables-policy.yaml | k apply -f - >/dev/null
end=$((SECONDS + 20))
until is_in_force; do
  [ "$SECONDS" -lt "$end" ] || die "the policy of tables does not come into force again"
  sleep 0.2
done
change() { n patch ptable nl100-1 --type=merge -p "$1"; }
change '{"spec": {"closed": true}}' >/dev/null
refused 'is not allowed' change '{"spec": {"pod": {"image": "evil.example/table:2"}}}'
change '{"metadata": {"finalizers": null}}' >/dev/null
n delete ptable nl100-1 --wait=false >/dev/null
k delete validatingadmissionpolicybinding purr-purr-tables >/dev/null
say "tables and fleets: $objects images and placements accepted and refused as the chart says; what was there before can go"
