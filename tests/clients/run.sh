#!/usr/bin/env bash
# Clients that were written from the documents alone, against purr-solo: two of table-pod/client/examples/bot.py play hands
# with each other, each sees the same hands, and one's gain is the other's loss. usage: run.sh [PURR-SOLO]
#
# The wheels are those of Python 3.11 on x86_64; with another Python the run says so and ends well.
set -euo pipefail
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
# shellcheck source=../tools.sh
. "$here/../tools.sh"
cd "$here/../.."
solo=${1:-${CARGO_TARGET_DIR:-$cache/target}/release/purr-solo}
[ -x "$solo" ] || die "$solo is not built: make build"
hands=3

kind=$(python3 -c 'import platform, sys; print(*sys.version_info[:2], platform.machine(), sys.platform)')
[ "$kind" = "3 11 x86_64 linux" ] || {
  say "skipped: the pinned wheels are for Python 3.11 on x86_64, this is $kind"
  exit 0
}
[ "$(wc -l <table-pod/client/examples/bot.py)" -le 80 ] || die "bot.py has more than 80 lines"
python=$(venv tests/clients/requirements.txt venv-clients)
work=$(mktemp -d)
exec {out}< <(exec "$solo" --listen 127.0.0.1:0 --seats 2 --turn-ms 20000 --hand-gap-ms 500)
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf -- "$work"' EXIT
url=
while read -r -t 20 line <&"$out"; do
  case $line in *"listening: "*) url=${line##*listening: } && break ;; esac
done
[ -n "$url" ] || die "purr-solo did not start"
url=${url/127.0.0.1/localhost}
url=${url%/}

timeout 120 "$python" table-pod/client/examples/bot.py "$url" "$hands" >"$work/one" &
one=$!
# The second one comes when the first one sits, so that both do not ask for the same seat.
for _ in $(seq 100); do
  python3 -c 'import json, sys, urllib.request as u; sys.exit(json.load(u.urlopen(sys.argv[1]))["tables"][0]["players"] < 1)' \
    "$url/v1/tables" && break
  read -r -t 0.1 <> <(:) || true
done
timeout 120 "$python" table-pod/client/examples/bot.py "$url" "$hands" >"$work/two"
wait "$one"
python3 - "$hands" "$work/one" "$work/two" <<'PY'
import re, sys
hands = int(sys.argv[1])
one, two = ([re.fullmatch(r"hand (\d+): \[(-?\d+)\]", line.strip()).groups() for line in open(name)] for name in sys.argv[2:])
assert len(one) == len(two) == hands, (one, two)
for (hand, gain), (same, loss) in zip(one, two):
    assert hand == same and int(gain) == -int(loss), (hand, gain, same, loss)
assert any(int(gain) for _, gain in one), "chips moved"
PY
say "two clients from the documents alone have played $hands hands with each other"
