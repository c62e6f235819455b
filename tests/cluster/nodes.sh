# What makes a node: its network, its runtime, its kubelet and its kube-proxy. Sourced by up.sh, never run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # set by lib.sh

pki=$state/pki

certificate() { # name subject names
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$pki/$1.key" -out "$pki/$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 365 -out "$pki/$1.crt" \
    -extfile <(printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "${3:-DNS:localhost}") 2>/dev/null
}

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

# Names a node's parts: n, home (its folder), at (the prefix of a command in its network), ip, pods (their addresses),
# own (the suffix of its programs' names), network (also the name of its cgroup).
node() { # number
  n=$1
  pods=10.244.$((n - 1)).0/24
  ip=172.30.0.$n
  if [ "$n" -eq 1 ]; then
    home=$state own='' network=$netns server=https://127.0.0.1:6443
  else
    home=$state/n$n own=-$n network=$netns-$n server=https://172.30.0.1:6443
  fi
  at=(nsenter "--net=/run/netns/$network")
}

# A network of its own. Nothing routes out of it but to the cluster's other nodes.
node_network() {
  ip netns add "$network"
  "${at[@]}" ip link set lo up
  if [ "$n" -eq 1 ]; then
    # A veth pair with both ends inside carries the node's address: kernels for small machines lack the dummy device.
    ip link add node0 netns "$network" type veth peer name node0p netns "$network"
    "${at[@]}" ip link set node0p up
    "${at[@]}" ip addr add "$ip/24" dev node0
    "${at[@]}" ip link set node0 up
    "${at[@]}" ip route add default via 172.30.0.254 dev node0
  else
    # Routed, point to point with the first one.
    ip link add "node$n" netns "$netns" type veth peer name node0 netns "$network"
    "${inside[@]}" ip link set "node$n" up
    "${inside[@]}" ip route add "$ip/32" dev "node$n"
    "${inside[@]}" ip route add "$pods" via "$ip" dev "node$n" onlink
    "${at[@]}" ip addr add "$ip/32" dev node0
    "${at[@]}" ip link set node0 up
    "${at[@]}" ip route add 172.30.0.1/32 dev node0
    "${at[@]}" ip route add default via 172.30.0.1 dev node0 onlink
  fi
  "${at[@]}" sysctl -qw net.ipv4.ip_forward=1
}

node_runtime() {
  mkdir -p "$home/cni"
  # Point to point and not a bridge: on a bridge the answer of a service's pod would go straight to the asker and past
  # the address translation, unless the module br_netfilter is loaded.
  cat >"$home/cni/10-net.conflist" <<X
{"cniVersion":"1.0.0","name":"net","plugins":[
 {"type":"ptp","ipMasq":false,
  "ipam":{"type":"host-local","dataDir":"$home/cni-ipam","ranges":[[{"subnet":"$pods"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}
X
  # netns_mounts_under_state_dir: so that down knows which cluster a pod's network belongs to.
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE no process may lower its own score, and every sandbox would fail.
  cat >"$home/containerd.toml" <<X
version = 3
root = "$home/containerd"
state = "$home/run"
[grpc]
address = "$home/containerd.sock"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["$bin"]
conf_dir = "$home/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "$bin/runc"
Root = "$home/run-runc"
[plugins.'io.containerd.internal.v1.opt']
path = "$home/opt"
[plugins.'io.containerd.nri.v1.nri']
disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "$(cat "$cache/images/pause.ref")"
X
  PATH=$bin:$PATH spawn "containerd$own" "${at[@]}" "$bin/containerd" -c "$home/containerd.toml"
}

# A cgroup root of its own: two kubelets on one root delete each other's pods.
node_cgroups() {
  local controller root
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    for controller in cpuset cpu io memory pids; do
      echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    done
  fi
  cluster_cgroups | while IFS= read -r root; do
    [ "${root##*/}" = "$network" ] || continue
    mkdir -p "$root"
    # In version 1 an empty cpuset admits no process.
    if [ -f "$root/../cpuset.mems" ] && [ -f "$root/../tasks" ]; then
      cat "$root/../cpuset.cpus" >"$root/cpuset.cpus"
      cat "$root/../cpuset.mems" >"$root/cpuset.mems"
    fi
  done
}

node_kubelet() {
  certificate "kubelet$own" "/O=system:nodes/CN=system:node:node-$n" "DNS:node-$n,IP:$ip"
  [ -f "$pki/proxy.crt" ] || certificate proxy /CN=system:kube-proxy
  kubeconfig "$home/kubelet.kubeconfig" "kubelet$own" "$server"
  kubeconfig "$home/proxy.kubeconfig" proxy "$server"
  # Images are imported and cannot be pulled again: none goes for want of disk, only what a day has not used.
  # podLogsDir: a kubelet removes the logs of pods that it does not know from the shared folder, and so another cluster's.
  cat >"$home/kubelet.yaml" <<X
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$network
failSwapOn: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet$own.crt
tlsPrivateKeyFile: $pki/kubelet$own.key
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: ""
containerRuntimeEndpoint: unix://$home/containerd.sock
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
imageMaximumGCAge: 24h
podLogsDir: $home/pod-logs
volumePluginDir: $home/volume-plugins
maxPods: 250
syncFrequency: 10s
configMapAndSecretChangeDetectionStrategy: Watch
X
  cat >"$home/proxy.yaml" <<X
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $home/proxy.kubeconfig}
hostnameOverride: node-$n
clusterCIDR: 10.244.0.0/16
conntrack: {maxPerCore: 0}
X
  spawn "kubelet$own" "${at[@]}" "$bin/kubelet" --kubeconfig="$home/kubelet.kubeconfig" --config="$home/kubelet.yaml" \
    --hostname-override="node-$n" --node-ip="$ip" --root-dir="$home/kubelet"
  spawn "proxy$own" "${at[@]}" "$bin/kube-proxy" --config="$home/proxy.yaml"
}

# The node's runtime answers and has what every pod needs.
node_is_ready_for_pods() {
  await 30 "containerd$own" "containerd" "$bin/ctr" --address "$home/containerd.sock" version
  "$here/images.sh" --load "$name" pause coredns >/dev/null
}
