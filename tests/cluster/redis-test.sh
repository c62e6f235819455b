#!/usr/bin/env bash
# Tests the chart's Redis group on a cluster: a writer commits without pause, as a table does, while nodes are killed,
# restarted, taken away all at once and drained; what was acknowledged must be there afterwards.
# usage: redis-test.sh [NAME]     installs the chart as release "redistest" in a namespace of its own, and removes it
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cluster "${1:-}"
eval "$("$here/env.sh" "$name")"
ns=redis-test release=redistest service=$release-redis
k=(kubectl -n "$ns")
passed=0 failed=0

check() { # what command...
  local what=$1 begun=$SECONDS
  shift
  if "$@" >"$scratch/out" 2>&1; then
    passed=$((passed + 1))
    say "ok: $what ($((SECONDS - begun)) s)$(sed -n 's/^note: /, /p' "$scratch/out" | tr -d '\n')"
  else
    failed=$((failed + 1))
    say "FAILED: $what"
    sed 's/^/    /' "$scratch/out"
    "${k[@]}" logs -l app.kubernetes.io/component=redis -c redis --tail=20 --prefix | sed 's/^/    /' || true
  fi
}

scratch=$(mktemp -d)
clean() {
  helm uninstall "$release" -n "$ns" --no-hooks --wait=false >/dev/null 2>&1 || true
  kubectl delete namespace "$ns" --wait=true --timeout=90s >/dev/null 2>&1 || true
  "$here/volumes.sh" "$name" >/dev/null || true
  rm -rf -- "$scratch"
}
trap clean EXIT

# A commit is a growing number, counted as acknowledged when one replica has it. A script writes two keys, as a table's
# does: in the server's log that is a transaction, which is read by other rules than a single command.
writer_pod() {
  cat <<X
apiVersion: v1
kind: Pod
metadata: {name: writer, labels: {app.kubernetes.io/part-of: purr}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: writer
      image: $(cat "$cache/images/redis.ref")
      imagePullPolicy: Never
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: auth, mountPath: /auth}, {name: tls, mountPath: /tls}, {name: acked, mountPath: /acked}]
      command:
        - /bin/bash
        - -c
        - |
          export REDISCLI_AUTH=\$(</auth/table)
          cli() { timeout 3 redis-cli --no-auth-warning --user table --tls --cacert /tls/ca.crt "\$@" 2>/dev/null; }
          script="redis.call('SET', KEYS[2], ARGV[1]) return redis.call('HSET', KEYS[1], 'epoch', 1, 'commit', ARGV[1])"
          n=1 last=\$((\${EPOCHREALTIME/./} / 1000))
          while true; do
            for i in 0 1 2; do
              master=\$(cli -h $service-\$i.$service.$ns.svc.cluster.local -p 26379 sentinel get-master-addr-by-name purr | head -n 1)
              [ -z "\$master" ] || break
            done
            # The same number again after any doubt, as a table does.
            while [ -n "\$master" ] &&
              mapfile -t reply < <(printf 'eval "%s" 2 t:{w}:head t:{w}:snapshot %s\nwait 1 1000\n' "\$script" "\$n" | cli -h "\$master") &&
              [[ \${reply[0]:-} =~ ^[0-9]+\$ && \${reply[1]:-} =~ ^[12]\$ ]]; do
              now=\$((\${EPOCHREALTIME/./} / 1000))
              if [ -f /acked/gap ] && [ "\$((now - last))" -gt "\$(</acked/gap)" ]; then echo "\$((now - last))" >/acked/gap; fi
              last=\$now
              echo "\$n" >/acked/next && mv /acked/next /acked/n
              n=\$((n + 1))
            done
            sleep 0.1
          done
  volumes:
    - {name: auth, secret: {secretName: $release-redis-auth, defaultMode: 0440}}
    - {name: tls, secret: {secretName: $release-redis-tls, defaultMode: 0440}}
    - {name: acked, emptyDir: {}}
X
}
# The longest time without an acknowledgement since the last call.
gap() {
  echo "note: longest pause $("${k[@]}" exec writer -- cat /acked/gap) ms"
  "${k[@]}" exec writer -- bash -c 'echo 0 >/acked/gap'
}
acked() { "${k[@]}" exec writer -- cat /acked/n; }
# A command on the data node of one pod, as its administrator.
on() { # ordinal command...
  local i=$1
  shift
  "${k[@]}" exec "$service-$i" -c redis -- purr-redis-node cli "$@"
}
masters() {
  local i
  for i in 0 1 2; do if [ "$(on "$i" role 2>/dev/null | head -n 1)" = master ]; then echo "$i"; fi; done
}
master() {
  local found
  found=$(masters)
  [[ $found =~ ^[012]$ ]] && echo "$found"
}
# shellcheck disable=SC2016  # the pod's variables
whole() { # one master with two replicas that are in step, and the Sentinels agree
  local m i sentinels
  m=$(master) || return 1
  [ "$(on "$m" info replication | grep -c 'state=online')" -eq 2 ] || return 1
  sentinels=$(for i in 0 1 2; do on "$i" --sentinel sentinel get-master-addr-by-name purr | head -n 1; done | sort | uniq -c)
  [[ $sentinels =~ ^\ *3\ $service-$m\. ]]
}
await_true() { # seconds command...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then echo "not in time: $*"; return 1; fi
    sleep 0.3
  done
}
writing_goes_on() {
  local before
  before=$(acked)
  # shellcheck disable=SC2317
  further() { [ "$(acked)" -gt "$((before + 5))" ]; }
  await_true 60 further
}
nothing_is_lost() { # as of the last acknowledged commit
  local sure stored
  sure=$(acked)
  await_true 90 whole
  stored=$(on "$(master)" hget 't:{w}:head' commit)
  echo "note: acknowledged $sure, stored $stored"
  writing_goes_on && gap
  [ "$stored" -ge "$sure" ] && logs_were_read
}
# Redis goes on after what it could not read, and says so in this line alone.
logs_were_read() {
  local lines
  lines=$("${k[@]}" logs -l app.kubernetes.io/component=redis -c redis --tail=-1 | grep -c 'AOF-loading-client' || true)
  [ "$lines" -eq 0 ] || { echo "$lines lines of their own logs were not read"; return 1; }
}
installs() {
  kubectl create namespace "$ns"
  kubectl label namespace "$ns" pod-security.kubernetes.io/enforce=restricted
  # Only the stores: every other program would wait for its image.
  helm template "$release" "$here/../../helm/purr" -n "$ns" -f "$cache/images/values.yaml" --set anvil.enabled=true --set crds.install=false \
    -s templates/redis/groups.yaml -s templates/bootstrap.yaml | "${k[@]}" apply -f -
  "${k[@]}" wait --for=condition=Complete --timeout=120s job --selector app.kubernetes.io/component=bootstrap
  writer_pod | "${k[@]}" apply -f -
  await_true 90 whole
}
# Another node than this one is a master.
other_master() { # ordinal
  # Not -q: it would end the pipe early, and that counts as a failure here.
  masters | grep -vx "$1" >/dev/null
}
# shellcheck disable=SC2016  # the pod's variables
killed_master_is_replaced() {
  local old
  old=$(master)
  "${k[@]}" exec writer -- bash -c 'echo 0 >/acked/gap'
  # The whole container dies at once, and kubelet starts it again in the same pod.
  "${k[@]}" exec "$service-$old" -c redis -- bash -c 'kill -9 $(cat /proc/1/task/1/children)' || true
  await_true 60 other_master "$old"
}
# Drops all that a pod sends and gets, or lets it pass again; its Sentinel shares its fate.
cut() { # ordinal on|off
  local uid pid
  uid=$("${k[@]}" get pod "$service-$1" -o jsonpath='{.metadata.uid}')
  pid=$(cluster_cgroups | while IFS= read -r root; do find "$root" -path "*$uid*" -name cgroup.procs -exec cat {} + 2>/dev/null || true; done | head -n 1)
  if [ "$2" = on ]; then
    nsenter "--net=/proc/$pid/ns/net" nft -f - <<'X'
table inet cut {
  chain in { type filter hook input priority 0; iifname "eth0" drop; }
  chain out { type filter hook output priority 0; oifname "eth0" drop; }
}
X
  else
    nsenter "--net=/proc/$pid/ns/net" nft delete table inet cut
  fi
}
cut_off_master_is_replaced() {
  local old
  old=$(master)
  cut "$old" on
  await_true 60 other_master "$old" && writing_goes_on
  local result=$?
  cut "$old" off
  return "$result"
}
replaced_replica_comes_back() {
  local m other
  m=$(master)
  other=$(((m + 1) % 3))
  "${k[@]}" delete pod "$service-$other" --grace-period=0 --force
  await_true 90 whole
}
outage_of_all_is_survived() {
  "${k[@]}" delete pod -l app.kubernetes.io/component=redis --grace-period=0 --force
  await_true 120 whole
}
planned_stop_hands_over() {
  local old
  old=$(master)
  "${k[@]}" delete pod "$service-$old" --wait=false
  await_true 30 other_master "$old"
  await_true 90 whole
}
programs_are_confined() {
  "${k[@]}" exec writer -- bash -c "export REDISCLI_AUTH=\$(</auth/table)
    r() { redis-cli --no-auth-warning --user table --tls --cacert /tls/ca.crt -h $service-$(master).$service.$ns.svc.cluster.local \"\$@\" 2>&1; }
    for c in 'config get dir' 'flushall' 'keys t' 'set other 1' 'replicaof no one' 'acl list' 'shutdown nosave'; do
      r \$c | grep -q NOPERM || { echo \"allowed: \$c\"; exit 1; }
    done
    r -p 6379 --user default ping | grep -q -e WRONGPASS -e NOAUTH"
}

check "three data nodes with their Sentinels come up" installs
check "a table's commits are acknowledged" writing_goes_on
check "a program can do no more than its own work" programs_are_confined
check "a killed master is replaced" killed_master_is_replaced
check "nothing acknowledged is lost by that, and writing goes on" nothing_is_lost
check "a replica that lost its pod comes back under its new address" replaced_replica_comes_back
check "a master that is cut off is replaced" cut_off_master_is_replaced
check "nothing acknowledged is lost by that, and writing goes on" nothing_is_lost
check "an outage of all nodes at once is survived" outage_of_all_is_survived
check "nothing acknowledged is lost by that, and writing goes on" nothing_is_lost
check "a planned stop of the master hands over" planned_stop_hands_over
check "nothing acknowledged is lost by that, and writing goes on" nothing_is_lost
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
