#!/usr/bin/env bash
# Every test of the project, with the time of each stage. usage: run.sh
# Ends with "N passed, M failed, K skipped", counted in stages. What cannot run says which prerequisite is missing;
# with CI=true that is a failure.
set -uo pipefail
# shellcheck source=cluster/lib.sh
. "$(dirname "$0")/cluster/lib.sh"
cd "$here/../.." || exit 1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target} CARGO_TERM_COLOR=never
cluster "${PURR_CLUSTER:-test}"
export PURR_CLUSTER=$name
logs=$cache/logs
mkdir -p "$logs" target
passed=0 failed=0 skipped=0
report=()

finish() { # name seconds ok|FAILED|skipped
  report+=("$(printf '%-34s %6ss  %s' "$1" "$2" "$3")")
  case $3 in
    ok) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
}

stage() { # name command...
  local what=$1 from=$SECONDS log
  shift
  log=$logs/${what//[^a-zA-Z0-9]/-}.log
  say "$what"
  if "$@" 2>&1 | tee "$log" | filter; then
    finish "$what" $((SECONDS - from)) ok
  else
    finish "$what" $((SECONDS - from)) FAILED
    say "FAILED: $what (the whole log: $log)"
    tail -n 60 "$log"
    return 1
  fi
}
# Compilers and test runners say much; what a reader wants is results and warnings.
filter() { grep --line-buffered -vE '^ *(Compiling|Downloaded|Downloading|Checking|Running|Fresh|Updating|Locking|Adding|Blocking)|^test .* ok$|^$|^running [0-9]+ tests?$|^go: downloading|Doc-tests' || true; }

summary() {
  echo
  printf '%s\n' "${report[@]}"
  echo "in all: $((SECONDS - started)) s"
  if [ "$skipped" -gt 0 ] && [ "${CI:-}" = true ]; then failed=$((failed + skipped)); fi
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
}

# Compiles Go and Rust side by side: one of each is what two cores bear.
compile() {
  local go
  command -v go >/dev/null || {
    tests/cargo.sh build --release --locked --workspace --all-targets
    return
  }
  "$here/build.sh" >"$logs/cluster-build.log" 2>&1 &
  go=$!
  tests/cargo.sh build --release --locked --workspace --all-targets || return 1
  wait "$go" || { tail -n 40 "$logs/cluster-build.log"; return 1; }
}
rust_tests() { tests/cargo.sh test --release --locked --workspace --no-fail-fast; }
contracts() { chain-signer/contracts/build.sh --check && chain-signer/contracts/build.sh --test; }
end_to_end() {
  set -a
  # shellcheck disable=SC1090
  . "$cache/stacks/$name/env"
  set +a
  "$CARGO_TARGET_DIR/release/purr-demo" --out target/e2e.json || return 1
  # Six faults once each; `make chaos` has them all, ten times.
  "$CARGO_TARGET_DIR/release/purr-chaos" --runs 1 --out target/chaos.json \
    --faults pod-killed,pod-frozen,master-killed,partition-wrong-side,signer-killed,gateway-killed || return 1
  # The last moves the chain's clock.
  tests/cargo.sh test --release --locked --workspace --test e2e -- --ignored --nocapture --test-threads=1 &&
    tests/cargo.sh test --release --locked --workspace --test backup -- --ignored --nocapture --test-threads=1 &&
    tests/cargo.sh test --release --locked --workspace --test money -- --ignored --nocapture --test-threads=1
}
# The ways in that need other people's controllers: the API server must accept what the chart renders.
ways_in() {
  local definitions
  eval "$("$here/env.sh" "$name")"
  definitions=$(cd "$here/gateway-api" && go mod download -json sigs.k8s.io/gateway-api | jq -r .Dir)
  kubectl apply --server-side -f "$definitions/config/crd/standard/gateway.networking.k8s.io_tlsroutes.yaml" || return 1
  kubectl wait --for=condition=Established crd/tlsroutes.gateway.networking.k8s.io --timeout=30s || return 1
  helm template purr helm/purr --namespace purr --set anvil.enabled=true --set gateway.ingress.enabled=true \
    --set gateway.ingress.host=poker.example --set gateway.ingress.className=nginx --set gateway.tlsRoute.enabled=true \
    --set 'gateway.tlsRoute.hostnames={poker.example}' --set 'gateway.tlsRoute.parentRefs[0].name=edge' \
    --set gateway.service.type=LoadBalancer --set 'gateway.clientAddress.forwardedFrom={10.0.0.0/8}' \
    --show-only templates/gateway/ingress.yaml --show-only templates/gateway/service.yaml |
    kubectl --namespace purr apply --dry-run=server -f - | tee "$logs/ways-in"
  [ "$(grep -cE '^(ingress|tlsroute|service).*server dry run' "$logs/ways-in")" -eq 4 ]
}
cleanup() { "$here/down.sh" "$name" >/dev/null 2>&1 || true; }

# Says which prerequisite a stage lacks; one that lacks any is skipped.
has() { # stage commands...
  local what=$1 need
  shift
  for need in "$@"; do
    if ! command -v "$need" >/dev/null; then
      say "skipped: $what (needs $need)"
      finish "$what" 0 skipped
      return 1
    fi
  done
}

# Keeps the cache below 25 GiB. What goes first is what is cheapest to make again.
prune() {
  local bound=25600
  cache_mib() { du -sm "$cache" | cut -f1; }
  [ "$(cache_mib)" -gt "$bound" ] || return 0
  say "the cache holds $(cache_mib) MiB: dropping incremental data"
  rm -rf -- "$CARGO_TARGET_DIR/release/incremental"
  [ "$(cache_mib)" -gt "$bound" ] || return 0
  say "dropping programs of checkouts that were not built for a day"
  find "$CARGO_TARGET_DIR/release/deps" -name '*purr*' -mtime +0 -delete
  [ "$(cache_mib)" -gt "$bound" ] || return 0
  say "dropping the whole target folder"
  rm -rf -- "$CARGO_TARGET_DIR"
}

trap cleanup EXIT
ok=true
if ! stage prerequisites "$here/prereqs.sh" || ! has compile cargo || ! stage compile compile; then
  summary
  exit 1
fi
stage lints tests/lint.sh || ok=false
stage "units and properties" rust_tests || ok=false
if has differential python3; then stage differential tests/differential.sh 2000 || ok=false; fi
if has export python3; then stage export tests/export.sh 2000 || ok=false; fi
if has autobahn python3; then stage autobahn tests/autobahn.sh || ok=false; fi
if has "fuzz, short" python3; then stage "fuzz, short" tests/fuzz.sh 15 || ok=false; fi
if has page node npm chromium; then stage page tests/page/run.sh || ok=false; fi
if has clients python3; then stage clients tests/clients/run.sh || ok=false; fi
if has "attacks, short" redis-server taskset; then stage "attacks, short" tests/attack.sh --short || ok=false; fi
if has contracts node npm; then stage contracts contracts || ok=false; fi
if has definitions go jq python3 openssl curl; then
  stage definitions tests/crds.sh || ok=false
  stage "Secrets, made once" tests/bootstrap.sh "$CARGO_TARGET_DIR/release/purr-controller" || ok=false
  stage fleets tests/fleet.sh "$CARGO_TARGET_DIR/release/purr-controller" || ok=false
  stage "kubectl purr" tests/kubectl-purr.sh "$CARGO_TARGET_DIR"/release/{kubectl-purr,purr-chain-signer} || ok=false
fi
if has stops python3 openssl jq; then stage stops tests/stop.sh "$CARGO_TARGET_DIR/release" || ok=false; fi
if has "scale, short" go jq openssl curl redis-server; then
  programs=("$CARGO_TARGET_DIR/release/purr-controller" "$CARGO_TARGET_DIR/release/purr-scale")
  stage "scale, short" tests/scale.sh "${programs[@]}" --short || ok=false
fi
if has "end to end" go npm jq nsenter; then
  "$here/down.sh" "$name" >/dev/null
  if stage "cluster and stack" tests/stack.sh "$name"; then
    stage "end to end" end_to_end || ok=false
    stage "ways in" ways_in || ok=false
    "$here/down.sh" "$name" >/dev/null
  else
    ok=false
  fi
  stage "cluster scripts" "$here/selftest.sh" || ok=false
fi
prune
summary && [ "$ok" = true ]
