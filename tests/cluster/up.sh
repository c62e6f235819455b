#!/usr/bin/env bash
# Brings a Kubernetes up in a network namespace of its own. Run again, it changes nothing.
# usage: up.sh [NAME]     (default: purr). Needs root. Nothing routes out of the namespace.
# PURR_NODES=2 has a second node in a namespace beside it, also where the first one is up already.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cluster "${1:-}"
# shellcheck source=nodes.sh
. "$here/nodes.sh"
locked "cluster-$name"
node_ip=172.30.0.1
nodes=${PURR_NODES:-1}
[[ $nodes =~ ^[12]$ ]] || die "PURR_NODES is 1 or 2, not '$nodes'"
services=(etcd apiserver kcm sched containerd kubelet proxy forward-api forward-gateway forward-rpc)

healthy() {
  local s
  [ -f "$state/ready" ] || return 1
  for s in "${services[@]}"; do alive "$s" || return 1; done
  "${inside[@]}" "$bin/kubectl" --kubeconfig "$state/admin.kubeconfig" get --raw /readyz
}

k=("${inside[@]}" "$bin/kubectl" --kubeconfig "$state/admin.kubeconfig")
# Joins the second node, where there is none yet.
second_node() {
  if alive containerd-2 && alive kubelet-2 && alive proxy-2; then return; fi
  [ ! -d "$state/n2" ] || die "node-2 has ended: take the cluster down first"
  node 2
  node_network
  node_runtime
  node_cgroups
  node_is_ready_for_pods
  node_kubelet
  await 60 kubelet-2 "node-2" "${k[@]}" wait --for=condition=Ready node/node-2 --timeout=2s
  say "node-2 is Ready"
}

if healthy >/dev/null 2>&1; then
  [ "$nodes" -eq 1 ] || second_node
  say "cluster $name is up"
  exit 0
fi
[ "$(id -u)" -eq 0 ] || die "root is needed: a node makes namespaces, mounts and cgroups"
"$here/build.sh"
"$here/images.sh" pause coredns
"$here/down.sh" "$name" >/dev/null
say "starting cluster $name"
mkdir -p "$state"/{pki,log,pids,volumes}
chmod 0700 "$state/pki"

node 1
node_network

# --- certificates --------------------------------------------------------------------------------
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$pki/ca.key" -out "$pki/ca.crt" \
  -days 365 -subj /CN=kubernetes-ca -addext basicConstraints=critical,CA:TRUE \
  -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
certificate apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$node_ip,IP:10.96.0.1"
certificate admin /O=system:masters/CN=admin
certificate kcm /CN=system:kube-controller-manager
certificate sched /CN=system:kube-scheduler
certificate front /CN=front-proxy
openssl ecparam -genkey -name prime256v1 -noout -out "$pki/sa.key"
openssl ec -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null

for u in admin kcm sched; do kubeconfig "$state/$u.kubeconfig" "$u" https://127.0.0.1:6443; done

# --- control plane -------------------------------------------------------------------------------
# etcd does not fsync here: the cluster's life is the state folder's life.
spawn etcd "${inside[@]}" "$bin/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380
spawn apiserver "${inside[@]}" "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address=$node_ip \
  --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
  --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
  --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
  --service-account-issuer=https://kubernetes.default.svc --kubelet-preferred-address-types=InternalIP \
  --requestheader-client-ca-file="$pki/ca.crt" --requestheader-allowed-names=front-proxy \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$pki/front.crt" --proxy-client-key-file="$pki/front.key" --profiling=false

# --- the first node ------------------------------------------------------------------------------
node_runtime
node_cgroups
await 60 apiserver "the API server" "${k[@]}" get --raw /readyz
spawn kcm "${inside[@]}" "$bin/kube-controller-manager" --kubeconfig="$state/kcm.kubeconfig" \
  --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
  --use-service-account-credentials --leader-elect=false --allocate-node-cidrs --cluster-cidr=10.244.0.0/16
spawn sched "${inside[@]}" "$bin/kube-scheduler" --kubeconfig="$state/sched.kubeconfig" --leader-elect=false
say "control plane is up"
node_is_ready_for_pods
node_kubelet

# --- the way in from this machine ----------------------------------------------------------------
# 127.0.0.1 does not reach into the namespace. The kernel chooses the ports unless PURR_PORT_API, _GATEWAY, _RPC do.
listening() { # forwarder -> its port
  local pid
  read -r pid _ <"$state/pids/$1"
  ss -ltnpH "src 127.0.0.1" | grep "pid=$pid," | sed -E 's/.*127\.0\.0\.1:([0-9]+).*/\1/' | grep .
}
forward() { # name target [port]
  # nodelay: small messages would wait 40 ms for each other's acknowledgement.
  spawn "forward-$1" socat "TCP-LISTEN:${3:-0},bind=127.0.0.1,fork,reuseaddr,nodelay" \
    "EXEC:nsenter --net=/run/netns/$netns socat STDIO TCP\:${2/:/\\:}\,nodelay"
  await 10 "forward-$1" "the forwarder of $1" listening "forward-$1"
  listening "forward-$1" >"$state/port-$1"
}
forward api 127.0.0.1:6443 "${PURR_PORT_API:-}"
forward gateway $node_ip:30443 "${PURR_PORT_GATEWAY:-}"
forward rpc $node_ip:30545 "${PURR_PORT_RPC:-}"
kubeconfig "$state/kubeconfig" admin "https://127.0.0.1:$(cat "$state/port-api")"

sed "s|@IMAGE@|$(cat "$cache/images/coredns.ref")|" "$here/coredns.yaml" | "${k[@]}" apply -f - >/dev/null
"$here/volumes.sh" "$name"
await 60 kubelet "the node" "${k[@]}" wait --for=condition=Ready node/node-1 --timeout=2s
say "node-1 is Ready"
await 60 kubelet "CoreDNS" "${k[@]}" -n kube-system wait --for=condition=Available deployment/coredns --timeout=2s
[ "$nodes" -eq 1 ] || second_node
touch "$state/ready"
say "cluster $name is up: KUBECONFIG=$state/kubeconfig"
