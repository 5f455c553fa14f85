# What one does with LUX. `make help` lists it.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
VENV ?= .venv
PYTHON := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run demo test lint format bench gates fuzz audit lock migration migration-refresh environment test-environment clean

help: ## list what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -e 's/:.*## /|/' | while IFS='|' read -r name text; do printf '  make %-18s %s\n' "$$name" "$$text"; done

run: environment ## start LUX here: database, web and worker; Ctrl-C stops it
	@exec $(PYTHON) supervisor.py

demo: environment ## start LUX on a separate database with a believable business: 100,000 contacts and its year
	@exec $(PYTHON) -m demo

test: test-environment ## run the whole suite, browser tests included
	@exec $(PYTHON) -m pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder

lint: test-environment ## check style, types and the usual security mistakes
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy .
	@$(PYTHON) -m bandit -q -r -c pyproject.toml -x ./.venv,./.cache,./var,./tests,./benchmarks .

format: test-environment ## put the code into its house style
	@$(PYTHON) -m ruff check --fix-only -q .
	@$(PYTHON) -m ruff format -q .

bench: test-environment ## measure LUX beside the programs that do the same; writes benchmarks/RESULTS.md
	@sh tests/prepare.sh postfix
	@exec $(PYTHON) -m benchmarks

gates: test-environment ## measure every page with Lighthouse; fails below the gates of the design
	@exec $(PYTHON) -m benchmarks gates

fuzz: test-environment ## throw made-up requests, bodies, files and forms at LUX for a quarter of an hour; more with n=1000
	@exec $(PYTHON) -m pytest tests/security/test_api_inputs.py tests/security/test_inputs.py --timeout 3600 --inputs $(or $(n),300)

audit: ## ask the advisory service about every pinned requirement; fails where it does not answer
	@sh deploy/audit.sh

lock: ## pin all requirements with their hashes
	@sh deploy/lock.sh

migration: environment ## make a migration from what changed in models.py: make migration m="what changed"
	@exec $(PYTHON) -m migrations.make "$(m)"

migration-refresh: environment ## write the newest migration again, from models.py as it is now
	@exec $(PYTHON) -m migrations.make --refresh

environment: ## make .venv with what LUX needs (run does this itself)
	@VENV=$(VENV) sh deploy/environment.sh requirements.lock

test-environment: ## make .venv with what tests need, and the programs around them (test does this itself)
	@VENV=$(VENV) sh deploy/environment.sh requirements-dev.lock
	@sh tests/prepare.sh chromium node gates oidc nginx journal postfix dovecot

clean: ## remove what was made here, except the data folder var/
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/gates/node_modules tests/oidc_judge/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
