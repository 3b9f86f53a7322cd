# make demo    environment, sample dataset, evaluation, report: `make -C path/to/checkout demo` works too
# make setup   only the environment: .venv in the checkout, with uv where it is installed, else venv and pip
# make quick    tests without the slow ones, under a minute; make test: all of them; make lint; make docs; make package

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
EXTRAS := .[dev,docs,all]

.DEFAULT_GOAL := help
.PHONY: help setup demo quick test lint docs package

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -3

setup: $(STAMP)

# What works is completed, never replaced. Built anew is an environment whose making was interrupted, or that was moved
# with its checkout: its commands name the folder in which it was made.
UV := $(shell command -v uv)
UNFINISHED := $(VENV)/unfinished
WORKS := test ! -e $(UNFINISHED) && $(BIN)/python -c '$(if $(UV),,import pip)' && \
  { test ! -e $(BIN)/hqtrack || grep -qF "$(CURDIR)/$(VENV)" $(BIN)/hqtrack; }
ifneq ($(shell { $(WORKS); } 2>/dev/null && echo yes),yes)
.PHONY: $(STAMP)
endif

NO_PYTHON := there is no $(PYTHON) here: install Python 3.11 to 3.14, or name one with make PYTHON=/path/to/python3.12
WRONG_PYTHON := "hqtrack needs Python 3.11 to 3.14, but $(PYTHON) is %d.%d: name another with make PYTHON=python3.12"

$(STAMP): pyproject.toml setup.py
	@if ! { $(WORKS); } 2>/dev/null; then \
	  command -v $(PYTHON) >/dev/null || { echo '$(NO_PYTHON)' >&2; exit 1; }; \
	  $(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else $(WRONG_PYTHON) % v)' || exit 1; \
	  set -x; \
	  rm -rf $(VENV); \
	  $(if $(UV),uv venv --python,) $(PYTHON) $(if $(UV),,-m venv) $(VENV); \
	fi
	@touch $(UNFINISHED)
	$(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check) --editable '$(EXTRAS)'
	@rm $(UNFINISHED)
	@touch $@

demo: setup
	$(BIN)/hqtrack demo

# One process for each core with one thread each: many small networks run faster so than one after another. Each
# takes neighbouring tests, which share what is set up, and at the end those that another one has not begun.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -rs

quick: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -m 'not slow'

# The package as it is published; a warning of its description is an error.
package: setup
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A broken link or a page that stands nowhere is an error. The site is in build/site.
docs: setup
	$(BIN)/properdocs build --strict --quiet --config-file mkdocs.yml
