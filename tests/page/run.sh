#!/usr/bin/env bash
# The page in the system's Chromium against purr-solo. usage: run.sh [PURR-SOLO]
# Screenshots are left in target/page.
set -euo pipefail
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
page=$here/../page
solo=${1:-${CARGO_TARGET_DIR:-$cache/target}/release/purr-solo}
[ -x "$solo" ] || die "$solo is not built: make build"

# npm's packages, keyed by their lock file. Scripts of packages are not run, and no browser is fetched.
dir=$cache/page/$(cat "$page/package.json" "$page/package-lock.json" | hash_of)
if [ ! -d "$dir" ]; then
  locked page-npm
  mkdir -p "$cache/page"
  tmp=$(mktemp -d "$cache/page/.tmp.XXXXXX")
  cp "$page/package.json" "$page/package-lock.json" "$tmp/"
  npm ci --prefix "$tmp" --ignore-scripts --no-audit --no-fund --silent
  mv -T "$tmp" "$dir"
  keep_two "$cache/page"
fi
touch "$dir"
# Modules are looked for beside the script that imports them.
cp "$page"/*.mjs "$dir/"
node "$dir/page.mjs" "$solo" "$PWD/target/page"
