# `make run` and `make test` need Python 3.11 or newer and nothing else; everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint types imports unit properties regressions e2e bench viewer pictures docs hang-up reconcile torture mutation real-model lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: .venv/run.stamp ## install, and start the gateway with its dashboard
	@$(BIN)/gateway serve --dashboard

test: lint types imports ## install, and run lint, types, import rules and every test
	@$(BIN)/pytest

lint: .venv/test.stamp ## check format and style
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: .venv/test.stamp ## check types, strictly
	@$(BIN)/mypy

imports: .venv/test.stamp ## check that the rooms import one way only
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

unit properties regressions e2e: .venv/test.stamp ## run one folder of tests
	@$(BIN)/pytest tests/$@

bench: .venv/test.stamp ## measure the cost of a request (loopback only, about a minute)
	@$(BIN)/python benchmarks/passthrough.py
	@$(BIN)/python benchmarks/passthrough.py --stream
	@$(BIN)/python benchmarks/metrics_hot_path.py
	@$(BIN)/python benchmarks/metrics_record.py --fast
	@$(BIN)/python benchmarks/log_tail.py

viewer: .venv/test.stamp ## measure what the dashboard costs and how quick it is (about three minutes)
	@$(BIN)/python benchmarks/viewer.py --frames 20000

pictures: .venv/test.stamp ## make the pictures of README and docs from a real run (about seven minutes)
	@$(BIN)/python docs/make_pictures.py

docs: .venv/test.stamp ## write the parts of the documentation that come from the code
	@$(BIN)/python docs/make_keys.py

hang-up: .venv/test.stamp ## measure how soon a provider sees that a client hung up
	@$(BIN)/python benchmarks/hang_up.py

reconcile: .venv/test.stamp ## compare every figure with what a load of 100,000 requests knows (about two minutes)
	@$(BIN)/python benchmarks/reconcile.py

torture: .venv/test.stamp ## read 100,000 snapshots while writers are killed (about five minutes)
	@$(BIN)/python benchmarks/metrics_torture.py

mutation: .venv/test.stamp ## change the metrics in every way a tool knows, and see the tests notice (about 30 minutes)
	@$(BIN)/python benchmarks/metrics_mutation.py

real-model: .venv/test.stamp ## try a real model server, URL=http://127.0.0.1:18080 MODEL=smollm2-135m
	@$(BIN)/python benchmarks/real_model.py $(if $(URL),--url $(URL)) $(if $(MODEL),--model $(MODEL))

lock: .venv/test.stamp ## resolve the dependencies anew: exact versions and hashes, no addresses
	@$(BIN)/python -m pip install --quiet uv
	@for set in "run --extra build" "test --all-extras"; do set -- $$set; name=$$1; shift; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header pyproject.toml $$@ -o requirements/$$name.lock; done

clean: ## remove what the targets made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv

.venv/%.stamp: requirements/%.lock pyproject.toml | .venv/bin/python
	@echo "installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
