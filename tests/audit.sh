#!/usr/bin/env bash
# One report with a date: advisories, licences, secrets in the history, what was not looked at, and the security tests.
# usage: audit.sh [--tests]    --tests: also runs the tests that are quick enough
# Writes target/audit.md; exit code 1 where a part has found something.
set -euo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
# shellcheck source=tools.sh
. "$here/../tools.sh"
# shellcheck source=deny.sh
. "$here/../deny.sh"
cd "$here/../.."
run_tests=false
case ${1:-} in --tests) run_tests=true ;; '') ;; *) die "usage: audit.sh [--tests]" ;; esac
mkdir -p target
out=target/audit.md
new=$(mktemp)
trap 'rm -f -- "$new"' EXIT
found=0 open=0

write() { printf '%s\n' "$@" >>"$new"; }
# A part of the report: what its command says, and whether it has found something.
part() { # title command...
  local title=$1 said
  shift
  say "audit: $title"
  if said=$("$@" 2>&1); then
    write "## $title: nothing found" ''
  else
    found=$((found + 1))
    write "## $title: FOUND" ''
  fi
  [ -z "$said" ] || write "$said" ''
}
# What cannot be answered here is said, and is no pass.
unanswered() { # title why
  open=$((open + 1))
  say "audit: $1: not answered"
  write "## $1: NOT ANSWERED" '' "$2" ''
}

write "# Audit of $(date -u +%F)" '' \
  "Revision $(git rev-parse --short=12 HEAD)$([ -z "$(git status --porcelain)" ] || echo ', with changes that are not committed'). Made by \`make audit\`; SECURITY.md says what is audited and how often." ''
deny=$(cargo_deny)
part "Advisories about Rust crates" advisories "$deny"
part "Licences, sources and bans of Rust crates" "$deny" --log-level error check --hide-inclusion-graph licenses bans sources
write "Licences by number of crates:" ''
# Of a line "MIT (320): a, b" the crates are left out.
"$deny" --log-level error list 2>/dev/null | sed -nE 's/^([^:]+ \([0-9]+\)):.*/- \1/p' >>"$new" || true
write ''

npm_audit() { # folder with a lock file
  local said
  said=$(cd "$1" && timeout 60 npm audit --package-lock-only --json 2>/dev/null) || true
  jq -e 'has("metadata")' <<<"$said" >/dev/null 2>&1 || return 2
  jq -r '.metadata.vulnerabilities | to_entries[] | select(.value > 0) | "- \(.key): \(.value)"' <<<"$said"
  [ "$(jq '.metadata.vulnerabilities.total' <<<"$said")" = 0 ]
}
while IFS= read -r lock; do
  folder=$(dirname "$lock") code=0
  said=$(npm_audit "$folder") || code=$?
  count=$(jq '.packages | length - 1' "$lock")
  title="Advisories about npm packages of $folder ($count)"
  case $code in
    0) write "## $title: nothing found" '' ;;
    2) unanswered "$title" "The registry has not answered the question (\`npm audit\`). None of these packages is in an image of production: they compile contracts and drive tests." ;;
    *) found=$((found + 1)) && write "## $title: FOUND" '' "$said" '' ;;
  esac
done < <(git ls-files -- '*package-lock.json')
unanswered "Advisories about the images' Debian packages" \
  "Images are made of Debian's current bookworm packages at each build (tests/cluster/images.sh). Scan them in your registry; no scanner's database is part of this repository."

part "Secrets in the history" python3 tests/audit/secrets.py
part "The scan for secrets finds what was planted" python3 tests/audit/secrets.py --test

# Security tests: what each attacks, and the command.
tests=(
  "spectators, slow requests and streams against gateways and a table|make attack|"
  "each column of the signer's journal changed in turn: nothing is signed|cargo test -p purr-chain-signer --test it tamper::|slow"
  "nodes of the chain that lie|cargo test -p purr-chain-signer --test it lies::|slow"
  "a denied wallet: no sign-in, no seat, no voucher|cargo test -p purr-chain-signer --test it denials::|slow"
  "spectators take nothing from players|cargo test -p purr-table --test it isolation::|quick"
  "an older process cannot write|cargo test -p purr-table --test it fencing::|quick"
  "an archive for support holds no planted secret|cargo test -p kubectl-purr report::|quick"
  "the contract: 128,000 random calls, invariants after each|make invariants|"
  "what comes over the wire, coverage-guided|make fuzz|"
  "faults on a real cluster: nothing lost, nothing doubled|make chaos|"
  "collusion on a real cluster|make fair-play|"
)
write "## Security tests" '' '| what | command | result here |' '|---|---|---|'
for line in "${tests[@]}"; do
  IFS='|' read -r what command kind <<<"$line"
  result='not run by this audit'
  if [ "$kind" = quick ] && [ "$run_tests" = true ]; then
    say "audit: $what"
    # shellcheck disable=SC2086 # several words
    if tests/cargo.sh ${command#cargo } --release >/dev/null 2>&1; then
      result=passed
    else
      result=FAILED && found=$((found + 1))
    fi
  fi
  write "| $what | \`$command\` | $result |"
done
if [ -f target/attack.json ]; then write '' "\`target/attack.json\` is of $(date -u -r target/attack.json +%F)."; fi
write '' "In all: $found parts with findings, $open without an answer."
mv -- "$new" "$out"
trap - EXIT
say "audit: $found parts with findings, $open without an answer: $out"
[ "$found" -eq 0 ]
