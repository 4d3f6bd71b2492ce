# `make help` lists the targets. Everything is installed into .venv, everything that runs writes under var/.

RECIPE ?= support_triage
DATA ?=
NIGHT ?=
PYTHON ?= python3
# torch's variant is a choice: the index of https://download.pytorch.org/whl/cpu saves 2.5 GB where there is no GPU.
TORCH ?= $(shell grep '^torch==' requirements.txt)
TORCH_INDEX ?=
PIP_TOOLS := pip-tools==7.6.2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SERVICES := $(BIN)/python -m nightloom.embedded

# Hundreds of processes import our code in a night: each would compile it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help nightly test proofs faults gpu bench findings structure words up down status lint format lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

nightly: $(INSTALLED) ## Run one whole night through Airflow: RECIPE=name DATA=folder NIGHT=date
	@$(SERVICES) nightly --recipe $(RECIPE) $(if $(DATA),--data "$(DATA)") $(if $(NIGHT),--night $(NIGHT))

# Nights of a real scheduler begin soon, in the order of the folders, and one process mostly waits for them.
# A process that crashes fails the run: pytest-xdist 3.8 would replace it, and never end.
test: $(INSTALLED) ## Run the test suite
	@$(BIN)/python -m pytest -q -n 3 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

proofs: $(INSTALLED) ## Run the long proofs (`make test` runs a sample): ONLY=name
	@NIGHTLOOM_PROOF_DRAWS=4000 $(BIN)/python -m pytest -q -rP -m "proof or not proof" --timeout 3600 tests/proofs $(if $(ONLY),-k "$(ONLY)")

faults: $(INSTALLED) ## Run the whole fault matrix (`make test` runs a sample): ONLY=name
	@$(BIN)/python -m pytest -q -m "fault or not fault" --timeout 3600 tests/faults $(if $(ONLY),-k "$(ONLY)")

gpu: $(INSTALLED) ## Measure training on a GPU (`make test` runs a sample)
	@$(BIN)/python -m pytest -q -rs -m "gpu or not gpu" --timeout 1800 tests/gpu

bench: $(INSTALLED) ## Measure speed and a peer's in the same run: ONLY=beginning of a name
	@PYTHONPATH=$(CURDIR) $(BIN)/python tests/benchmarks/run.py $(ONLY)

findings: ## Check that other libraries still surprise as findings/ describes: ONLY=part of a name
	@changed=0; for script in findings/*$(ONLY)*.sh; do \
		if seen=$$(PYTHON=$(PYTHON) bash $$script 2>&1); then state='as described'; else state='NOT as described'; changed=1; fi; \
		echo "$$(basename $$script .sh), $$state: $$(echo "$$seen" | tail -n 1)"; \
	done; exit $$changed

structure: ## Count sizes of modules, functions and tests
	@$(PYTHON) tests/tools/structure.py

words: ## Count what docstrings begin with, unwelcome words and the field's terms
	@$(BIN)/python tests/tools/words.py

up: $(INSTALLED) ## Start Airflow and the object store in the background
	@$(SERVICES) up

down: ## Stop them; nothing is left running
	@if [ -x $(BIN)/nightloom ]; then $(SERVICES) down; fi

status: $(INSTALLED) ## Show which services run
	@$(SERVICES) status

lint: $(INSTALLED) ## Check format, style, words, sizes and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python tests/tools/words.py --check
	$(BIN)/python tests/tools/structure.py --check
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Run it with Debian 12's Python 3.11.2: some packages ask for a later 3.11, and a newcomer's machine cannot have them.
lock: $(INSTALLED) ## Resolve requirements.txt and requirements-dev.txt again into the lock files
	$(BIN)/python -m pip install --quiet $(PIP_TOOLS)
	$(COMPILE) --output-file requirements.lock requirements.txt
	# What only the CUDA variant of torch asks for comes with torch, as torch itself does.
	awk '/^# WARNING/ {exit} /^[a-z]/ {cuda = /^(cuda-|nvidia-|triton)/} !cuda' requirements.lock > $(VENV)/lock
	mv $(VENV)/lock requirements.lock
	$(COMPILE) --output-file requirements-dev.lock requirements-dev.txt

COMPILE := CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--unsafe-package torch --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

# The locked packages first: they satisfy torch, so that installing torch changes none of them.
$(INSTALLED): requirements.lock requirements-dev.lock pyproject.toml
	@echo "installing packages into $(VENV); this takes some minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet $(TORCH) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@
