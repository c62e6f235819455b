#!/usr/bin/env bash
# Seats of a fleet: an open load over two real gateways and 30 table processes, about four minutes.
# Writes target/seats.json. usage: seats.sh [OPTIONS OF purr-bench-seats...]
# Servers have core 0, players and Redis core 1. PURR_SEATS_BIN names a folder of built programs.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
command -v redis-server >/dev/null || die "redis-server is not there (Debian package redis-server)"
[ "$(nproc)" -ge 2 ] || die "two cores are needed: one for the servers, one for players and Redis"
bin=${PURR_SEATS_BIN:-}
if [ -z "$bin" ]; then
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
  say "compiling gateway, table and players"
  # As everything is built: by themselves they would be built with other features of their libraries.
  tests/cargo.sh build --release --locked --quiet --workspace --all-targets
  bin=$CARGO_TARGET_DIR/release
fi
mkdir -p target "$cache/seats"
dir=$(mktemp -d "$cache/seats/run.XXXXXX")
trap 'rm -rf -- "$dir"' EXIT
taskset -c 1 "$bin/purr-bench-seats" --bin "$bin" --dir "$dir" --out target/seats.json --server-core 0 --other-core 1 "$@" || {
  find "$dir" -name '*.log' -size +0 ! -name 'redis-*' -exec tail -n 5 {} + >&2
  die "the bench of seats failed"
}
