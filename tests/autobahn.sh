#!/usr/bin/env bash
# The Autobahn cases (RFC 6455) against the socket code that gateway and table share. usage: autobahn.sh
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
cd "$here/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

python=$(venv tests/autobahn/requirements.txt)
# As everything is built: by itself it would be built with other features of its libraries, and they with it.
tests/cargo.sh build --release --quiet --workspace --all-targets
exec {echo}< <(exec "$CARGO_TARGET_DIR/release/examples/echo")
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
read -r -t 10 address <&"$echo" || die "the echo server did not start"
"$python" tests/autobahn/cases.py "$address"
