#!/usr/bin/env bash
# Does to a pod of a test cluster what a fault does: from outside, so that nothing in it has a say.
# usage: pod.sh NAME kill|stop|cont UID CONTAINER [PROGRAM]   signals every process of a container, or those of one
#                                                   program; both as the API names them
#        pod.sh NAME cut UID [ADDRESS...]           drops what the pod sends and gets, but for these addresses
#        pod.sh NAME lossy UID PERCENT              drops so many of a hundred packets, each way, by chance
#        pod.sh NAME join UID                       lets everything pass again
#        pod.sh NAME clock UID CONTAINER OFFSET     what its processes take for the time, in seconds from the right one;
#                                                   for the image table-faketime, whose volume "state" says it
#        pod.sh NAME fill|free VOLUME               takes all that is left of a limited volume (see volumes.sh)
#        pod.sh NAME stop|cont service PROGRAM      the same for a program of the cluster itself, as up.sh names it
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ "$#" -ge 3 ] || die "usage: pod.sh NAME kill|stop|cont|cut|lossy|join|clock UID... or fill|free VOLUME"
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
      mapfile -t all < <(pids "$1" | while read -r pid; do
        if [ -z "${2:-}" ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]; then echo "$pid"; fi
      done)
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
  lossy)
    [[ $1 =~ ^[1-9][0-9]?$ ]] || die "a percentage is 1 to 99, not '$1'"
    network <<X
table inet cut
delete table inet cut
table inet cut {
  chain in { type filter hook input priority 0; iifname "eth0" numgen random mod 100 < $1 drop; }
  chain out { type filter hook output priority 0; oifname "eth0" numgen random mod 100 < $1 drop; }
}
X
    ;;
  join) network <<<'delete table inet cut' ;;
  clock)
    [[ $2 =~ ^[-+][0-9]+$ ]] || die "an offset is +SECONDS or -SECONDS, not '$2'"
    mapfile -t all < <(pids "$1")
    # A clock that nobody reads would be a fault that cannot hurt.
    for pid in "${all[@]}"; do grep -q libfaketime "/proc/$pid/maps" || die "process $pid has the right time by itself"; done
    [ "${#all[@]}" -gt 0 ] || die "no process there"
    for home in "$state" "$state/n2"; do
      folder=$home/kubelet/pods/$uid/volumes/kubernetes.io~empty-dir/state
      [ ! -d "$folder" ] || break
    done
    printf '%s\n' "$2" >"$folder/.faketime"
    chmod 0644 "$folder/.faketime"
    mv "$folder/.faketime" "$folder/faketime"
    ;;
  fill | free)
    volume=$state/volumes/$uid
    mountpoint -q "$volume" || die "the volume $uid has no bound of its own: bring the cluster up with PURR_VOLUME_MIB"
    if [ "$what" = free ]; then
      rm -f -- "$volume/.filler"
    else
      # Until nothing is left: whatever else is written meanwhile takes part in it.
      fallocate -l "$(df --output=avail -B1 "$volume" | tail -n 1)" "$volume/.filler" 2>/dev/null || true
      cat /dev/zero >>"$volume/.filler" 2>/dev/null || true
    fi
    ;;
  *) die "kill, stop, cont, cut, lossy, join, clock, fill or free, not '$what'" ;;
esac
