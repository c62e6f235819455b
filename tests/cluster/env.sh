#!/usr/bin/env bash
# Prints what a shell needs to speak to a cluster: eval "$(tests/cluster/env.sh)"
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
state=$cache/clusters/${1:-purr}
echo "export KUBECONFIG=$state/kubeconfig"
echo "export PATH=$cache/cluster/bin:\$PATH"
echo "export PURR_GATEWAY_PORT=$(cat "$state/port-gateway")"
echo "export PURR_RPC_PORT=$(cat "$state/port-rpc")"
