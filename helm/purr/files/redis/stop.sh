#!/bin/bash
# Before a data node goes: a master hands over, and only to a replica that has all of its history.
set -euo pipefail
cd /etc/purr/scripts
# shellcheck source=common.sh
. ./common.sh

# The Sentinel of this pod stays until this is over.
trap 'touch "$run/handed-over"' EXIT
info=$(here info replication) || exit 0
grep -q '^role:master' <<<"$info" || exit 0
[ "$REPLICAS" -gt 1 ] || exit 0

# No write, and so no acknowledgement, from here until the new master is there.
here client pause 10000 write >/dev/null
own=$(here info replication | field master_repl_offset)
all_have_it() {
  here info replication | tr ',' '\n' | awk -F= -v own="$own" '/^slave[0-9]+:/ {n++} /^offset=/ && $2 + 0 >= own + 0 {have++}
    END {exit !(n > 0 && have == n)}'
}
for ((try = 0; try < 25; try++)); do
  if all_have_it; then
    ask 127.0.0.1 26379 sentinel failover "$MASTER_NAME" >/dev/null || true
    for ((i = 0; i < 40; i++)); do
      if here info replication | grep -q '^role:slave'; then exit 0; fi
      sleep 0.2
    done
    exit 0
  fi
  sleep 0.2
done
here client unpause >/dev/null || true
