#!/usr/bin/env bash
# One table end to end on a real cluster, on a machine where nothing of it was there before.
# usage: demo.sh [arguments of purr-demo]     CLUSTER=current REGISTRY=host/path: on your own cluster
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
logs=$cache/logs
mkdir -p "$logs" target

# Says every half minute what is still going on.
watched() { # what command...
  local what=$1 job
  shift
  say "$what"
  "$@" &
  job=$!
  while kill -0 "$job" 2>/dev/null; do
    for ((tick = 0; tick < 300; tick++)); do
      kill -0 "$job" 2>/dev/null || break
      sleep 0.1
    done
    if kill -0 "$job" 2>/dev/null; then say "  … $what"; fi
  done
  wait "$job"
}

compile() {
  local go
  "$here/build.sh" >"$logs/cluster-build.log" 2>&1 &
  go=$!
  tests/cargo.sh build --release --locked --workspace --bins >"$logs/cargo-build.log" 2>&1 || {
    tail -n 40 "$logs/cargo-build.log"
    return 1
  }
  wait "$go" || {
    tail -n 40 "$logs/cluster-build.log"
    return 1
  }
}

"$here/prereqs.sh"
watched "compiling: the cluster from Go modules, the programs from Rust (cold about 25 minutes, warm seconds)" compile
cluster "${PURR_CLUSTER:-purr}"
tests/stack.sh "$name"
[ "${CLUSTER:-}" != current ] || name=current
set -a
# shellcheck disable=SC1090
. "$cache/stacks/$name/env"
set +a
"$CARGO_TARGET_DIR/release/purr-demo" "$@"

cat <<X2
The cluster stays up. To look at it:
  export KUBECONFIG=$KUBECONFIG PATH=$PURR_BIN:\$PATH
  kubectl -n $PURR_NAMESPACE get ptable,pods
  kubectl -n $PURR_NAMESPACE logs -l app.kubernetes.io/component=table --tail=20
  curl --cacert $PURR_CA $PURR_GATEWAY/v1/tables
The gateway listens on $PURR_GATEWAY, the chain on $PURR_RPC.
X2
if [ "$name" != current ]; then
  echo "\`make down\` removes all of it."
else
  echo "helm uninstall purr -n $PURR_NAMESPACE removes it, after kubectl delete ptable --all."
fi
