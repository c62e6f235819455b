# A real API server with its etcd on loopback, for scripts that need no node; sourced, never run. What sources this has
# sourced cluster/lib.sh. Both end with the script.
# shellcheck shell=bash

# shellcheck disable=SC2154  # cluster/lib.sh
bin=$cache/cluster/bin
for program in etcd kube-apiserver kubectl; do
  [ -x "$bin/$program" ] || die "$bin/$program is missing: tests/cluster/build.sh"
done
work=$(mktemp -d)
pids=()
finish() {
  local pid
  # Nothing of theirs is kept, and an API server without its etcd waits for ever.
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf -- "$work"
}
trap finish EXIT

up() { # what pid seconds command...: waits until the command succeeds
  local what=$1 pid=$2 end=$((SECONDS + $3))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ] || ! kill -0 "$pid" 2>/dev/null; then
      tail -n 20 "$work/$what.log" >&2
      die "$what does not come up"
    fi
    sleep 0.2
  done
}

read -r client peer secure < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in held))')
"$bin/etcd" --data-dir "$work/etcd" --unsafe-no-fsync --quota-backend-bytes 8589934592 --log-level error \
  --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  --initial-cluster "default=http://127.0.0.1:$peer" >"$work/etcd.log" 2>&1 &
pids+=($!)
up etcd "${pids[0]}" 60 curl -fsS "http://127.0.0.1:$client/health"
openssl ecparam -genkey -name prime256v1 -noout -out "$work/sa.key"
openssl ec -in "$work/sa.key" -pubout -out "$work/sa.pub" 2>/dev/null
token=$(openssl rand -hex 16)
# The controller's, as the chart names its service account.
# shellcheck disable=SC2034  # fleet.sh
controller_token=$(openssl rand -hex 16)
printf '%s,admin,1,system:masters\n%s,system:serviceaccount:purr:purr-controller,2,system:serviceaccounts\n' \
  "$token" "$controller_token" >"$work/tokens"
"$bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$client" --bind-address=127.0.0.1 --secure-port="$secure" \
  --advertise-address=127.0.0.1 --cert-dir="$work/certs" --token-auth-file="$work/tokens" --authorization-mode=RBAC \
  --service-cluster-ip-range=10.96.0.0/16 --disable-admission-plugins=ServiceAccount \
  --enable-admission-plugins=OwnerReferencesPermissionEnforcement --profiling=false \
  --service-account-key-file="$work/sa.pub" --service-account-signing-key-file="$work/sa.key" \
  --service-account-issuer=https://kubernetes.default.svc --endpoint-reconciler-type=none >"$work/apiserver.log" 2>&1 &
pids+=($!)
k() {
  "$bin/kubectl" --server="https://127.0.0.1:$secure" --insecure-skip-tls-verify --token="$token" --kubeconfig=/dev/null "$@"
}
up apiserver "${pids[1]}" 90 k get --raw /readyz
say "API server $("$bin/kube-apiserver" --version | cut -d' ' -f2)"

k apply --server-side -f crds/pokertables.yaml -f crds/pokertablefleets.yaml >/dev/null
k wait --for=condition=Established crd/pokertables.purr.poker crd/pokertablefleets.purr.poker --timeout=30s >/dev/null
