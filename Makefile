# make demo   colors real photographs and says where they are
# make test   checks style and types, then runs every test
# make site   builds the documentation into site/
# make audit  asks a database whether what CI runs with has known holes (needs more network than package registries)
# make bench  measures speed, memory and size, and rewrites benchmarks/RESULTS.md (run it on a quiet machine)

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test quick site audit bench clean

demo: $(VENV)/demo-installed
	$(BIN)/python examples/demo.py demo

test: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

quick: $(VENV)/dev-installed
	$(BIN)/python -m pytest -m "not slow"

site: $(VENV)/dev-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

audit: $(VENV)/dev-installed
	$(PIP) pip-audit
	$(BIN)/python -m pip_audit --requirement constraints.txt --no-deps --disable-pip

bench: $(VENV)/dev-installed
	$(BIN)/python benchmarks/speed.py

$(VENV)/demo-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) ".[demo]"
	touch $@

$(VENV)/dev-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[dev]"
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) demo dist site
