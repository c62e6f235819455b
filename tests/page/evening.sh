#!/usr/bin/env bash
# The scripted evening of 200 hands. usage: [PURR_BROWSER=firefox] evening.sh [HANDS] [SEED]
set -euo pipefail
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
# shellcheck source=../tools.sh
. "$here/../tools.sh"
page=$here/../page
solo=${PURR_SOLO:-${CARGO_TARGET_DIR:-$cache/target}/release/purr-solo}
[ -x "$solo" ] || die "$solo is not built: make build"

dir=$(npm_packages page "$page")
cp "$page"/*.mjs "$dir/"
loaded=()
if [ "${PURR_BROWSER:-chromium}" = firefox ]; then loaded=(--import "$dir/firefox.mjs"); fi
node "${loaded[@]}" "$dir/evening.mjs" "$solo" "$PWD/target/page" "${1:-200}" "${2:-7}"
