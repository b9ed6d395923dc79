# Needs make and Python 3.11 or newer with venv; everything else goes into .venv.
#   make run                      the whole program, until Ctrl-C
#   make demo                     the same with a small made-up market in it
#   make test ARGS=tests/faults   all tests or some, once per kind of database
#   make soak ARGS="--minutes 5"  all of it for an hour, or so long, beside an exchange that fails
#   make docs                     the documentation as a site, in var/site
#   make lint | make bench | make clean

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin/python
PIP := $(BIN) -m pip install --quiet --disable-pip-version-check
# Tools that import the settings need a key, and no .env of the developer.
PLAIN := ENV_FILE=/dev/null SECRET_KEY=unused

.PHONY: run demo test lint docs bench soak clean

run: $(VENV)/installed
	@exec $(BIN) manage.py up $(ARGS)

demo: $(VENV)/installed
	@exec $(BIN) manage.py up --demo $(ARGS)

test: $(VENV)/installed-dev
	@failed=0; for database in sqlite postgresql; do \
		$(BIN) -m pytest --quiet -n 2 --dist loadfile --database $$database $(ARGS) || failed=1; \
	done; exit $$failed

lint: $(VENV)/installed-dev
	@$(BIN) -m ruff check --quiet .
	@$(BIN) -m ruff format --check --quiet .
	@$(PLAIN) $(BIN) -m mypy .
	@$(VENV)/bin/lint-imports --no-logo

docs: $(VENV)/installed-docs
	@NO_MKDOCS_2_WARNING=true $(BIN) -m mkdocs build

bench: $(VENV)/installed-dev
	@$(BIN) -m tools.bench $(ARGS)

soak: $(VENV)/installed-dev
	@$(BIN) -m tools.soak $(ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made requirements.txt
	@echo "Installing requirements.txt"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@echo "Installing requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/installed-docs: $(VENV)/made requirements-docs.txt
	@echo "Installing requirements-docs.txt"
	@$(PIP) -r requirements-docs.txt
	@touch $@
