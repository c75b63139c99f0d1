# `make help` lists the targets. Everything runs in .venv, which the first target that needs it creates.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check
LOCK_VENV := .lock-venv
COMPILE = $(LOCK_VENV)/bin/python -m piptools compile --quiet --generate-hashes --no-header --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-options --unsafe-package torch $(LOCK_ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup kernels ray reproduce test test-slow speed reference results lock clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.run-installed kernels ## create .venv with the packages of a run

kernels: $(VENV)/.run-installed
	@$(PY) -m models.layers.kernels.build || true # without a compiler torch does their work

ray: setup $(VENV)/.ray-installed ## add Ray, for --executor ray

reproduce: setup ## run everything, then write the report; flags in ARGS="--preset smoke"
	$(PY) run_all.py $(ARGS)

test: setup $(VENV)/.dev-installed ## ruff, mypy, import-linter, the site of docs/ and the quick tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()" --no-logo
	site=$$(mktemp -d) && trap 'rm -rf "$$site"' EXIT && NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet --config-file .ci/mkdocs.yml --site-dir "$$site"
	$(PY) -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: setup $(VENV)/.dev-installed ## the slow tests
	$(PY) -m pytest -m slow -n 2 --dist loadfile || test $$? -eq 5 # 5: no test is marked slow

speed: setup $(VENV)/.dev-installed ## measure throughput and cost; prints a table
	$(PY) -m benchmark.speed

reference: setup ## make the committed sample of a report anew
	rm -rf $(addprefix reports/reference/,analysis_plan.toml plan.json runs studies tuning data cost optuna report)
	$(PY) run_all.py --preset smoke --no-mlflow --out reports/reference

results: setup ## keep the records and the picture behind the README's numbers, of the default run
	mkdir -p docs/results
	cp $(foreach name,table1 awareness comparisons sensitivity claims,benchmark/runs/report/tables/$(name).csv) docs/results
	cp benchmark/runs/report/figures/forest.png docs
	$(PY) -c "from benchmark.api import results; results('benchmark/runs').to_csv('docs/results/runs.csv', index=False)"

lock: $(LOCK_VENV)/.installed ## pin the ranges of pyproject.toml anew; LOCK_ARGS=--upgrade takes newer versions
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --extra ray --constraint requirements.lock --output-file requirements-ray.lock pyproject.toml
	@for name in requirements.lock requirements-dev.lock requirements-ray.lock; do \
		awk '/^# WARNING/ { exit } NF' $$name > $$name.part && mv $$name.part $$name || exit 1; \
	done

clean: ## remove the virtual environments and the caches; data and runs stay
	rm -rf $(VENV) $(LOCK_VENV) models/layers/kernels/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is the last step of its recipe: an interrupted install has none and is taken up again.
$(VENV)/.created:
	@command -v "$(PYTHON)" > /dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "error: $(PYTHON) is $$("$(PYTHON)" --version 2>&1); 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c "import ensurepip, venv" 2> /dev/null || { echo "error: $(PYTHON) has no venv module; install it (on Debian: python3-venv), or name another Python: make PYTHON=/path/to/python3" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.run-installed: $(VENV)/.created requirements.lock requirements-torch.lock
	$(PIP) --require-hashes --requirement requirements.lock
	$(PIP) --requirement requirements-torch.lock
	@touch $@

$(VENV)/.ray-installed: $(VENV)/.run-installed requirements-ray.lock
	$(PIP) --require-hashes --requirement requirements-ray.lock
	@touch $@

$(VENV)/.dev-installed: $(VENV)/.run-installed requirements-dev.lock
	$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@

$(LOCK_VENV)/.installed: $(VENV)/.created
	$(PY) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/python -m pip install --disable-pip-version-check "pip-tools==7.6.2"
	@touch $@
