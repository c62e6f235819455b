#!/usr/bin/env bash
# The controller and its fleets on a real API server, with no more rights than the chart gives: what is made, how often,
# and what is said of it. Nothing runs the pods. usage: fleet.sh CONTROLLER (the program)
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
controller=${1:?usage: fleet.sh CONTROLLER}
# shellcheck source=api.sh
. tests/api.sh

n() { k -n purr "$@"; }
k create namespace purr >/dev/null
k create namespace poker-2 >/dev/null
n create secret generic purr-data-key --from-literal=current=k1 --from-literal=k1=key >/dev/null
n create secret generic purr-redis-auth --from-literal=table=a --from-literal=admin=b >/dev/null
"$bin/helm" template purr helm/purr --namespace purr --set anvil.enabled=true --set 'tableNamespaces.names={purr,poker-2}' \
  --show-only templates/controller/rbac.yaml >"$work/rbac.yaml"
# Some name their namespace; for the others it is the context's, as it is helm's.
"$bin/kubectl" --kubeconfig=/dev/null config view -o json | jq --arg server "https://127.0.0.1:$secure" --arg token "$token" '
  .clusters = [{name: "c", cluster: {server: $server, "insecure-skip-tls-verify": true}}] |
  .users = [{name: "u", user: {token: $token}}] |
  .contexts = [{name: "x", context: {cluster: "c", user: "u", namespace: "purr"}}] | ."current-context" = "x"' >"$work/admin"
"$bin/kubectl" --kubeconfig="$work/admin" apply -f "$work/rbac.yaml" >/dev/null
certificate=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
mkdir "$work/tls" "$work/ca"
"${certificate[@]}" -x509 -keyout "$work/ca/tls.key" -out "$work/ca/tls.crt" -days 2 -subj /CN=ca \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
cp "$work/ca/tls.crt" "$work/tls/ca.crt"
"${certificate[@]}" -keyout "$work/tls/tls.key" -out "$work/tls/tls.csr" -subj /CN=controller 2>/dev/null
openssl x509 -req -in "$work/tls/tls.csr" -CA "$work/ca/tls.crt" -CAkey "$work/ca/tls.key" -days 2 \
  -extfile <(echo subjectAltName=DNS:controller.role.purr.internal) -out "$work/tls/tls.crt" 2>/dev/null
openssl rand -hex 8 >"$work/password"
# shellcheck disable=SC2154  # api.sh
cat >"$work/kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$secure", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: $controller_token}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: purr}}]
current-context: x
CONFIG
address() { printf "0x%s" "$(printf "$1%.0s" {1..40})"; }
start() { # number option: which namespaces
  # Redis and the signer are not there: the ports are nobody's.
  KUBECONFIG=$work/kubeconfig "$controller" --namespace purr --identity "controller-$1" "$2" --release purr \
    --stores '{"default": {"sentinels": ["127.0.0.1:1"], "master": "purr"}}' --sessions-sentinels 127.0.0.1:1 \
    --sessions-user controller --sessions-password-file "$work/password" --tls-dir "$work/tls" --ca-dir "$work/ca" \
    --signer-addr 127.0.0.1:2 --table-image localhost/purr/table:1 --table-allowed-images localhost/purr/ --table-jwks-addr 127.0.0.1:3 \
    --table-resources '{"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}' \
    --table-jwt-issuer https://localhost --chain-id 31337 --chain-vault "$(address a)" --chain-token "$(address b)" \
    --ops-listen 127.0.0.1:0 >>"$work/controller.log" 2>&1 &
  controller_pid=$!
  pids+=("$controller_pid")
}
tables() { n get ptable --no-headers -o name | wc -l; }
pods() { n get pods --no-headers -o name | wc -l; }
reach() { # seconds what number command: until the command prints the number
  local end=$((SECONDS + $1)) what=$2 number=$3 got
  shift 3
  until got=$("$@") && [ "$got" = "$number" ]; do
    if [ "$SECONDS" -ge "$end" ]; then
      grep -E '"(WARN|ERROR)"' "$work/controller.log" | tail -n 5 >&2
      die "$what: $got instead of $number"
    fi
    sleep 0.2
  done
}
fleet() { # name replicas; nothing runs the pods, and no fleet stalls because of it
  n create --dry-run=client -o json -f crds/examples/fleet.yaml | jq --arg name "$1" --argjson replicas "$2" \
    '.metadata.name = $name | .spec.replicas = $replicas | .spec.minReplicas = 0 | .spec.buffer = {} |
    .spec.rollout.progressDeadlineSeconds = 3600'
}

# The same names in another namespace: other tables, other pods.
m() { k -n poker-2 "$@"; }
fleet burst1 3 | jq 'del(.metadata.namespace)' | m create -f - >/dev/null
start 0 --namespaces=purr,poker-2
from=$(date +%s%3N)
for number in {1..20}; do fleet "burst$number" 25; done | n create -f - >/dev/null
reach 120 "tables of twenty fleets" 500 tables
took=$(($(date +%s%3N) - from))
reach 300 "their pods" 500 pods
tables_2() { m get ptable --no-headers -o name | wc -l; }
reach 60 "tables of the other namespace" 3 tables_2
pods_2() { m get pods --no-headers -o name | wc -l; }
reach 60 "their pods" 3 pods_2
uids() { { n get "$1" burst1-1"$2" -o 'jsonpath={.metadata.labels.purr\.poker/table-uid}{.metadata.uid} ' &&
  m get "$1" burst1-1"$2" -o 'jsonpath={.metadata.labels.purr\.poker/table-uid}{.metadata.uid}'; } | tr ' ' '\n' | sort -u | wc -l; }
[ "$(uids ptable '') $(uids pod -1)" = "2 2" ] || die "tables or pods of one name are one in two namespaces"
[ "$(m get secrets -o json | jq -rc '[.items[] | select(.type == "Opaque") | [.metadata.name, (.data | keys)]]')" = \
  '[["purr-data-key",["current","k1"]],["purr-redis-auth",["table"]]]' ] || die "what pods mount is not beside them: $(m get secrets)"
# The next controller knows nothing of what this one has made.
kill -KILL "$controller_pid"
start 1 --namespaces=purr,poker-2
reach 60 "the lease" controller-1 n get lease purr-controller -o 'jsonpath={.spec.holderIdentity}'
n scale pfleet burst1 --replicas=30 >/dev/null
reach 60 "a scale" 505 tables
for number in {1..20}; do
  reach 30 "status of burst$number" "$([ "$number" = 1 ] && echo 30 || echo 25)" \
    n get pfleet "burst$number" -o 'jsonpath={.status.replicas}'
done
[ "$(tables)" = 505 ] || die "$(tables) tables instead of 505"
# Names count up and none is left out, so none was ever made beyond these.
last=$(n get ptable -o name | sed -E 's/.*burst[0-9]+-//' | sort -n | tail -1)
[ "$last" = 30 ] || die "the highest number of a table is $last, not 30"
[ "$(n get pods -l purr.poker/fleet=burst1 --no-headers -o name | wc -l)" = 30 ] || die "the fleet's selector misses pods"
n get ptable burst1-1 -o json | jq -e '.metadata.ownerReferences[0] | .kind == "PokerTableFleet" and .blockOwnerDeletion' >/dev/null
n patch pfleet burst2 --type=merge -p '{"spec": {"template": {"pod": {"image": "localhost/purr/table:2"}}}}' >/dev/null
revisions() { n get controllerrevisions -l purr.poker/fleet=burst2 --no-headers -o name | wc -l; }
reach 30 "revisions of a changed template" 2 revisions
moved() { n get ptable -l purr.poker/fleet=burst2 -o json | jq '[.items[] | select(.spec.pod.image)] | length'; }
reach 60 "tables with the changed image" 25 moved
n delete pfleet burst3 --wait=false >/dev/null
# None of their processes ever ran, so they go without a signer, and the fleet after them.
left() { n get ptable -l purr.poker/fleet=burst3 --no-headers -o name | wc -l; }
reach 60 "tables of a deleted fleet" 0 left
n wait --for=delete pfleet/burst3 --timeout=30s >/dev/null
if grep -E '"(WARN|ERROR)".*(forbidden|Forbidden)' "$work/controller.log"; then die "the chart's Role is too small"; fi
[ "$(tables_2)" = 3 ] || die "a fleet of one name has changed the other one's tables: $(tables_2) instead of 3"
say "20 fleets of 25: 500 tables in $took ms, 3 of the same name in another namespace, none made twice; also not by the next controller"
# shellcheck source=refused.sh
. tests/refused.sh
# shellcheck source=owned.sh
. tests/owned.sh
# Namespaces by their labels: no right comes with a label, and one without rights holds up no other.
kill -KILL "$controller_pid"
"$bin/helm" template purr helm/purr --namespace purr --set anvil.enabled=true \
  --set-string 'tableNamespaces.selector.purr\.poker/tables=true' --show-only templates/controller/rbac.yaml >"$work/rbac.yaml"
n delete role,rolebinding purr-controller-tables >/dev/null
m delete role,rolebinding purr-controller-tables >/dev/null
"$bin/kubectl" --kubeconfig="$work/admin" apply -f "$work/rbac.yaml" >/dev/null
serve() { # namespace: as the chart's notes say
  k -n "$1" create rolebinding purr-controller-tables --clusterrole=purr-purr-controller-tables \
    --serviceaccount=purr:purr-controller >/dev/null
}
serve poker-2
k create namespace poker-3 >/dev/null
k label namespace poker-2 poker-3 purr.poker/tables=true >/dev/null
fleet late 2 | jq 'del(.metadata.namespace)' | k -n poker-3 create -f - >/dev/null
start 2 --namespace-selector=purr.poker/tables=true
m scale pfleet burst1 --replicas=5 >/dev/null
reach 60 "tables of a namespace with the labels" 5 tables_2
tables_3() { k -n poker-3 get ptable --no-headers -o name 2>/dev/null | wc -l; }
[ "$(tables_3)" = 0 ] || die "a label alone gives rights"
serve poker-3
reach 90 "tables of a namespace that was bound later" 2 tables_3
say "namespaces by their labels: rights come from bindings alone"
# shellcheck source=terminating.sh
. tests/terminating.sh
