# Concord: everything a developer or an operator runs here. Needs Python 3.11-3.13, make and git.
# Every target sets itself up on first use, inside this folder only.
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
PY    := $(BIN)/python
UV    := $(BIN)/uv
READY := $(VENV)/.ready
FITS  := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PICK   = for p in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	   if "$$p" -c '$(FITS)' >/dev/null 2>&1; then echo "$$p"; exit 0; fi; done
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV
export UV_NO_PROGRESS := 1
export UV_NO_CONFIG := 1

.PHONY: help setup run up test test-deep bench check lock clean
help:
	@echo "make run        contacts from three platforms to one golden record and back, embedded"
	@echo "make up         the same project in Airflow's own pages, on 127.0.0.1"
	@echo "make test       everything CI runs; make check is its first, quick part"
	@echo "make test-deep  the long searches"
	@echo "make bench      what things cost, in CPU seconds and memory; ARGS=gate runs one subject"
	@echo "make lock       renew requirements.lock;  make clean  remove what was made here"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@python="$$($(PICK))"; \
	if [ -z "$$python" ]; then \
	  echo "Concord needs Python 3.11, 3.12 or 3.13 with the venv module, and found none." >&2; \
	  echo "Install one (Debian and Ubuntu: python3 and python3-venv), or: make PYTHON=/path/to/python3" >&2; \
	  exit 1; fi; \
	if [ ! -x $(UV) ]; then \
	  echo "setting up in $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv $(VENV) && $(PY) -m pip install -q --disable-pip-version-check uv==0.13.9; fi
	@$(UV) pip sync -q --require-hashes --compile-bytecode --python $(PY) requirements.lock
	@$(UV) pip install -q --no-deps --no-build-isolation --python $(PY) -e .
	@touch $@

run: $(READY)
	@$(PY) -m concord demo $(ARGS)

up: $(READY)
	@$(PY) -m concord up --demo $(ARGS)

check: $(READY)
	@$(PY) -m ruff format --check src tests dags benchmarks deploy >$(VENV)/format.txt 2>&1 || { cat $(VENV)/format.txt; exit 1; }
	@$(PY) -m ruff check --quiet src tests dags benchmarks deploy
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.txt 2>&1 || { cat $(VENV)/imports.txt; exit 1; }
	@$(PY) -m mypy --no-error-summary

test: check
	@$(PY) -m pytest -m "not deep" -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-deep: $(READY)
	@HYPOTHESIS_PROFILE=deep $(PY) -m pytest -m deep --timeout 3600 $(ARGS)

bench: $(READY)
	@$(PY) -m benchmarks $(ARGS)

lock: $(READY)
	@$(UV) pip compile -q pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate -o requirements.lock

clean:
	rm -rf $(VENV) .concord .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
