# The two commands of a newcomer: `make quickstart` and `make test`. Everything lives in .venv; both are idempotent.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install quickstart test test-all test-cluster check docs bench clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.base: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.base
	$(BIN)/python -m pip install --quiet --editable '.[test,docs]'
	@touch $@

install: $(VENV)/.base  ## Install Assay into .venv
	@echo 'installed; `source $(VENV)/bin/activate` puts `assay` on the path'

quickstart: $(VENV)/.base  ## Curate, train, fit and report on a small real corpus (no data to fetch)
	$(BIN)/assay run configs/quickstart.yaml $(OPTIONS)

test: $(VENV)/.test  ## Fast tests
	$(BIN)/python -m pytest

test-all: $(VENV)/.test  ## Every test on one machine, slow ones too
	$(BIN)/python -m pytest -m 'not cluster'

test-cluster: $(VENV)/.test  ## Faults on three hosts made of namespaces (root)
	$(BIN)/python -m pip install --quiet --editable '.[cluster]'
	$(BIN)/python -m pytest -m cluster tests/cluster

check: $(VENV)/.test  ## Lint, types, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/sphinx-build -q -W -b html docs docs/_build/html

docs: $(VENV)/.test  ## Build the manual into docs/_build/html
	$(BIN)/sphinx-build -b html docs docs/_build/html

clean:  ## Remove the environment and results
	rm -rf $(VENV) work docs/_build
