#!/usr/bin/env bash
# Offers the node's local volumes: makes them where there are none, and empties those whose claim is gone.
# There is no provisioner here, so a chart that is installed anew needs its old volumes back, empty.
# usage: volumes.sh [NAME]
# With PURR_VOLUME_MIB each new volume is a file system of that size in a file, so that it can be full while the
# machine's disk is not (pod.sh fill).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cluster "${1:-}"
locked "cluster-$name"
volumes=16
k=("${inside[@]}" "$bin/kubectl" --kubeconfig "$state/admin.kubeconfig")

# Each volume's name and phase; Released says that its claim is gone.
list() { "${k[@]}" get pv -o jsonpath='{range .items[*]}{.metadata.name} {.status.phase}{"\n"}{end}'; }

manifests() { # names of the volumes to make
  cat <<X
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
X
  local pv
  for pv in "$@"; do
    cat <<X
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: $pv}
spec:
  capacity: {storage: 4Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
  local: {path: $state/volumes/$pv}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]
X
  done
}

listed=$(list)
mapfile -t released < <(awk '$2 == "Released" || $2 == "Failed" {print $1}' <<<"$listed")
if [ "${#released[@]}" -gt 0 ]; then
  "${k[@]}" delete pv "${released[@]}" --timeout=60s >/dev/null
  for pv in "${released[@]}"; do
    if mountpoint -q "$state/volumes/$pv"; then umount "$state/volumes/$pv"; fi
    rm -rf --one-file-system -- "$state/volumes/$pv" "$state/volumes/$pv.ext4"
  done
fi
listed=$(list)
mapfile -t present < <(awk '{print $1}' <<<"$listed")
missing=()
for ((i = 1; i <= volumes; i++)); do
  [[ " ${present[*]} " == *" local-$i "* ]] || missing+=("local-$i")
  folder=$state/volumes/local-$i
  mkdir -p "$folder"
  if [ -n "${PURR_VOLUME_MIB:-}" ] && ! mountpoint -q "$folder" && [ -z "$(find "$folder" -mindepth 1 -print -quit)" ]; then
    truncate -s "${PURR_VOLUME_MIB}M" "$folder.ext4"
    mkfs.ext4 -q -m 0 "$folder.ext4"
    mount -o loop "$folder.ext4" "$folder"
    # A program that owns its whole volume does not expect anything there.
    rmdir "$folder/lost+found"
  fi
done
manifests "${missing[@]}" | "${k[@]}" apply -f - >/dev/null
say "volumes: ${#missing[@]} made, ${#released[@]} of them anew, of $volumes"
