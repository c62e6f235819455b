#!/usr/bin/env bash
# Fair play end to end on a cluster of its own, some 15 minutes: tests/tests/fairplay.rs says what is played and seen.
# usage: fairplay.sh [NAME]   (the cluster's name; it is removed at the end unless PURR_KEEP=1)
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target} PURR_FAIRPLAY=1
cluster "${1:-fair}"
[ "${PURR_KEEP:-0}" = 1 ] || trap '"$here/down.sh" "$name" >/dev/null 2>&1 || true' EXIT
tests/stack.sh "$name"
set -a
# shellcheck disable=SC1090
. "$cache/stacks/$name/env"
set +a
tests/cargo.sh test --release --locked --workspace --test fairplay -- --ignored --nocapture
