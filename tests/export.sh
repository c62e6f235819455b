#!/usr/bin/env bash
# Exports random hands as Parquet and asks DuckDB and ClickHouse for their sums with the README's own queries: they must
# be PostgreSQL's. usage: export.sh [HANDS [SEED]]
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
hands=${1:-2000}
seed=${2:-$(fresh_seed)}

python=$(venv tests/export/requirements.txt venv-export)
tests/cargo.sh build --release --quiet --workspace --all-targets
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
say "$hands hands of seed $seed in PostgreSQL, DuckDB and ClickHouse (again: tests/export.sh $hands $seed)"
"$CARGO_TARGET_DIR/release/purr-statistics" --records-only --seed "$seed" --hands "$hands" >"$folder/records"
PURR_RECORDS=$folder/records PURR_EXPORT_TEST=$folder \
  tests/cargo.sh test --release --locked --workspace --test it -- export::files_for_other_programs --ignored --nocapture
"$python" tests/export/read.py operator/records/README.md "$folder"
