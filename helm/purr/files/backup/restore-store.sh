#!/bin/bash
# First step of a restore: each group of the table store becomes what the backup says. Their programs must be down
# (helm/restore.sh). With DRY_RUN: the backup is opened and counted while they run, and nothing is changed.
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

# A server that holds the backup and hands its keys over: so the group's nodes keep their roles and their history.
# tls-cluster: what MIGRATE speaks. A group without a file is younger than the backup, in which it had no keys.
server=''
old() { redis-cli -s "$work/sock" "$@"; }
start_old() { # group
  if [ -f "$backups/$name/store-$1.rdb.cms" ]; then
    open "$backups/$name/store-$1.rdb.cms" "$work/store.rdb"
  else
    say "store $1 is not in $name: it had no tables"
  fi
  redis-server --port 0 --unixsocket "$work/sock" --dir "$work" --dbfilename store.rdb --appendonly no --save '' \
    --tls-cluster yes --tls-port 6380 --bind 127.0.0.1 --tls-cert-file /etc/purr/tls/tls.crt --tls-key-file /etc/purr/tls/tls.key \
    --tls-ca-cert-file /etc/purr/tls/ca.crt --tls-auth-clients optional >"$work/redis.log" 2>&1 &
  server=$!
  until [ "$(old ping 2>/dev/null)" = PONG ]; do
    kill -0 "$server" 2>/dev/null || die "the backup of store $1 cannot be read: $(tail -n 3 "$work/redis.log")"
    sleep 0.1
  done
  # The era is the group's own count of its masters, and never goes back.
  old del era >/dev/null
}
end_old() {
  old shutdown nosave >/dev/null 2>&1 || true
  wait "$server" || true
  rm -f "$work/store.rdb"
}

put_back() { # group host port
  local address password count now have answer keys
  start_old "$1"
  count=$(old dbsize)
  say "store $1: $count keys go to $2"
  ask -h "$2" -p "$3" eval "for _, key in ipairs(redis.call('KEYS', '*')) do if key ~= 'era' then redis.call('DEL', key) end end return 1" 0 >/dev/null
  address=$(getent ahostsv4 "$2" | awk 'NR == 1 {print $1}')
  # On a command line of this pod's alone.
  password=$(</etc/purr/redis/admin)
  old --scan | while mapfile -n 100 -t keys && [ "${#keys[@]}" -gt 0 ]; do
    answer=$(old migrate "$address" "$3" '' 0 10000 copy replace auth2 admin "$password" keys "${keys[@]}")
    [ "$answer" = OK ] || die "not moved: $answer"
  done
  now=$(ask -h "$2" -p "$3" dbsize)
  have=$((now - $(ask -h "$2" -p "$3" exists era)))
  [ "$have" -eq "$count" ] || die "$have keys are there, $count should be"
  [ "$(printf 'incr era\nwait 1 10000\n' | ask -h "$2" -p "$3" | tail -n 1)" -ge 1 ] || die "no replica has it"
  end_old
  say "store $1 is as in $name"
}

# Everything is looked at before anything is changed.
for file in "$backups/$name"/store-*.rdb.cms; do
  [ -f "$file" ] || die "$name has no store: another release made it, or it is not whole"
  group=${file##*/store-}
  group=${group%.rdb.cms}
  case " $STORES" in *" $group="*) ;; *) die "$name has a store $group, and the release has none of that name" ;; esac
done
declare -A masters
for store in $STORES; do
  group=${store%%=*}
  masters[$group]=$(master "${store#*=}" "$STORE_MASTER")
  read -r host port <<<"${masters[$group]}"
  [ -z "${DRY_RUN:-}" ] || continue
  writers=$(ask -h "$host" -p "$port" client list type normal | grep -cE ' user=(table|records) ' || true)
  [ "$writers" -eq 0 ] || die "$writers programs still write to store $group"
done
say "opening $name"
for store in $STORES; do
  group=${store%%=*}
  if [ -n "${DRY_RUN:-}" ]; then
    start_old "$group"
    say "store $group: $(old dbsize) keys would go to ${masters[$group]% *}; nothing is changed"
    end_old
    continue
  fi
  read -r host port <<<"${masters[$group]}"
  put_back "$group" "$host" "$port"
done
