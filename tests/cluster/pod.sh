#!/usr/bin/env bash
# Does to a pod of a test cluster what a fault does: from outside, so that nothing in it has a say.
# usage: pod.sh NAME kill|stop|cont UID CONTAINER   signals every process of a container; both as the API names them
#        pod.sh NAME cut UID [ADDRESS...]           drops what the pod sends and gets, but for these addresses
#        pod.sh NAME join UID                       lets everything pass again
#        pod.sh NAME stop|cont service PROGRAM      the same for a program of the cluster itself, as up.sh names it
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ "$#" -ge 3 ] || die "usage: pod.sh NAME kill|stop|cont|cut|join UID..."
cluster "$1"
what=$2 uid=$3
shift 3

pids() { # part of a cgroup's path
  local root
  while IFS= read -r root; do
    find "$root" -path "*$uid*" -path "*$1*" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done < <(cluster_cgroups) | sort -un
}
signal() { # name pid...
  local name=$1
  shift
  [ "$#" -gt 0 ] || die "no process there"
  kill "-$name" "$@"
}
# By a copy of the network's handle, since any one process, a probe's for instance, may end meanwhile.
network() { # command on the pod's network, on the standard input
  local pid
  for pid in $(pids "$uid"); do
    { exec {net}<"/proc/$pid/ns/net"; } 2>/dev/null || continue
    nsenter "--net=/proc/self/fd/$net" nft -f -
    return
  done
  die "no process in the pod $uid"
}

case $what in
  kill | stop | cont)
    if [ "$uid" = service ]; then
      alive "$1" || die "the cluster has no program $1"
      read -r pid _ <"$state/pids/$1"
      signal "${what^^}" "$pid"
    else
      mapfile -t all < <(pids "$1")
      signal "${what^^}" "${all[@]}"
    fi
    ;;
  cut)
    but=''
    if [ "$#" -gt 0 ]; then
      addresses=$(printf ', %s' "$@")
      but="!= { ${addresses#, } }"
    fi
    network <<X
table inet cut
delete table inet cut
table inet cut {
  chain in { type filter hook input priority 0; iifname "eth0" ${but:+ip saddr $but} drop; }
  chain out { type filter hook output priority 0; oifname "eth0" ${but:+ip daddr $but} drop; }
}
X
    ;;
  join) network <<<'delete table inet cut' ;;
  *) die "kill, stop, cont, cut or join, not '$what'" ;;
esac
