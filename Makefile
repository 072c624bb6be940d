# The few doors of labgen. `make help` lists them.
LAB ?= topologies/bigip-calico
VENV ?= .venv
BIN := $(VENV)/bin
LABGEN := $(BIN)/labgen

.DEFAULT_GOAL := help
.PHONY: help venv engine lab capture verify destroy test unit bench lint golden schema clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.ready: pyproject.toml scripts/venv
	@scripts/venv $(VENV)
	@touch $@

venv: $(VENV)/.ready ## make the virtual environment and install labgen into it

engine: venv
	@$(LABGEN) doctor --engine --quiet

lab: engine ## deploy LAB, capture from the first SYN, verify, and print the result
	@$(LABGEN) deploy $(LAB)
	@$(LABGEN) verify $(LAB)

capture: venv ## list the captures of LAB
	@$(LABGEN) capture list $(LAB)

verify: venv ## verify the running LAB
	@$(LABGEN) verify $(LAB)

destroy: venv ## remove LAB and everything it made
	@$(LABGEN) destroy $(LAB) --cleanup

test: engine ## all tests, those with real containers included
	@scripts/tools
	@$(BIN)/pytest -n 2 tests/unit
	@$(BIN)/pytest -n 2 --dist loadfile tests/lab

unit: venv ## the tests that need no Docker
	@$(BIN)/pytest tests/unit

bench: engine ## measure; prints ratios of one run
	@$(BIN)/python bench/run.py

lint: venv ## ruff and mypy
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

golden: venv ## rewrite the golden files; review the diff
	@$(BIN)/python tests/golden/rewrite.py

schema: venv ## print the lab spec's JSON Schema
	@$(LABGEN) schema

clean: ## remove the virtual environment and caches
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
