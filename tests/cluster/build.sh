#!/usr/bin/env bash
# Builds every program of the test cluster from its pinned Go modules into the cache, once per content.
# usage: build.sh [kwok]    the programs are then in $PURR_CACHE/cluster/bin; kwok, for tests/scale.sh alone, on request
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v go >/dev/null || die "go is missing: the cluster is built from Go modules (Go 1.26)"
export CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false -mod=readonly' GOTOOLCHAIN=local
toolchain=$(go env GOVERSION GOARCH | tr '\n' ' ')
out=$cache/cluster

# name  packages  ldflags; the version stamps are what `kubectl version` and `helm` report, and what charts check.
components() {
  local kube=k8s.io/component-base/version
  local k8s=k8s.io/kubernetes/cmd
  local containerd=github.com/containerd/containerd/v2
  local cni=github.com/containernetworking/plugins/plugins
  printf '%s|%s|%s\n' \
    kubernetes "$k8s/kube-apiserver $k8s/kube-controller-manager $k8s/kube-scheduler $k8s/kubelet $k8s/kube-proxy $k8s/kubectl" \
    "-X $kube.gitVersion=v1.36.3 -X $kube.gitMajor=1 -X $kube.gitMinor=36 -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3" \
    etcd go.etcd.io/etcd/server/v3 '' \
    containerd "$containerd/cmd/containerd $containerd/cmd/containerd-shim-runc-v2 $containerd/cmd/ctr" "-X $containerd/version.Version=v2.4.2" \
    cni "$cni/main/ptp $cni/ipam/host-local $cni/main/loopback" '' \
    runc github.com/opencontainers/runc '-X main.version=1.5.2' \
    helm helm.sh/helm/v4/cmd/helm '-X helm.sh/helm/v4/internal/version.version=v4.3.1' \
    coredns . '' \
    pause . ''
}

# For scale runs: nodes and pods that nobody runs.
kwok=('kwok' 'sigs.k8s.io/kwok/cmd/kwok' '')

build() { # name packages ldflags
  local name=$1 packages=$2 ldflags=$3 key dir tmp tags='' cgo=0
  # runc needs cgo (its nsenter is C) and seccomp, without which restricted pods cannot start.
  if [ "$name" = runc ]; then tags='seccomp netgo osusergo' cgo=1; fi
  key=$({
    cat "$here/$name/go.mod"
    find "$here/$name" -maxdepth 1 \( -name go.sum -o -name '*.go' \) -print0 | sort -z | xargs -0r cat
    echo "$packages $ldflags $tags $toolchain"
  } | hash_of)
  dir=$out/$name/$key
  mkdir -p "$out/$name"
  if [ -d "$dir" ]; then
    touch "$dir"
  else
    say "building $name"
    tmp=$(mktemp -d "$out/$name/.tmp.XXXXXX")
    # shellcheck disable=SC2086  # a list of packages
    (cd "$here/$name" && CGO_ENABLED=$cgo go build -tags "$tags" -ldflags "-s -w $ldflags" -o "$tmp/" $packages)
    # etcd's package path ends in its major version, and so would its program.
    if [ "$name" = etcd ]; then find "$tmp" -type f -exec mv {} "$tmp/etcd" \; ; fi
    mv -T "$tmp" "$dir"
    say "built $name"
  fi
  keep_two "$out/$name"
  ln -sfn "$dir"/* "$out/bin/"
}

locked build
mkdir -p "$out/bin"
if [ "${1:-}" = kwok ]; then
  build "${kwok[@]}"
  exit
fi
components | while IFS='|' read -r name packages ldflags; do build "$name" "$packages" "$ldflags"; done
