# One virtual environment, .venv, made and kept by these rules. Written for GNU make 3.81 (macOS) and later.
#   make demo     install and run the demo            make test   lint, types, imports and all tests
#   make wheel    build dist/*.whl                     make bench  measure on this machine
#   make mutants  break the engine in nearly 200 ways: do the tests notice?
#   make crash    cut the power at every write, refuse every call to the disk, kill 1,000 writers, 10,000 agents
#   make fuzz     MINUTES=10 of inputs by chance for each decoder (ARGS="log graph" chooses)
#   make soak     10 million events, 30 days of use, five threads for a minute, ten minutes of histories
#   make conformance-tuf   the public suite of TUF clients against a device's (git, faketime, some minutes)
#   make clean    remove everything that was made
# PYTHON=/path/to/python3.11 chooses the interpreter; ARGS="--out out" goes to the command.

# The first Python that runs and is new enough; a name on the PATH may be a shim that does not run.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
PYTEST_ARGS ?= -n 2

.PHONY: help demo test lint types pyright imports tests mutants crash fuzz soak wheel bench bench-replay conformance-tuf clean

help:
	@sed -n '2,11s/^# *//p' Makefile

demo: $(VENV)/.demo
	@$(BIN)/headrace demo $(ARGS)

test: lint types imports tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

# A second type checker reads the public words; apart from `test` because it is large.
pyright: $(VENV)/.pyright
	$(BIN)/basedpyright

imports: $(VENV)/.dev
	$(BIN)/lint-imports

tests: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Takes about a quarter of a minute for each; `make tests` tries a sample.
mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants/run.py $(ARGS)

# All of what tests/crash samples; more than an hour. ARGS="power faults kill" chooses.
crash: $(VENV)/.dev
	$(BIN)/python tests/crash/run.py $(ARGS)

MINUTES ?= 10
fuzz: $(VENV)/.dev
	$(BIN)/python tests/fuzz/run.py $(MINUTES) $(ARGS)

soak: $(VENV)/.dev
	$(BIN)/python tests/soak/run.py $(ARGS)

# SUITE=/path/to/checkout takes a suite that is there; ARGS="-k rollback" goes to pytest.
SUITE ?= $(CURDIR)/$(VENV)/tuf-conformance
SUITE_AT := eec841c186f81f2d9d8d30460c7e7deefa615f9e
conformance-tuf: $(VENV)/.dev
	@command -v faketime >/dev/null || { echo "expected the command faketime, found none; install it" >&2; exit 2; }
	@test -d $(SUITE) || git clone --quiet https://github.com/theupdateframework/tuf-conformance $(SUITE)
	@git -C $(SUITE) checkout --quiet $(SUITE_AT)
	@test -d $(SUITE)/.venv || { "$(PYTHON)" -m venv $(SUITE)/.venv && \
	  $(SUITE)/.venv/bin/python -m pip --disable-pip-version-check --quiet install $(SUITE); }
	cd $(SUITE) && .venv/bin/python -m pytest -q -c pyproject.toml --confcutdir=. tuf_conformance \
	  --entrypoint=$(CURDIR)/tests/trust/headrace-tuf $(ARGS)

wheel: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

bench: $(VENV)/.bench
	@$(BIN)/headrace bench device $(ARGS)

# Apart from `bench`: ten minutes, 8 GB of memory; ARGS="--events 500000" is a look.
bench-replay: $(VENV)/.bench
	@$(BIN)/headrace bench replay $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo: pyproject.toml $(VENV)/.made
	@echo "installing headrace with what the demo needs"
	@$(PIP) install -e '.[replay]'
	@touch $@

$(VENV)/.bench: pyproject.toml $(VENV)/.made
	@echo "installing headrace with what its measurements need"
	@$(PIP) install -e '.[replay,bench]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.made
	@echo "installing headrace with what its tests need"
	@$(PIP) install -e '.[dev]'
	@touch $@

$(VENV)/.pyright: $(VENV)/.dev
	@echo "installing basedpyright"
	@$(PIP) install 'basedpyright>=1.31'
	@touch $@

$(VENV)/.made:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "headrace: expected Python 3.11 or newer, found $(if $(PYTHON),$(PYTHON),none on the PATH);" \
	    "install it, or run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "headrace: expected Python's venv module, found none in $(PYTHON);" \
	    "on Debian or Ubuntu run: apt install python3-venv" >&2; exit 2; }
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@
