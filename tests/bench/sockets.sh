#!/usr/bin/env bash
# Players' sockets beside a Socket.IO server, about ten minutes. usage: sockets.sh OUT [OPTIONS OF purr-bench-sockets...]
# OUT is a file for the rows. The servers have core 0, players and Redis core 1; PURR_BENCH_DIR names a folder for the
# stores' data, which should be on a disk.
set -euo pipefail
# The other benches need it, and it would make cargo build all of the product anew.
unset RUSTC_BOOTSTRAP
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
# shellcheck source=../tools.sh
. "$here/../tools.sh"
peer=$here/../bench/socketio
out=$1
shift
command -v redis-server >/dev/null || die "redis-server is not there (Debian package redis-server)"
[ "$(nproc)" -ge 2 ] || die "two cores are needed: one for the servers, one for players and Redis"

bin=${PURR_BENCH_BIN:-}
if [ -z "$bin" ]; then
  # What is shipped, not a build of its own.
  export CARGO_TARGET_DIR=${PURR_BENCH_TARGET:-$cache/target}
  say "compiling gateway, table and players"
  "$here/../cargo.sh" build --release --locked --quiet --workspace --bin purr-gateway --bin purr-table --bin purr-bench-sockets
  bin=$CARGO_TARGET_DIR/release
fi

# bufferutil comes built.
folder=$(npm_packages socketio "$peer")
# Modules are looked for beside the script that imports them.
cp "$peer/server.mjs" "$folder/"

mkdir -p "${PURR_BENCH_DIR:-$cache/sockets}"
dir=$(mktemp -d "${PURR_BENCH_DIR:-$cache/sockets}/run.XXXXXX")
trap 'rm -rf -- "$dir"' EXIT
# A server at the end of the measurements has two files open a connection.
ulimit -n "$(ulimit -Hn)"
taskset -c 1 "$bin/purr-bench-sockets" --bin "$bin" --socketio "$folder" --dir "$dir" --out "$out" \
  --server-core 0 --other-core 1 "$@" || {
  find "$dir" -name '*.log' -size +0 ! -name 'redis-*' -exec tail -n 5 {} + >&2
  die "the bench of the sockets failed"
}
