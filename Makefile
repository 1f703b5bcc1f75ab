# make demo   search, retrain and report on one machine, in a few minutes
# make test   run the tests; TESTS="-m needs_torch" or TESTS=tests/unit/model runs some of them
# make clean  remove what the other two made: results/demo, .venv and caches of tools
.PHONY: help demo test clean lock
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
CONFIG := config/demo.yaml

help:
	@sed -n 's/^# //p' Makefile

# pip works from outside the environment: Debian's python3 has no ensurepip to put it inside.
.venv/installed: requirements.lock pyproject.toml
	@echo "==> setting up .venv (a minute or two, once)"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hpconv needs Python 3.11 or newer")'
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --quiet pip --requirement requirements.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --editable .
	@touch $@

.venv/dev: .venv/installed requirements-dev.lock
	@echo "==> adding what tests, documentation and exports need"
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --requirement requirements-dev.lock
	@touch $@

demo: .venv/installed
	@echo "==> searching feature extractors for handwritten digits"
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --profile profiles/local --configfile $(CONFIG)
	@echo "==> done, the report is $(CURDIR)/results/demo/report.html"

# hyperopt's own workers, which share our queue, run on no later pymongo than this
.venv/pymongo-3: .venv/dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target $@ pymongo==3.13.0

# three processes, as tests mostly wait; one BLAS thread each, or they would wait for each other's
test: .venv/dev .venv/pymongo-3
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(TESTS)

clean:
	rm -rf .venv results/demo site .pytest_cache .mypy_cache .ruff_cache hpconv.egg-info

# Every version that `make demo` and, of more packages, `make test` install, for all supported
# Pythons; not the extra gpu, which they do without.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra mongod \
  --no-emit-index-url --no-annotate --custom-compile-command "make lock" pyproject.toml
lock: .venv/dev
	$(COMPILE) --extra dev --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock
