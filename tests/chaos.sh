#!/usr/bin/env bash
# Faults on a real cluster while a table plays: kills, partitions, outages, each several times. usage: chaos.sh
# Writes target/chaos.json and the table in tests/README.md.
# PURR_FAULTS names them (default: all), PURR_RUNS says how often each (default 10). The cluster goes afterwards.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
cluster "${PURR_CLUSTER:-chaos}"
export PURR_CLUSTER=$name
"$here/prereqs.sh"
say "compiling"
tests/cargo.sh build --release --locked --workspace --bins
say "the signer: 5,000 hands over 50 tables, killed 20 times on a chain that goes back and a way that loses"
PURR_SOAK_HANDS=${PURR_SOAK_HANDS:-5000} PURR_SOAK_TABLES=${PURR_SOAK_TABLES:-50} PURR_SOAK_KILLS=${PURR_SOAK_KILLS:-20} \
  tests/cargo.sh test --release --locked --workspace --test soak -- --nocapture
trap '"$here/down.sh" "$name" >/dev/null' EXIT
# So small that a disk can be full, and with a node that can be drained.
export PURR_VOLUME_MIB=${PURR_VOLUME_MIB:-512} PURR_NODES=2
tests/stack.sh "$name"
"$here/images.sh" --load "$name" table-faketime
PURR_FAKETIME_IMAGE=$(cat "$cache/images/table-faketime.ref")
export PURR_FAKETIME_IMAGE PURR_POD_SH=$here/pod.sh
set -a
# shellcheck disable=SC1090
. "$cache/stacks/$name/env"
set +a
"$CARGO_TARGET_DIR/release/purr-chaos" --runs "${PURR_RUNS:-10}" ${PURR_FAULTS:+--faults "$PURR_FAULTS"} --out target/chaos.json --readme tests/README.md
