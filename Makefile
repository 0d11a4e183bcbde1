# Everything sets itself up: `make film PROMPT="a red kite rises over the hills"`, `make test`.
PYTHON ?= python3
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin

# A prompt reaches the shell as it was typed: make does not expand it, the shell reads it from the environment.
override PROMPT := $(value PROMPT)
override OUT := $(value OUT)
export PROMPT OUT

# What Python compiles is kept, whatever the shell says: the tests start some hundred processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help film studio setup migration test test-all suite suite-all check lint types skia clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

film: $(VENV)/base.stamp ## PROMPT="..." [OUT=film.mp4] [ARGS="--tier short --seed 3"]: a film of the sentence
	@$(BIN)/rushes film $(ARGS) $(if $(OUT),-o "$$OUT") $(if $(PROMPT),-- "$$PROMPT")

studio: $(VENV)/studio.stamp ## [ARGS="--port 8001"]: accounts, queue, library and feed in a browser
	@$(BIN)/rushes studio $(ARGS)

setup: $(VENV)/dev.stamp ## everything that training and the tests need, in .venv

migration: $(VENV)/dev.stamp ## SAYS="...": write the migration that a change of the studio's tables needs
	@$(BIN)/python -c 'import sys; from rushes.studio import schema; print(schema.draft(sys.argv[1]))' "$(SAYS)"
	@$(BIN)/ruff format -q rushes/studio/migrations

test: lint ## ruff, mypy and the default tests, in JOBS=3 processes
	@$(MAKE) --no-print-directory -j 2 types suite

test-all: lint ## the slow tests as well
	@$(MAKE) --no-print-directory -j 2 types suite-all

# One thread for each process: two of each would wait for one another, and OpenMP's threads wait by spinning.
# In the order of the folders: by their number of tests, files of one long test would come last.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

suite: $(VENV)/dev.stamp skia
	$(PYTEST)

suite-all: $(VENV)/dev.stamp skia
	$(PYTEST) -m 'not gpu'

check: lint types

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

skia: $(VENV)/dev.stamp
	@$(BIN)/python -c 'import skia' || { echo 'make: the paper world is drawn by Skia, which does not load here; on Debian and Ubuntu: apt-get install libegl1 libgl1 libfontconfig1 fontconfig' >&2; exit 1; }

clean: ## remove .venv, caches and builds; films, runs and weights stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The base and the development install share one environment; either one is redone when its versions change.
# pip would compile what it installs on one core; a few files that packages bring along cannot be compiled at all.
PIP := $(BIN)/pip install --quiet --no-compile -c constraints.txt
COMPILED := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rushes needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e .
	@$(COMPILED)
	@touch $@

$(VENV)/studio.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[studio]'
	@$(COMPILED)
	@touch $(VENV)/base.stamp $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[train,data,s3,ray,studio,postgres,billing,families,dev]'
	@$(COMPILED)
	@touch $(VENV)/base.stamp $(VENV)/studio.stamp $@
