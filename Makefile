# Everything sets itself up: `make film PROMPT="a red kite rises over the hills"`, `make test`.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin

# A prompt reaches the shell as it was typed: make does not expand it, the shell reads it from the environment.
override PROMPT := $(value PROMPT)
override OUT := $(value OUT)
export PROMPT OUT

.PHONY: help film studio setup migration test test-all check skia clean
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

test: check ## ruff, mypy and the default tests, in JOBS=2 processes
	$(BIN)/pytest -n $(JOBS) --dist loadfile

test-all: check ## the slow tests as well
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m 'not gpu'

check: $(VENV)/dev.stamp skia
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

skia: $(VENV)/dev.stamp
	@$(BIN)/python -c 'import skia' || { echo 'make: the paper world is drawn by Skia, which does not load here; on Debian and Ubuntu: apt-get install libegl1 libgl1 libfontconfig1 fontconfig' >&2; exit 1; }

clean: ## remove .venv, caches and builds; films, runs and weights stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The base and the development install share one environment; either one is redone when its versions change.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rushes needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/studio.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[studio]'
	@touch $(VENV)/base.stamp $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[train,data,s3,ray,studio,postgres,billing,families,dev]'
	@touch $(VENV)/base.stamp $(VENV)/studio.stamp $@
