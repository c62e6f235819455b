#!/usr/bin/env bash
# Brings the whole stack up on a cluster: images, chart, vault contract. Run again, it changes only what is new.
# usage: stack.sh [NAME]   (the test cluster NAME; with CLUSTER=current the current kubectl context, and REGISTRY)
# PURR_FAIRPLAY=1 also runs the fair-play program, with two wallets that review.
# Writes what a player needs to $PURR_CACHE/stacks/NAME/env: gateway, CA, RPC, vault, token, namespace.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
root=$(cd "$here/../.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
namespace=${PURR_NAMESPACE:-purr}
release=purr
# The first account of every anvil and hardhat chain, known to everybody: worth nothing anywhere else.
export PURR_DEPLOYER_KEY=${PURR_DEPLOYER_KEY:-0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80}

parts=(controller gateway records table chain-signer redis postgres anvil)
[ "${PURR_FAIRPLAY:-0}" != 1 ] || parts+=(fairplay)
if [ "${CLUSTER:-}" = current ]; then
  name=current
  [ -n "${REGISTRY:-}" ] || die "CLUSTER=current needs REGISTRY, from which your cluster can pull"
  say "pushing images to $REGISTRY"
  "$here/images.sh" --push "$REGISTRY" "${parts[@]}"
  images=$cache/images/values-registry.yaml
  if ! command -v kubectl >/dev/null || ! command -v helm >/dev/null; then export PATH=$cache/cluster/bin:$PATH; fi
else
  cluster "${1:-}"
  "$here/up.sh" "$name"
  "$here/images.sh" --load "$name" "${parts[@]}"
  images=$cache/images/values.yaml
  eval "$("$here/env.sh" "$name")"
fi
out=$cache/stacks/$name
mkdir -p "$out"
k=(kubectl --namespace "$namespace")

pod_running() { [ "$("${k[@]}" get pod "$1" -o 'jsonpath={.status.phase}' 2>/dev/null)" = Running ]; }
until_true() { # seconds what command...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then
      "${k[@]}" get pods -o wide >&2
      "${k[@]}" get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 15 >&2
      die "$what: not there in time"
    fi
    sleep 0.3
  done
}

# Ways in: node ports through the test cluster's forwarders, else port-forwards.
if [ "$name" = current ]; then
  gateway_port=${PURR_GATEWAY_PORT:-30443} rpc_port=${PURR_RPC_PORT:-30545}
else
  gateway_port=$PURR_GATEWAY_PORT rpc_port=$PURR_RPC_PORT
fi
rpc=http://127.0.0.1:$rpc_port

# A cluster of one's own is reached by port-forwards. One that ended with its pod is made anew.
forward() { # service ports
  local pid_file=$out/forward-$1.pid pid
  [ "$name" = current ] || return 0
  if pid=$(cat "$pid_file" 2>/dev/null) && grep -q port-forward "/proc/$pid/cmdline" 2>/dev/null; then kill "$pid"; fi
  setsid "${k[@]}" port-forward "service/$release-$1" "$2" >"$out/forward-$1.log" 2>&1 </dev/null &
  echo "$!" >"$pid_file"
  until_true 30 "the way to $1" grep -q 'Forwarding from' "$out/forward-$1.log"
}

# A second node may be drained, and the development chain lives in its pod: all of this begins on the first one.
second_node() { # cordon or uncordon
  if kubectl get node node-2 >/dev/null 2>&1; then kubectl "$1" node-2 >/dev/null; fi
}

install() { # more values...
  helm upgrade --install "$release" "$root/helm/purr" --namespace "$namespace" --values "$root/tests/stack-values.yaml" \
    --values "$images" --set-string "gateway.domain=localhost:$gateway_port" \
    --set "gateway.publicUrl=https://localhost:$gateway_port" --set "gateway.roles.${auditor}[0]=auditor" \
    "${fair[@]}" "$@" >/dev/null
}

# The wallet that may read the reconciliation.
[ -f "$out/auditor.key" ] || "$CARGO_TARGET_DIR/release/purr" keygen "$out/auditor.key" | tr A-F a-f >"$out/auditor"
auditor=$(cat "$out/auditor")

kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
fair=()
if [ "${PURR_FAIRPLAY:-0}" = 1 ]; then
  # The key that opens hole cards, and the wallets that review.
  fair_key=$out/fair-play.key
  [ -f "$fair_key" ] || "$CARGO_TARGET_DIR/release/purr" keygen --auditor "$fair_key" >"$out/fair-play"
  "${k[@]}" create secret generic fair-play-key --from-file=key="$fair_key" --dry-run=client -o yaml |
    "${k[@]}" apply -f - >/dev/null
  fair=(--values "$root/tests/fairplay-values.yaml" --set-string "fairplay.publicKey=$(cat "$out/fair-play")")
  for reviewer in 1 2; do
    file=$out/reviewer-$reviewer
    [ -f "$file.key" ] || "$CARGO_TARGET_DIR/release/purr" keygen "$file.key" | tr A-F a-f >"$file"
    fair+=(--set "gateway.roles.$(cat "$file")[0]=integrity")
  done
fi
kubectl label --overwrite namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null

[ "$name" = current ] || second_node cordon
say "installing the chart"
old=$(helm get values "$release" --namespace "$namespace" --output json 2>/dev/null || echo '{}')
vault=$(jq -r '.chain.vault // ""' <<<"$old") token=$(jq -r '.chain.token // ""' <<<"$old")
if [ -z "$vault" ]; then
  install
  until_true 120 "chain and signer" pod_running "$release-anvil-0"
  until_true 120 "chain and signer" pod_running "$release-chain-signer-0"
  forward anvil "$rpc_port:8545"
  operator_keys() { keys=$("${k[@]}" exec "$release-chain-signer-0" -- purr-chain-signer keys 2>/dev/null) && [ -n "$keys" ]; }
  until_true 60 "the signer's keys" operator_keys
  say "deploying the vault for the signer's keys"
  deployed=$("$CARGO_TARGET_DIR/release/purr-chain-signer" deploy --rpc-urls "$rpc" \
    --operator "$(jq -r .settle <<<"$keys")" --voucher "$(jq -r .voucher <<<"$keys")" \
    --guardian 0x976ea74026e726554db657fa54763abd0c3a0aa9) # anvil's account 6
  vault=$(jq -r .vault <<<"$deployed") token=$(jq -r .token <<<"$deployed")
fi
install --set-string "chain.vault=$vault" --set-string "chain.token=$token"
say "waiting for every part"
workloads=$("${k[@]}" get statefulset,deployment --selector "app.kubernetes.io/instance=$release" --output name)
for part in $workloads; do
  "${k[@]}" rollout status "$part" --timeout=180s >/dev/null || {
    "${k[@]}" get pods -o wide >&2
    die "$part is not ready"
  }
done
[ "$name" = current ] || second_node uncordon
"${k[@]}" get secret "$release-ca" -o 'jsonpath={.data.tls\.crt}' | base64 -d >"$out/ca.crt"
forward gateway "$gateway_port:443"
forward anvil "$rpc_port:8545"
cat >"$out/env" <<E
PURR_NAMESPACE=$namespace
PURR_GATEWAY=https://localhost:$gateway_port
PURR_CA=$out/ca.crt
PURR_RPC=$rpc
PURR_VAULT=$vault
PURR_TOKEN=$token
PURR_AUDITOR_KEY=$out/auditor.key
PURR_REVIEWER_KEYS=$out/reviewer-1.key:$out/reviewer-2.key
PURR_DEPLOYER_KEY=$PURR_DEPLOYER_KEY
KUBECONFIG=${KUBECONFIG:-}
PURR_BIN=$cache/cluster/bin
E
say "the stack is up: $out/env"
