# make run     everything, from an empty folder to a server with a demo (DEMO=0: without; HOST, PORT)
# make test    all tests, in parallel
# make lint    style, types, architecture
# make bench   benchmarks, into docs/benchmarks.md
# make install only the virtual environment; for deploy/operating.md
# make dev     a server that reloads itself when a file changes

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# OpenMP threads that spin while they wait make shared cores many times slower.
export OMP_WAIT_POLICY := PASSIVE
export HOST PORT DEMO

.PHONY: run dev test lint bench install

run: $(VENV)/.installed
	@RETAINSTREAM_LOG_FORMAT=$${RETAINSTREAM_LOG_FORMAT:-text} RETAINSTREAM_LOG_LEVEL=$${RETAINSTREAM_LOG_LEVEL:-warning} \
	exec $(BIN)/python -m retainstream.serve

install: $(VENV)/.installed

dev: $(VENV)/.installed-dev
	@RETAINSTREAM_LOG_FORMAT=text $(BIN)/python -c "from retainstream import serve; serve.prepare(serve.load_settings(serve.os.environ))"
	@RETAINSTREAM_LOG_FORMAT=text exec $(BIN)/flask --app wsgi run --debug --host $${HOST:-127.0.0.1} --port $${PORT:-8000}

# Three workers, because some tests wait for browsers and processes; the order of the files is that of tests/conftest.py. Bytecode is kept even
# where the environment says otherwise: each worker and each process that a test starts would compile everything anew.
test: $(VENV)/.installed-dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 3 --dist loadscope --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("RetainStream needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(INSTALL) -r requirements-dev.txt
	@touch $@
