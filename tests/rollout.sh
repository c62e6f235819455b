#!/usr/bin/env bash
# Rollouts on a real cluster of two nodes while players play. usage: rollout.sh
# PURR_ROLLOUT_TABLES says at how many tables (default 12). The cluster goes afterwards.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
cluster "${PURR_CLUSTER:-rollout}"
export PURR_CLUSTER=$name PURR_NODES=2 PURR_ROLLOUT_TABLES=${PURR_ROLLOUT_TABLES:-12}
"$here/prereqs.sh"
say "compiling"
tests/cargo.sh build --release --locked --workspace --all-targets
trap '"$here/down.sh" "$name" >/dev/null' EXIT
tests/stack.sh "$name"
set -a
# shellcheck disable=SC1090
. "$cache/stacks/$name/env"
set +a
tests/cargo.sh test --release --locked --workspace --test rollout -- --ignored --nocapture --test-threads=1
