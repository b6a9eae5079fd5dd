# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-12s %s\n", $$1, $$2}'

.venv/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("tokenwire needs Python 3.11 or newer, found " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: demo
demo: .venv/.ready ## stream one answer from the built-in demo model
	$(BIN)/tokenwire demo

.PHONY: test
test: .venv/.ready ## format, lint, types and every test that needs only Python
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not tools"

.PHONY: tools
tools: .venv/.ready ## bring the tools from outside Python into .tools, at pinned versions
	$(BIN)/python tools/install.py

.PHONY: test-tools
test-tools: tools ## every test that needs a tool from outside Python; none may skip
	$(BIN)/pytest -m tools

.PHONY: soak
MINUTES ?= 3
soak: .venv/.ready ## mixed calls with mixed faults; fails when memory climbs (MINUTES=3)
	$(BIN)/python -m soak --minutes $(MINUTES)

.PHONY: format
format: .venv/.ready ## format the code and apply safe lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: generate
generate: .venv/.ready ## make every generated file again: stubs and docs
	$(BIN)/python tools/generate.py

.PHONY: lock
lock: .venv/.ready ## resolve the dependencies again and write every Python lock file
	$(BIN)/python tools/lock.py
