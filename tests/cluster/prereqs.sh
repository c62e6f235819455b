#!/usr/bin/env bash
# Installs the Debian packages that the cluster, the images and the tests need, where they are missing.
# Takes well under a second when all are there.
set -euo pipefail

packages=(
  iproute2 nftables conntrack socat util-linux procps   # the node's network namespace and its forwarders
  libseccomp-dev pkg-config gcc g++                      # runc is the one Go program with cgo
  buildah mmdebstrap                                     # images without Docker
  jq openssl curl ca-certificates
  redis-server redis-sentinel postgresql-15 softhsm2     # real parts for tests beside the cluster
  shellcheck
  chromium                                               # the page's test
  prometheus                                             # promtool: the alerts' tests
)

# The lints' wheel is fetched with pip; any Python that has it will do.
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3 python3-pip)

# Environments of pinned packages; Debian ships this part of Python apart.
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || packages+=(python3-venv)

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "prereqs: missing: ${missing[*]} (needs root on Debian 12 to install them)" >&2
  exit 1
fi

# Packages must not start their services: tests start their own, on ports of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 0755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
echo "prereqs: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
