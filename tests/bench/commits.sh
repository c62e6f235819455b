#!/usr/bin/env bash
# What a table's commits cost beside a plain SET, about two minutes. usage: commits.sh OUT [OPTIONS OF purr-bench-commits...]
# OUT is a file for the rows. Redis has core 1, the tables core 0; PURR_BENCH_DIR names a folder for the stores' data,
# which should be on a disk.
set -euo pipefail
# The other benches need it, and it would make cargo build all of the product anew.
unset RUSTC_BOOTSTRAP
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
out=$1
shift
command -v redis-server >/dev/null || die "redis-server is not there (Debian package redis-server)"
[ "$(nproc)" -ge 2 ] || die "two cores are needed: one for the tables, one for Redis"
bin=${PURR_BENCH_BIN:-}
if [ -z "$bin" ]; then
  export CARGO_TARGET_DIR=${PURR_BENCH_TARGET:-$cache/target}
  say "compiling the writers"
  "$here/../cargo.sh" build --release --locked --quiet --workspace --bin purr-bench-commits
  bin=$CARGO_TARGET_DIR/release
fi
mkdir -p "${PURR_BENCH_DIR:-$cache/commits}"
dir=$(mktemp -d "${PURR_BENCH_DIR:-$cache/commits}/run.XXXXXX")
trap 'rm -rf -- "$dir"' EXIT
taskset -c 0 "$bin/purr-bench-commits" --dir "$dir" --out "$out" --redis-core 1 "$@" || {
  find "$dir" -name '*.log' -size +0 -exec tail -n 5 {} + >&2
  die "the bench of the commits failed"
}
