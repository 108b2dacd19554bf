# Everything runs in .venv; `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
RUN := .venv/bin/
MIZAN := $(RUN)mizan

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/.installed: requirements/install requirements/runtime.txt requirements/dev.txt requirements/torch.txt requirements/uv.txt pyproject.toml
	requirements/install dev
	@touch $@

.PHONY: install
install: .venv/.installed  ## create .venv from the pinned lists

.PHONY: models
models: install  ## fetch, convert and verify the two embedded models
	$(MIZAN) models prepare --all-default

.PHONY: demo
demo: install  ## start the stack, hold real judged conversations, print answers and verdicts, stop
	$(MIZAN) demo

.PHONY: demo-keycloak
demo-keycloak: install  ## a real Keycloak leads, the stack follows: tenants, limits, suspension, forgery
	$(MIZAN) demo-keycloak

.PHONY: serve
serve: install  ## start the stack, print address, token and a curl, keep it running
	$(MIZAN) serve

# Servers and the browser that tests start come from Debian; where they cannot be installed, those tests say why they skip.
.PHONY: test
test: models  ## all tests, those with real models and the real stack included
	@.ci/redis-server
	@.ci/browser-and-database
	$(RUN)python -m pytest

.PHONY: test-fast
test-fast: install  ## the tests that start neither models nor Ray
	$(RUN)python -m pytest -m "not stack and not models and not keycloak"

.PHONY: lint
lint: install  ## ruff, in check mode
	$(RUN)ruff check . && $(RUN)ruff format --check .

.PHONY: types
types: install  ## mypy --strict
	$(RUN)mypy

.PHONY: check
check: lint types test  ## what CI runs

.PHONY: mutations
mutations: install  ## hand-made faults in the chain, each of which a test must catch
	$(RUN)python -m tests.mutations.run

.PHONY: console-guide
console-guide: install  ## carry the console guide out in a browser and renew its pictures
	$(RUN)python -m pytest -q tests/auth/keycloak/test_console_guide.py
	cp reports/console/*.png docs/console/

.PHONY: bench
bench: install  ## what judging costs: the whole stack against bare vLLM, in one run
	$(RUN)python -m cluster.against_bare_vllm

.PHONY: conformance
conformance: models  ## whether any unjudged byte leaves the stack, whatever fails
	$(MIZAN) conformance --json reports/conformance.json --html reports/conformance.html

.PHONY: conformance-peers
conformance-peers: install  ## the same of other gateways, each in an environment of its own
	$(MIZAN) conformance peers --json reports/conformance-peers.json --html reports/conformance-peers.html

.PHONY: lock
lock: install  ## rewrite the hashes of the pinned lists
	requirements/lock

.PHONY: clean
clean:  ## remove what the build made here; models stay in the cache
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis reports
