#!/usr/bin/env bash
# Builds the project's images without Docker and brings them to a cluster.
# usage: images.sh [--load NAME | --push REGISTRY] [IMAGE...]
#   --load NAME      import into the test cluster NAME (what it already has is left alone)
#   --push REGISTRY  push to a registry of your own
#   IMAGE            controller gateway records fairplay table chain-signer redis postgres anvil coredns pause;
#                    none: all of them. By name only: table-faketime, for tests, whose clock can be set
# A tag is the hash of what went into the image. Writes what helm needs to $PURR_CACHE/images/values.yaml, and after a
# push to values-registry.yaml beside it. PURR_REGISTRY_INSECURE=1: the registry speaks plain HTTP. PURR_REVISION: the
# revision of the sources that programs show in purr_build_info; images of two revisions have two tags.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

target=${CARGO_TARGET_DIR:-$cache/target}/release
store=$cache/images
all=(pause coredns redis postgres anvil controller gateway records fairplay table chain-signer)
load='' registry=''
case ${1:-} in
  --load) load=${2:?name of the cluster}; shift 2 ;;
  --push) registry=${2:?address of the registry}; shift 2 ;;
esac
wanted=("$@")
[ "${#wanted[@]}" -gt 0 ] || wanted=("${all[@]}")

b=(buildah --root "$cache/buildah/root" --runroot "$cache/buildah/run" --storage-driver vfs)
# Counted up when this file lays images out in another way: part of every key.
layout=3
# What an image's processes have in their environment, beside the path.
environment=()
# What these programs need of Debian, and no more.
runtime=libc6,libgcc-s1,ca-certificates

# The user that every image runs as; PostgreSQL and SoftHSM look their own name up.
users() { # folder
  mkdir -p "$1/etc" "$1/tmp"
  chmod 1777 "$1/tmp"
  printf 'root:x:0:0:root:/:/sbin/nologin\npurr:x:65532:65532:purr:/var/lib/purr:/sbin/nologin\n' >"$1/etc/passwd"
  printf 'root:x:0:\npurr:x:65532:\n' >"$1/etc/group"
  install -d -o 65532 -g 65532 "$1/var/lib/purr" "$1/run/postgresql" "$1/var/lib/softhsm"
  # The build machine's own.
  rm -f "$1/etc/hostname" "$1/etc/resolv.conf"
}

# No shell and no tools: what a program does not use, an intruder cannot use either.
bare() { # root, programs to keep...
  local root=$1 folder program
  shift
  for program in "$@"; do install -D -m 0755 "$root/usr/bin/$program" "$root/keep/$program"; done
  for folder in bin sbin usr/bin usr/sbin usr/lib/x86_64-linux-gnu/{perl-base,gconv} usr/lib/{systemd,mime,ssl/misc} \
    usr/share/{perl5,debconf,adduser,ucf,sensible-utils,bash-completion,gdb,gcc,pixmaps} etc/{apt,dpkg} \
    var/cache var/lib/{dpkg,ucf} var/log/apt; do
    rm -rf -- "${root:?}/$folder"
  done
  if [ -d "$root/keep" ]; then
    mkdir -p "$root/usr"
    mv "$root/keep" "$root/usr/bin"
  fi
  # The bundle is what the package's install script would have made; nothing runs in this root.
  if [ -d "$root/usr/share/ca-certificates" ]; then
    mkdir -p "$root/etc/ssl/certs"
    find "$root/usr/share/ca-certificates" -name '*.crt' -print0 | sort -z | xargs -0 cat >"$root/etc/ssl/certs/ca-certificates.crt"
  fi
}

# A root file system of Debian packages, cached by its package list.
rootfs() { # name variant packages [programs that a bare one keeps] -> path
  local name=$1 variant=$2 packages=$3 key dir tmp
  shift 3
  # The text of bare() is part of a bare base.
  key=$({ echo "$layout $name $variant $packages $*"; [ "$variant" != extract ] || declare -f bare; } | hash_of)
  dir=$cache/rootfs/$name/$key
  mkdir -p "$cache/rootfs/$name"
  if [ ! -d "$dir" ]; then
    say "making the base of $name" >&2
    tmp=$(mktemp -d "$cache/rootfs/$name/.tmp.XXXXXX")
    mmdebstrap --quiet --variant="$variant" --include="$packages" \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
      bookworm "$tmp/root" >&2
    rm -rf "$tmp"/root/{dev,proc,sys,var/cache/apt,var/lib/apt,usr/share/{doc,locale,man,info,lintian}}
    mkdir -p "$tmp"/root/{dev,proc,sys}
    if [ "$variant" = extract ]; then bare "$tmp/root" "$@"; fi
    users "$tmp/root"
    mv -T "$tmp/root" "$dir"
    rmdir "$tmp"
  fi
  touch "$dir"
  keep_two "$cache/rootfs/$name"
  echo "$dir"
}

# Lays out one image in a folder and commits it; nothing happens when its tag is there already.
image() { # name key entrypoint layout-function args...
  local name=$1 ref=localhost/purr/$1:$2 entry=$3 layout_of=$4 file=$store/$1-$2.oci c mnt
  shift 4
  if [ ! -f "$file" ]; then
    say "building image $name"
    # What a killed run left.
    "${b[@]}" rm --all >/dev/null
    rm -f -- "$store"/*.tmp
    c=$("${b[@]}" from scratch)
    mnt=$("${b[@]}" mount "$c")
    chmod 0755 "$mnt"
    "$layout_of" "$mnt" "$@"
    "${b[@]}" umount "$c" >/dev/null
    "${b[@]}" config --user 65532:65532 --entrypoint "$entry" --cmd '' --env PATH=/usr/local/bin:/usr/bin:/bin \
      "${environment[@]}" --workingdir / "$c"
    "${b[@]}" commit --quiet --rm "$c" "$ref" >/dev/null
    "${b[@]}" push --quiet --disable-compression "$ref" "oci-archive:$file.tmp:$ref"
    "${b[@]}" rmi --force "$ref" >/dev/null
    mv "$file.tmp" "$file"
  fi
  touch "$file"
  find "$store" -maxdepth 1 -name "$name-????????????????.oci" -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- |
    while IFS= read -r old; do rm -f -- "$old"; done
  printf '%s\n' "$ref" >"$store/$name.ref"
  if [ -n "$load" ]; then load_image "$name" "$ref" "$file"; fi
  if [ -n "$registry" ]; then push_image "$name" "$ref" "$file"; fi
}

load_image() { # name ref file
  local node socket=$cache/clusters/$load/containerd.sock
  for node in "$socket" "$cache/clusters/$load/n2/containerd.sock"; do
    # A second node is not there in every cluster.
    [ -S "$node" ] || [ "$node" = "$socket" ] || continue
    local ctr=("$cache/cluster/bin/ctr" --address "$node" -n k8s.io)
    if [ -z "$("${ctr[@]}" images ls -q "name==$2" 2>/dev/null)" ]; then
      "${ctr[@]}" images import --local "$3" >/dev/null 2>&1 || die "cluster $load does not take the image $2 (is it up?)"
      say "loaded $1"
    fi
  done
}

push_image() { # name ref file
  local remote=$registry/purr-$1:${2##*:} id verify=true
  [ -z "${PURR_REGISTRY_INSECURE:-}" ] || verify=false
  id=$("${b[@]}" pull --quiet "oci-archive:$3")
  "${b[@]}" push --quiet --tls-verify=$verify "$id" "docker://$remote"
  "${b[@]}" rmi --force "$id" >/dev/null
  printf '%s\n' "$remote" >"$store/$1.pushed"
  say "pushed $remote"
}

copy_tree() { cp -a "$2/." "$1/"; }
program() { # mount base binary
  copy_tree "$1" "$2"
  install -D -m 0755 "$3" "$1/usr/local/bin/$(basename "$3")"
}
single() { # mount binary
  users "$1"
  install -D -m 0755 "$2" "$1/$(basename "$2")"
}

# An image of one program on a base.
on_base() { # image binary base
  image "$1" "$({ echo "$layout ${3##*/}${PURR_REVISION:+ $PURR_REVISION}"; cat "$2"; } | hash_of)" "[\"/usr/local/bin/$(basename "$2")\"]" program "$3" "$2"
}
rust() { # image base
  local program=$target/purr-$1
  [ -x "$program" ] || die "$program is not built: run 'make build' first"
  if [ -n "${PURR_REVISION:-}" ]; then environment=(--env "PURR_REVISION=$PURR_REVISION"); fi
  on_base "$1" "$program" "$2"
  environment=()
}

# The names that the chart's values have.
values() { # suffix of the reference files
  local name key
  echo 'images:'
  for name in controller gateway records fairplay table chain-signer redis postgres anvil; do
    [ -f "$store/$name.$1" ] || continue
    key=$name
    [ "$name" != chain-signer ] || key=chainSigner
    printf '  %s: %s\n' "$key" "$(cat "$store/$name.$1")"
  done
}

locked images
mkdir -p "$store" "$cache/buildah"
for name in "${wanted[@]}"; do
  case $name in
    pause | coredns)
      program=$cache/cluster/bin/$name
      image "$name" "$({ echo "$layout"; cat "$program"; } | hash_of)" "[\"/$name\"]" single "$program"
      ;;
    redis)
      base=$(rootfs redis essential redis-server,redis-sentinel,redis-tools,openssl)
      image redis "$(echo "$layout ${base##*/}" | hash_of)" '["/bin/bash"]' copy_tree "$base"
      ;;
    postgres)
      base=$(rootfs postgres essential postgresql-15)
      image postgres "$(echo "$layout ${base##*/}" | hash_of)" '["/bin/bash"]' copy_tree "$base"
      ;;
    anvil)
      program=$("$here/npm.sh" anvil)
      base=$(rootfs program extract "$runtime")
      on_base anvil "$program" "$base"
      ;;
    chain-signer)
      base=$(rootfs signer extract "$runtime,softhsm2" softhsm2-util)
      rust chain-signer "$base"
      ;;
    table-faketime)
      # Only what people call the time is moved: time limits run on the clock that never jumps.
      environment=(--env LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1 --env FAKETIME_NO_CACHE=1
        --env FAKETIME_DONT_FAKE_MONOTONIC=1 --env FAKETIME_TIMESTAMP_FILE=/var/lib/purr/faketime)
      base=$(rootfs faketime extract "$runtime,libfaketime")
      [ -x "$target/purr-table" ] || die "$target/purr-table is not built: run 'make build' first"
      on_base table-faketime "$target/purr-table" "$base"
      environment=()
      ;;
    controller | gateway | records | fairplay | table)
      base=$(rootfs program extract "$runtime")
      rust "$name" "$base"
      ;;
    *) die "unknown image $name: one of ${all[*]}" ;;
  esac
done
values ref >"$store/values.yaml"
if [ -n "$registry" ]; then values pushed >"$store/values-registry.yaml"; fi
