# A controller that starts in a namespace that is being deleted: no lease can be made there, and its tables have to go.
# Sourced by fleet.sh as the last: the namespace purr is being deleted from here on.
# shellcheck shell=bash disable=SC2154

serve purr
k label namespace purr purr.poker/tables=true >/dev/null
single leaving
reach 90 "pod of a table" 1 pods_of leaving
kill -KILL "$controller_pid"
k delete namespace purr --wait=false >/dev/null
reach 20 "the namespace" Terminating k get namespace purr -o 'jsonpath={.status.phase}'
n delete lease purr-controller >/dev/null
if said=$(n create -f - 2>&1 <<'LEASE'
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: probe}}
LEASE
); then die "a lease can be made in a namespace that is being deleted"; fi
[[ $said == *"being terminated"* ]] || die "the lease is refused for another reason: $said"
start 3 --namespaces=purr
n delete ptable leaving --timeout=120s >/dev/null || die "no controller leads in a namespace that is being deleted"
grep -q 'leads without a lease' "$work/controller.log" || die "it leads, and does not say how"
say "a controller that starts in a namespace that is being deleted leads, and its tables go"

# An API server that takes requests and answers none does not keep a controller that is told to stop.
kill -STOP "${pids[1]}"
kill -TERM "$controller_pid"
ended() { kill -0 "$controller_pid" 2>/dev/null && echo runs || echo ended; }
from=$SECONDS
reach 25 "a controller that was told to stop while the API is frozen" ended ended
say "a controller that is told to stop while the API is frozen ends after $((SECONDS - from)) s"
