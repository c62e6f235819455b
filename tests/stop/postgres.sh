#!/usr/bin/env bash
# PostgreSQL as the chart runs it: SIGTERM while a client holds its connection and a transaction ends the server by a fast
# shutdown, and the next start has nothing to recover. usage: postgres.sh WORK
set -euo pipefail
# shellcheck source=../cluster/lib.sh
. "$(dirname "$0")/../cluster/lib.sh"
cd "$here/../.."
work=${1:?usage: postgres.sh WORK}
versions=(/usr/lib/postgresql/*/bin)
bin=${versions[-1]}
as=()
if [ "$(id -u)" = 0 ]; then
  # PostgreSQL does not run as root.
  chmod 0755 "$work"
  as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
data=$work/pg
install -d -m 0777 "$data"
"${as[@]}" "$bin/initdb" -D "$data/cluster" -U admin --auth=trust --no-sync >/dev/null
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
server() { # log: what the chart starts
  "${as[@]}" /bin/bash helm/purr/files/postgres/serve.sh "$bin/postgres" -D "$data/cluster" -c listen_addresses=127.0.0.1 \
    -c "port=$port" -c "unix_socket_directories=$data" >"$1" 2>&1 &
  pid=$!
}
ready() { "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U admin -d postgres; }
up() { for _ in {1..300}; do if ready; then return 0; fi; sleep 0.1; done; die "PostgreSQL does not start: $(tail -3 "$1")"; }
gone() { for _ in {1..100}; do if ! kill -0 "$1" 2>/dev/null; then return 0; fi; sleep 0.1; done; return 1; }
trap 'kill -KILL "$pid" 2>/dev/null || true' EXIT

server "$work/pg-1.log"
up "$work/pg-1.log"
psql=("$bin/psql" -h 127.0.0.1 -p "$port" -U admin -d postgres -qAt)
"${psql[@]}" -c 'CREATE TABLE kept (n int)' -c 'INSERT INTO kept VALUES (7)'
# A pool's connection, in the middle of a transaction.
"${psql[@]}" -c 'BEGIN' -c 'INSERT INTO kept VALUES (8)' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
client=$!
for _ in {1..100}; do
  [ "$("${psql[@]}" -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")" = 0 ] || break
  sleep 0.1
done
from=$(date +%s%3N)
kill -TERM "$pid"
gone "$pid" || die "PostgreSQL still runs 10 s after SIGTERM: $(tail -3 "$work/pg-1.log")"
took=$(($(date +%s%3N) - from))
wait "$client" 2>/dev/null || true
grep -q 'received fast shutdown request' "$work/pg-1.log" || die "it was no fast shutdown: $(tail -5 "$work/pg-1.log")"
server "$work/pg-2.log"
up "$work/pg-2.log"
if grep -q 'automatic recovery in progress' "$work/pg-2.log"; then die "the next start recovers from a crash"; fi
[ "$("${psql[@]}" -c 'SELECT n FROM kept')" = 7 ] || die "what was committed is not there"
kill -TERM "$pid"
gone "$pid" || die "an idle PostgreSQL still runs 10 s after SIGTERM"
say "PostgreSQL ends $took ms after SIGTERM with a client in a transaction, and has nothing to recover"
