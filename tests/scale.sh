#!/usr/bin/env bash
# The controller at many tables: etcd, the API server, KWOK for the pods' readiness, and purr-scale, on the same cores.
# usage: scale.sh CONTROLLER DRIVER            10,000 tables, then steps of 2,500; writes target/scale.json and target/scale.svg
#        scale.sh CONTROLLER DRIVER --short    500 tables, without KWOK: the driver says that pods are ready
# PURR_SCALE_TABLES: tables of the first step (default 10000); PURR_SCALE_MAX: no step goes beyond it (default 20000).
# CONTROLLER and DRIVER are the programs purr-controller and purr-scale. For figures build the controller with opt-level 3.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
controller=${1:?usage: scale.sh CONTROLLER DRIVER [--short]} driver=${2:?usage: scale.sh CONTROLLER DRIVER [--short]}
shift 2
short=false
if [ "${1:-}" = --short ]; then short=true && shift; fi
"$short" || "$here/build.sh" kwok
# shellcheck source=api.sh
. tests/api.sh

size=(--tables "${PURR_SCALE_TABLES:-10000}" --step 2500 --tables-max "${PURR_SCALE_MAX:-20000}" --converge-s 900 --strict)
"$short" && size=(--tables 500 --tables-max 500 --converge-s 120 --deal-s 10)
namespaces="scale-1,scale-2,scale-3,scale-4"
bare="bare-1,bare-2,bare-3,bare-4"
for namespace in purr ${namespaces//,/ } ${bare//,/ }; do k create namespace "$namespace"; done >/dev/null
k -n purr create secret generic purr-data-key --from-literal=current=k1 --from-literal=k1=key >/dev/null
k -n purr create secret generic purr-redis-auth --from-literal=table=a >/dev/null

kubeconfig() { # token
  "$bin/kubectl" --kubeconfig=/dev/null config view -o json | jq --arg server "https://127.0.0.1:$secure" --arg token "$1" '
    .clusters = [{name: "c", cluster: {server: $server, "insecure-skip-tls-verify": true}}] |
    .users = [{name: "u", user: {token: $token}}] |
    .contexts = [{name: "x", context: {cluster: "c", user: "u", namespace: "purr"}}] | ."current-context" = "x"'
}
# shellcheck disable=SC2154  # api.sh
kubeconfig "$token" >"$work/admin"
# shellcheck disable=SC2154  # api.sh
kubeconfig "$controller_token" >"$work/controller"
chart() { # template
  "$bin/helm" template purr helm/purr --namespace purr --set anvil.enabled=true --set "tableNamespaces.names={$namespaces}" \
    --show-only "templates/controller/$1.yaml"
}
chart rbac >"$work/rbac.yaml"
# The controller runs with the chart's settings of its allocator: the driver passes on its own environment.
allocator=$(chart deployment | sed -nE 's/^ *- \{name: (MALLOC_[A-Z_]+), value: "([0-9]+)"\}$/\1=\2/p')
[ -n "$allocator" ] || die "the chart sets nothing of the allocator"
"$bin/kubectl" --kubeconfig="$work/admin" apply -f "$work/rbac.yaml" >/dev/null

kwok=()
if ! "$short"; then
  stages=$(cd "$here/kwok" && go mod download -json sigs.k8s.io/kwok | jq -r .Dir)
  {
    cat <<'CONFIG'
apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 64
  nodePlayStageParallelism: 64
  podsOnNodeSyncParallelism: 64
  # On loopback: what asks a pod is refused at once and goes nowhere.
  cidr: 127.64.0.0/10
CONFIG
    for stage in node/fast/node-initialize pod/fast/pod-ready pod/fast/pod-delete; do
      echo ---
      cat "$stages/kustomize/stage/$stage.yaml"
    done
  } >"$work/kwok.yaml"
  kwok=(--kwok "$bin/kwok" --kwok-config "$work/kwok.yaml")
fi

mkdir -p target "$work/run"
# shellcheck disable=SC2154  # api.sh
# shellcheck disable=SC2086  # one word a setting
env $allocator "$driver" --admin "$work/admin" --kubeconfig "$work/controller" --controller "$controller" \
  "${kwok[@]}" --etcd-pid "${pids[0]}" --etcd-addr "127.0.0.1:$client" --apiserver-pid "${pids[1]}" \
  --dir "$work/run" --out target/scale.json --plot target/scale.svg --namespaces "$namespaces" --bare-namespaces "$bare" \
  "${size[@]}" "$@" || {
  tail -n 5 "$work/run"/*.log >&2
  k get ptable -A -o json | jq -c ".items[0].status" >&2; k get pods -A -o json | jq -c ".items[0] | [.spec.nodeName, .status]" >&2
  k get ptable,pods -A 2>&1 | tail -n 8 >&2
  die "the scale run failed"
}
