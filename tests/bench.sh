#!/usr/bin/env bash
# Every bench beside its peers, in one run. usage: bench.sh [BENCH...]
# Prints a table and writes target/bench.json: a list of {name, value, unit, peer, peer_value, ratio, goal, met}. A ratio
# above 1 is ahead of the peer. Figures of a busy machine are noise, their ratios less so.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
out=$PWD/target
# A target folder of its own: other flags, and Criterion's results of this run alone.
export CARGO_TARGET_DIR=$cache/target-bench
# rs_poker uses unstable features; this allows them to that one crate.
export RUSTC_BOOTSTRAP=rs_poker
export PURR_BENCH_HANDS=$cache/bench-hands CARGO_TERM_COLOR=never
mkdir -p "$out" "$PURR_BENCH_HANDS"
benches=("$@")
if [ "${#benches[@]}" -eq 0 ]; then
  benches=(sockets commits money)
  mapfile -O 3 -t benches < <(cargo metadata --manifest-path tests/bench/Cargo.toml --format-version 1 --no-deps |
    python3 -c 'import json, sys; print("\n".join(t["name"] for p in json.load(sys.stdin)["packages"] for t in p["targets"] if "bench" in t["kind"]))')
fi
rm -rf -- "$CARGO_TARGET_DIR/criterion"
rm -f -- "$PURR_BENCH_HANDS/sockets.json" "$PURR_BENCH_HANDS/commits.json" "$PURR_BENCH_HANDS/money.json"
# Those three are built with the product, not with the peers.
peers=false
for bench in "${benches[@]}"; do [[ $bench =~ ^(sockets|commits|money)$ ]] || peers=true; done
if [ "$peers" = true ]; then
  say "compiling the benches"
  tests/cargo.sh bench --manifest-path tests/bench/Cargo.toml --locked --quiet --no-run
fi
for bench in "${benches[@]}"; do
  if [ "$bench" = sockets ]; then
    say "players' sockets beside Socket.IO"
    tests/bench/sockets.sh "$PURR_BENCH_HANDS/sockets.json"
    continue
  fi
  if [ "$bench" = commits ]; then
    say "a table's commits beside a plain SET"
    tests/bench/commits.sh "$PURR_BENCH_HANDS/commits.json"
    continue
  fi
  if [ "$bench" = money ]; then
    say "settlements"
    token=$(mktemp -d)
    printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$token" >"$token/softhsm2.conf"
    # With the product's own target folder: this is a test of the workspace.
    SOFTHSM2_CONF=$token/softhsm2.conf PURR_BENCH_OUT=$PURR_BENCH_HANDS/money.json \
      CARGO_TARGET_DIR=${PURR_BENCH_TARGET:-$cache/target} tests/cargo.sh test --release --locked --quiet --workspace \
      --test money_bench -- --ignored
    rm -rf -- "$token"
    continue
  fi
  if [ "$bench" = eval ]; then
    # A comparison of speed is worth nothing where the answers differ: 10 million random hands in the peers' order.
    say "agreement of the evaluators"
    tests/cargo.sh test --release --manifest-path tests/bench/Cargo.toml --locked --quiet --test agreement
  fi
  say "$bench"
  if [ "$bench" = allocations ]; then
    tests/cargo.sh bench --manifest-path tests/bench/Cargo.toml --locked --quiet --bench allocations >"$PURR_BENCH_HANDS/allocations.jsonl"
  else
    tests/cargo.sh bench --manifest-path tests/bench/Cargo.toml --locked --quiet --bench "$bench" -- --noplot --quiet | grep -E 'time:|^\S+/' || true
  fi
  if [ "$bench" = engine ]; then
    say "the same hands in PokerKit"
    python=$(venv tests/differential/requirements.txt)
    "$python" tests/bench/pokerkit_bench.py "$PURR_BENCH_HANDS" >"$PURR_BENCH_HANDS/pokerkit.jsonl"
  fi
done
python3 tests/bench/report.py "$CARGO_TARGET_DIR/criterion" "$PURR_BENCH_HANDS" "$out/bench.json"
say "written: target/bench.json"
