# One command for each habit; each makes or reuses .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIGHT := $(VENV)-light
PREVIOUS := $(VENV)-previous
# The minor release of Flower before the pinned one: nodes and coordinators with it work with ours, which a test holds.
PREVIOUS_FLOWER := 1.41.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where it is set, each of the hundreds of processes that tests start would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-hosts test lint format bench protos docs install clean

demo: $(VENV)/.demo          ## a whole federation on this machine
	$(BIN)/ratatouille demo

demo-hosts: $(VENV)/.demo    ## the same round on hosts of their own, through the front door (Linux, root)
	$(BIN)/python -m benchmarks.hosts.demo

test: $(VENV)/.dev $(LIGHT)/.done $(PREVIOUS)/.done  ## all tests
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev           ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev         ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev          ## the pages that are made from the code
	$(BIN)/python -m docs

bench: $(VENV)/.dev          ## benchmarks, against peers or limits in the same run
	$(BIN)/python -m benchmarks.averaging
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.starting
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.probe
	$(BIN)/python -m benchmarks.registry
	$(BIN)/python -m benchmarks.door

install: $(VENV)/.dev        ## everything for development

# torch first and by name: its version decides which build pip takes, and it is the largest part.
$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# What a coordinator's machine has: tests show that it works where torch is absent.
$(LIGHT)/.done: pyproject.toml constraints.txt $(VENV)/.dev
	test -x $(LIGHT)/bin/python || $(BIN)/python -m venv $(LIGHT)
	$(LIGHT)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[coordinator]'
	touch $@

# A folder with the one package; what it needs is in .venv.
$(PREVIOUS)/.done: Makefile $(VENV)/.demo
	rm -rf $(PREVIOUS)
	$(BIN)/python -m pip install --quiet --no-deps --target $(PREVIOUS) flwr==$(PREVIOUS_FLOWER)
	touch $@

clean:                       ## remove the environments and caches
	rm -rf $(VENV) $(LIGHT) $(PREVIOUS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
