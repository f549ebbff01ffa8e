# Every task has one entry point here; `.ci/run` calls the same ones.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: help install test lint types unit statistical integration demo bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with the pinned dependencies and the dualgate command

$(STAMP): requirements.lock pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
