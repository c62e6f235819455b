#!/usr/bin/env bash
# Prints what a shell needs to speak to a cluster: eval "$(tests/cluster/env.sh [NAME])"
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cluster "${1:-}"
[ -f "$state/ready" ] || die "cluster $name is not up"
printf 'export %s=%q\n' \
  KUBECONFIG "$state/kubeconfig" \
  PURR_CLUSTER "$name" \
  PURR_STATE "$state" \
  PURR_GATEWAY_PORT "$(cat "$state/port-gateway")" \
  PURR_RPC_PORT "$(cat "$state/port-rpc")" \
  CONTAINERD_ADDRESS "$state/containerd.sock" \
  CONTAINERD_NAMESPACE k8s.io
# shellcheck disable=SC2016  # the reading shell's PATH
printf 'export PATH=%q:"$PATH"\n' "$bin"
