#!/usr/bin/env bash
# Brings a one-node Kubernetes up in a network namespace of its own. Run again, it changes nothing.
# usage: up.sh [NAME]     (default: purr). Needs root. Nothing routes out of the namespace.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

cluster "${1:-}"
locked "cluster-$name"
node_ip=172.30.0.1
services=(etcd apiserver kcm sched containerd kubelet proxy forward-api forward-gateway forward-rpc)

healthy() {
  local s
  [ -f "$state/ready" ] || return 1
  for s in "${services[@]}"; do alive "$s" || return 1; done
  "${inside[@]}" "$bin/kubectl" --kubeconfig "$state/admin.kubeconfig" get --raw /readyz
}

if healthy >/dev/null 2>&1; then
  say "cluster $name is up"
  exit 0
fi
[ "$(id -u)" -eq 0 ] || die "root is needed: a node makes namespaces, mounts and cgroups"
"$here/build.sh"
"$here/images.sh" pause coredns
"$here/down.sh" "$name" >/dev/null
say "starting cluster $name"
mkdir -p "$state"/{pki,log,pids,cni,volumes}
chmod 0700 "$state/pki"

# --- network -------------------------------------------------------------------------------------
# A veth pair with both ends inside carries the node's address: kernels for small machines lack the dummy device.
ip netns add "$netns"
"${inside[@]}" ip link set lo up
ip link add node0 netns "$netns" type veth peer name node0p netns "$netns"
"${inside[@]}" ip link set node0p up
"${inside[@]}" ip addr add $node_ip/24 dev node0
"${inside[@]}" ip link set node0 up
"${inside[@]}" ip route add default via 172.30.0.254 dev node0
"${inside[@]}" sysctl -qw net.ipv4.ip_forward=1

# --- certificates --------------------------------------------------------------------------------
pki=$state/pki
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$pki/ca.key" -out "$pki/ca.crt" \
  -days 365 -subj /CN=kubernetes-ca -addext basicConstraints=critical,CA:TRUE \
  -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
certificate() { # name subject names
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$pki/$1.key" -out "$pki/$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 365 -out "$pki/$1.crt" \
    -extfile <(printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "${3:-DNS:localhost}") 2>/dev/null
}
certificate apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$node_ip,IP:10.96.0.1"
certificate admin /O=system:masters/CN=admin
certificate kubelet /O=system:nodes/CN=system:node:node-1 "DNS:node-1,IP:$node_ip"
certificate kcm /CN=system:kube-controller-manager
certificate sched /CN=system:kube-scheduler
certificate proxy /CN=system:kube-proxy
certificate front /CN=front-proxy
openssl ecparam -genkey -name prime256v1 -noout -out "$pki/sa.key"
openssl ec -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null

kubeconfig() { # file user server
  cat >"$1" <<X
apiVersion: v1
kind: Config
current-context: purr
clusters: [{name: purr, cluster: {server: "$3", certificate-authority-data: $(base64 -w0 <"$pki/ca.crt")}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 <"$pki/$2.crt"), client-key-data: $(base64 -w0 <"$pki/$2.key")}}]
contexts: [{name: purr, context: {cluster: purr, user: u}}]
X
  chmod 0600 "$1"
}
for u in admin kubelet kcm sched proxy; do kubeconfig "$state/$u.kubeconfig" "$u" https://127.0.0.1:6443; done

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

# --- node ----------------------------------------------------------------------------------------
# Point to point and not a bridge: on a bridge the answer of a service's pod would go straight to the asker and past
# the address translation, unless the module br_netfilter is loaded.
cat >"$state/cni/10-net.conflist" <<X
{"cniVersion":"1.0.0","name":"net","plugins":[
 {"type":"ptp","ipMasq":false,
  "ipam":{"type":"host-local","dataDir":"$state/cni-ipam","ranges":[[{"subnet":"10.244.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}
X
# netns_mounts_under_state_dir: so that down knows which cluster a pod's network belongs to.
# restrict_oom_score_adj: without CAP_SYS_RESOURCE no process may lower its own score, and every sandbox would fail.
cat >"$state/containerd.toml" <<X
version = 3
root = "$state/containerd"
state = "$state/run"
[grpc]
address = "$state/containerd.sock"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["$bin"]
conf_dir = "$state/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "$bin/runc"
Root = "$state/run-runc"
[plugins.'io.containerd.internal.v1.opt']
path = "$state/opt"
[plugins.'io.containerd.nri.v1.nri']
disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "$(cat "$cache/images/pause.ref")"
X
PATH=$bin:$PATH spawn containerd "${inside[@]}" "$bin/containerd" -c "$state/containerd.toml"

# A cgroup root of its own: two kubelets on one root delete each other's pods.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  for controller in cpuset cpu io memory pids; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
  done
fi
cluster_cgroups | while IFS= read -r root; do
  mkdir -p "$root"
  # In version 1 an empty cpuset admits no process.
  if [ -f "$root/../cpuset.mems" ] && [ -f "$root/../tasks" ]; then
    cat "$root/../cpuset.cpus" >"$root/cpuset.cpus"
    cat "$root/../cpuset.mems" >"$root/cpuset.mems"
  fi
done
# Images are imported and cannot be pulled again: none goes for want of disk, only what a day has not used.
# podLogsDir: a kubelet removes the logs of pods that it does not know from the shared folder, and so another cluster's.
cat >"$state/kubelet.yaml" <<X
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$netns
failSwapOn: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet.crt
tlsPrivateKeyFile: $pki/kubelet.key
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: ""
containerRuntimeEndpoint: unix://$state/containerd.sock
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
imageMaximumGCAge: 24h
podLogsDir: $state/pod-logs
volumePluginDir: $state/volume-plugins
maxPods: 250
syncFrequency: 10s
configMapAndSecretChangeDetectionStrategy: Watch
X
cat >"$state/proxy.yaml" <<X
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $state/proxy.kubeconfig}
hostnameOverride: node-1
clusterCIDR: 10.244.0.0/16
conntrack: {maxPerCore: 0}
X

k=("${inside[@]}" "$bin/kubectl" --kubeconfig "$state/admin.kubeconfig")
await 60 apiserver "the API server" "${k[@]}" get --raw /readyz
spawn kcm "${inside[@]}" "$bin/kube-controller-manager" --kubeconfig="$state/kcm.kubeconfig" \
  --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
  --use-service-account-credentials --leader-elect=false --allocate-node-cidrs --cluster-cidr=10.244.0.0/16
spawn sched "${inside[@]}" "$bin/kube-scheduler" --kubeconfig="$state/sched.kubeconfig" --leader-elect=false
say "control plane is up"
await 30 containerd "containerd" "$bin/ctr" --address "$state/containerd.sock" version
"$here/images.sh" --load "$name" pause coredns >/dev/null
spawn kubelet "${inside[@]}" "$bin/kubelet" --kubeconfig="$state/kubelet.kubeconfig" --config="$state/kubelet.yaml" \
  --hostname-override=node-1 --node-ip=$node_ip --root-dir="$state/kubelet"
spawn proxy "${inside[@]}" "$bin/kube-proxy" --config="$state/proxy.yaml"

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
touch "$state/ready"
say "cluster $name is up: KUBECONFIG=$state/kubeconfig"
