#!/usr/bin/env bash
# The kubectl plugin on a real API server: what each command changes and says, exit codes, and an archive without what was
# planted; the vault's calls on a development chain. Nothing runs pods, so metrics cannot be read there.
# usage: kubectl-purr.sh PROGRAM SIGNER    (the signer's program deploys the vault)
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.."
plugin=$(realpath "${1:?usage: kubectl-purr.sh PROGRAM SIGNER}") signer=$(realpath "${2:?usage: kubectl-purr.sh PROGRAM SIGNER}")
# shellcheck source=api.sh
. tests/api.sh

k create namespace poker >/dev/null
n() { k -n poker "$@"; }
# shellcheck disable=SC2154  # api.sh
"$bin/kubectl" --kubeconfig=/dev/null config view -o json | jq --arg server "https://127.0.0.1:$secure" --arg token "$token" '
  .clusters = [{name: "c", cluster: {server: $server, "insecure-skip-tls-verify": true}}] |
  .users = [{name: "u", user: {token: $token}}] |
  .contexts = [{name: "x", context: {cluster: "c", user: "u", namespace: "poker"}}] | ."current-context" = "x"' >"$work/admin"
export KUBECONFIG=$work/admin
checks=0
# Says what a command prints, and checks its exit code.
purr() { # code arguments...
  local wanted=$1 code=0
  shift
  said=$("$plugin" "$@" 2>&1) || code=$?
  [ "$code" = "$wanted" ] || die "kubectl purr $*: exit code $code instead of $wanted: $said"
  checks=$((checks + 1))
}
says() { [[ $said == *"$1"* ]] || die "kubectl purr says '$said', and not '$1'"; }

# kubectl finds the plugin by its name.
mkdir "$work/path"
ln -s "$plugin" "$work/path/kubectl-purr"
PATH=$work/path:$PATH "$bin/kubectl" purr --help >/dev/null || die "kubectl does not run the plugin"
purr 64 pause
purr 64 restore
says --dry-run
purr 0 --version
for shell in bash zsh fish; do
  purr 0 completion "$shell"
  says kubectl-purr
done
purr 0 completion bash
bash -n <<<"$said" || die "the completion is no bash"

purr 4 status
says 'no release purr in namespace poker'
n create -f crds/examples/table.yaml >/dev/null
purr 0 pause nl100-1
[ "$(n get ptable nl100-1 -o 'jsonpath={.spec.paused}')" = true ] || die "the table is not paused"
purr 0 resume nl100-1
[ "$(n get ptable nl100-1 -o 'jsonpath={.spec.paused}')" = false ] || die "the table is paused"
purr 1 pause nobody
says 'table nobody'
vault=0x1111111111111111111111111111111111111111 currency=0x2222222222222222222222222222222222222222
status() { # players: as the controller writes it
  local at
  at=$(n get ptable nl100-1 -o 'jsonpath={.metadata.generation}')
  n patch ptable nl100-1 --subresource=status --type=merge -p "{\"status\": {\"observedGeneration\": $at, \"phase\": \"Running\",
    \"fencingGeneration\": 1, \"epoch\": 1, \"players\": $1, \"hand\": 9, \"blinds\": \"500000/1000000\", \"conditions\": [],
    \"bound\": {\"vault\": \"$vault\", \"chainId\": 31337,
    \"token\": \"$currency\", \"decimals\": 6, \"unit\": \"USDC\"}}}" >/dev/null
}
purr 3 drain nl100-1 --watch=false
says 'players were seated'
[ "$(n get ptable nl100-1 -o 'jsonpath={.spec.closed}')" = true ] || die "the table is not closed"
status 3
purr 3 drain nl100-1 --timeout 1
says '3 players were seated'
status 0
purr 0 drain nl100-1
says 'is empty'
purr 0 drain nl100-1 --undo
[ "$(n get ptable nl100-1 -o 'jsonpath={.spec.closed}')" = false ] || die "the table is closed"
purr 0 -o json tables
[ "$(jq -r '.[0].name' <<<"$said")" = nl100-1 ] || die "tables as JSON: $said"

# Jobs from the chart's CronJobs.
purr 1 backup
says 'CronJob purr-backup'
"$bin/helm" template purr helm/purr --namespace poker --set anvil.enabled=true --set backup.enabled=true \
  --show-only templates/backup/cronjobs.yaml | k -n poker apply -f - >/dev/null
purr 3 backup --watch=false
job=$(n get jobs -o 'jsonpath={.items[0].metadata.name}')
[[ $job == purr-backup-* ]] || die "no Job of the backup: $job"
purr 3 restore --dry-run --watch=false --backup 20260101T000000Z
dry() { n get jobs -o json | jq -r --arg name "$1" '[.items[] | select(.metadata.name | startswith("purr-restore-")) | .spec.template.spec |
  (.initContainers + .containers)[] | .env[] | select(.name == $name) | .value] | unique | join(" ")'; }
[ "$(dry DRY_RUN) $(dry BACKUP)" = "1 20260101T000000Z" ] || die "a dry run is none: $(dry DRY_RUN) $(dry BACKUP)"
# A chart of an older release has no dry run: nothing may be started there.
n get cronjob purr-restore -o json | jq 'del(.spec.jobTemplate.spec.template.spec.initContainers[].env[] | select(.name == "DRY_RUN")) |
  del(.spec.jobTemplate.spec.template.spec.containers[].env[] | select(.name == "DRY_RUN"))' | n replace -f - >/dev/null
before=$(n get jobs -o name | wc -l)
purr 1 restore --dry-run
says DRY_RUN
[ "$(n get jobs -o name | wc -l)" = "$before" ] || die "a Job was started"

# The screen, with a certificate.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -x509 -keyout "$work/tls.key" -out "$work/tls.crt" -days 100 \
  -subj /CN=gateway 2>/dev/null
n create secret tls purr-gateway-tls --cert="$work/tls.crt" --key="$work/tls.key" >/dev/null
n label secret purr-gateway-tls app.kubernetes.io/part-of=purr app.kubernetes.io/instance=purr >/dev/null
"$bin/helm" template purr helm/purr --namespace poker --set anvil.enabled=true --show-only templates/gateway/deployment.yaml |
  k -n poker apply -f - >/dev/null
purr 4 -o json status
part() { jq -r --arg part "$1" '.parts[] | select(.part == $part) | "\(.state) \(.says)"' <<<"$said"; }
# 100 in the second in which it was made.
[[ $(part certificates) =~ ^'ok 1, the first to end is purr-gateway-tls in '(99|100)' days'$ ]] || die "certificates: $(part certificates)"
[[ $(part gateway) == 'bad 0 of '* ]] || die "gateway: $(part gateway)"
[[ $(part backups) == 'bad none has succeeded yet'* ]] || die "backups: $(part backups)"
[[ $(part signer) == 'unknown no pod of chain-signer runs' ]] || die "signer: $(part signer)"

# The archive: nothing of what is planted in Secrets, annotations, specs, events and status.
planted=(hunter2-of-redis 4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318 k3y-of-the-node)
n create secret generic purr-redis-auth --from-literal=admin="${planted[0]}" >/dev/null
n annotate ptable nl100-1 "note=${planted[0]}" >/dev/null
n set env deployment/purr-gateway "PURR_X=https://rpc.example/v2/${planted[2]}" >/dev/null
n create -f - >/dev/null <<EVENT
{apiVersion: v1, kind: Event, metadata: {generateName: e-, namespace: poker}, reason: BackOff, type: Warning,
 involvedObject: {kind: Pod, name: purr-gateway-0, namespace: poker},
 message: "password=${planted[0]} key ${planted[1]} at https://rpc.example/v2/${planted[2]}, seat 1 holds AsKd"}
EVENT
purr 0 report --file "$work/report.tar"
mkdir "$work/report"
tar -xf "$work/report.tar" -C "$work/report"
for secret in "${planted[@]}" AsKd 1111111111111111 "$(sed -n 2p "$work/tls.key")"; do
  if grep -r -F -e "$secret" "$work/report"; then die "the archive holds $secret"; fi
done
jq -e '.[0].reason == "BackOff"' "$work/report/purr-report/objects/Event.json" >/dev/null || die "the archive lacks the event"
jq -e '.[0].spec.seats == 6' "$work/report/purr-report/objects/PokerTable.json" >/dev/null || die "the archive lacks the table"
[ ! -e "$work/report/purr-report/objects/Secret.json" ] || die "Secrets are in the archive"

# The vault of a development chain: the admins' call, as two wallets send it.
read -r chain_port < <(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
"$("$here/npm.sh" anvil)" --port "$chain_port" --silent >"$work/anvil.log" 2>&1 &
pids+=($!)
rpc=http://127.0.0.1:$chain_port
ask() { # method parameters
  curl -fsS -H 'content-type: application/json' "$rpc" -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" |
    jq -r 'if .error then error(.error.message) else .result end'
}
up anvil "${pids[-1]}" 30 ask eth_chainId '[]'
mapfile -t accounts < <(ask eth_accounts '[]' | jq -r '.[]')
operator=${accounts[1]} admins=("${accounts[@]:7:3}")
deployed=$(PURR_DEPLOYER_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80 "$signer" deploy --rpc-urls "$rpc" \
  --operator "$operator" --voucher "${accounts[2]}" --guardian "${accounts[6]}" 2>"$work/deploy.log") || die "$(cat "$work/deploy.log")"
vault=$(jq -r .vault <<<"$deployed") currency=$(jq -r .token <<<"$deployed")
status 0
export PURR_RPC=$rpc
purr 0 -o json balances
[ "$(jq -r '[.[] | select(.what == "owed" or .what == "missing") | .amount] | join(" ")' <<<"$said")" = "0.000000 USDC 0.000000 USDC" ] ||
  die "balances of a new vault: $said"
purr 1 void nl100-1 --first 1 --last 2
says 'the vault does not know it'
# openTable, as the signer's key sends it. The node hashes the function's name.
word() { printf '%064x' "$1"; }
uid=$(n get ptable nl100-1 -o 'jsonpath={.metadata.uid}')
name_hex=$(printf 'openTable((bytes32,uint8,uint16,uint64,uint64))' | od -An -tx1 | tr -d ' \n')
selector=$(ask web3_sha3 "[\"0x$name_hex\"]" | cut -c1-10)
terms="$selector${uid//-/}$(printf '0%.0s' {1..32})$(word 6)$(word 500)$(word 2500000)$(word 1000000)"
sent() { # from to data
  local hash
  hash=$(ask eth_sendTransaction "[{\"from\":\"$1\",\"to\":\"$2\",\"data\":\"$3\",\"gas\":\"0x7a120\"}]")
  [ "$(ask eth_getTransactionReceipt "[\"$hash\"]" | jq -r .status)" = 0x1 ] || die "the vault has refused $3"
}
sent "$operator" "$vault" "$terms"
purr 1 void nl100-1 --first 2 --last 2
says '--first 2 is not 1'
purr 0 -o json void nl100-1 --first 1 --last 2 --admin "${admins[0]}" --admin "${accounts[5]}"
[ "$(jq -r '"\(.chainId) \(.to) \(.value) \(.actionNumber)"' <<<"$said")" = "31337 $vault 0x0 0" ] || die "the call: $said"
[[ $(jq -r '.admins[0].says' <<<"$said") == *'first approval'* ]] || die "an admin's: $said"
[[ $(jq -r '.admins[1].says' <<<"$said") == *'would be refused'* ]] || die "a stranger's: $said"
data=$(jq -r .data <<<"$said")
sent "${admins[0]}" "$vault" "$data"
purr 0 -o json void nl100-1 --first 1 --last 2 --admin "${admins[1]}"
[[ $(jq -r '.admins[0].says' <<<"$said") == *'would execute it'* ]] || die "the second admin's: $said"
sent "${admins[1]}" "$vault" "$data"
purr 1 void nl100-1 --first 1 --last 2
says '--first 1 is not 3'
say "kubectl purr: $checks commands as they should be, and two admins have passed over two numbers"
