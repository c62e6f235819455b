# Shared by the steps of a backup and of a restore; sourced, never run.
# STORES (name=sentinels of each group, apart by blanks), STORE_MASTER, SESSIONS_SENTINELS, SESSIONS_MASTER, PG_HOST,
# PG_PORT, PG_DATABASE, KEEP, PARTS and DRY_RUN come from the pod.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # for the scripts that source this; from the pod
backups=/backups
# What the steps of one backup tell each other.
work=/work
redis=(redis-cli --no-auth-warning --user admin --tls --cacert /etc/purr/tls/ca.crt)

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"; }
die() {
  say "$*" >&2
  exit 1
}

# Any command to a server of Redis; the password travels in the environment, not in the list of processes.
ask() { REDISCLI_AUTH=$(</etc/purr/redis/admin) "${redis[@]}" "$@"; }

# Prints "host port" of a group's master, asked of the server itself.
master() { # sentinels name
  local sentinel found host port
  for sentinel in ${1//,/ }; do
    found=$(REDISCLI_AUTH=$(</etc/purr/redis/admin) timeout 5 "${redis[@]}" -h "${sentinel%:*}" -p "${sentinel##*:}" \
      sentinel get-master-addr-by-name "$2" | tr '\n' ' ') || continue
    read -r host port <<<"$found"
    [ -n "$port" ] || continue
    if ask -h "$host" -p "$port" role | head -n 1 | grep -qx master; then
      echo "$host $port"
      return
    fi
  done
  die "no Sentinel of $2 names a master"
}

# CMS (RFC 5652, 5083) to the backup's certificate, AES-256-GCM: what is changed by a byte does not open. Only the
# restore has the key.
seal() { openssl cms -encrypt -binary -stream -outform DER -aes-256-gcm -recip /etc/purr/backup-key/tls.crt -out "$1"; }
open() { openssl cms -decrypt -inform DER -inkey /etc/purr/backup-key/tls.key -in "$1" -out "$2"; }
