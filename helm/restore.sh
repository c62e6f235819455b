#!/usr/bin/env bash
# Makes stores and PostgreSQL what a backup of the chart says, and starts the programs again.
# usage: helm/restore.sh NAMESPACE [RELEASE [BACKUP [PARTS]]]
#   RELEASE  default: purr
#   BACKUP   its name, a time; default, or '': the newest
#   PARTS    all (the default), or stores: PostgreSQL stays as it is. After the loss of Redis alone, the tables go on from
#            the signer's journal, which knows every hand that they handed in.
#
# Everything that was played and settled after the backup is undone here and not on the chain: pause the tables
# (spec.paused) and take a backup before anything planned. After a loss the signer compares its journal with the chain,
# and signs nothing while the chain is ahead. What else is needed is in the cluster: the PokerTables with their UIDs, and
# the Secrets that the chart keeps (RELEASE-data-key, -backup-key, -hsm, -ca, …), whose copies are the owner's to keep.
set -euo pipefail
namespace=${1:?usage: restore.sh NAMESPACE [RELEASE [BACKUP]]} release=${2:-purr} backup=${3:-} parts=${4:-all}
k=(kubectl --namespace "$namespace")
programs=(deployment/"$release"-controller deployment/"$release"-gateway deployment/"$release"-records statefulset/"$release"-chain-signer)
kept=purr.poker/replicas-before-restore

say() { printf '%s\n' "$*"; }
case $parts in all | stores) ;; *) say "error: PARTS is all or stores, not $parts" && exit 2 ;; esac
# What ran before is in an annotation, so that a restore which was cut off half way can be run again.
for program in "${programs[@]}"; do
  count=$("${k[@]}" get "$program" -o 'jsonpath={.spec.replicas}')
  [ "$count" -eq 0 ] || "${k[@]}" annotate --overwrite "$program" "$kept=$count" >/dev/null
done
say "stopping the programs"
"${k[@]}" scale "${programs[@]}" --replicas=0 >/dev/null
for part in controller gateway records chain-signer; do
  "${k[@]}" wait --for=delete pod --selector "app.kubernetes.io/instance=$release,app.kubernetes.io/component=$part" --timeout=180s >/dev/null
done
"${k[@]}" delete pod --selector app.kubernetes.io/part-of=purr,app.kubernetes.io/component=table --timeout=180s >/dev/null
# All that is left: the groups of Redis, and PostgreSQL.
left=$("${k[@]}" get statefulset --selector "app.kubernetes.io/instance=$release,app.kubernetes.io/part-of=purr" --output name)
for part in $left; do "${k[@]}" rollout status "$part" --timeout=300s >/dev/null; done

job=$release-restore-$(date -u +%Y%m%d%H%M%S)
say "restoring ${backup:-the newest backup}: $parts ($job)"
"${k[@]}" create job "$job" --from="cronjob/$release-restore" --dry-run=client -o yaml |
  # It prints nothing where it changes nothing.
  if [ -n "$backup" ] || [ "$parts" != all ]; then
    "${k[@]}" set env --local -f - "BACKUP=$backup" "PARTS=$parts" -o yaml
  else
    cat
  fi |
  "${k[@]}" create -f - >/dev/null
# Other conditions may come before these two.
until [[ ${done:-} =~ Complete|Failed ]]; do
  sleep 1
  done=$("${k[@]}" get job "$job" -o 'jsonpath={.status.conditions[?(@.status=="True")].type}')
done
"${k[@]}" logs "job/$job" --all-containers --prefix=false
case $done in
  *Complete*) ;;
  *)
    say "error: the restore has failed; the programs stay down. Run this again when what it names is mended."
    exit 1
    ;;
esac
say "starting the programs"
for program in "${programs[@]}"; do
  count=$("${k[@]}" get "$program" -o "jsonpath={.metadata.annotations['${kept//./\\.}']}")
  "${k[@]}" scale "$program" --replicas="${count:-1}" >/dev/null
  "${k[@]}" annotate "$program" "$kept-" >/dev/null
done
for program in "${programs[@]}"; do "${k[@]}" rollout status "$program" --timeout=300s >/dev/null; done
say "restored: $release in $namespace"
