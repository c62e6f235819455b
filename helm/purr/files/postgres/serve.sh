#!/bin/bash
# Runs a PostgreSQL server, and ends it by a fast shutdown. usage: serve.sh COMMAND...
#
# A pod that is deleted gets SIGTERM. PostgreSQL takes that for a smart shutdown, which waits for every client to go: pools
# never do, so the server was killed at the end of its grace period and recovered from a crash at its next start. SIGINT ends
# the sessions, writes a checkpoint and leaves nothing to recover.
set -uo pipefail

"$@" &
server=$!
trap 'kill -INT "$server" 2>/dev/null' TERM INT
# Each signal ends one wait; the server's own end is the one that counts.
while :; do
  wait "$server"
  status=$?
  kill -0 "$server" 2>/dev/null || exit "$status"
done
