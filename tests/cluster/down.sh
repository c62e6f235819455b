#!/usr/bin/env bash
# Takes a cluster of up.sh down, also one whose start was killed half way: processes, mounts,
# cgroups, network namespace and state. Touches nothing that is not this cluster's.
# usage: down.sh [NAME]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cluster "${1:-}"
locked "cluster-$name"

# Everything that a start recorded.
recorded() {
  local file
  for file in "$state"/pids/*; do
    [ -f "$file" ] && alive "$(basename "$file")" && cut -d' ' -f1 "$file"
  done
  true
}
# Everything in the nodes' networks: also what a killed start did not come to record.
networked() {
  local network
  cluster_networks | while IFS= read -r network; do [ ! -e "/run/netns/$network" ] || ip netns pids "$network"; done
}
# Everything in a pod runs below this cluster's own cgroups.
podded() {
  local root
  cluster_cgroups | while IFS= read -r root; do
    [ ! -d "$root" ] || find "$root" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done
}
# Shims and forwarders run outside; each names this cluster's own socket or network on its command line.
named() {
  local proc argv
  for proc in /proc/[0-9]*; do
    mapfile -d '' -t argv 2>/dev/null <"$proc/cmdline" || continue
    case "${argv[*]} " in
      *containerd-shim*" -address $state/containerd.sock "* | *containerd-shim*" -address $state/n2/containerd.sock "* | "socat "*"nsenter --net=/run/netns/$netns socat "*) echo "${proc#/proc/}" ;;
    esac
  done
}

# All at once and for good: the state goes with them, so nothing has to be written down first.
# Again until none is left, because a kubelet or a shim may start one more while it is being ended.
end_processes() {
  local pids try
  for ((try = 0; try < 100; try++)); do
    pids=$({ recorded; networked; podded; named; } | sort -un)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086  # a list of pids
    kill -9 $pids 2>/dev/null || true
    sleep 0.05
  done
  die "processes of cluster $name do not end: $(echo "$pids" | tr '\n' ' ')"
}

# What the runtime leaves in folders that all clusters of a machine share, and whose places cannot be set.
remove_shared_leftovers() {
  local file socket
  # Each shim listens on a socket; its address is in its bundle.
  { find "$state/run" "$state/n2/run" -maxdepth 4 -name bootstrap.json 2>/dev/null || true; } | while IFS= read -r file; do
    socket=$(jq -r '.address // ""' "$file" 2>/dev/null || true)
    case $socket in unix:///run/containerd/s/*) rm -f -- "${socket#unix://}" ;; esac
  done
  # Results of network plugins name the network namespace; links to logs name the log.
  { grep -lF -e "\"$state/run/" -e "\"$state/n2/run/" /var/lib/cni/results/* 2>/dev/null || true; } | xargs -r rm -f --
  find /var/log/containers -maxdepth 1 -type l -lname "$state/*" -delete 2>/dev/null || true
}

# Deepest first: pods' volumes, root file systems and network namespaces.
unmount_all() {
  awk -v p="$state/" 'index($2, p) == 1 {print $2}' /proc/self/mounts | sort -r | while IFS= read -r mount; do
    umount -l -- "$mount" || die "cannot unmount $mount"
  done
}

remove_cgroups() {
  local root try
  cluster_cgroups | while IFS= read -r root; do
    [ -d "$root" ] || continue
    # A cgroup stays busy for a moment after its last process has gone.
    for ((try = 0; try < 50; try++)); do
      find "$root" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -d "$root" ] || continue 2
      sleep 0.1
    done
    die "cannot remove the cgroup $root"
  done
}

if [ ! -d "$state" ] && [ ! -e "/run/netns/$netns" ]; then
  say "cluster $name is not there"
  exit 0
fi
say "stopping cluster $name"
end_processes
remove_shared_leftovers
unmount_all
remove_cgroups
cluster_networks | while IFS= read -r network; do
  if [ -e "/run/netns/$network" ]; then ip netns del "$network"; fi
done
# One file system: should a mount have stayed, what is under it is not ours to delete.
rm -rf --one-file-system -- "$state"
say "cluster $name is gone"
