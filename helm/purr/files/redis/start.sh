#!/bin/bash
# Starts a data node of a Sentinel group, so that no acknowledged write is lost by the start itself.
#
# A restarting node does not know whether it is still the master, and the one with the shorter history must not become
# it. So a node joins the master that the Sentinels with the newest knowledge name, and nothing else, while any other node
# of the group is in service. After an outage of all of them the nodes hold an election, open to nobody but each other
# (replica-priority 0, so that no Sentinel promotes one): the longest history wins. An acknowledged write is on two
# nodes, so all nodes but one hold it between them.
set -euo pipefail
shopt -s inherit_errexit
cd /etc/purr/scripts
# shellcheck source=common.sh
. ./common.sh
umask 077

nowhere=127.0.0.1
# Seconds that an election waits for the last missing node.
patience=15
# Seconds that a replica's master may be no master: a failover points the replicas to the new one well within them.
astray_patience=6
astray_since=''
server=''
# KiB that must be free before a server starts. One that cannot write its log ends at once (appendfsync always).
room_kib=8192

has_room() { [ "$(df --output=avail -k /data | tail -n 1)" -ge "$room_kib" ]; }
# In place, and not by ending: kubelet would start the container again ever more rarely, also after the disk has room.
wait_for_room() {
  has_room && return
  say "the disk is full: waiting until $room_kib KiB are free"
  until has_room; do
    [ -z "$stopping" ] || exit 0
    sleep 0.5
  done
  say "the disk has room again"
}

config() {
  cat redis.conf "$GROUP.conf"
  printf '%s\n' "maxmemory $MAXMEMORY" "replica-announce-ip $me" "replica-announce-port 6379" "masterauth $(<"$auth/replica")"
  # The last node of a group of one has nobody to wait for.
  if [ "$GROUP" = store ] && [ "$REPLICAS" -gt 1 ]; then echo 'min-replicas-to-write 1'; fi
}

start_server() { # options...
  redis-server "$run/redis.conf" "$@" &
  server=$!
  until [ "$(here ping)" = PONG ]; do
    kill -0 "$server" || { say "the server has ended"; exit 1; }
    sleep 0.1
  done
}

# "epoch host" of the newest master that any Sentinel knows of, this pod's own memory included; where two are equally new,
# the one that more of them name.
known_master() {
  local peer
  {
    if [ -s /data/sentinel.conf ]; then
      awk -v n="$MASTER_NAME" '$1 == "sentinel" && $2 == "monitor" && $3 == n {host = $4}
        $1 == "sentinel" && $2 == "config-epoch" && $3 == n {epoch = $4} END {if (host) print epoch + 0, host}' /data/sentinel.conf
    fi
    for peer in $(peers); do
      ask "$peer" 26379 sentinel master "$MASTER_NAME" |
        awk '{if (NR % 2) key = $0; else value[key] = $0} END {if (value["ip"]) print value["config-epoch"] + 0, value["ip"]}' || true
    done
  } | awk '{count[$1 " " $2]++} END {for (master in count) print master, count[master]}' |
    sort -k1,1nr -k3,3nr -k2,2 | head -n 1 | cut -d' ' -f1,2
}

# One of: silent, master, replica, candidate HOST (whom it votes for).
state_of() { # host
  local info
  info=$(ask "$1" 6379 info replication) || true
  case $info in
    *role:master*) echo master ;;
    *slave_priority:0*) echo "candidate $(field master_host <<<"$info")" ;;
    *role:slave*) echo replica ;;
    *) echo silent ;;
  esac
}

# What a node holds, as numbers that only grow along one history: promotions of masters, commits and epochs of tables,
# and for the sessions the number of keys.
history_script='local sum, cursor = 0, "0"
repeat
  local page = redis.call("SCAN", cursor, "MATCH", "t:*:head", "COUNT", 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local head = redis.call("HMGET", key, "commit", "epoch")
    sum = sum + tonumber(head[1] or "0") + tonumber(head[2] or "0")
  end
until cursor == "0"
return (redis.call("GET", "era") or "0") .. " " .. string.format("%.0f", sum) .. " " .. redis.call("DBSIZE")'

# Prints "host" of the candidate with the longest history among those given; of equals the first name.
longest() { # hosts...
  local host line
  for host in "$@"; do
    if [ "$host" = "$me" ]; then line=$(here eval_ro "$history_script" 0); else line=$(ask "$host" 6379 eval_ro "$history_script" 0); fi || true
    [[ $line =~ ^[0-9]+\ [0-9]+\ [0-9]+$ ]] && echo "$line $host"
  done | sort -k1,1nr -k2,2nr -k3,3nr -k4,4 | head -n 1 | cut -d' ' -f4
}

# Lets this pod's Sentinel run, knowing this master; an election's outcome is newer than anything any Sentinel knew.
release_sentinel() { # [master [epoch]]
  printf '%s\n' "$*" >"$run/sentinel.next"
  mv "$run/sentinel.next" "$run/sentinel.go"
}

joined() { # master
  say "joining $1"
  if [ -z "$server" ]; then
    start_server --replicaof "$1" 6379
  else
    here replicaof "$1" 6379 >/dev/null
    here config set replica-priority 100 >/dev/null
  fi
  release_sentinel "$1"
}

won() { # epoch
  say "this node has the longest history and becomes the master"
  here replicaof no one >/dev/null
  here config set replica-priority 100 >/dev/null
  release_sentinel "$me" "$1"
}

# One look at the group; returns 0 when this node has its place.
look() {
  local epoch='' master='' peer state vote='' votes=1 in_service=0
  candidates=("$me")
  read -r epoch master < <(known_master) || true
  for peer in $(peers); do
    read -r state vote < <(state_of "$peer") || true
    case $state in
      master)
        in_service=1
        if [ "$peer" = "$master" ]; then joined "$peer"; return 0; fi
        ;;
      replica) in_service=1 ;;
      candidate)
        candidates+=("$peer")
        if [ "$vote" = "$me" ]; then votes=$((votes + 1)); fi
        ;;
    esac
  done
  if [ "$in_service" -eq 1 ]; then
    # The Sentinels will promote one that is in service; a majority of them may need this pod's own.
    alone_since=$SECONDS
    if [ -s /data/sentinel.conf ] && [ ! -f "$run/sentinel.go" ]; then release_sentinel; fi
    return 1
  fi
  # Others that start at the same moment may be in service soon.
  if [ -z "$server" ]; then
    [ "$((SECONDS - alone_since))" -ge 1 ] || return 1
    say "nobody of the group is in service: waiting for an election (newest known master: ${master:-none})"
    rm -f "$run/sentinel.go"
    start_server --replicaof $nowhere 1 --replica-priority 0
    return 1
  fi
  elect "$votes" "$((${epoch:-0} + 1))"
}

elect() { # votes for this node, epoch of the next master
  local need=$((REPLICAS > 1 ? REPLICAS - 1 : 1)) best now
  [ "${#candidates[@]}" -ge "$need" ] || return 1
  if [ "${#candidates[@]}" -lt "$REPLICAS" ] && [ "$((SECONDS - alone_since))" -lt "$patience" ]; then return 1; fi
  best=$(longest "${candidates[@]}")
  [ -n "$best" ] || return 1
  now=$(here info replication | field master_host)
  if [ "$best" != "$me" ]; then
    # A vote is kept while its candidate lives: two candidates must not both find a majority.
    if [ "$now" = $nowhere ] || [[ " ${candidates[*]} " != *" $now "* ]]; then
      say "voting for $best"
      here replicaof "$best" 6379 >/dev/null
    fi
    return 1
  fi
  if [ "$now" != $nowhere ]; then
    if [[ " ${candidates[*]} " == *" $now "* ]]; then return 1; fi
    here replicaof $nowhere 1 >/dev/null
  fi
  [ "$1" -ge "$quorum" ] || return 1
  won "$2"
}

# A replica whose master is none any more follows the one that the Sentinels name. They would see to it themselves, but
# only where they know this node's address, and a pod that came back has another; a chain of replicas also counts as one
# replica less for every commit.
follow_master() { # master as of now
  local epoch='' master=''
  if [ "$(state_of "$1")" = master ]; then
    astray_since=''
    return 0
  fi
  : "${astray_since:=$SECONDS}"
  [ "$((SECONDS - astray_since))" -ge "$astray_patience" ] || return 0
  read -r epoch master < <(known_master) || true
  if [ -n "$master" ] && [ "$master" != "$1" ] && [ "$master" != "$me" ] && [ "$(state_of "$master")" = master ]; then
    say "$1 is no master: following $master, of epoch $epoch"
    here replicaof "$master" 6379 >/dev/null
    astray_since=''
  fi
}

# Writes stop on a master that sees another one, unless a majority of the Sentinels names this one. Where none has a
# majority, none writes. After a split that heals, the one that went on goes on, and the one that was cut off waits until
# the Sentinels have made it a replica.
split=''
guard_against_split() {
  local peer other='' named=0
  [ "$GROUP" = store ] || return 0
  for peer in $(peers); do
    if [ "$(state_of "$peer")" = master ]; then other=$peer; fi
  done
  if [ -n "$other" ]; then
    for peer in $me $(peers); do
      if [ "$(ask "$peer" 26379 sentinel get-master-addr-by-name "$MASTER_NAME" | head -n 1)" = "$me" ]; then named=$((named + 1)); fi
    done
  fi
  if [ -n "$other" ] && [ "$named" -lt "$quorum" ]; then
    if [ -z "$split" ]; then say "split brain: $other is a master, too, and $named of $REPLICAS Sentinels name this one: no writes"; fi
    split=1
    # More replicas than there can be: every write is refused as one that nobody would acknowledge.
    here config set min-replicas-to-write "$REPLICAS" >/dev/null
  elif [ -n "$split" ]; then
    allow_writes
  fi
}
allow_writes() {
  [ -n "$split" ] || return 0
  split=''
  here config set min-replicas-to-write "$((REPLICAS > 1 ? 1 : 0))" >/dev/null
  say "no split any more"
}

# Each promotion begins a new era: after a split the side that went on outranks the side that was cut off.
watch_role() {
  local info role='' counted=0 tick=0
  while kill -0 "$server" 2>/dev/null; do
    info=$(here info replication) || true
    role=$(field role <<<"$info")
    if [ "$role" = master ]; then
      # Refused until a replica is there; then again.
      if [ "$counted" -eq 0 ] && [[ $(here incr era) =~ ^[0-9]+$ ]]; then counted=1; fi
      guard_against_split
    elif [ "$role" = slave ]; then
      counted=0
      allow_writes
      tick=$((tick + 1))
      if [ "$((tick % 3))" -eq 0 ]; then follow_master "$(field master_host <<<"$info")"; fi
    fi
    if [ "$role" = master ] || [ "$(field master_link_status <<<"$info")" = up ]; then
      touch "$run/ready"
    else
      rm -f "$run/ready"
    fi
    sleep 1
  done
}

stopping=''
stop() {
  stopping=1
  if [ -n "$server" ]; then kill -TERM "$server" 2>/dev/null || true; else exit 0; fi
}
trap stop TERM INT
rm -f "$run/ready"
# The Sentinel stays meanwhile: without a majority of them nobody would follow those that still have room.
wait_for_room
rm -f "$run/sentinel.go"
config >"$run/redis.conf"
users "$GROUP.acl" nodes.acl >"$run/users.acl"
alone_since=$SECONDS
candidates=()
until look; do
  [ -z "$stopping" ] || exit 0
  sleep 0.3
done
watch_role &
until wait "$server"; do
  kill -0 "$server" 2>/dev/null && continue
  say "the server has ended"
  # It starts over in place: kubelet would wait ever longer before it does. A server that does not stay up is its business.
  if [ "$SECONDS" -lt 10 ] && has_room; then exit 1; fi
  # shellcheck disable=SC2093  # it does not continue
  exec /bin/bash "$0"
done
