# The workshop's commands. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3
BUNDLE ?=
PYTEST := pytest -p no:ape_test

# Recipes use the environment and the npm tools of this checkout before anything on the machine.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/tools/node_modules/.bin:$(PATH)

.PHONY: help
help: ## List the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1@\2/p' $(MAKEFILE_LIST) | column -t -s@

.PHONY: setup
setup: ## Make .venv and fetch the tools; ends at once when nothing has changed
	@$(PYTHON) tools/setup.py

.PHONY: demo
demo: setup ## Tell the whole story on an in-process chain (BUNDLE=file takes your FHIR bundle)
	@ape run demo $(if $(BUNDLE),--bundle '$(BUNDLE)')

.PHONY: test
test: setup ## Run every test
	$(PYTEST) tests/functional tests/attacks tests/integration
	ape test tests/contracts

.PHONY: check
check: setup ## The fast loop: format, lint, types, functional and contract tests
	ruff format --check
	ruff check
	mypy
	forge fmt --check
	forge lint
	$(PYTEST) tests/functional
	ape test tests/contracts

.PHONY: bench-gas
bench-gas: setup ## Measure gas on Anvil, exactly
	python bench/gas.py

.PHONY: clean
clean: ## Remove what set-up and builds made in this checkout (the cache outside it stays)
	rm -rf .venv .build .mypy_cache .pytest_cache .ruff_cache .hypothesis dist \
	    contracts/.cache tools/node_modules report
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
