#!/usr/bin/env bash
# Offers the node's local volumes: makes them where there are none, and empties those whose claim is gone.
# There is no provisioner here, so a chart that is installed anew needs its old volumes back, empty.
# usage: volumes.sh [NAME]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=${1:-purr}
state=$cache/clusters/$name
k=(nsenter "--net=/run/netns/purr-$name" "$cache/cluster/bin/kubectl" --kubeconfig "$state/admin.kubeconfig")

"${k[@]}" apply -f - <<X
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
X
released=$("${k[@]}" get pv -o jsonpath='{range .items[?(@.status.phase=="Released")]}{.metadata.name}{"\n"}{end}')
for pv in $released; do
  "${k[@]}" delete pv "$pv"
  rm -rf -- "$state/volumes/$pv"
done
for i in $(seq 16); do
  pv=local-$i
  mkdir -p "$state/volumes/$pv"
  "${k[@]}" get pv "$pv" >/dev/null 2>&1 && continue
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
done | { grep -v '^$' || true; } | "${k[@]}" apply -f - 2>/dev/null || true
