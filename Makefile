# Every task has one entry point here; `.ci/run` calls the same ones. Needed beforehand: Python 3.11 to 3.13, and make.
SHELL := /bin/bash
FITTING := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(FITTING)' 2>/dev/null && echo $$p; done) python3)
BIN := .venv/bin
STAMP := .venv/installed
PYTEST_ARGS ?=

# A suite is a folder of tests with something in it; a benchmark is a module.
SUITES := $(foreach s,unit property contract statistical integration e2e,$(if $(wildcard tests/$(s)/test_*.py),$(s)))
BENCHMARKS := $(notdir $(basename $(shell grep -l "^def main" benchmarks/*.py)))
PARTS := lint types $(if $(wildcard cli/demo.py cli/demo),demo) $(SUITES)

# $(call timed,words,command): run the command and say how long it took, whether it fails or not.
timed = @start=$$SECONDS; echo "== $(1)"; $(2); code=$$?; echo "== $(1): $$((SECONDS - start)) s"; exit $$code

.PHONY: help install test lint types unit property contract statistical integration e2e demo bench evaluate faults faults-again statistics \
	format clean

help: ## Show this list
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## Make .venv with the pinned dependencies and the dualgate command

$(STAMP): requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c '$(FITTING)' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): Dualgate needs Python 3.11 to 3.13; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Run the sample log through a real Apache Kafka to a verdict: out/report.html
	$(call timed,demo,$(BIN)/dualgate demo)

test: install ## Run everything that CI runs: lint types demo unit property contract statistical integration e2e
	@begin=$$SECONDS; failed=; \
	for part in $(PARTS); do $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	echo "== test: $$((SECONDS - begin)) s in all; $$([ -z "$$failed" ] && echo "all of: $(PARTS)" || echo "failed:$$failed")"; test -z "$$failed"

# import-linter finds no package behind an editable install; typings/ shows it the folders under their import name.
lint: install ## Check style, format and the arrows between folders
	$(call timed,lint,$(BIN)/ruff check && $(BIN)/ruff format --check && PYTHONPATH=typings $(BIN)/lint-imports)

types: install ## Check types, strictly
	$(call timed,types,$(BIN)/mypy)

unit property contract statistical integration e2e: install
	$(call timed,$@,$(BIN)/python -m pytest tests/$@ $(PYTEST_ARGS))

bench: install ## Run the benchmarks: ratios measured side by side
	$(call timed,bench,for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done)

evaluate: install ## Evaluate this gate and its rivals on injected events (half an hour; goes on after Ctrl-C): out/evaluation
	$(call timed,evaluate,$(BIN)/dualgate evaluate)

faults: install ## Run the whole matrix of faults on a real broker (about 15 minutes): docs/fault-results.md
	$(call timed,faults,PYTHONPATH=tests $(BIN)/python -m support.faults.report --out docs/fault-results.md)

faults-again: install ## Run only the faults that docs/fault-results.md does not say have passed
	$(call timed,faults-again,PYTHONPATH=tests $(BIN)/python -m support.faults.report --out docs/fault-results.md --again)

statistics: install ## Measure every stated error rate anew: docs/statistics-results.md
	$(call timed,statistics,$(BIN)/python -m dualgate.lab.characteristics --out docs/statistics-results.md)

soak: install ## Live whole migrations of identical agents: docs/soak-results.md
	$(call timed,soak,$(BIN)/python -m dualgate.lab.soak --write docs/soak-results.md)

format: install ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove what was built: the virtual environment, caches, out/
	rm -rf .venv out build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
