#!/usr/bin/env bash
# Tests the cluster's scripts on a cluster of its own: what a pod can do, that nothing stays behind, and that a start
# which was killed half way is healed by the next one.
# usage: selftest.sh
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cluster selftest
passed=0 failed=0

check() { # what command...
  local what=$1
  shift
  if "$@" >"$scratch/out" 2>&1; then
    passed=$((passed + 1))
    say "ok: $what"
  else
    failed=$((failed + 1))
    say "FAILED: $what"
    sed 's/^/    /' "$scratch/out"
  fi
}

scratch=$(mktemp -d)
trap '"$here/down.sh" selftest >/dev/null || true; rm -rf -- "$scratch"' EXIT

nothing_is_left() {
  local left=0
  if [ -e "$state" ] || [ -e "/run/netns/$netns" ] || [ -e "/run/netns/$netns-2" ]; then echo "state or network namespace" && left=1; fi
  if grep -F " $state/" /proc/self/mounts; then left=1; fi
  if find /sys/fs/cgroup -type d -name "$netns*" | grep .; then left=1; fi
  # The pattern comes from a file, or grep would find its own command line.
  printf '%s' "$state/" >"$scratch/pattern"
  if grep -lzFf "$scratch/pattern" /proc/[0-9]*/cmdline 2>/dev/null; then left=1; fi
  # Other clusters share these folders: only what is newer than the start of the test can be ours.
  if grep -rlF "$state/" /var/lib/cni; then left=1; fi
  if find /var/log/containers -lname "$state/*" | grep .; then left=1; fi
  if find /run/netns /run/containerd /run/nri /var/log/pods -mindepth 1 -newer "$scratch/start" 2>/dev/null | grep -v '^/run/netns/purr-\|^/run/containerd/s$' | grep .; then left=1; fi
  return "$left"
}

k=(kubectl --kubeconfig "$state/kubeconfig")
up() { "$here/up.sh" selftest; }
up_changes_nothing_when_up() {
  local before
  before=$(cat "$state"/pids/*)
  up && [ "$before" = "$(cat "$state"/pids/*)" ]
}
versions_are_stamped() {
  "${k[@]}" version -o json | jq -e '.serverVersion.gitVersion == "v1.36.3" and .clientVersion.gitVersion == "v1.36.3"' &&
    helm version --template '{{.Version}}' | grep -qx v4.3.1
}
pod_runs() {
  "${k[@]}" apply -f - <<X
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: store}
spec:
  selector: {app: store}
  ports: [{port: 6379}]
---
apiVersion: v1
kind: Pod
metadata: {name: store, labels: {app: store}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: store
      image: $(cat "$cache/images/redis.ref")
      imagePullPolicy: Never
      command: [redis-server, --dir, /data, --appendonly, "yes", --protected-mode, "no"]
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {memory: 64Mi}}
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
X
  "${k[@]}" wait pod/store --for=condition=Ready --timeout=60s
}
in_pod() { "${k[@]}" exec store -- "$@"; }
# kube-proxy programs a service a moment after its pod is ready.
soon() { # command...
  local try
  for ((try = 0; try < 50; try++)); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}
restricted_is_enforced() {
  "${k[@]}" create namespace strict
  "${k[@]}" label namespace strict pod-security.kubernetes.io/enforce=restricted
  ! "${k[@]}" -n strict run bad --image=x 2>"$scratch/refused" && grep -q 'violates PodSecurity "restricted' "$scratch/refused"
}
second_node_joins() {
  PURR_NODES=2 up && "$here/images.sh" --load selftest redis && [ "$("${k[@]}" get nodes --no-headers | grep -c ' Ready ')" -eq 2 ]
}
pod_runs_on_second_node() {
  "${k[@]}" run far --image="$(cat "$cache/images/redis.ref")" --image-pull-policy=Never --command \
    --overrides='{"spec": {"nodeSelector": {"kubernetes.io/hostname": "node-2"}, "terminationGracePeriodSeconds": 1}}' -- sleep 300
  "${k[@]}" wait pod/far --for=condition=Ready --timeout=60s
  soon "${k[@]}" exec far -- timeout 5 redis-cli -h store.default.svc.cluster.local ping
}
second_node_is_drained() {
  "${k[@]}" drain node-2 --force --timeout=60s
  ! "${k[@]}" get pod far 2>/dev/null && [ "$("${k[@]}" get nodes --no-headers | grep -c SchedulingDisabled)" -eq 1 ]
}
claim_is_emptied_for_the_next() {
  in_pod redis-cli set key value && in_pod test -d /data/appendonlydir
  "${k[@]}" delete pod/store pvc/data --grace-period=1
  "$here/volumes.sh" selftest
  "${k[@]}" get pv --no-headers | awk '$5 != "Available" {bad = 1} END {exit bad || NR != 16}'
  ! find "$state/volumes" -mindepth 2 | grep .
}
no_shell_in() { # image
  local archive
  archive=$cache/images/$(sed 's|.*/||; s|:|-|' "$cache/images/$1.ref").oci
  mkdir -p "$scratch/image" && tar -xf "$archive" -C "$scratch/image"
  # The one layer is the largest blob.
  find "$scratch/image/blobs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2- | xargs tar -tf >"$scratch/files"
  rm -rf -- "$scratch/image"
  grep -q "usr/local/bin/$1\$" "$scratch/files" && ! grep -E '(^|/)(sh|bash|dash|perl|busybox)$' "$scratch/files"
}
killed_start_is_healed() {
  local launcher
  setsid "$here/up.sh" selftest >"$scratch/killed" 2>&1 &
  launcher=$!
  # In the middle: the node's programs run, and the start has not yet recorded its success.
  until [ -f "$state/pids/kubelet" ] || ! kill -0 "$launcher" 2>/dev/null; do sleep 0.05; done
  kill -9 -- "-$launcher"
  wait "$launcher" 2>/dev/null || true
  rm -f "$state/pids/etcd" "$state/pids/forward-api"
  up
}

export PATH=$bin:$PATH
"$here/build.sh"
"$here/images.sh" redis anvil >/dev/null
"$here/down.sh" selftest >/dev/null
touch "$scratch/start"
check "a cluster comes up" up
"$here/images.sh" --load selftest redis >/dev/null
check "up changes nothing when the cluster is up" up_changes_nothing_when_up
check "the programs report their pinned versions" versions_are_stamped
check "a restricted pod with a volume runs" pod_runs
check "exec works, and a pod finds a service by its name" soon in_pod redis-cli -h store.default.svc.cluster.local ping
check "a pod reaches itself through its service" in_pod timeout 5 redis-cli -h store ping
check "a pod reaches the API server through its service" in_pod timeout 5 bash -c 'exec 3<>/dev/tcp/kubernetes.default/443'
check "logs work" bash -c "kubectl --kubeconfig '$state/kubeconfig' logs store | grep -q 'Ready to accept connections'"
check "Pod Security is enforced" restricted_is_enforced
check "a second node joins" second_node_joins
check "a pod on it runs, and finds a service whose pod is on the first" pod_runs_on_second_node
check "it is drained" second_node_is_drained
check "a volume whose claim is gone is offered anew and empty" claim_is_emptied_for_the_next
check "an image of one program holds no shell" no_shell_in anvil
check "down" "$here/down.sh" selftest
check "nothing is left after down" nothing_is_left
check "a start that was killed half way is healed by the next" killed_start_is_healed
check "down after that" "$here/down.sh" selftest
check "nothing is left after that" nothing_is_left
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
