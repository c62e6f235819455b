#!/usr/bin/env bash
# Secrets and definitions of a release on a real API server: made once with the chart's own rights, never again, and keys that
# sealed data needs can be neither removed nor replaced. usage: bootstrap.sh CONTROLLER-BINARY
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
controller=$(realpath "${1:?usage: bootstrap.sh CONTROLLER-BINARY}")
cd "$here/../.."
# shellcheck source=api.sh
. tests/api.sh
helm=$cache/cluster/bin/helm
[ -x "$helm" ] || die "helm is not built: run tests/cluster/build.sh first"
n() { k --namespace purr "$@"; }
k create namespace purr >/dev/null

render() { "$helm" template purr helm/purr --namespace purr --values tests/stack-values.yaml "$@"; }
render --show-only templates/bootstrap.yaml >"$work/bootstrap.yaml"
n apply -f "$work/bootstrap.yaml" >/dev/null
job=$(n get job --selector app.kubernetes.io/component=bootstrap -o json)
of() { jq -r --arg name "$1" '.items[0].spec.template.spec.containers[0].env[] | select(.name == $name).value' <<<"$job"; }
PURR_BOOTSTRAP_PLAN=$(of PURR_BOOTSTRAP_PLAN)
PURR_BOOTSTRAP_DEFINITIONS=$(of PURR_BOOTSTRAP_DEFINITIONS)
export PURR_BOOTSTRAP_PLAN PURR_BOOTSTRAP_DEFINITIONS PURR_NAMESPACE=purr PURR_RELEASE=purr
[ "$PURR_BOOTSTRAP_DEFINITIONS" = true ] || die "the chart does not ask for the definitions"
# With the rights that the chart gives it, and no more.
sa=$(n create token purr-bootstrap)
# shellcheck disable=SC2154  # api.sh
cat >"$work/kubeconfig" <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$secure", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: "$sa"}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: purr}}]
current-context: x
CONFIG
bootstrap() { KUBECONFIG=$work/kubeconfig timeout 60 "$controller" bootstrap 2>"$work/bootstrap.log"; }
made() { n get secrets --no-headers -o 'custom-columns=N:.metadata.name,V:.metadata.resourceVersion' | sort; }
refused() { # words command...
  local words=$1 said
  shift
  if said=$("$@" 2>&1); then die "accepted: $*"; fi
  [[ $said == *"$words"* ]] || die "'$*' is refused, but not with '$words': $said"
}

bootstrap || { cat "$work/bootstrap.log" >&2; die "the first run failed"; }
first=$(made)
wanted=$(jq -r '.secrets[].name' <<<"$PURR_BOOTSTRAP_PLAN" | sort)
[ "$(cut -d' ' -f1 <<<"$first")" = "$wanted" ] || die "made: $first; wanted: $wanted"
k wait --for=condition=Established crd/pokertables.purr.poker crd/pokertablefleets.purr.poker --timeout=5s >/dev/null
say "$(wc -l <<<"$first") Secrets and the definitions are made"

for _ in 1 2 3; do bootstrap || die "a later run failed: $(cat "$work/bootstrap.log")"; done
[ "$(made)" = "$first" ] || die "a later run changed something: $(diff <(echo "$first") <(made))"
say "three more runs change nothing"

# One namespace, one release: the controllers would replace each other's table pods.
render --show-only templates/controller/deployment.yaml | n apply -f - >/dev/null
bootstrap || die "a release is refused beside itself: $(cat "$work/bootstrap.log")"
if PURR_RELEASE=second bootstrap; then die "a second release in one namespace is accepted"; fi
grep -q 'release purr is installed in namespace purr' "$work/bootstrap.log" || die "a second release: $(cat "$work/bootstrap.log")"
say "a second release in a namespace is refused"

# Certificates that openssl, Redis and PostgreSQL take.
value() { n get secret "$1" -o json | jq -r --arg key "$2" '.data[$key]' | base64 -d; }
value purr-ca tls.crt >"$work/ca.crt"
for name in gateway redis postgres chain-signer; do
  value "purr-$name-tls" tls.crt >"$work/leaf.crt"
  openssl verify -CAfile "$work/ca.crt" -verify_hostname "$name.role.purr.internal" "$work/leaf.crt" >/dev/null
done
value purr-backup-key tls.crt >"$work/backup.crt" 2>/dev/null || true
if [ -s "$work/backup.crt" ]; then
  value purr-backup-key tls.key >"$work/backup.key"
  echo kept | openssl cms -encrypt -binary -outform DER -aes-256-gcm -recip "$work/backup.crt" -out "$work/sealed"
  [ "$(openssl cms -decrypt -inform DER -inkey "$work/backup.key" -in "$work/sealed")" = kept ] || die "backups cannot be opened"
fi

# A newer release's definition stays; an older one is brought up to date.
k annotate --overwrite crd pokertables.purr.poker purr.poker/definition-revision=9999 >/dev/null
bootstrap
[ "$(k get crd pokertables.purr.poker -o 'jsonpath={.metadata.annotations.purr\.poker/definition-revision}')" = 9999 ] ||
  die "a newer definition was replaced"
k annotate crd pokertables.purr.poker purr.poker/definition-revision- >/dev/null
k patch crd pokertables.purr.poker --type=json -p '[{"op": "remove", "path": "/spec/names/shortNames"}]' >/dev/null
bootstrap
[ "$(k get crd pokertables.purr.poker -o 'jsonpath={.spec.names.shortNames[0]}')" = ptable ] || die "an older definition stayed"
say "definitions: a newer one stays, an older one is replaced"

# shellcheck source=tables-policy.sh
. tests/tables-policy.sh
render --show-only templates/keys-policy.yaml | k apply -f - >/dev/null
edit() { n patch secret purr-data-key --type=merge -p "$@"; }
# A policy takes a moment to be in force.
end=$((SECONDS + 20))
until ! edit '{"data": {"k1": "YQ=="}}' --dry-run=server >/dev/null 2>&1; do
  [ "$SECONDS" -lt "$end" ] || die "the policy does not come into force"
  sleep 0.2
done
refused 'is removed or replaced' edit '{"data": {"k1": "YQ=="}}'
refused 'is removed or replaced' edit '{"data": {"k1": null}}'
refused 'need the keys' n delete secret purr-data-key
refused 'need the keys' n delete secret --all
edit '{"data": {"k2": "YQ==", "current": "azI="}}' >/dev/null
bootstrap || die "after a rotation: $(cat "$work/bootstrap.log")"
[ "$(value purr-data-key current)" = k2 ] || die "a rotation was undone"
[ -n "$(value purr-data-key k1)" ] || die "a rotation lost the old key"
n annotate secret purr-data-key purr.poker/removable=yes >/dev/null
edit '{"data": {"k1": null}}' >/dev/null
n delete secret purr-data-key >/dev/null
bootstrap
# No namespace controller runs here; what it does is a deletion of each object while the namespace ends.
k patch namespace purr --type=merge -p '{"metadata": {"finalizers": ["purr.poker/test"]}}' >/dev/null
k delete namespace purr --wait=false >/dev/null
n delete secret purr-data-key >/dev/null || die "the policy holds up the end of a namespace"
say "keys: neither removed nor replaced, added and rotated, and removable by an annotation"
