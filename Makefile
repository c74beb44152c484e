# make demo and make test set up all they need in .venv: Python 3.11 or newer and PyPI are enough.
# Another interpreter: make demo PYTHON=/path/to/python3.12

PYTHON ?= python3
# The newest Python that is here. Each is tried, for the shims of pyenv answer to names that they do not run.
PYTHON_NEWEST ?= $(shell for p in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3 \
  python3.12 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.12*/bin/python3; do \
  "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-newest newest-python slow slurm benchmark site wheel clean

help:
	@echo "make demo       install, simulate configs/ceramide.yaml, draw the figures (runs/)"
	@echo "make test       install, ruff, pytest"
	@echo "make test-newest  the same tests on the newest Python found (3.13, 3.12) with the newest jax allowed"
	@echo "make slow       install, the long physics tests"
	@echo "make slurm      install a Slurm on this machine (root, Debian), run job arrays on it"
	@echo "make benchmark  install with peers, run benchmarks/"
	@echo "make site       install, build the documentation as a site (site/)"
	@echo "make wheel      install, build the wheel and the source distribution (dist/)"
	@echo "make clean      remove .venv, .venv-newest and caches; runs/ stays"

demo: $(VENV)/.base
	$(BIN)/membrane run configs/ceramide.yaml --output runs/ceramide.h5 --overwrite
	$(BIN)/membrane figure --kind sizes runs/ceramide.h5
	$(BIN)/membrane figure --kind membrane runs/ceramide.h5

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

test-newest:
	@newest='$(PYTHON_NEWEST)'; test -n "$$newest" || { \
	  echo "membrane: no Python 3.12 or 3.13 found, nothing was tested. Name one: make test-newest PYTHON_NEWEST=/path/to/python3.13" >&2; exit 1; }; \
	$(MAKE) VENV=.venv-newest PYTHON="$$newest" .venv-newest/.newest && \
	.venv-newest/bin/python -c 'import sys, jax; print("Python", sys.version.split()[0], "with jax", jax.__version__)' && \
	.venv-newest/bin/python -m pytest

newest-python:
	@echo '$(PYTHON_NEWEST)'

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

slurm: $(VENV)/.test
	$(BIN)/python -m pytest -n 0 -m slurm tests/sweep/slurm

benchmark: $(VENV)/.benchmark
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

site: $(VENV)/.test
	$(BIN)/python -m mkdocs build --strict

wheel: $(VENV)/.test
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) .venv-newest build dist site *.egg-info .pytest_cache .ruff_cache
	find membrane tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: an environment is made once, each set of packages again whenever pyproject.toml changes.
$(VENV)/.base: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install -e .
	@touch $@

$(VENV)/.test: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install -e '.[test]'
	@touch $@

$(VENV)/.newest: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager -e '.[test]'
	@touch $@

$(VENV)/.benchmark: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install -e '.[benchmark]'
	@touch $@

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "membrane: no $(PYTHON) found. Install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "membrane: $(PYTHON) is $$($(PYTHON) --version 2>&1), but 3.11 or newer is needed. Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' >/dev/null 2>&1 || { \
	  echo "membrane: $(PYTHON) lacks venv. Install it (Debian, Ubuntu: apt install python3-venv), or name another Python: make $(MAKECMDGOALS) PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
