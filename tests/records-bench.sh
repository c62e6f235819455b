#!/usr/bin/env bash
# Hands into PostgreSQL with facts and counters, a rebuild, bytes a hand, the lag at 200 hands/s, and a player's page over
# a million own hands. Writes target/records-*.json. usage: records-bench.sh
# PURR_RECORDS_HANDS is how many hands are taken in and rebuilt (default: each of the file once); a million take some ten
# minutes and 7 GB in the folder for temporary files.
# PURR_PHH=FILE takes that file's hands; else 20,000 random ones, of which many are all-in before the flop.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
tests/cargo.sh build --release --quiet --workspace --all-targets
hands=$(mktemp)
trap 'rm -f -- "$hands"' EXIT
if [ -n "${PURR_PHH:-}" ]; then
  "$CARGO_TARGET_DIR/release/purr-statistics" --records-only --phh "$PURR_PHH" --hands 20000 >"$hands"
else
  "$CARGO_TARGET_DIR/release/purr-statistics" --records-only --seed 1 --hands 20000 >"$hands"
fi
mkdir -p target
export PURR_RECORDS=$hands PURR_FIGURES=$PWD/target
tests/cargo.sh test --release --workspace --test bench -- --ignored --nocapture
tests/cargo.sh test --release --workspace --test figures -- --ignored --nocapture --test-threads=1
