#!/usr/bin/env bash
# The page in the system's Chromium against purr-solo. usage: run.sh [PURR-SOLO]
# Screenshots are left in target/page.
set -euo pipefail
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
# shellcheck source=../tools.sh
. "$here/../tools.sh"
page=$here/../page
solo=${1:-${CARGO_TARGET_DIR:-$cache/target}/release/purr-solo}
[ -x "$solo" ] || die "$solo is not built: make build"

dir=$(npm_packages page "$page")
# Modules are looked for beside the script that imports them.
cp "$page"/*.mjs "$page"/replay-hands.json "$dir/"
PURR_PAGE=$(realpath "$here/../../operator/gateway/page")
export PURR_PAGE
node --test "$dir"/*.test.mjs
node "$dir/layout.mjs" "$solo" "$PWD/target/page/sizes"
node "$dir/integrity.mjs" "$solo" "$PWD/target/page"
node "$dir/choices.mjs" "$solo" "$PWD/target/page"
node "$dir/show.mjs" "$solo" "$PWD/target/page"
node "$dir/showhands.mjs" "$solo" "$PWD/target/page"
node "$dir/tables.mjs" "$solo" "$PWD/target/page"
node "$dir/evening.mjs" "$solo" "$PWD/target/page" "${PURR_EVENING_HANDS:-7}"
node "$dir/weight.mjs" "$solo" "$PWD/target/page"
node "$dir/install.mjs" "$solo" "$PWD/target/page"
node "$dir/language.mjs" "$solo" "$PWD/target/page"
anvil=$("$here/npm.sh" anvil)
node "$dir/cashier.mjs" "$solo" "$PWD/target/page" "$anvil" "$here/../../chain-signer/contracts"
node "$dir/page.mjs" "$solo" "$PWD/target/page"
node "$dir/seats.mjs" "$solo" "$PWD/target/page"
