#!/usr/bin/env bash
# Builds the project's images without Docker and brings them to a cluster.
# usage: images.sh [--load NAME | --push REGISTRY] [IMAGE...]
#   --load NAME      import into the test cluster NAME (what it already has is left alone)
#   --push REGISTRY  push to a registry of your own
#   IMAGE            controller gateway records table chain-signer redis postgres anvil coredns pause;
#                    none: all of them
# A tag is the hash of what went into the image. Writes $cache/images/values.yaml for helm.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

target=${CARGO_TARGET_DIR:-$cache/target}/release
store=$cache/images
load='' push=''
case ${1:-} in
  --load) load=$2; shift 2 ;;
  --push) push=$2; shift 2 ;;
esac
wanted=("$@")
[ "${#wanted[@]}" -gt 0 ] || wanted=(pause coredns redis postgres anvil controller gateway records table chain-signer)

b=(buildah --root "$cache/buildah/root" --runroot "$cache/buildah/run" --storage-driver vfs)
mkdir -p "$store" "$cache/rootfs" "$cache/buildah"

# The user that every image runs as; PostgreSQL and SoftHSM look their own name up.
users() { # folder
  mkdir -p "$1/etc" "$1/tmp"
  chmod 1777 "$1/tmp"
  printf 'root:x:0:0:root:/:/sbin/nologin\npurr:x:65532:65532:purr:/var/lib/purr:/sbin/nologin\n' >"$1/etc/passwd"
  printf 'root:x:0:\npurr:x:65532:\n' >"$1/etc/group"
  install -d -o 65532 -g 65532 "$1/var/lib/purr" "$1/run/postgresql" "$1/var/lib/softhsm"
}

# A root file system of Debian packages, cached by its package list.
rootfs() { # name variant packages -> path
  local key dir tmp
  key=$(echo "v2 $*" | hash_of)
  dir=$cache/rootfs/$1-$key
  if [ ! -d "$dir" ]; then
    say "making the base of $1" >&2
    tmp=$(mktemp -d "$cache/rootfs/.tmp.XXXXXX")
    mmdebstrap --quiet --variant="$2" --include="$3" \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
      bookworm "$tmp/root" >&2
    rm -rf "$tmp/root/var/cache/apt" "$tmp/root/var/lib/apt" "$tmp/root/usr/share/doc" "$tmp/root/usr/share/locale" \
      "$tmp/root/usr/share/man" "$tmp/root/dev" "$tmp/root/proc" "$tmp/root/sys"
    mkdir -p "$tmp/root/dev" "$tmp/root/proc" "$tmp/root/sys"
    if [ "$2" = extract ]; then
      # No shell, no tools: what a program does not use, an intruder cannot use either.
      find "$tmp/root/bin" "$tmp/root/sbin" "$tmp/root/usr/bin" "$tmp/root/usr/sbin" -mindepth 1 -delete 2>/dev/null || true
    fi
    users "$tmp/root"
    mv "$tmp/root" "$dir"
    rmdir "$tmp"
  fi
  touch "$dir"
  echo "$dir"
}

# Lays out one image in a folder and commits it; nothing happens when its tag is there already.
image() { # name key entrypoint layout-function args...
  local name=$1 key=$2 entry=$3 layout=$4 c mnt file
  shift 4
  ref=localhost/purr/$name:$key
  file=$store/$name-$key.oci
  if [ ! -f "$file" ]; then
    say "image $name"
    c=$("${b[@]}" from scratch)
    mnt=$("${b[@]}" mount "$c")
    "$layout" "$mnt" "$@"
    "${b[@]}" umount "$c" >/dev/null
    "${b[@]}" config --user 65532:65532 --entrypoint "$entry" --cmd '' --env PATH=/usr/local/bin:/usr/bin:/bin "$c"
    "${b[@]}" commit --quiet --rm "$c" "$ref" >/dev/null
    "${b[@]}" push --quiet --disable-compression "$ref" "oci-archive:$file.tmp:$ref"
    mv "$file.tmp" "$file"
    "${b[@]}" rmi --force "$ref" >/dev/null
  fi
  touch "$file"
  find "$store" -maxdepth 1 -name "$name-????????????????.oci" -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- |
    while IFS= read -r old; do rm -f -- "$old"; done
  printf '%s\n' "$ref" >"$store/$name.ref"
  deliver "$name" "$ref" "$file"
}

deliver() { # name ref file
  if [ -n "$load" ]; then
    local ctr=("$cache/cluster/bin/ctr" --address "$cache/clusters/$load/containerd.sock" -n k8s.io)
    if ! "${ctr[@]}" images ls -q name=="$2" | grep -q .; then
      "${ctr[@]}" images import --local "$3" >/dev/null
    fi
  elif [ -n "$push" ]; then
    local remote=$push/purr-$1:${2##*:}
    skopeo_copy "$3" "$2" "$remote"
    printf '%s\n' "$remote" >"$store/$1.ref"
  fi
}

skopeo_copy() { # file ref remote
  "${b[@]}" pull --quiet "oci-archive:$1" >/dev/null
  "${b[@]}" push --quiet "$2" "docker://$3"
}

copy_tree() { cp -a "$2/." "$1/"; }
program() { # mount base binary
  cp -a "$2/." "$1/"
  install -D -m 0755 "$3" "$1/usr/local/bin/$(basename "$3")"
}
single() { # mount binary
  users "$1"
  install -D -m 0755 "$2" "$1/$(basename "$2")"
}

rust() { # image binary packages
  local bin=$target/$2 base key
  [ -x "$bin" ] || die "$bin is not built: run 'make build' first"
  base=$(rootfs "$1" extract "$3")
  key=$({ echo "$base"; cat "$bin"; } | hash_of)
  image "$1" "$key" "[\"/usr/local/bin/$2\"]" program "$base" "$bin"
}

for name in "${wanted[@]}"; do
  case $name in
    pause | coredns)
      bin=$cache/cluster/bin/$name
      image "$name" "$({ echo v1; cat "$bin"; } | hash_of)" "[\"/$name\"]" single "$bin"
      ;;
    redis)
      base=$(rootfs redis essential redis-server,redis-sentinel,redis-tools,openssl)
      image redis "$(echo "v1 $base" | hash_of)" '["/bin/bash"]' copy_tree "$base"
      ;;
    postgres)
      base=$(rootfs postgres essential postgresql-15)
      image postgres "$(echo "v1 $base" | hash_of)" '["/bin/bash"]' copy_tree "$base"
      ;;
    anvil)
      bin=$("$here/npm.sh" anvil)
      base=$(rootfs anvil extract libc6,libgcc-s1)
      image anvil "$({ echo "$base"; cat "$bin"; } | hash_of)" '["/usr/local/bin/anvil"]' program "$base" "$bin"
      ;;
    chain-signer) rust chain-signer purr-chain-signer libc6,libgcc-s1,libsofthsm2 ;;
    controller | gateway | records | table) rust "$name" "purr-$name" libc6,libgcc-s1 ;;
    *) die "unknown image $name" ;;
  esac
done

{
  echo 'images:'
  for name in controller gateway records table chain-signer redis postgres anvil; do
    if [ -f "$store/$name.ref" ]; then
      key=$name
      [ "$name" = chain-signer ] && key=chainSigner
      printf '  %s: %s\n' "$key" "$(cat "$store/$name.ref")"
    fi
  done
} >"$store/values.yaml"
say "images are ready"
