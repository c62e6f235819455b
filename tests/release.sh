#!/usr/bin/env bash
# A release in a folder: images with their digests and bills of materials, the chart, checksums.
# usage: release.sh [--no-build]     --no-build: of the images that were built last
# The version is Cargo.toml's; the chart must have the same, and CHANGELOG.md a section of it. Nothing is pushed or signed:
# `helm package --sign` and a registry need keys of yours. Writes target/release-VERSION.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
build=true
case ${1:-} in --no-build) build=false ;; '') ;; *) die "usage: release.sh [--no-build]" ;; esac
helm=$cache/cluster/bin/helm
[ -x "$helm" ] || die "helm is not built: run tests/cluster/build.sh first"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "Cargo.toml: '$version' is no version"
for field in version appVersion; do
  said=$(sed -n "s/^$field: //p" helm/purr/Chart.yaml)
  [ "$said" = "$version" ] || die "helm/purr/Chart.yaml has $field $said, and Cargo.toml $version"
done
grep -q "^## \[$version\]" CHANGELOG.md || die "CHANGELOG.md has no section of $version"
[ -z "$(git status --porcelain)" ] || die "there are changes that are not committed: a release is of a revision"
PURR_REVISION=$(git rev-parse --short=12 HEAD)
export PURR_REVISION CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
say "release $version of $PURR_REVISION"

declare -A packages=([controller]=purr-controller [gateway]=purr-gateway [records]=purr-records [fairplay]=purr-fairplay
  [table]=purr-table [chain-signer]=purr-chain-signer)
if [ "$build" = true ]; then
  tests/cargo.sh build --release --locked --workspace --bins
  "$here/images.sh" "${!packages[@]}" redis postgres
fi
out=target/release-$version
rm -rf -- "$out"
mkdir -p "$out/sbom"
printf '| image | digest | SHA-256 of its archive |\n|---|---|---|\n' >"$out/images.md"
for image in $(printf '%s\n' "${!packages[@]}" redis postgres | sort); do
  [ -f "$cache/images/$image.ref" ] || die "image $image is not built"
  ref=$(cat "$cache/images/$image.ref")
  file=$cache/images/$image-${ref##*:}.oci
  digest=$(tar -xOf "$file" index.json | jq -r '.manifests[0].digest')
  printf '| %s | %s | %s |\n' "$image" "$digest" "$(sha256sum "$file" | cut -d' ' -f1)" >>"$out/images.md"
  [ -n "${packages[$image]:-}" ] || continue
  python3 tests/release/sbom.py "${packages[$image]}" "${ref##*/}" "$digest" >"$out/sbom/$image.cdx.json"
done
"$helm" package helm/purr --version "$version" --app-version "$version" --destination "$out" >/dev/null
sed -n "/^## \[$version\]/,/^## \[/p" CHANGELOG.md | sed '1b;/^## \[/d' >"$out/CHANGES.md"
sums=$(cd "$out" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
printf '%s\n' "$sums" >"$out/SHA256SUMS"
say "$out: $(find "$out" -type f | wc -l) files, $(jq '.components | length' "$out"/sbom/*.json | paste -sd+ | bc) components in $(find "$out/sbom" -type f | wc -l) bills of materials"
