# What the controller made and somebody removed or changed comes back; what it cannot do it says in a condition and one
# Event; a table that never ran goes at once. Sourced by fleet.sh. Nothing runs the pods, so no table has chips.
# shellcheck shell=bash disable=SC2154

single() { # name [merge-patch]
  sed "s/name: nl100-1/name: $1/" crds/examples/table.yaml | n create --dry-run=client -o json -f - |
    jq --argjson patch "${2:-{\}}" '. * $patch' | n create -f - >/dev/null
}
field() { n get "$1" -o "jsonpath={$2}"; } # what path
condition() { n get ptable "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")].$3}"; } # table type field
events() { n get events --field-selector "involvedObject.name=$1,reason=$2" -o json | jq '.items | length'; }
pods_of() { n get pods --no-headers -o name | grep -c "^pod/$1-[0-9]*$" || true; }

single owned
reach 20 "pod of a table" 1 pods_of owned
secret_uid() { n get secret owned-table-tls --ignore-not-found -o 'jsonpath={.metadata.uid}' | wc -c; }
before=$(field secret/owned-table-tls .metadata.uid)
n delete secret owned-table-tls >/dev/null
reach 10 "a deleted Secret" 36 secret_uid
[ "$(field secret/owned-table-tls .metadata.uid)" != "$before" ] || die "the Secret was not deleted"
n patch secret owned-table-tls --type=merge -p '{"metadata": {"labels": {"app.kubernetes.io/component": null}}}' >/dev/null
reach 10 "a label of a Secret" table field secret/owned-table-tls '.metadata.labels.app\.kubernetes\.io/component'
# Its owner is not put back: whoever changes an owner must be allowed to delete the object, and the controller may delete no
# Secret. It says so once, mends the rest all the same, and makes the Secret again with its owner once it is deleted.
[ "$(n auth can-i delete secrets --as=system:serviceaccount:purr:purr-controller || true)" = no ] || die "the controller may delete Secrets"
n patch secret owned-table-tls --type=merge -p '{"metadata": {"ownerReferences": null}}' >/dev/null
reach 10 "an event for a Secret without its owner" 1 events owned SecretUnowned
n patch secret owned-table-tls --type=merge -p '{"metadata": {"labels": {"app.kubernetes.io/component": null}}}' >/dev/null
reach 10 "a label of a Secret without its owner" table field secret/owned-table-tls '.metadata.labels.app\.kubernetes\.io/component'
[ "$(events owned SecretUnowned)" = 1 ] || die "$(events owned SecretUnowned) events instead of one"
n delete secret owned-table-tls >/dev/null
reach 10 "the owner of a Secret that was made again" owned field secret/owned-table-tls '.metadata.ownerReferences[0].name'
n patch secret owned-table-tls --type=merge -p '{"data": {"tls.crt": "bm9uZQ=="}}' >/dev/null
is_whole() { n get secret owned-table-tls -o 'jsonpath={.data.tls\.crt}' | base64 -d | grep -c 'BEGIN CERTIFICATE' || true; }
reach 10 "a changed certificate" 1 is_whole

n patch ptable owned --type=merge -p '{"metadata": {"finalizers": null}}' >/dev/null
reach 10 "a finalizer that was taken off" purr.poker/drain field ptable/owned '.metadata.finalizers[0]'

# Labels and owner of a pod, one after the other and all at once: neither is what the controller knows its pods by.
n label pod owned-1 purr.poker/generation=99 --overwrite >/dev/null
reach 20 "an edited generation" 1 field pod/owned-1 '.metadata.labels.purr\.poker/generation'
own_pod() { n get pod owned-1 >/dev/null && echo there; }
n patch pod owned-1 --type=merge -p '{"metadata": {"labels": null, "ownerReferences": null}}' >/dev/null
reach 20 "stripped labels" table field pod/owned-1 '.metadata.labels.app\.kubernetes\.io/component'
reach 20 "a stripped owner" owned field pod/owned-1 '.metadata.ownerReferences[0].name'
reach 5 "its pod" there own_pod
[ "$(pods_of owned)" = 1 ] || die "a pod whose labels were stripped has got a second one beside it"
# A status that somebody put back does not leave the table without a next step.
n patch ptable owned --subresource=status --type=merge -p '{"status": {"fencingGeneration": 0}}' >/dev/null
reach 20 "a generation that was put back" 1 field ptable/owned .status.fencingGeneration

# Without a signer: nobody can ever have sat there.
n delete ptable owned --timeout=20s >/dev/null || die "a table that never ran does not go without the signer"

# A Secret that lost its owner outlives its table, and the next table of this name takes it.
single heir
reach 20 "pod of a table" 1 pods_of heir
n patch secret heir-table-tls --type=merge -p '{"metadata": {"ownerReferences": null}}' >/dev/null
n delete ptable heir --timeout=20s >/dev/null
n delete pod heir-1 --ignore-not-found --force >/dev/null 2>&1
single heir
reach 20 "pod of the next table of this name" 1 pods_of heir
[ "$(field secret/heir-table-tls '.metadata.labels.purr\.poker/table-uid')" = "$(field ptable/heir .metadata.uid)" ] || die "the Secret is not the next table's"
n get secret heir-table-tls -o 'jsonpath={.data.tls\.crt}' | base64 -d | openssl x509 -noout -ext subjectAltName |
  grep -q "$(field ptable/heir .metadata.uid)" || die "its certificate is the table's before"

# A Secret of the table's name that is somebody else's.
n create secret generic foreign-table-tls --from-literal=theirs=x >/dev/null
single foreign
reach 30 "a foreign Secret in the conditions" SecretTaken condition foreign Degraded reason
[ "$(condition foreign Ready reason)" = SecretTaken ] || die "Ready says $(condition foreign Ready reason)"
[ "$(field ptable/foreign .status.phase)" = Degraded ] || die "its phase is $(field ptable/foreign .status.phase)"
[ "$(pods_of foreign)" = 0 ] || die "a pod was made that cannot mount its certificate"
[ "$(n get secret foreign-table-tls -o 'jsonpath={.data.theirs}{.metadata.ownerReferences}')" = eA== ] || die "a foreign Secret was written to"
tries() { grep -c 'foreign-table-tls is not this' "$work/controller.log" || true; }
was=$(tries)
more() { [ "$(tries)" -ge $((was + 2)) ] && echo yes; }
reach 60 "two more attempts" yes more
[ "$(events foreign SecretTaken)" = 1 ] || die "$(events foreign SecretTaken) events instead of one"
n delete secret foreign-table-tls >/dev/null
# It had no label of ours, so its end is no news: the next attempt comes when the back-off says.
reach 90 "the table's pod once the Secret is gone" 1 pods_of foreign
# Redis and the signer are not there, so it is Degraded still, but by another reason.
other_reason() { [ "$(condition foreign Degraded reason)" != SecretTaken ] && echo yes; }
reach 20 "another reason than the Secret's" yes other_reason

# A store that nobody has: its name can be corrected while the table has never started.
single mistyped '{"spec": {"store": "elsewhere"}}'
reach 20 "an unknown store in the conditions" UnknownStore condition mistyped Degraded reason
n patch ptable mistyped --type=merge -p '{"spec": {"store": "default"}}' >/dev/null
reach 20 "pod of a table whose store was corrected" 1 pods_of mistyped
if n patch ptable mistyped --type=merge -p '{"spec": {"store": "elsewhere"}}' 2>/dev/null; then die "the store of a started table is changed"; fi

# What kubelet would write of a pod that serves.
serves() { # pod
  n patch pod "$1" --subresource=status --type=merge -p '{"status": {"phase": "Running", "podIP": "127.0.0.9",
    "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "table", "image": "i", "imageID": "",
    "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}}' >/dev/null
}
single paused '{"spec": {"paused": true}}'
reach 20 "pod of a paused table" 1 pods_of paused
serves paused-1
reach 20 "a paused table" "False Paused" n get ptable paused -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].reason}'
reach 20 "its phase" Paused field ptable/paused .status.phase
if n wait --for=condition=Ready ptable/paused --timeout=2s >/dev/null 2>&1; then die "a paused table passes as ready"; fi
say "what was removed or edited comes back: Secret, its labels, owner and content, finalizer, labels and owner of a pod, generation"
