#!/usr/bin/env bash
# Takes a cluster of up.sh down, also one whose start was killed half way: processes, mounts,
# cgroups, network namespace and state. Touches nothing that is not this cluster's.
# usage: down.sh [NAME]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=${1:-purr}
[[ $name =~ ^[a-z0-9]{1,12}$ ]] || die "a cluster's name is 1 to 12 of a-z0-9, not '$name'"
state=$cache/clusters/$name
netns=purr-$name

say "stopping cluster $name"
for s in forward-api forward-gateway forward-rpc proxy kubelet sched kcm; do reap "$s"; done

# Everything in a pod runs below this cluster's own cgroup.
pod_processes() { find /sys/fs/cgroup -path "*/purr-$name*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un; }
for _ in 1 2 3; do
  for pid in $(pod_processes); do kill -9 "$pid" 2>/dev/null || true; done
done
# Shims live outside of it; each names this cluster's own socket.
for proc in /proc/[0-9]*; do
  if tr '\0' ' ' <"$proc/cmdline" 2>/dev/null | grep -qF -- "-address $state/containerd.sock"; then
    kill -9 "${proc#/proc/}" 2>/dev/null || true
  fi
done
for s in containerd apiserver etcd; do reap "$s"; done

# Deepest first: pods' volumes and root file systems, then their namespaces.
if [ -d "$state" ]; then
  awk -v p="$state/" 'index($2, p) == 1 {print $2}' /proc/self/mounts | sort -r | while IFS= read -r m; do
    umount -l -- "$m" 2>/dev/null || true
  done
fi
# Pods' network namespaces hang on files that the runtime made for this node's addresses.
if [ -d "$state/cni-ipam" ]; then
  for ns in /run/netns/cni-*; do
    [ -e "$ns" ] || continue
    if nsenter "--net=$ns" ip -4 -o addr show eth0 2>/dev/null | grep -qE "inet ($(find "$state/cni-ipam/net" -name '10.*' -printf '%f|' 2>/dev/null | sed 's/|$//;s/\./\\./g'))/"; then
      ip netns del "$(basename "$ns")" 2>/dev/null || true
    fi
  done
fi
find /sys/fs/cgroup -depth -type d -path "*/purr-$name*" -exec rmdir {} + 2>/dev/null || true
if ip netns list | grep -qw "$netns"; then ip netns del "$netns"; fi
rm -rf -- "$state"
say "cluster $name is gone"
