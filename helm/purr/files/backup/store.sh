#!/bin/bash
# First step of a backup: the table store, group by group. It comes before the journal, because a take-over goes on from
# the journal where that is ahead of the store, and not the other way round.
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=common.sh
. /etc/purr/backup/common.sh
umask 077

# The lock of purr-store (SET NX PX, a token of its own): a backup by hand and the scheduled one do not run side by side.
# Two would do no harm, as each has a folder of its own.
read -r host port < <(master "$SESSIONS_SENTINELS" "$SESSIONS_MASTER")
token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
[ "$(ask -h "$host" -p "$port" set lock:backup "$token" nx px 3600000)" = OK ] || die "another backup has the lock"
printf '%s' "$token" >"$work/token"

name=$(date -u +%Y%m%dT%H%M%SZ)
printf '%s' "$name" >"$work/name"
# What a killed backup left half made.
find "$backups" -mindepth 1 -maxdepth 1 -name '.*.partial' -exec rm -rf -- {} +
mkdir "$backups/.$name.partial"
for store in $STORES; do
  group=${store%%=*}
  read -r host port < <(master "${store#*=}" "$STORE_MASTER")
  say "store $group: an RDB of $host"
  ask -h "$host" -p "$port" --rdb - 2>"$work/rdb.log" | seal "$backups/.$name.partial/store-$group.rdb.cms" ||
    die "$(cat "$work/rdb.log")"
  say "$(stat -c %s "$backups/.$name.partial/store-$group.rdb.cms") bytes"
done
