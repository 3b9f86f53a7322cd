# make demo    environment, sample dataset, evaluation, report: `make -C path/to/checkout demo` works too
# make setup   only the environment: .venv in the checkout, with uv where it is installed, else venv and pip
# make test, make lint

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
EXTRAS := .[dev,samples]

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -3

setup: $(STAMP)

# An environment that is there already is completed, never replaced.
$(STAMP): pyproject.toml setup.py
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else \
	  "hqtrack needs Python 3.10 to 3.13, but $(PYTHON) is %d.%d: name another with make PYTHON=python3.12" % v)'
	@if command -v uv >/dev/null; then \
	  set -x; \
	  test -x $(BIN)/python || uv venv --python $(PYTHON) $(VENV); \
	  uv pip install --python $(BIN)/python --editable '$(EXTRAS)'; \
	else \
	  set -x; \
	  test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '$(EXTRAS)'; \
	fi
	@touch $@

demo: setup
	$(BIN)/hqtrack demo

# One process for each core with one thread each: many small networks run faster so than one after another.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
