#!/bin/bash
# Second step of a backup: the signer's journal and the records.
set -euo pipefail
# shellcheck source=common.sh
. /etc/purr/backup/common.sh
umask 077
name=$(<"$work/name")
say "PostgreSQL: a dump of $PG_DATABASE"
export PGPASSWORD PGSSLMODE=verify-full PGSSLROOTCERT=/etc/purr/tls/ca.crt
PGPASSWORD=$(</etc/purr/postgres/admin)
/usr/lib/postgresql/15/bin/pg_dump --host "$PG_HOST" --port "$PG_PORT" --username admin --format custom "$PG_DATABASE" |
  seal "$backups/.$name.partial/postgres.dump.cms"
say "$(stat -c %s "$backups/.$name.partial/postgres.dump.cms") bytes"
