#!/bin/bash
# Second step of a restore: journal and records become what the backup says, all of it or nothing. With PARTS=stores:
# nothing. With DRY_RUN: the backup is read, and nothing is changed.
set -euo pipefail
# shellcheck source=common.sh
. /etc/purr/backup/common.sh
umask 077
if [ "$PARTS" = stores ]; then
  say "PostgreSQL stays as it is"
  exit 0
fi
name=$(<"$work/name")
export PGPASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=/etc/purr/tls/ca.crt
PGPASSWORD=$(</etc/purr/postgres/admin)
open "$backups/$name/postgres.dump.cms" "$work/postgres.dump"
if [ -n "${DRY_RUN:-}" ]; then
  # All of it is read, as a restore would.
  lines=$(/usr/lib/postgresql/15/bin/pg_restore --file=- "$work/postgres.dump" | wc -l)
  tables=$(/usr/lib/postgresql/15/bin/pg_restore --list "$work/postgres.dump" | grep -c ' TABLE DATA ')
  say "PostgreSQL: $tables tables in $lines lines of SQL can be read; nothing is changed"
  exit 0
fi
/usr/lib/postgresql/15/bin/pg_restore --host "$PG_HOST" --port "$PG_PORT" --username admin --dbname "$PG_DATABASE" \
  --clean --if-exists --exit-on-error --single-transaction "$work/postgres.dump"
rm -f "$work/postgres.dump"
say "PostgreSQL is as in $name"
