#!/usr/bin/env bash
# Each program is told to stop at its start, while nothing that it needs is there, and ends well within its grace period;
# and PostgreSQL ends by a fast shutdown while clients hold connections. usage: stop.sh FOLDER (with the programs)
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
programs=${1:?usage: stop.sh FOLDER}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

certificate=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
mkdir "$work/ca"
"${certificate[@]}" -x509 -keyout "$work/ca/tls.key" -out "$work/ca/tls.crt" -days 2 -subj /CN=ca \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
for role in table gateway records fair-play chain-signer controller; do
  mkdir "$work/$role"
  name=$role.role.purr.internal
  [ "$role" != table ] || name=00000000-0000-4000-8000-000000000000.table.role.purr.internal
  "${certificate[@]}" -keyout "$work/$role/tls.key" -out "$work/$role/csr" -subj "/CN=$role" 2>/dev/null
  openssl x509 -req -in "$work/$role/csr" -CA "$work/ca/tls.crt" -CAkey "$work/ca/tls.key" -days 2 \
    -extfile <(echo "subjectAltName=DNS:$name") -out "$work/$role/tls.crt" 2>/dev/null
  cp "$work/ca/tls.crt" "$work/$role/ca.crt"
done
mkdir "$work/jwt" "$work/data-key" "$work/fairplay" "$work/state"
openssl genpkey -algorithm ed25519 -out "$work/jwt/k1.pem" 2>/dev/null
echo -n k1 | tee "$work/jwt/current" "$work/data-key/current" >/dev/null
openssl rand -base64 32 | tr -d '\n' >"$work/data-key/k1"
openssl rand -hex 32 >"$work/fairplay/k1"
openssl rand -hex 16 >"$work/password"
python3 tests/stop/stop.py "$programs" "$work"
tests/stop/postgres.sh "$work"
