#!/bin/bash
# Runs this pod's Sentinel once the data node knows its place, and again when that changes. Its memory (epochs, votes) is
# on the volume: a Sentinel that forgot a vote could vote twice.
set -euo pipefail
cd /etc/purr/scripts
# shellcheck source=common.sh
. ./common.sh
umask 077
conf=/data/sentinel.conf
sentinel=''

settings() { # master
  cat <<X
port 0
tls-port 26379
tls-cert-file /etc/purr/tls/tls.crt
tls-key-file /etc/purr/tls/tls.key
tls-ca-cert-file /etc/purr/tls/ca.crt
tls-protocols "TLSv1.3"
tls-replication yes
tls-auth-clients optional
dir /data
aclfile /run/redis/sentinel.acl
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $me
sentinel announce-port 26379
sentinel sentinel-user admin
sentinel sentinel-pass $(<"$auth/admin")
sentinel monitor $MASTER_NAME $1 6379 $quorum
sentinel auth-user $MASTER_NAME sentinel
sentinel auth-pass $MASTER_NAME $(<"$auth/sentinel")
sentinel down-after-milliseconds $MASTER_NAME 4000
sentinel failover-timeout $MASTER_NAME 5000
sentinel parallel-syncs $MASTER_NAME 2
X
}

# Settings are ours and always new; of what the Sentinel wrote itself, only its memory is kept.
write_config() { # [master [epoch]]; without a master the one in memory
  local master=${1:-} epoch=${2:-0} memory='' current=0
  if [ -s "$conf" ]; then
    memory=$(grep -E "^sentinel (myid|current-epoch|config-epoch|leader-epoch|known-replica|known-sentinel) " "$conf" || true)
    current=$(awk '$2 == "current-epoch" {print $3}' <<<"$memory")
    [ -n "$master" ] || master=$(awk -v n="$MASTER_NAME" '$1 == "sentinel" && $2 == "monitor" && $3 == n {print $4}' "$conf")
  fi
  # A node that was known as a replica may be the master now.
  memory=$(grep -vF "known-replica $MASTER_NAME $master " <<<"$memory" || true)
  if [ "$epoch" -gt 0 ]; then
    memory=$(grep -vE '^sentinel (current-epoch|config-epoch) ' <<<"$memory" || true)
    memory+=$(printf '\nsentinel config-epoch %s %s\nsentinel current-epoch %s' "$MASTER_NAME" "$epoch" \
      "$((epoch > ${current:-0} ? epoch : current))")
  fi
  { settings "$master" && printf '%s\n' "$memory"; } >"$conf.next"
  sync "$conf.next"
  mv "$conf.next" "$conf"
  sync /data
}

programs() {
  local user
  for user in table records gateway controller signer; do
    echo "$user resetchannels &+switch-master -@all +@connection +sentinel|get-master-addr-by-name +sentinel|sentinels +sentinel|replicas +sentinel|master +sentinel|masters +subscribe +psubscribe +role"
  done
  echo 'admin ~* &* +@all'
}

trap 'if [ -n "$sentinel" ]; then kill -TERM "$sentinel" 2>/dev/null || true; fi; exit 0' TERM INT
users <(programs) >/run/redis/sentinel.acl
while true; do
  until [ -f "$run/sentinel.go" ]; do sleep 0.3; done
  # The data node's word counts once. A Sentinel that ends and starts alone knows of the failovers since, and the word
  # does not: two of them would name two masters of one epoch.
  word=$(stat --format='%i %y' "$run/sentinel.go") master='' epoch=''
  if [ "$word" != "$(cat "$run/sentinel.heard" 2>/dev/null)" ]; then read -r master epoch <"$run/sentinel.go" || true; fi
  write_config "$master" "$epoch"
  printf '%s' "$word" >"$run/sentinel.heard"
  redis-sentinel "$conf" &
  sentinel=$!
  # The data node takes it back when it must start over.
  while [ -f "$run/sentinel.go" ] && kill -0 "$sentinel" 2>/dev/null; do sleep 0.5; done
  if ! kill -0 "$sentinel" 2>/dev/null; then
    say "the Sentinel has ended"
    exit 1
  fi
  say "the data node starts over: the Sentinel waits"
  kill -TERM "$sentinel"
  wait "$sentinel" || true
  sentinel=''
done
