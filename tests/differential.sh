#!/usr/bin/env bash
# Random hands through the engine, and again beside it: in PokerKit every turn, every bound, the showdown and the final
# stacks; in a second model, from the rules alone, button, blinds and who is dealt in where players come and go.
# The statistics of random sessions are counted again in Python, from their definitions alone.
# The text for trackers of such sessions is read back by PokerKit's parser.
# usage: differential.sh [HANDS [SEED [ROTATION_HANDS]]]
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
hands=${1:-2000}
seed=${2:-$(fresh_seed)}
# They cost little: by default five for each hand of PokerKit.
rotation=${3:-$((hands * 5))}

python=$(venv tests/differential/requirements.txt)
# As everything is built: by itself it would be built with other features of its libraries, and they with it.
tests/cargo.sh build --release --quiet --workspace --all-targets
program=$CARGO_TARGET_DIR/release/purr-differential
say "$rotation hands of seed $seed against the rules of button and blinds (again: tests/differential.sh $hands $seed $rotation)"
"$program" --seed "$seed" --rotation --hands "$rotation" |
  "$python" tests/differential/rotation.py --expect "$rotation"
say "$hands hands of seed $seed against PokerKit (again: tests/differential.sh $hands $seed)"
"$program" --seed "$seed" --hands "$hands" |
  "$python" tests/differential/compare.py --expect "$hands"

say "$hands hands of seed $seed: statistics counted twice"
"$CARGO_TARGET_DIR/release/purr-statistics" --seed "$seed" --hands "$hands" |
  "$python" tests/differential/count.py --expect "$hands"

say "$hands hands of seed $seed: their text for trackers read back"
"$CARGO_TARGET_DIR/release/purr-statistics" --text --seed "$seed" --hands "$hands" |
  "$python" tests/differential/readback.py --expect "$hands"
