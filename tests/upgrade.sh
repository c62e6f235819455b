#!/usr/bin/env bash
# Upgrades and a rollback on a real cluster while tables play: old, new, old, new. usage: upgrade.sh
# PURR_OLD is the revision before; default: the newest tag, or without tags the commit that gave CHANGELOG.md its newest version.
# Its programs are built once, in $PURR_CACHE/upgrade, which takes as long as a first build and some 6 GiB. The cluster goes
# afterwards. The test calls it again to switch: upgrade.sh --to old|guarded|new, where guarded is the new release with values
# under which it writes only what the old one reads.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
root=$(cd "$here/../.." && pwd)
cd "$root"
cluster "${PURR_CLUSTER:-upgrade}"
export PURR_CLUSTER=$name CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
version=$(sed -n 's/^## \[\([0-9.]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
old=${PURR_OLD:-$(git describe --tags --abbrev=0 2>/dev/null || git log -S"## [$version]" --format=%H -- CHANGELOG.md | tail -n 1)}
[ -n "$old" ] || die "no release before: set PURR_OLD to a revision"
old=$(git rev-parse --verify "$old^{commit}")
place=$cache/upgrade/$old
tree=$place/tree
parts=(controller gateway records table chain-signer redis postgres anvil)
k() { kubectl --namespace purr "$@"; }

# What a new release writes only once nobody will go back: "Upgrade" in the chart's README.
guarded=(--set table.snapshotVersion=1 --set records.version=2 --set chainSigner.requireSignedEntries=false)
switched() { # image of tables: every program is up, and every table plays in a pod of it
  local part
  for part in $(k get statefulset,deployment --selector app.kubernetes.io/instance=purr --output name); do
    k rollout status "$part" --timeout=300s >/dev/null || die "$part is not ready"
  done
  local end=$((SECONDS + 600))
  until k get pods --selector app.kubernetes.io/component=table -o json | jq -e --arg image "$1" '.items | length > 0 and all(.[];
    .spec.containers[0].image == $image and any(.status.conditions[]?; .type == "Ready" and .status == "True"))' >/dev/null; do
    if [ "$SECONDS" -ge "$end" ]; then
      k get ptable,pods -o wide >&2
      die "tables have not moved to $1"
    fi
    sleep 1
  done
}
if [ "${1:-}" = --to ]; then
  eval "$("$here/env.sh" "$name")"
  case ${2:-} in
    old)
      # Back to what the old release was installed with, and by helm's own means: fields that it has lost must go.
      helm rollback purr "$(<"$place/revision")" --namespace purr --force-replace --server-side=false >/dev/null
      switched "$(sed -n 's/^  table: //p' "$place/values.yaml")"
      ;;
    guarded | new)
      more=()
      [ "$2" != guarded ] || more=("${guarded[@]}")
      helm upgrade purr "$root/helm/purr" --namespace purr --values "$root/tests/stack-values.yaml" --values "$cache/upgrade/new.yaml" \
        --values "$place/own.json" "${more[@]}" >/dev/null
      switched "$(sed -n 's/^  table: //p' "$cache/upgrade/new.yaml")"
      ;;
    *) die "usage: upgrade.sh --to old|guarded|new" ;;
  esac
  say "switched to $2"
  exit
fi

"$here/prereqs.sh"
mkdir -p "$place"
[ -d "$tree" ] || git worktree add --detach "$tree" "$old" >/dev/null
say "compiling $old"
(cd "$tree" && CARGO_TARGET_DIR=$place/target tests/cargo.sh build --release --locked --workspace --bins)
say "compiling this release"
tests/cargo.sh build --release --locked --workspace --all-targets
"$here/down.sh" "$name" >/dev/null
trap '"$here/down.sh" "$name" >/dev/null' EXIT
(cd "$tree" && CARGO_TARGET_DIR=$place/target tests/stack.sh "$name")
cp "$cache/images/values.yaml" "$place/values.yaml"
"$here/images.sh" --load "$name" "${parts[@]}"
cp "$cache/images/values.yaml" "$cache/upgrade/new.yaml"
eval "$("$here/env.sh" "$name")"
helm history purr --namespace purr --output json | jq '.[-1].revision' >"$place/revision"
# What the stack has set for this cluster alone.
helm get values purr --namespace purr --output json | jq '{chain: {vault: .chain.vault, token: .chain.token},
  gateway: {domain: .gateway.domain, publicUrl: .gateway.publicUrl, roles: .gateway.roles}}' >"$place/own.json"
set -a
# shellcheck disable=SC1090
. "$cache/stacks/$name/env"
set +a
PURR_UPGRADE=$root/tests/upgrade.sh tests/cargo.sh test --release --locked --workspace --test upgrade -- --ignored --nocapture --test-threads=1
