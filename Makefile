# Paybell's commands. Each one first installs what it needs and has not got yet: programs
# from Debian, Python packages into .venv and .venv-electrumx, Node packages into
# tests/node/node_modules and bench/peers/node/node_modules.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test bench soak mutate lint format lock setup setup-python setup-node setup-chromium setup-litecoind setup-lightning setup-nginx setup-operating setup-redis fresh system clean FORCE

PYTHON ?= python3
export PYTHON
VENV := .venv
BIN := $(VENV)/bin

# Which programs the goals of this call need, all asked for at once.
GOALS := $(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))
NEEDS := python
# `make demo ARGS=--lightning` has a real Lightning network.
LIGHTNING := $(filter test setup setup-lightning,$(GOALS))$(if $(filter demo,$(GOALS)),$(filter --lightning,$(ARGS)))
NEEDS += $(if $(LIGHTNING)$(filter soak bench mutate setup-node,$(GOALS)),node)
NEEDS += $(if $(LIGHTNING),electrum)
NEEDS += $(if $(filter test setup setup-chromium,$(GOALS)),chromium)
NEEDS += $(if $(filter test setup setup-litecoind,$(GOALS)),litecoind)
NEEDS += $(if $(filter test soak setup setup-nginx,$(GOALS)),nginx)
NEEDS += $(if $(filter test setup setup-operating,$(GOALS)),caddy promtool systemd curl)
NEEDS += $(if $(filter test soak setup setup-redis,$(GOALS)),redis)
NEEDS += $(if $(filter bench,$(GOALS)),erlang redis)

# A stamp carries the checksum of what it was made from: a changed setup.cfg or lock
# file has another stamp, whatever the files' dates are.
sum = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
PACKAGE := setup.cfg pyproject.toml requirements.lock
RUN_READY := $(VENV)/.stamp-run-$(call sum,$(PACKAGE))
TEST_READY := $(VENV)/.stamp-test-$(call sum,$(PACKAGE) requirements-test.lock)
node_stamp = $(1)/node_modules/.stamp-$(call sum,$(1)/package.json $(1)/package-lock.json)
NODE_READY := $(call node_stamp,tests/node)
PEERS_READY := $(call node_stamp,bench/peers/node)
ELECTRUMX := .venv-electrumx
ELECTRUMX_READY := $(ELECTRUMX)/.stamp-$(call sum,requirements-electrumx.lock)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="..." is handed on, for example: make test ARGS="-x tests/unit"'

demo: $(RUN_READY) $(if $(LIGHTNING),$(NODE_READY) $(ELECTRUMX_READY)) ## See a payment happen; ARGS=--lightning: over real Lightning nodes
	$(BIN)/python run.py demo $(ARGS)

serve: $(RUN_READY) ## Run the node: make serve ARGS="--help"
	$(BIN)/python run.py serve $(ARGS)

test: $(TEST_READY) $(NODE_READY) $(ELECTRUMX_READY) ## Run all tests, with real nodes and a real browser
	@PYTHON=$(BIN)/python .ci/test.sh $(ARGS)

bench: $(TEST_READY) $(NODE_READY) $(PEERS_READY) ## Measure, and write bench/RESULTS.md
	$(BIN)/python -m bench $(ARGS)

soak: $(TEST_READY) $(NODE_READY) ## Run for hours; one part: make soak ARGS="--seeds 0-9999"
	@PYTHON=$(BIN)/python .ci/soak.sh $(ARGS)

mutate: $(TEST_READY) $(NODE_READY) ## Plant wrong lines, see which no test notices (long)
	nice -n 10 $(BIN)/python -m tests.mutation $(ARGS)

lint: $(TEST_READY) ## Check style, format, types, layers and the contract with clients
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.contract

format: $(TEST_READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: system ## Renew requirements*.lock from setup.cfg: make lock ARGS=--upgrade
	@.ci/lock.sh $(ARGS)

fresh: ## As root: try make demo and make test in a new, minimal Debian
	@.ci/fresh.sh $(ARGS)

setup: setup-python setup-node setup-chromium setup-litecoind setup-lightning setup-nginx setup-operating setup-redis ## Only install what the commands need
setup-python: $(TEST_READY)
setup-node: $(NODE_READY)
setup-chromium: system
setup-litecoind: system
setup-lightning: $(NODE_READY) $(ELECTRUMX_READY)
setup-nginx: system
setup-operating: system
setup-redis: system

clean: ## Remove what was installed here
	rm -rf $(VENV) $(ELECTRUMX) tests/node/node_modules bench/peers/node/node_modules

system:
	@.ci/system.sh $(NEEDS)

# Order only: what is installed from Debian comes before all else, and makes no stamp old.
$(RUN_READY) $(TEST_READY) $(NODE_READY) $(PEERS_READY) $(ELECTRUMX_READY): | system

# An environment that is broken or was moved has its stamp all the same.
ifneq ($(shell .ci/venv.sh --check $(VENV) && echo whole),whole)
$(RUN_READY) $(TEST_READY): FORCE
endif
ifneq ($(shell .ci/venv.sh --check $(ELECTRUMX) && echo whole),whole)
$(ELECTRUMX_READY): FORCE
endif

$(RUN_READY):
	@test -e $(TEST_READY) && .ci/venv.sh --check $(VENV) || \
		.ci/venv.sh "$(PYTHON)" $(VENV) requirements.lock
	@rm -f $(VENV)/.stamp-run-* && touch $@

$(TEST_READY):
	@.ci/venv.sh "$(PYTHON)" $(VENV) requirements-test.lock
	@rm -f $(VENV)/.stamp-test-* && touch $@

$(NODE_READY):
	@.ci/npm.sh tests/node "the Bitcoin node of the tests"
	@touch $@

$(PEERS_READY):
	@.ci/npm.sh bench/peers/node "what the benches compare with"
	@touch $@

$(ELECTRUMX_READY):
	@.ci/venv.sh --alone "$(PYTHON)" $(ELECTRUMX) requirements-electrumx.lock
	@rm -f $(ELECTRUMX)/.stamp-* && touch $@
