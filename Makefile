# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-12s %s\n", $$1, $$2}'

# The distributions of this repository. Installed in place for work on them; WHEELS=yes installs
# built wheels, so that CI tests what is shipped.
PACKAGES := ./client ./demo .
WHEELS ?=

.venv/.ready: requirements-dev.lock pyproject.toml client/pyproject.toml demo/pyproject.toml tools/environment.py
	$(PYTHON) -c 'import sys; sys.exit("tokenwire needs Python 3.11 or newer, found " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) tools/environment.py .venv requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(if $(WHEELS),$(PACKAGES),$(addprefix --editable ,$(PACKAGES)))
	touch $@

.PHONY: demo
demo: .venv/.ready ## stream one answer from the built-in demo model
	$(BIN)/tokenwire demo

.PHONY: test
test: .venv/.ready ## format, lint, types and every fast test, in about three minutes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow and not tools and not cluster"

.PHONY: test-all
test-all: test ## the same, and every other test that needs only Python: faults, chaos, timing
	$(BIN)/pytest -m "slow and not tools and not cluster"

.PHONY: tools
tools: .venv/.ready ## bring the tools from outside Python into .tools, at pinned versions
	$(BIN)/python tools/install.py

.PHONY: test-tools
test-tools: tools ## every test that needs a tool from outside Python; none may skip
	$(BIN)/pytest -m tools

# KUBECONFIG names a cluster to use, of two nodes that pods may run on. LOAD is then the command that
# loads an archive of images onto its nodes, such as `kind load image-archive`. Without KUBECONFIG, it
# starts a cluster of its own, which needs root on Debian 12: tests/cluster/node/node.sh.
.PHONY: test-cluster
test-cluster: .venv/.ready ## every test of the chart on a Kubernetes cluster (KUBECONFIG, LOAD, ENGINE=docker)
	$(BIN)/python tools/cluster_tests.py $(TESTS)

.PHONY: chaos
chaos: .venv/.ready ## mixed faults, drawn by fresh seeds (ROUNDS=10)
	CHAOS_ROUNDS=$(or $(ROUNDS),10) $(BIN)/pytest tests/faults/test_chaos.py tests/faults/test_foreign_at_random.py

.PHONY: soak
MINUTES ?= 5
soak: .venv/.ready ## mixed calls with mixed faults; fails when memory climbs (MINUTES=5)
	$(BIN)/python -m soak --minutes $(MINUTES)

# A quick look: `make bench ROUNDS=3 SECONDS=2 BENCH="--only burst,paced"`.
BENCH_TOOLS := load bench-peers
BENCH_EFFORT = $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: bench
bench: .venv/.ready ## measure tokenwire beside the floor and other ways with LangChain
	$(BIN)/python tools/install.py $(BENCH_TOOLS)
	$(BIN)/python -m benchmarks $(BENCH_EFFORT) $(BENCH)

.PHONY: bench-peers
bench-peers: .venv/.ready ## the same, also beside FastAPI, LiteLLM and nginx
	$(BIN)/python tools/install.py $(BENCH_TOOLS) litellm nginx
	$(BIN)/python -m benchmarks --who all $(BENCH_EFFORT) $(BENCH)

.PHONY: bench-workers
bench-workers: .venv/.ready ## measure two workers beside one
	$(BIN)/python tools/install.py load
	$(BIN)/python -m benchmarks.workers $(BENCH_EFFORT) $(BENCH)

.PHONY: bench-keys
bench-keys: .venv/.ready ## measure what a wrong key costs the authenticator
	$(BIN)/python -m benchmarks.wrong_keys

.PHONY: flame
flame: .venv/.ready ## draw where the time of a token goes: docs/images/flame.svg
	$(BIN)/python tools/install.py $(BENCH_TOOLS)
	$(BIN)/python -m benchmarks.flame

.PHONY: bench-doc
bench-doc: .venv/.ready ## write the latest figures into docs/performance.md, capacity.md and README.md
	$(BIN)/python -m benchmarks.doc $(JSON)

.PHONY: capacity
capacity: .venv/.ready ## pods, cores and connections for STREAMS=... of RATE=... tokens/s
	$(BIN)/python -m benchmarks.capacity --streams $(STREAMS) $(if $(RATE),--rate $(RATE)) $(CAPACITY)

.PHONY: bench-capacity
bench-capacity: CAPACITY_JSON := benchmarks/results/capacity.json
bench-capacity: .venv/.ready ## measure what docs/capacity.md is made from, and write its tables
	$(BIN)/python tools/install.py load
	$(BIN)/python -m benchmarks --who tokenwire-callers $(BENCH_EFFORT) $(BENCH) \
		--only burst,scattered,carried,crowd,percall,parked,unread --json $(CAPACITY_JSON)
	$(BIN)/python -m benchmarks.capacity.store $(CAPACITY_JSON)
	$(BIN)/python -m benchmarks.capacity.doc $(CAPACITY_JSON)

.PHONY: capacity-doc
capacity-doc: .venv/.ready ## write the tables of docs/capacity.md, from JSON=... or the figures it has
	$(BIN)/python -m benchmarks.capacity.doc $(JSON)

.PHONY: observe
observe: .venv/.ready ## the demo model with traffic, under a real Prometheus, until Ctrl-C
	$(BIN)/python tools/install.py prometheus
	$(BIN)/python tools/observe.py

.PHONY: pictures
pictures: .venv/.ready ## draw docs/images from two minutes of such traffic
	$(BIN)/python tools/install.py prometheus
	$(BIN)/python tools/observe.py --pictures docs/images

.PHONY: record-costs
record-costs: .venv/.ready ## record what a token costs, for tests/test_cost_guard.py
	PYTHONPATH=tests $(BIN)/python tests/support/cost.py

.PHONY: format
format: .venv/.ready ## format the code and apply safe lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: generate
generate: .venv/.ready ## make every generated file again: stubs, docs, parts of the chart
	$(BIN)/python tools/generate.py

.PHONY: stubs
stubs: .venv/.ready ## make again the Go stubs of the contract: gen/go
	$(BIN)/python tools/install.py buf
	.tools/bin/buf generate

.PHONY: rendered
rendered: .venv/.ready ## make again what comes from the chart: its README and deploy/k8s
	$(BIN)/python tools/install.py helm helm-docs
	$(BIN)/python tools/rendered.py

# Docker, or `ENGINE=podman`. `ENGINE=local` needs no daemon and no registry: tools/image.py.
ENGINE ?= docker
BUILD = BUILDAH_FORMAT=docker $(ENGINE) build
ifeq ($(ENGINE),local)
BUILD = $(BIN)/python tools/install.py containers && $(BIN)/python tools/image.py
endif
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/tokenwire/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
REVISION_LABEL = --label org.opencontainers.image.revision=$(REVISION)

.PHONY: image
image: $(if $(filter local,$(ENGINE)),.venv/.ready) ## build the image as tokenwire:VERSION and :local, and with the simulator as :VERSION-demo and :local-demo (ENGINE=docker)
	$(BUILD) $(REVISION_LABEL) --tag tokenwire:$(VERSION) --tag tokenwire:local .
	$(BUILD) $(REVISION_LABEL) --target demo --tag tokenwire:$(VERSION)-demo --tag tokenwire:local-demo .

ARCHIVE = dist/tokenwire-$(VERSION).tar

.PHONY: image-archive
image-archive: image ## write both images into one archive, for the nodes of a cluster (ENGINE=docker)
	python3 tools/image_archive.py $(ENGINE) $(ARCHIVE) tokenwire:$(VERSION) tokenwire:$(VERSION)-demo

.PHONY: sbom
sbom: $(if $(filter local,$(ENGINE)),.venv/.ready) ## write the image's software bill of materials into dist/
	$(BUILD) --target sbom --output type=local,dest=dist .

.PHONY: chart
chart: .venv/.ready ## package the Helm chart into dist/
	$(BIN)/python tools/install.py helm
	.tools/bin/helm package --destination dist deploy/helm/tokenwire

.PHONY: lock
lock: .venv/.ready ## write every Python lock file, keeping the versions that are allowed
	$(BIN)/python tools/lock.py

.PHONY: upgrade
upgrade: .venv/.ready ## write every Python lock file with the latest versions that are allowed
	$(BIN)/python tools/lock.py --upgrade
