#!/usr/bin/env bash
# The Solidity project: compiler from npm, build, committed artifacts, tests.
# usage: build.sh            build and write abi/
#        build.sh --check    build and fail where abi/, gas.txt or gas.md is out of date
#        build.sh --test     build, then run every test, the invariants short
#        build.sh --invariants  build, then run the invariants long
#        build.sh --gas      measure and write gas.txt and its plot, gas.md
#        build.sh --bin NAME print the path of anvil, cast or forge
set -euo pipefail

cd "$(dirname "$0")"
cache=${PURR_CACHE:-$HOME/.cache/purr}/npm/contracts
mode=${1:-}

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

command -v node >/dev/null || die "node is missing: the compiler runs on it (Node 20)"
command -v npm >/dev/null || die "npm is missing: compiler, forge and library come from it"

# Installed once for each lock file, shared by every checkout.
key=$(cat package.json package-lock.json .npmrc | sha256sum | cut -c1-16)
dir=$cache/$key
if [ ! -d "$dir" ]; then
  mkdir -p "$cache"
  tmp=$(mktemp -d "$cache/.tmp.XXXXXX")
  cp package.json package-lock.json .npmrc "$tmp/"
  (cd "$tmp" && npm ci --silent --no-progress >&2) || die "npm ci failed"
  # Another build may have been first; theirs is as good.
  mv -T "$tmp" "$dir" 2>/dev/null || rm -rf -- "$tmp"
fi
touch "$dir"
find "$cache" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- |
  while IFS= read -r old; do rm -rf -- "$old"; done
if [ "$(readlink node_modules 2>/dev/null)" != "$dir/node_modules" ]; then
  if [ -e node_modules ] && [ ! -L node_modules ]; then
    die "node_modules is a folder of your own: remove it, the build links its cache there"
  fi
  ln -sfn "$dir/node_modules" node_modules
fi

forge=node_modules/@foundry-rs/forge-linux-amd64/bin/forge

gas() { # what forge measured, one line each, without forge's own words
  "$forge" test --isolate --match-contract GasTest -vv | sed -n 's/^  *\(gas: .*\)$/\1/p'
}

plot() { # gas.txt on standard input: a Mermaid chart, which most viewers of Markdown draw
  awk -F ': ' '/plotted/ {
    split($2, words, " "); x = x sep words[6]; y = y sep $3; sep = ", "
    if ($3 + 0 > top) top = $3 + 0
  }
  END {
    print "# Gas a hand, by hands netted into one item\n"
    print "Six seats, slots already non-zero, gasUsed of the whole transaction with 21,000 and calldata, divided by the hands."
    print "Written by `build.sh --gas` out of `gas.txt`.\n\n```mermaid\nxychart-beta"
    print "  x-axis \"hands netted\" [" x "]"
    print "  y-axis \"gas a hand\" 0 --> " top
    print "  bar [" y "]\n```"
  }'
}

case $mode in
  --bin)
    name=${2:-}
    bin=$PWD/node_modules/@foundry-rs/$name-linux-amd64/bin/$name
    [ -x "$bin" ] || die "no program '$name': want anvil, cast or forge"
    echo "$bin"
    ;;
  --test)
    "$forge" build --quiet
    "$forge" test
    # Each call a transaction of its own, whose storage is cold: what gas really does.
    "$forge" test --isolate --match-contract BoundsTest
    ;;
  --invariants)
    "$forge" build --quiet
    # 256 x 500 = 128,000 calls.
    FOUNDRY_INVARIANT_RUNS=256 "$forge" test --match-contract VaultInvariantTest
    ;;
  --gas)
    gas >gas.txt
    plot <gas.txt >gas.md
    cat gas.txt
    ;;
  --check)
    "$forge" build --quiet
    node abi.js --check
    plot <gas.txt | diff -u gas.md - >&2 || die "gas.md is out of date: run chain-signer/contracts/build.sh --gas"
    gas | diff -u gas.txt - >&2 || die "gas.txt is out of date: run chain-signer/contracts/build.sh --gas"
    ;;
  '')
    "$forge" build --quiet
    node abi.js
    ;;
  *) die "unknown argument '$mode'" ;;
esac
