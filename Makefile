# Needs make and Python 3.11 to 3.13 with venv; everything else goes into .venv.
#   make run                      the whole program, until Ctrl-C
#   make demo                     the same with a small made-up market in it
#   make test ARGS=tests/faults   all tests or some, once per kind of database
#   make soak ARGS="--minutes 5"  all of it for an hour, or so long, beside an exchange that fails
#   make docs                     the documentation as a site, in var/site
#   make fuzz ARGS="--minutes 3"  ask the API what its schema allows and does not, for ten minutes or so long
#   make lock                     write requirements.lock anew, after a change of requirements.txt
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

# The programs that tests start would compile every module again without their bytecode.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/installed-dev
	@failed=0; for database in sqlite postgresql; do \
		$(BIN) -m pytest --quiet -n 2 --dist worksteal --durations 20 --database $$database $(ARGS) || failed=1; \
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

fuzz: $(VENV)/installed-dev
	@$(BIN) -m tests.fuzz $(ARGS)

lock: $(VENV)/installed-dev
	@$(VENV)/bin/uv pip compile requirements.txt --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12")'
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made requirements.lock
	@echo "Installing requirements.lock"
	@$(PIP) --require-hashes -r requirements.lock
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@echo "Installing requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/installed-docs: $(VENV)/made requirements-docs.txt
	@echo "Installing requirements-docs.txt"
	@$(PIP) -r requirements-docs.txt
	@touch $@
