# `make run` starts the program, `make test` tests it; each sets up what it needs in .venv:
# who only wants to run it downloads no tools of developers.
# uv is used where it is installed, else Python's own venv and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Scripts in a virtual environment name its place, so a checkout that moved needs a new one.
HERE := $(shell pwd | cksum | cut -d' ' -f1)
RUNS := $(VENV)/.runs-$(HERE)
READY := $(VENV)/.ready-$(HERE)

.PHONY: run test check lint types layers bench docs screenshots format clean

run: $(RUNS)
	@$(BIN)/llm-studio $(ARGS)

test: $(READY)
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

check: lint types layers test

lint: $(READY)
	$(BIN)/ruff format --check app tests benchmarks screenshots
	$(BIN)/ruff check app tests benchmarks screenshots

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(READY)
	$(BIN)/python -m llm_studio.documents

screenshots: $(READY)
	$(BIN)/python -m screenshots $(ARGS)

format: $(READY)
	$(BIN)/ruff format app tests benchmarks screenshots
	$(BIN)/ruff check --fix app tests benchmarks screenshots

$(RUNS): pyproject.toml
	@PYTHON=$(PYTHON) VENV=$(VENV) sh ./setup.sh
	@touch $@

$(READY): $(RUNS)
	@PYTHON=$(PYTHON) VENV=$(VENV) sh ./setup.sh dev
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
