# Shared by the cluster's scripts; sourced, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034  # for the scripts that source this
# Without it a failure inside $(…) goes on, and a half-made thing would be kept.
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${PURR_CACHE:-$HOME/.cache/purr}
started=$SECONDS

# A line of progress with the time since the script began.
say() { printf '[%4ds] %s\n' "$((SECONDS - started))" "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Holds a lock until the script ends: two runs side by side must not build, load or start the same thing.
# A script that another one calls while it holds the lock does not take it again.
locked() { # name
  local marker=PURR_LOCKED_${1//[^a-z0-9]/_}
  [ -z "${!marker:-}" ] || return 0
  mkdir -p "$cache/locks"
  exec {lock}>"$cache/locks/$1"
  flock -n "$lock" || {
    say "waiting for another run ($1)"
    flock -w 3600 "$lock" || die "another run has held the lock '$1' for an hour"
  }
  export "$marker=1"
}

# Keeps the two newest entries of a cache folder, by time of last use, and nothing that a killed run left half made.
keep_two() { # folder
  find "$1" -mindepth 1 -maxdepth 1 -name '.tmp.*' -exec rm -rf -- {} +
  find "$1" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- |
    while IFS= read -r old; do rm -rf -- "$old"; done
}

hash_of() { sha256sum | cut -c1-16; }

# Sets what names a cluster's parts: name, state, netns, inside (the prefix of a command in its network).
cluster() { # [name]
  name=${1:-${PURR_CLUSTER:-purr}}
  [[ $name =~ ^[a-z0-9]{1,12}$ ]] || die "a cluster's name is 1 to 12 of a-z0-9, not '$name'"
  state=$cache/clusters/$name
  bin=$cache/cluster/bin
  netns=purr-$name
  # nsenter and not 'ip netns exec': that one remounts /sys and hides the cgroups which the kubelet needs.
  inside=(nsenter "--net=/run/netns/$netns")
  # A unix socket's path has at most 107 bytes, and the kubelet appends to this one.
  [ "${#state}" -le 70 ] || die "the path $state is too long for the sockets in it: choose a shorter PURR_CACHE"
}

# The networks that are this cluster's own: one for each of its nodes.
cluster_networks() { printf '%s\n' "$netns" "$netns-2"; }

# The cgroups that are this cluster's own: one for each of its nodes in each mounted hierarchy. Beside those of version 1
# runc also uses a mounted one of version 2.
cluster_cgroups() {
  awk -v n="$netns" '$3 == "cgroup" || $3 == "cgroup2" {print $2 "/" n; print $2 "/" n "-2"}' /proc/self/mounts
}

# The start time of a process, which with the pid names it for good: pids are used again.
start_time() { awk '{print $22}' "/proc/$1/stat" 2>/dev/null; }

# Runs a program in the background, remembered by pid and start time in $state/pids.
spawn() { # name command...
  local service=$1
  shift
  if [ -n "${lock:-}" ]; then
    # The program outlives the script, and must not keep its lock.
    setsid "$@" >"$state/log/$service.log" 2>&1 </dev/null {lock}>&- &
  else
    setsid "$@" >"$state/log/$service.log" 2>&1 </dev/null &
  fi
  printf '%s %s\n' "$!" "$(start_time "$!")" >"$state/pids/$service"
}

alive() { # name
  local pid birth
  [ -f "$state/pids/$1" ] || return 1
  read -r pid birth <"$state/pids/$1"
  [ -n "$birth" ] && [ "$(start_time "$pid")" = "$birth" ]
}

# Waits until a command succeeds, at most this many seconds; at once an error when the service that it waits for has died.
await() { # seconds service what command...
  local end=$((SECONDS + $1)) service=$2 what=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ! alive "$service" || [ "$SECONDS" -ge "$end" ]; then
      tail -n 15 "$state/log/$service.log" >&2 || true
      die "$what: not there in time, or $service has ended (logs in $state/log)"
    fi
    sleep 0.1
  done
}
