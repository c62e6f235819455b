#!/bin/bash
# Makes the database cluster where there is none, sets the programs' passwords, then becomes the server.
set -euo pipefail
umask 077
# The first process of a container ignores signals that it has no trap for.
trap 'exit 143' TERM INT
bin=/usr/lib/postgresql/15/bin
export PGDATA=/var/lib/postgresql/data/pgdata

# PostgreSQL refuses a key that its group can read, unless root owns it; a copy is ours alone.
# Not cp: a container that starts again finds its first copy there, and may not write into it.
install -m 0600 /etc/purr/tls/tls.key /etc/purr/tls/tls.crt /etc/purr/tls/ca.crt /run/postgresql/

# A server that was killed leaves a file with its process id, which is 1 in every container: the next one takes itself for
# the one before and refuses. This lock says the truth instead, because it ends with the last process that holds it, also
# where a forced deletion starts this pod while the one before still runs on the same node.
exec {running}>"${PGDATA%/*}/running"
# Beside the shell, which looks at its signals while it waits.
flock -w 60 "$running" &
wait "$!" || { echo "another server still has this volume" >&2; exit 1; }
rm -f "$PGDATA/postmaster.pid"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA"
  "$bin/initdb" --username=admin --pwfile=/etc/purr/postgres/admin \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums
fi

single() { "$bin/postgres" --single -D "$PGDATA" "$1" >/dev/null; }
password() { sed "s/'/''/g" "/etc/purr/postgres/$1"; }

# Single-user mode runs before anybody can connect, so a half-made database is never served.
# There, a statement ends with its line.
{
  for user in signer records fairplay; do
    echo "DO \$\$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$user') THEN CREATE ROLE $user LOGIN; END IF; END \$\$;"
    echo "ALTER ROLE $user PASSWORD '$(password "$user")';"
  done
  echo "ALTER ROLE admin PASSWORD '$(password admin)';"
} | single postgres

# Read whole: a reader that ends at its first match would end the server too, and the database would count as missing.
found=$(echo "SELECT 'exists=' || count(*) FROM pg_database WHERE datname = 'purr';" |
  "$bin/postgres" --single -D "$PGDATA" postgres)
if [[ $found != *exists=1* ]]; then
  echo "CREATE DATABASE purr;" | single postgres
fi
{
  for user in signer records fairplay; do
    echo "CREATE SCHEMA IF NOT EXISTS $user AUTHORIZATION $user;"
    echo "ALTER ROLE $user IN DATABASE purr SET search_path = $user;"
  done
  echo "REVOKE ALL ON SCHEMA public FROM PUBLIC;"
} | single purr

exec /bin/bash /etc/purr/config/serve.sh "$bin/postgres" -D "$PGDATA" \
  -c config_file=/etc/purr/config/postgresql.conf \
  -c hba_file=/etc/purr/config/pg_hba.conf
