#!/usr/bin/env bash
# Random hands through the engine, played again in PokerKit: every turn, every bound and the final stacks are compared.
# The statistics of random sessions are counted again in Python, from their definitions alone.
# usage: differential.sh [HANDS [SEED]]
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
hands=${1:-2000}
seed=${2:-$(fresh_seed)}

python=$(venv tests/differential/requirements.txt)
# As everything is built: by itself it would be built with other features of its libraries, and they with it.
tests/cargo.sh build --release --quiet --workspace --all-targets
say "$hands hands of seed $seed against PokerKit (again: tests/differential.sh $hands $seed)"
"$CARGO_TARGET_DIR/release/purr-differential" --seed "$seed" --hands "$hands" |
  "$python" tests/differential/compare.py --expect "$hands"

say "$hands hands of seed $seed: statistics counted twice"
"$CARGO_TARGET_DIR/release/purr-statistics" --seed "$seed" --hands "$hands" |
  "$python" tests/differential/statistics.py --expect "$hands"
