#!/bin/bash
# First step of a restore: the table store becomes what the backup says. Its programs must be down (helm/restore.sh).
set -euo pipefail
shopt -s inherit_errexit
# shellcheck source=common.sh
. /etc/purr/backup/common.sh
umask 077

name=${BACKUP:-}
if [ -z "$name" ]; then name=$(find "$backups" -mindepth 1 -maxdepth 1 -name '2*Z' -printf '%f\n' | sort | tail -n 1); fi
if [ -z "$name" ] || [ ! -d "$backups/$name" ]; then
  die "there is no backup '$name' among: $(find "$backups" -mindepth 1 -maxdepth 1 -name '2*Z' -printf '%f ')"
fi
printf '%s' "$name" >"$work/name"
read -r host port < <(master "$STORE_SENTINELS" "$STORE_MASTER")
writers=$(ask -h "$host" -p "$port" client list type normal | grep -cE ' user=(table|records) ' || true)
[ "$writers" -eq 0 ] || die "$writers programs still write to the store"

say "opening $name"
open "$backups/$name/store.rdb.cms" "$work/store.rdb"
# A server that holds the backup and hands its keys over: so the group's nodes keep their roles and their history.
# tls-cluster: what MIGRATE speaks.
redis-server --port 0 --unixsocket "$work/sock" --dir "$work" --dbfilename store.rdb --appendonly no --save '' \
  --tls-cluster yes --tls-port 6380 --bind 127.0.0.1 --tls-cert-file /etc/purr/tls/tls.crt --tls-key-file /etc/purr/tls/tls.key \
  --tls-ca-cert-file /etc/purr/tls/ca.crt --tls-auth-clients optional >"$work/redis.log" 2>&1 &
server=$!
old() { redis-cli -s "$work/sock" "$@"; }
until [ "$(old ping 2>/dev/null)" = PONG ]; do
  kill -0 "$server" 2>/dev/null || die "the backup of the store cannot be read: $(tail -n 3 "$work/redis.log")"
  sleep 0.1
done
# The era is the group's own count of its masters, and never goes back.
old del era >/dev/null
count=$(old dbsize)
say "$count keys go to $host"
ask -h "$host" -p "$port" eval "for _, key in ipairs(redis.call('KEYS', '*')) do if key ~= 'era' then redis.call('DEL', key) end end return 1" 0 >/dev/null
address=$(getent ahostsv4 "$host" | awk 'NR == 1 {print $1}')
# On a command line of this pod's alone.
password=$(</etc/purr/redis/admin)
old --scan | while mapfile -n 100 -t keys && [ "${#keys[@]}" -gt 0 ]; do
  answer=$(old migrate "$address" "$port" '' 0 10000 copy replace auth2 admin "$password" keys "${keys[@]}")
  [ "$answer" = OK ] || die "not moved: $answer"
done
now=$(ask -h "$host" -p "$port" dbsize)
have=$((now - $(ask -h "$host" -p "$port" exists era)))
[ "$have" -eq "$count" ] || die "$have keys are there, $count should be"
[ "$(printf 'incr era\nwait 1 10000\n' | ask -h "$host" -p "$port" | tail -n 1)" -ge 1 ] || die "no replica has it"
old shutdown nosave >/dev/null 2>&1 || true
rm -f "$work/store.rdb"
say "the store is as in $name"
