# Babelmix. `make demo` and `make test` do their own set-up: a virtual environment in .venv, nothing
# global. They need Python 3.11 or newer, make and git.

PYTHON ?= python3
CORES ?= 2
VENV := .venv
# Where `make test-page` builds its page.
PAGE_FOLDER ?= results/full-size-page
BIN := $(VENV)/bin
READY := $(VENV)/ready
# One OpenMP thread a process: jobs run side by side, and two that share the cores by threads slow
# each other tenfold. Verbs that may use more set it from their rule's `threads`.
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1
# A study starts a hundred short processes: without compiled bytecode each compiles its imports anew.
unexport PYTHONDONTWRITEBYTECODE
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: bench-judge demo small full test test-fast test-cluster test-faults test-gpu test-page test-providers test-translate-lima lint format schema setup demo-base clean help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make the virtual environment

$(READY): requirements.lock pyproject.toml
	@workflow/scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

demo: $(READY)  ## run the embedded demo, from raw data to the report
	@workflow/scripts/study.sh $(BIN) config/demo.yaml $(CORES)

small: $(READY)  ## run the small study on real data (BABELMIX_DATA_ROOT names its folder)
	@workflow/scripts/small.sh $(BIN) $(CORES)

test: $(READY)  ## run all tests: unit, rules, faults, and the mini study through the whole DAG
	@$(BIN)/python -m pytest -n $(CORES)

test-fast: $(READY)  ## run the unit tests only
	@$(BIN)/python -m pytest -n $(CORES) tests/unit

test-cluster: $(READY)  ## run the study on a SLURM of its own (Debian packages, root; half an hour)
	@[ -d $(VENV)/slurm ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --target $(VENV)/slurm -r requirements-slurm.txt
	@BABELMIX_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/cluster

test-faults: $(READY)  ## kills, full disks, damaged files: the long suite (an hour on two cores)
	@BABELMIX_TEST_FAULTS=1 $(BIN)/python -m pytest -rP tests/faults

test-providers: $(READY)  ## all that chat providers do, simulated and billed on loopback (some 15 minutes)
	@PYTHONPATH=workflow $(BIN)/python -m tests.providers $(ROWS)
	@PYTHONPATH=workflow $(BIN)/python -m tests.providers.random_runs --runs 200
	@PYTHONPATH=workflow $(BIN)/python -m tests.providers.scale

# Without `make setup` too: on a machine that has torch and no network. GPU_CHECK: more options.
DEVICE ?= auto
test-gpu:  ## check the GPU path on one card, six minutes (DEVICE=cpu: a rehearsal with tiny shapes)
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) -m tests.gpu --device $(DEVICE) $(GPU_CHECK)

test-page: $(READY)  ## check a page of the full size in Chromium: axe-core, keyboard, clicks (needs npm)
	@cd tests/page && npm install --no-audit --no-fund --silent
	@$(BIN)/python tests/page/full_size.py $(PAGE_FOLDER)
	@cd tests/page && node check.mjs $(abspath $(PAGE_FOLDER))/report/index.html

test-translate-lima: $(READY)  ## all of LIMA through Apertium, killed three times (BABELMIX_DATA_ROOT)
	PYTHONPATH=workflow $(BIN)/python -m tests.bench.lima --data $${BABELMIX_DATA_ROOT:?names the data folder}

lint: $(READY)  ## ruff, snakefmt, snakemake --lint, mypy, generated files in sync
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint --configfile config/demo.yaml
	$(BIN)/mypy
	$(BIN)/python -m babelmix schema --check

format: $(READY)  ## format Python and snake files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

schema: $(READY)  ## write the configuration's schema and reference from the models
	$(BIN)/python -m babelmix schema

bench-judge: $(READY)  ## judging clients against one loopback server (FSCHAT, ILAB: pythons of the peers)
	PYTHONPATH=workflow $(BIN)/python benchmarks/judge/bench.py $(if $(FSCHAT),--fschat $(FSCHAT)) $(if $(ILAB),--ilab $(ILAB))

demo-base: $(READY)  ## pre-train the demo's tiny base model anew (needs Tatoeba; about 25 minutes)
	$(BIN)/python -m babelmix pretrain-base --data $${BABELMIX_DATA_ROOT:?names the data folder}/tatoeba --out resources/demo/base

.PHONY: bench-train
bench-train: $(READY)  ## training speed against peers (BABELMIX_DATA_ROOT names the data folder)
	@.venv-bench/bin/python -c "import trl" 2> /dev/null || { \
	  workflow/scripts/setup.sh "$(PYTHON)" .venv-bench && \
	  .venv-bench/bin/python -m pip install --quiet "trl==1.16.0" "datasets==5.2.0"; }
	PYTHONPATH=workflow .venv-bench/bin/python -m tests.bench.training \
	  --data $${BABELMIX_DATA_ROOT:?names the data folder}

clean:  ## remove results of the demo (not the environment)
	rm -rf results/demo
