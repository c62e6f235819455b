#!/usr/bin/env bash
# cargo with the shared target folder, so that a clean checkout is warm. usage: cargo.sh ARGUMENTS-OF-CARGO...
# Checkouts that share it have the same names for their own crates, and cargo tells fresh from stale by time alone: so
# one checkout builds at a time, and one that was not the last marks its sources as changed.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
root=$(cd "$here/../.." && pwd)
cd "$root"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
mkdir -p "$cache/locks" "$CARGO_TARGET_DIR"
exec {target}>"$cache/locks/target"
flock -n "$target" || {
  say "waiting for a build of another checkout" >&2
  flock "$target"
}
if [ "$(cat "$CARGO_TARGET_DIR/.checkout" 2>/dev/null)" != "$root" ]; then
  git ls-files -z -- crds operator table-pod chain-signer tests Cargo.toml | xargs -0 touch --no-create
  printf '%s\n' "$root" >"$CARGO_TARGET_DIR/.checkout"
fi
cargo "$@" {target}>&-
