#!/usr/bin/env bash
# Changes one operator or value of betting and pots at a time and looks whether a test notices. usage: mutants.sh
# Those that survive for a reason are named in table-pod/engine/mutants.toml; any other one fails.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
version=27.1.0
tool=$cache/tools/cargo-mutants-$version
if [ ! -x "$tool/bin/cargo-mutants" ]; then
  say "building cargo-mutants $version"
  # Unoptimised: it waits for tests, and its own speed does not matter.
  CARGO_TARGET_DIR=$cache/target-tools cargo install cargo-mutants --version "$version" --locked --debug --quiet --root "$tool"
fi
PATH=$tool/bin:$PATH
export PATH
out=$cache/mutants
rm -rf -- "$out"
mkdir -p "$out"
say "mutating betting and pots"
# Its copies of the tree have a target folder of their own. Of the tests those that play hands: the evaluator's, the
# deal's and the readers' never look at a bet. Their profile is quick to build: there is one build a mutant.
env -u CARGO_TARGET_DIR cargo mutants --package purr-engine --config table-pod/engine/mutants.toml --output "$out" \
  --file table-pod/engine/src/table/betting.rs --file table-pod/engine/src/pots.rs --profile mutants \
  --jobs "${PURR_JOBS:-1}" --timeout 30 --build-timeout 600 --colors never "$@" -- --lib \
  --test mutants --test rules --test rules_replay --test rules_seats --test rules_showdown --test rules_twice \
  --test properties
say "every mutant is caught or explained: $out/mutants.out"
