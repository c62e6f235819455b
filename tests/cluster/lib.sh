# Shared by the cluster's scripts; sourced, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034,SC2154  # for the scripts that source this
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${PURR_CACHE:-$HOME/.cache/purr}
started=$SECONDS

# A line of progress with the time since the script began.
say() { printf '[%4ds] %s\n' "$((SECONDS - started))" "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Keeps the two newest entries of a cache folder, by time of last use.
keep_two() { # folder
  find "$1" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' 2>/dev/null | sort -rn | tail -n +3 | cut -d' ' -f2- |
    while IFS= read -r old; do rm -rf -- "$old"; done
}

hash_of() { sha256sum | cut -c1-16; }

# The start time of a process, which with the pid names it for good: pids are used again.
start_time() { awk '{print $22}' "/proc/$1/stat" 2>/dev/null; }

# Runs a program in the background, remembered by pid and start time in $state/pids.
spawn() { # name command...
  local name=$1
  shift
  setsid "$@" >"$state/log/$name.log" 2>&1 </dev/null &
  printf '%s %s\n' "$!" "$(start_time "$!")" >"$state/pids/$name"
}

alive() { # name
  local pid birth
  [ -f "$state/pids/$1" ] || return 1
  read -r pid birth <"$state/pids/$1"
  [ -n "$birth" ] && [ "$(start_time "$pid")" = "$birth" ]
}

# Ends a remembered process: politely, and after ten seconds for good.
reap() { # name
  local pid birth i
  if alive "$1"; then
    read -r pid birth <"$state/pids/$1"
    kill "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
      alive "$1" || break
      sleep 0.1
    done
    if alive "$1"; then kill -9 "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$state/pids/$1"
}

# Waits until a command succeeds, at most this many seconds.
await() { # seconds what command...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "$what did not happen in time"
    sleep 0.2
  done
}
