# `make help` lists what there is.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## set up and start Expacti on 127.0.0.1:8000 (PORT=…) with a demo organization
	@bash scripts/run.sh

.PHONY: setup-dev
setup-dev:
	@bash scripts/setup.sh dev

.PHONY: test
test: setup-dev ## set up and run every test: on SQLite, then on a real PostgreSQL and Redis
	@bash scripts/test.sh

.PHONY: lint
lint: setup-dev ## ruff, mypy, layers, missing migrations, deployment check
	@bash scripts/lint.sh

.PHONY: bench
bench: setup-dev ## measure, side by side, against the plain floor and the usual packages
	@TEST_DATABASE=postgres $(PY) -m bench

.PHONY: requirements
requirements: setup-dev ## compile requirements*.in to the pinned files
	@bash scripts/requirements.sh
