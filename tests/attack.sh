#!/usr/bin/env bash
# Attacks on the real gateway (two replicas) and table processes, about seven minutes; with --short less than 90 seconds.
# Prints a table and writes target/attack.json. usage: attack.sh [--short] [OPTIONS OF purr-attack...]
# Servers have core 0, players, attackers and Redis core 1. PURR_ATTACK_BIN names a folder of built programs.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
command -v redis-server >/dev/null || die "redis-server is not there (Debian package redis-server)"
[ "$(nproc)" -ge 2 ] || die "two cores are needed: one for the servers, one for players and attackers"
bin=${PURR_ATTACK_BIN:-}
if [ -z "$bin" ]; then
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
  say "compiling gateway, table and attackers"
  # As everything is built: by themselves they would be built with other features of their libraries.
  tests/cargo.sh build --release --locked --quiet --workspace --all-targets
  bin=$CARGO_TARGET_DIR/release
fi
mkdir -p target "$cache/attack"
dir=$(mktemp -d "$cache/attack/run.XXXXXX")
trap 'rm -rf -- "$dir"' EXIT
# Two thousand attackers have a file each, and at a gateway another one.
ulimit -n "$(ulimit -Hn)"
taskset -c 1 "$bin/purr-attack" --bin "$bin" --dir "$dir" --out target/attack.json --server-core 0 --other-core 1 "$@" || {
  find "$dir" -name '*.log' -size +0 ! -name 'redis-*' -exec tail -n 5 {} + >&2
  die "the attacks have shown something, or could not run"
}
# The attacks on sign-ins are tests of the gateway over a real Redis; each prints its row.
case " $* " in
  *" --short "*) ;;
  *) tests/cargo.sh test --release --locked --quiet --workspace --test it attack:: -- --nocapture ;;
esac
