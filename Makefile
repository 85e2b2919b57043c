# make demo         colors real photographs and says where they are
# make test         checks style and types, then runs the tests in three processes and measures what they cover (10 to 20 minutes)
# make quick        the quick tests alone, which reach every module (a few minutes)
# make nightly      what takes hours: writes benchmarks/NIGHTLY.md
# make matrix       the quick tests on the oldest and newest Python, and with the lowest versions of what we depend on
# make vapoursynth  tests of the VapourSynth filter, on a Python that VapourSynth has a wheel for (3.12 or newer)
# make constraints  writes constraints.txt from a fresh resolution
# make pictures    draws README's picture anew, with the present weights; `make site` draws all the others
# make site         builds the documentation into site/
# make web          writes the page that colors in the browser into build/web
# make audit        asks a database whether what CI runs with has known holes (needs more network than package registries)
# make bench        measures speed, memory and size, and rewrites benchmarks/RESULTS.md (run it on a quiet machine)

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt
# Tests that share a Ray cluster, a server or a browser stay in one process. Three for two cores, because many wait.
PYTEST = $(BIN)/python -m pytest --numprocesses 3 --dist loadgroup

.PHONY: demo check test quick nightly matrix vapoursynth constraints pictures site web audit bench clean

demo: $(VENV)/demo-installed
	$(BIN)/python examples/demo.py demo

check: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(PYTEST) --cov --cov-report=term --durations=15

quick: $(VENV)/dev-installed
	$(PYTEST) -m "not slow and not nightly" --cov --cov-fail-under=0 --cov-report=json:build/quick.json
	$(BIN)/python tools/reached.py build/quick.json

nightly: $(VENV)/dev-installed
	$(BIN)/python tools/nightly.py

matrix:
	$(PYTHON) tools/matrix.py

vapoursynth:
	$(PYTHON) tools/matrix.py --vapoursynth

constraints:
	$(PYTHON) tools/constraints.py

pictures: $(VENV)/dev-installed
	$(BIN)/python docs/site/figures.py --readme

site: $(VENV)/dev-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

web: $(VENV)/dev-installed
	$(BIN)/photochrom web build/web

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
	rm -rf $(VENV) .venv-matrix build demo dist site
