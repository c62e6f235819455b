#!/bin/bash
# Last step of a backup: it counts from here on, the oldest go, the lock is given back.
set -euo pipefail
# shellcheck source=common.sh
. /etc/purr/backup/common.sh
name=$(<"$work/name")
sync "$backups/.$name.partial"/* "$backups/.$name.partial"
mv -T "$backups/.$name.partial" "$backups/$name"
sync "$backups"
find "$backups" -mindepth 1 -maxdepth 1 -name '2*Z' -printf '%f\n' | sort -r | tail -n "+$((KEEP + 1))" |
  while IFS= read -r old; do
    say "dropping $old"
    rm -rf -- "${backups:?}/$old"
  done
read -r host port < <(master "$SESSIONS_SENTINELS" "$SESSIONS_MASTER")
ask -h "$host" -p "$port" eval "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0" \
  1 lock:backup "$(<"$work/token")" >/dev/null
say "backup $name is whole"
