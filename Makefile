# `make run` and `make test` need Python 3.11 or newer and nothing else; everything is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VERSIONS := 3.11 3.12 3.13

# Runs a command with a network of its own that has only loopback, where the system lets us.
UNSHARE := unshare --net --map-root-user
ALONE = $(if $(shell $(UNSHARE) echo yes 2>/dev/null),$(UNSHARE) sh -c 'ip link set lo up && exec "$$0" "$$@"')

.DEFAULT_GOAL := help
.PHONY: help run test test-all pytest lint types imports unit properties regressions e2e bench peers peers-install bench-guard scale soak slow-streams viewer with-dashboard pictures docs hang-up reconcile torture mutation real-model agents clients dist lock clean generate demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9 -]*:.*## / { n = split($$1, names, " "); \
	  for (i = 1; i <= n; i++) printf "%-16s%s\n", names[i], $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## install, and start the gateway with its dashboard (ARGS="--port 9000")
	@$(BIN)/gateway serve --dashboard $(ARGS)

demo: $(VENV)/run.stamp ## install, and see the dashboard on synthetic traffic: no key, no network (ARGS="--port 9000")
	@$(BIN)/gateway demo $(ARGS)

test: lint types imports pytest ## install, and run lint, types, import rules and every test

pytest: $(VENV)/test.stamp ## run every test
	@$(BIN)/pytest

# The Python of a version. A command `python3.12` may be a shim of pyenv that leads nowhere; what pyenv has installed is
# tried, too.
FIND_PYTHON = for python in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python none; do \
	    "$$python" -c '' 2>/dev/null && break; \
	  done

test-all: ## run every test on each Python version that is installed here (VERSIONS="3.12 3.13")
	@tested= missing= failed=; \
	for version in $(VERSIONS); do \
	  $(FIND_PYTHON); \
	  if [ "$$python" = none ]; then missing="$$missing $$version"; continue; fi; \
	  echo "Python $$version"; tested="$$tested $$version"; \
	  $(MAKE) --no-print-directory VENV=.venv-$$version PYTHON="$$python" pytest || failed="$$failed $$version"; \
	done; \
	echo "tested:$${tested:- none}; failed:$${failed:- none}; not installed here:$${missing:- none}"; \
	[ -n "$$tested" ] && [ -z "$$failed" ]

lint: $(VENV)/test.stamp ## check format and style
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(VENV)/test.stamp ## check types, strictly
	@$(BIN)/mypy

imports: $(VENV)/test.stamp ## check that the rooms import one way only
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

unit properties regressions e2e: $(VENV)/test.stamp ## run one folder of tests
	@$(BIN)/pytest tests/$@

bench: $(VENV)/test.stamp ## measure the cost of a request (loopback only, about a minute)
	@$(BIN)/python benchmarks/passthrough.py
	@$(BIN)/python benchmarks/passthrough.py --stream
	@$(BIN)/python benchmarks/metrics_hot_path.py
	@$(BIN)/python benchmarks/metrics_record.py --fast
	@$(BIN)/python benchmarks/log_tail.py

# Where the peers are; their versions are those of the figures in docs/performance.md.
PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gateway-peers

peers-install: ## install rolter, LiteLLM and Portkey beside the tree, to measure them (wrk and nginx: from the system)
	@mkdir -p $(PEERS)/portkey
	@$(PYTHON) -m venv $(PEERS)/rolter && $(PEERS)/rolter/bin/pip install --quiet rolter==0.1.0
	@$(PYTHON) -m venv $(PEERS)/litellm && $(PEERS)/litellm/bin/pip install --quiet 'litellm[proxy]==1.108.7'
	@! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --ignore-scripts \
	  --prefix $(PEERS)/portkey @portkey-ai/gateway@1.15.2

peers: $(VENV)/test.stamp $(VENV)/peers.stamp ## measure the gateway beside its peers, write JSON, draw plots (about 20 minutes)
	@$(BIN)/python -m benchmarks.peers --peers $(PEERS) --json benchmarks/results/peers.json --plots docs

bench-guard: $(VENV)/test.stamp ## fail when a request has become dearer, as a ratio in one run (about three minutes)
	@$(BIN)/python -m benchmarks.peers --peers $(PEERS) --only gateway,granian,rolter --quick \
	  --guard benchmarks/ratios.json

scale: $(VENV)/test.stamp ## measure what grows: workers, open streams, models, requests (about five minutes)
	@$(BIN)/python -m benchmarks.scale --json benchmarks/results/scale.json

viewer: $(VENV)/test.stamp ## measure what the dashboard costs and how quick it is (about three minutes)
	@$(BIN)/python benchmarks/viewer.py --frames 20000

with-dashboard: $(VENV)/test.stamp ## measure what requests pay for a dashboard, with intervals of confidence (about six minutes)
	@$(BIN)/python -m benchmarks.with_dashboard

pictures: $(VENV)/test.stamp ## make the pictures of README and docs from a real run (about seven minutes)
	@$(BIN)/python docs/make_pictures.py

generate: $(VENV)/test.stamp ## write the parts of the documentation that come from the code
	@$(BIN)/python docs/generate.py

docs: generate $(VENV)/docs.stamp ## build the documentation as a site, strictly, into site/
	@$(BIN)/mkdocs build --strict --quiet

hang-up: $(VENV)/test.stamp ## measure how soon a provider sees that a client hung up
	@$(BIN)/python benchmarks/hang_up.py

reconcile: $(VENV)/test.stamp ## compare every figure with what a load of 100,000 requests knows (about two minutes)
	@$(BIN)/python benchmarks/reconcile.py

soak: $(VENV)/test.stamp ## 100,000 requests with faults and clients that leave: does anything leak (about five minutes)
	@$(BIN)/python benchmarks/soak.py

slow-streams: $(VENV)/test.stamp ## measure a thousand slow streams on one worker, and clients that read nothing
	@$(BIN)/python benchmarks/slow_streams.py

torture: $(VENV)/test.stamp ## read 100,000 snapshots while writers are killed (about five minutes)
	@$(BIN)/python benchmarks/metrics_torture.py

mutation: $(VENV)/test.stamp ## change the metrics in every way a tool knows, and see the tests notice (about 30 minutes)
	@$(BIN)/python benchmarks/metrics_mutation.py

real-model: $(VENV)/test.stamp ## a real model server as the oracle: native against translated, URL=http://127.0.0.1:18080 MODEL=smollm2-135m
	@$(BIN)/python benchmarks/real_model.py $(if $(URL),--url $(URL)) $(if $(MODEL),--model $(MODEL))

agents: ## install Claude Code, Codex and opencode for `make clients` (node and npm, about 1 GB)
	@mkdir -p .agents
	@cp tests/clients/package.json .agents/
	@npm install --prefix .agents --no-audit --no-fund

clients: $(VENV)/test.stamp ## run real coding agents through the gateway, over loopback alone (about five minutes)
	@$(if $(ALONE),,echo "no network of its own to be had here: only a proxy watches what the agents ask for")
	@$(ALONE) $(BIN)/pytest tests/clients -rs

dist: $(VENV)/test.stamp ## build wheel and sdist into dist/, and install both into empty environments of each Python
	@rm -rf dist
	@$(BIN)/python -m tests.support.distributions dist
	@tried= missing=; \
	for version in $(VERSIONS); do \
	  $(FIND_PYTHON); \
	  if [ "$$python" = none ]; then missing="$$missing $$version"; continue; fi; \
	  for file in dist/*.whl dist/*.tar.gz; do \
	    rm -rf dist/empty && "$$python" -m venv dist/empty && \
	    dist/empty/bin/python -m pip install --quiet --disable-pip-version-check "$$file" && \
	    (cd dist/empty && bin/gateway --version && bin/gateway check > /dev/null) || exit 1; \
	  done; \
	  tried="$$tried $$version"; \
	done; \
	rm -rf dist/empty; \
	echo "installed on:$${tried:- none}; not installed here:$${missing:- none}"

lock: $(VENV)/test.stamp ## resolve the dependencies anew: exact versions and hashes, no addresses
	@$(BIN)/python -m pip install --quiet uv
	@for set in "run --extra build" "test --extra test --extra bench --extra build" "peers --extra peers --extra build" "docs --extra docs --extra build"; do set -- $$set; name=$$1; shift; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header pyproject.toml $$@ -o requirements/$$name.lock; done

clean: ## remove what the targets made
	rm -rf .agents .venv .venv-3.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist site

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/%.stamp: requirements/%.lock pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
