#!/usr/bin/env bash
# The definitions on a real API server: what it accepts, what it refuses and in which words, the scale subresource, and
# that an autoscaler may have a fleet. usage: crds.sh
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
# shellcheck source=api.sh
. tests/api.sh

k create namespace default 2>/dev/null || true
for definition in pokertables pokertablefleets; do
  # A schema that is not structural, or a rule that could cost too much, is said here and nowhere else.
  bad=$(k get crd "$definition.purr.poker" -o 'jsonpath={.status.conditions[?(@.type=="NonStructuralSchema")].message}')
  [ -z "$bad" ] || die "$definition: $bad"
done

checks=0
with() { # example merge-patch: the example, changed
  k create --dry-run=client -o json -f "crds/examples/$1" | jq --argjson patch "$2" '
    def merge($b): reduce ($b | keys_unsorted[]) as $key (.;
      if $b[$key] == null then del(.[$key])
      elif ($b[$key] | type) == "object" and (.[$key] | type) == "object" then .[$key] |= merge($b[$key])
      else .[$key] = $b[$key] end);
    merge($patch)'
}
accepted() { # example merge-patch
  with "$1" "$2" | k create --dry-run=server -f - >/dev/null || die "$1 with $2 is refused"
  checks=$((checks + 1))
}
# Says the words of the refusal, which must hold these.
refused() { # words example merge-patch
  local said
  if said=$(with "$2" "$3" | k create --dry-run=server -f - 2>&1); then die "$2 with $3 is accepted"; fi
  [[ $said == *"$1"* ]] || die "$2 with $3 is refused, but not with '$1': $said"
  checks=$((checks + 1))
}
changed() { # words merge-patch: of the fleet that is there; no words: accepted
  local said
  if said=$(k patch pfleet nl100 --type=merge --dry-run=server -p "$2" 2>&1); then
    [ -z "$1" ] || die "the change $2 is accepted"
  else
    if [ -z "$1" ] || [[ $said != *"$1"* ]]; then die "the change $2 is refused, but not with '$1': $said"; fi
  fi
  checks=$((checks + 1))
}

accepted table.yaml '{}'
accepted table.yaml '{"spec": {"closed": true}}'
for example in cash heads-up deep-stack straddle purr; do accepted "$example.yaml" '{}'; done
accepted fleet.yaml '{}'
accepted fleet.yaml '{"spec": {"buffer": null, "rollout": null, "scaleDown": null, "seating": null, "hud": null, "replicas": null, "minReplicas": null, "maxReplicas": null}}'
accepted fleet.yaml '{"spec": {"hud": "public", "seating": {"policy": "Pick", "waitingMax": 0}}}'
accepted fleet.yaml '{"spec": {"replicas": 0, "minReplicas": 0, "maxReplicas": 0, "buffer": {"tables": 0}}}'
f() { refused "$1" fleet.yaml "{\"spec\": $2}"; }
f 'spec.replicas: must be at least spec.minReplicas' '{"replicas": 9}'
f 'spec.replicas: must be at most spec.maxReplicas' '{"replicas": 81}'
f 'spec.minReplicas: must be at most spec.maxReplicas' '{"minReplicas": 81}'
f 'spec.buffer.tables: must be at most spec.maxReplicas' '{"buffer": {"tables": 81}}'
f 'spec.replicas in body should be greater than or equal to 0' '{"replicas": -1, "minReplicas": -2}'
f 'spec.minReplicas in body should be greater than or equal to 0' '{"minReplicas": -1}'
f 'spec.maxReplicas in body should be less than or equal to 3000' '{"maxReplicas": 3001}'
f 'spec.buffer.tables in body should be greater than or equal to 0' '{"buffer": {"tables": -1}}'
f 'spec.buffer.percent in body should be less than or equal to 100' '{"buffer": {"percent": 101}}'
f 'spec.buffer.seats in body should be less than or equal to 10000' '{"buffer": {"seats": 10001}}'
f 'spec.rollout.batch in body should be greater than or equal to 1' '{"rollout": {"batch": 0}}'
f 'spec.rollout.maxUnavailable in body should be greater than or equal to 1' '{"rollout": {"maxUnavailable": 0}}'
f 'spec.rollout.progressDeadlineSeconds in body should be greater than or equal to 30' '{"rollout": {"progressDeadlineSeconds": 29}}'
f 'spec.scaleDown.stabilizationSeconds in body should be less than or equal to 3600' '{"scaleDown": {"stabilizationSeconds": 3601}}'
f 'spec.seating.holdSeconds in body should be greater than or equal to 5' '{"seating": {"holdSeconds": 4}}'
f 'spec.seating.waitingMax in body should be greater than or equal to 0' '{"seating": {"waitingMax": -1}}'
f 'supported values: "Pick", "SeatMe"' '{"seating": {"policy": "Fastest"}}'
f 'supported values: "none", "public"' '{"hud": "all"}'
f 'spec.template.closed: must be false' '{"template": {"closed": true}}'
f 'spec.template.seats in body should be less than or equal to 10' '{"template": {"seats": 11}}'
f 'spec.template.buyIn.min: must be at least spec.template.blinds.big' '{"template": {"buyIn": {"min": 999999}}}'
f 'unknown field "spec.replica"' '{"replica": 3}'
refused 'metadata.name: must be at most 33 characters' fleet.yaml '{"metadata": {"name": "a234567890123456789012345678901234"}}'

k create -f crds/examples/fleet.yaml >/dev/null
# A fleet may change what one table may not.
changed '' '{"spec": {"template": {"seats": 9, "blinds": {"big": 2000000}}}}'
changed 'spec.template.seats in body should be greater than or equal to 2' '{"spec": {"template": {"seats": 1}}}'
changed '' '{"spec": {"template": {"pod": {"image": "localhost/purr/table:2"}}}}'
k scale pfleet nl100 --replicas=60 >/dev/null
[ "$(k get pfleet nl100 -o 'jsonpath={.spec.replicas}')" = 60 ] || die "kubectl scale has changed nothing"
if said=$(k scale pfleet nl100 --replicas=81 2>&1); then die "a scale beyond spec.maxReplicas is accepted"; fi
[[ $said == *"spec.replicas: must be at most spec.maxReplicas"* ]] || die "kubectl scale: $said"
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
at=$(k get pfleet nl100 -o 'jsonpath={.metadata.generation}')
k patch pfleet nl100 --subresource=status --type=merge -p "{\"status\": {\"observedGeneration\": $at, \"desired\": 60, \"replicas\": 58, \"ready\": 57,
  \"selector\": \"purr.poker/fleet=nl100\", \"conditions\": [{\"type\": \"Complete\", \"status\": \"True\",
  \"reason\": \"AsSpecified\", \"message\": \"\", \"lastTransitionTime\": \"$now\"}]}}" >/dev/null
scale=$(k get --raw /apis/purr.poker/v1alpha1/namespaces/default/pokertablefleets/nl100/scale)
[ "$(jq -r '"\(.spec.replicas) \(.status.replicas) \(.status.selector)"' <<<"$scale")" = "60 58 purr.poker/fleet=nl100" ] ||
  die "the scale subresource says $scale"
k wait --for=condition=Complete pfleet/nl100 --timeout=5s >/dev/null
# Read whole: a grep that ends at its first match ends kubectl, too, and the pipe fails.
columns=$(k get pfleet nl100)
[[ $columns =~ ^NAME\ +DESIRED\ +READY\ +FREE\ +SEATED\ +WAITING\ +UPDATED\ +AGE ]] || die "columns: $columns"
k create -f crds/examples/fleet-hpa.yaml >/dev/null
[ "$(k get hpa nl100 -o 'jsonpath={.spec.scaleTargetRef.kind}')" = PokerTableFleet ] || die "the autoscaler is not there"
keda=$(cd "$here/keda" && go mod download -json github.com/kedacore/keda/v2 | jq -r .Dir)
k apply --server-side -f "$keda/config/crd/bases/keda.sh_scaledobjects.yaml" >/dev/null
k wait --for=condition=Established crd/scaledobjects.keda.sh --timeout=30s >/dev/null
k create --validate=strict -f crds/examples/fleet-keda.yaml >/dev/null
explained() { [[ $(k explain pfleet.spec.buffer.seats) == *'Empty seats to keep'* ]]; }
# The server writes its document some time after the definition is there.
up apiserver "${pids[1]}" 30 explained

# A table may not change what players signed for, and may be closed and opened.
k create -f crds/examples/table.yaml >/dev/null
k patch ptable nl100-1 --type=merge -p '{"spec": {"closed": true}}' >/dev/null
k patch ptable nl100-1 --type=merge -p '{"spec": {"closed": false}}' >/dev/null
if k patch ptable nl100-1 --type=merge -p '{"spec": {"seats": 9}}' 2>/dev/null; then die "a table's seats are changed"; fi
# The name of a store may be corrected until the table has started.
k patch ptable nl100-1 --type=merge -p '{"spec": {"store": "elsewhere"}}' >/dev/null
k patch ptable nl100-1 --type=merge -p '{"spec": {"store": "default"}}' >/dev/null
k patch ptable nl100-1 --subresource=status --type=merge -p '{"status": {"fencingGeneration": 1}}' >/dev/null
if said=$(k patch ptable nl100-1 --type=merge -p '{"spec": {"store": "elsewhere"}}' 2>&1); then die "the store of a table that has started is changed"; fi
[[ $said == *"spec.store: cannot be changed without a migration once the table has started"* ]] || die "another store: $said"
say "$checks objects accepted and refused as they should be; scale, autoscaler, columns and wait work"
