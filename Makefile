# Two commands do all the set-up: `make up` runs everything, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: up test conformance fuzz bench soak chaos check format pins clean

up: $(VENV)/.run
	@$(BIN)/webhooks up

# Two files at a time. ALL=1 runs besides the few tests that are marked `long`; what they try is tried shorter elsewhere.
test: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(if $(ALL),,-m "not long") $(ARGS)

# Every case of the workers' conformance suite on the process worker too, which takes minutes.
conformance: $(VENV)/.dev
	TEST_WORKERS=all $(BIN)/pytest tests/conformance/test_workers.py $(ARGS)

# Every parser and verifier for SECONDS each, guided by coverage, from SEED on, then the API with EXAMPLES of each route;
# TARGETS="json verify" tries those alone.
fuzz: $(VENV)/.fuzz
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),10) --seed $(or $(SEED),1) $(TARGETS)
	$(if $(TARGETS),,API_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/pytest -q tests/integration/test_openapi_holds.py)

# QUICK=1 looks for a minute, WRITE=1 renews docs/performance.md, PEER=http://... measures another system's webhook too.
# ARGS="--only stored" fills an inbox with a million deliveries, which takes half an hour; --rows N with so many.
bench: $(VENV)/.run
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(WRITE),--write) $(if $(PEER),--peer $(PEER)) $(ARGS)

# Many runs in a row: none lost, none doubled, memory flat. WRITE=1 renews its section in docs/performance.md.
soak: $(VENV)/.run
	@$(BIN)/python -m benchmarks.soak --runs $(or $(RUNS),500) $(if $(WRITE),--write) $(ARGS)

# A fault EVERY so many seconds for MINUTES, from SEED on, the inbox ON=sqlite or postgres; then three ledgers are compared.
chaos: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.chaos --minutes $(or $(MINUTES),15) --seed $(or $(SEED),1) --every $(or $(EVERY),5) --on $(or $(ON),sqlite) $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy receiver flows blocks benchmarks tests
	$(BIN)/lint-imports
	$(BIN)/python .ci/file_sizes.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Compiles the exact pins from pyproject.toml for every supported Python and system.
pins: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Making the environment in $(VENV) (once, about half a minute)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

$(VENV)/.fuzz: $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris --no-build-isolation -c requirements-dev.txt -e '.[fuzz]' || { echo "atheris, which guides the fuzzing, has no wheel for this Python and system: take Python 3.11 to 3.14 on Linux (x86-64), e.g. make PYTHON=python3.11 VENV=.venv-fuzz fuzz"; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
