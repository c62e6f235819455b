#!/usr/bin/env bash
# Installs the chain tools from their npm lock file into the cache; prints the path of one of them.
# usage: npm.sh anvil
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v npm >/dev/null || die "npm is missing: anvil comes from it (Node 20)"
key=$(cat "$here/npm/package.json" "$here/npm/package-lock.json" | hash_of)
dir=$cache/npm/chain-tools/$key
if [ ! -d "$dir" ]; then
  mkdir -p "$cache/npm/chain-tools"
  tmp=$(mktemp -d "$cache/npm/chain-tools/.tmp.XXXXXX")
  cp "$here/npm/package.json" "$here/npm/package-lock.json" "$here/npm/.npmrc" "$tmp/"
  (cd "$tmp" && npm ci --silent --no-progress >&2)
  mv "$tmp" "$dir"
fi
touch "$dir"
keep_two "$cache/npm/chain-tools"
# The package's command is a Node launcher; images want the native program that it starts.
bin=$(find "$dir/node_modules/@foundry-rs" -type f -path "*linux-amd64*" -name "$1" | head -n 1)
[ -n "$bin" ] || die "no native $1 in the npm package"
echo "$bin"
