# Agora. `make` lists the targets; `make run` is all that a bare machine needs (Python 3.11, git, make).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
RUN_STAMP := $(VENV)/.requirements
DEV_STAMP := $(VENV)/.requirements-dev
PYTEST_ARGS ?=
CODE := hub community inference tests manage.py

# What `make test-pg` runs against; both must be empty databases that tests may fill.
TEST_DATABASE_URL ?= postgresql://postgres@127.0.0.1:5432/agora
TEST_REDIS_URL ?= redis://127.0.0.1:6379/9

# Installs $(1) unless its content was installed before: $(2) holds the digest of what was.
define install
digest=$$(cat requirements*.txt | cksum)
if [ "$$(cat $(2) 2>/dev/null)" != "$$digest" ]; then
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(1)
	echo "$$digest" > $(2)
fi
endef

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Agora needs Python 3.11 or later; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

.PHONY: setup
setup: | $(PY) ## make .venv and install what running needs
	@$(call install,requirements.txt,$(RUN_STAMP))

.PHONY: setup-dev
setup-dev: | $(PY) ## the same, with what tests and checks need
	@$(call install,requirements-dev.txt,$(DEV_STAMP))
	@cp $(DEV_STAMP) $(RUN_STAMP)

.PHONY: run
run: setup ## start everything: broker, web, workers, scheduler (PORT, HUB_DATA_DIR, … by environment)
	@exec $(PY) manage.py up

.PHONY: up
up: run ## the same as run

.PHONY: worker
worker: setup ## only the workers, for a second machine on PostgreSQL and Redis
	@exec $(PY) manage.py up --no-migrate --only worker,inference,evaluation

.PHONY: test
test: setup-dev ## the test suite on SQLite and the embedded broker (PYTEST_ARGS=…)
	@exec env -u DATABASE_URL -u REDIS_URL $(PY) -m pytest $(PYTEST_ARGS)

.PHONY: test-pg
test-pg: setup-dev ## the test suite on PostgreSQL and Redis (TEST_DATABASE_URL, TEST_REDIS_URL)
	@# Journeys start hubs of their own on the embedded default, and the matrix asks rules, not databases: a second pass
	@# here would be the same again.
	@exec env DATABASE_URL="$(TEST_DATABASE_URL)" REDIS_URL="$(TEST_REDIS_URL)" $(PY) -m pytest --ignore=tests/e2e --ignore=tests/conformance --ignore=tests/hub/test_permission_matrix.py $(PYTEST_ARGS)

.PHONY: conformance
conformance: setup-dev ## the clients' own tests and other clients against a live hub (package index and npm needed)
	@exec env -u DATABASE_URL -u REDIS_URL $(PY) -m pytest tests/conformance $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: setup-dev ## every route of the API with made-up requests, for thirty minutes (HUB_FUZZ_SECONDS)
	@exec env -u DATABASE_URL -u REDIS_URL HUB_FUZZ_SECONDS=$${HUB_FUZZ_SECONDS:-1800} $(PY) -m pytest tests/conformance/test_fuzz_api.py $(PYTEST_ARGS)

.PHONY: check
check: lint types migrations ## everything that reads the code without running the suite

.PHONY: lint
lint: setup-dev ## style, layers, templates
	@$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint templates --lint --quiet

.PHONY: fmt
fmt: setup-dev ## format and fix what can be fixed
	@$(VENV)/bin/ruff check --fix-only --quiet $(CODE)
	$(VENV)/bin/ruff format $(CODE)

.PHONY: types
types: setup-dev ## mypy
	@$(VENV)/bin/mypy

.PHONY: migrations
migrations: setup-dev ## system checks, and no model change without its migration
	@$(PY) manage.py check --fail-level WARNING
	$(PY) manage.py makemigrations --check --dry-run

.PHONY: messages
messages: setup-dev ## collect translatable text (needs GNU gettext) and compile the catalogues
	@$(PY) manage.py makemessages --all --no-obsolete --add-location file --ignore '.venv/*' --ignore 'var/*' --ignore 'node_modules/*' --ignore 'tests/*'
	$(PY) manage.py compile_catalogs

.PHONY: docs
docs: setup ## write the generated pages (docs/settings.md, deploy/env.example)
	@$(PY) manage.py settings_doc

.PHONY: bench
bench: setup-dev ## measure this machine: answers per second, page times, bytes per second
	@$(PY) -m bench

.PHONY: screenshots
screenshots: setup-dev ## every page, narrow and wide, light and dark, both languages, into screenshots/
	@$(PY) -m tests.e2e.screenshots

.PHONY: clean
clean: ## remove caches and build output; data (var/) and .venv stay
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage build dist screenshots
