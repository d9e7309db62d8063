# Paybell's commands. Each one first installs what it needs and has not got yet, into
# .venv, node_modules of tests/node and bench/peers/node, and (Chromium, for the
# browser tests) the system.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test bench soak lint format setup setup-python setup-node setup-chromium clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A stamp carries the checksum of what it was made from: a changed setup.cfg or lock
# file has another stamp, whatever the files' dates are.
PACKAGE_SUM := $(shell cat setup.cfg pyproject.toml | cksum | cut -d ' ' -f 1)
NODE_SUM := $(shell cat tests/node/package.json tests/node/package-lock.json | cksum | cut -d ' ' -f 1)
RUN_READY := $(VENV)/.stamp-run-$(PACKAGE_SUM)
TEST_READY := $(VENV)/.stamp-test-$(PACKAGE_SUM)
NODE_READY := tests/node/node_modules/.stamp-$(NODE_SUM)
PEERS_SUM := $(shell cat bench/peers/node/package.json bench/peers/node/package-lock.json | cksum | cut -d ' ' -f 1)
PEERS_READY := bench/peers/node/node_modules/.stamp-$(PEERS_SUM)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="..." is handed on, for example: make test ARGS="-x tests/unit"'

demo: $(RUN_READY) ## See a payment happen, on a pretended chain
	$(BIN)/python run.py demo $(ARGS)

serve: $(RUN_READY) ## Run the engine: make serve ARGS="--help"
	$(BIN)/python run.py serve $(ARGS)

test: $(TEST_READY) $(NODE_READY) setup-chromium ## Run all tests, with a real node and a real browser
	@PYTHON=$(BIN)/python .ci/test.sh $(ARGS)

bench: $(TEST_READY) $(NODE_READY) $(PEERS_READY) ## Measure, and write bench/RESULTS.md
	@.ci/debian.sh erlang-base "for the benches to compare with" erl
	@.ci/debian.sh redis-server "for the benches to compare with" redis-server
	$(BIN)/python -m bench $(ARGS)

soak: $(TEST_READY) ## Simulate 100,000 shops: make soak ARGS="--seeds 0-9999 --jobs 2"
	$(BIN)/python -m tests.simulation --soak $(ARGS)

lint: $(TEST_READY) ## Check style, format, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(TEST_READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: setup-python setup-node setup-chromium ## Only install what the commands need
setup-python: $(TEST_READY)
setup-node: $(NODE_READY)
setup-chromium:
	@.ci/chromium.sh

clean: ## Remove what was installed here
	rm -rf $(VENV) tests/node/node_modules bench/peers/node/node_modules

$(RUN_READY):
	@test -e $(TEST_READY) || .ci/venv.sh "$(PYTHON)" "$(VENV)" .
	@rm -f $(VENV)/.stamp-run-* && touch $@

$(TEST_READY):
	@.ci/venv.sh "$(PYTHON)" "$(VENV)" '.[test]'
	@rm -f $(VENV)/.stamp-test-* && touch $@

$(NODE_READY):
	@.ci/node.sh
	@touch $@

$(PEERS_READY):
	@.ci/bench_peers.sh
	@touch $@
