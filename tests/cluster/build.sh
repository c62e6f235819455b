#!/usr/bin/env bash
# Builds every program of the test cluster from its pinned Go modules into the cache, once per content.
# usage: build.sh        prints the folder of the binaries on the last line
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

export CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false -mod=readonly' GOTOOLCHAIN=local
goversion=$(go env GOVERSION)
out=$cache/cluster

# name  packages  ldflags; the version stamps are what `kubectl version` and `helm` report.
components() {
  local kube='k8s.io/component-base/version'
  local k8s=k8s.io/kubernetes/cmd
  printf '%s|%s|%s\n' \
    kubernetes "$k8s/kube-apiserver $k8s/kube-controller-manager $k8s/kube-scheduler $k8s/kubelet $k8s/kube-proxy $k8s/kubectl" \
    "-X $kube.gitVersion=v1.36.3 -X $kube.gitMajor=1 -X $kube.gitMinor=36 -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3" \
    etcd 'go.etcd.io/etcd/server/v3' '' \
    containerd 'github.com/containerd/containerd/v2/cmd/containerd github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 github.com/containerd/containerd/v2/cmd/ctr' \
    '-X github.com/containerd/containerd/v2/version.Version=v2.4.2' \
    cni 'github.com/containernetworking/plugins/plugins/main/bridge github.com/containernetworking/plugins/plugins/ipam/host-local github.com/containernetworking/plugins/plugins/main/loopback github.com/containernetworking/plugins/plugins/meta/portmap' '' \
    runc 'github.com/opencontainers/runc' '-X main.version=1.5.2' \
    helm 'helm.sh/helm/v4/cmd/helm' '-X helm.sh/helm/v4/internal/version.version=v4.3.1' \
    coredns '.' '' \
    pause '.' ''
}

build() { # name packages ldflags
  local name=$1 packages=$2 ldflags=$3 key dir tmp
  key=$({ cat "$here/$name/go.mod" "$here/$name"/go.sum "$here/$name"/*.go 2>/dev/null || true; echo "$packages $ldflags $goversion"; } | hash_of)
  dir=$out/$name/$key
  if [ -d "$dir" ]; then
    touch "$dir"
  else
    say "building $name"
    mkdir -p "$out/$name"
    tmp=$(mktemp -d "$out/$name/.tmp.XXXXXX")
    if [ "$name" = runc ]; then
      # runc needs cgo (its nsenter is C) and seccomp, without which restricted pods cannot start.
      # shellcheck disable=SC2086  # a list of packages
      (cd "$here/$name" && CGO_ENABLED=1 go build -tags 'seccomp netgo osusergo' -ldflags "-s -w $ldflags" -o "$tmp/" $packages)
    else
      # shellcheck disable=SC2086
      (cd "$here/$name" && go build -ldflags "-s -w $ldflags" -o "$tmp/" $packages)
    fi
    case $name in etcd) mv "$tmp/v3" "$tmp/etcd" 2>/dev/null || mv "$tmp/server" "$tmp/etcd" ;; esac
    mv "$tmp" "$dir"
    say "built $name"
  fi
  keep_two "$out/$name"
  ln -sfn "$dir"/* "$out/bin/"
}

command -v go >/dev/null || die "go is missing: the cluster is built from Go modules (Go 1.26)"
mkdir -p "$out/bin"
components | while IFS='|' read -r name packages ldflags; do build "$name" "$packages" "$ldflags"; done
say "cluster programs are ready"
echo "$out/bin"
