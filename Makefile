# The workshop's commands. `make help` lists them; every one but clean sets up first.

.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3
BIN := .venv/bin
# Ape's own data, keyfiles included, stays in the checkout while make runs it.
APE := APE_DATA_FOLDER='$(CURDIR)/.build/ape' $(BIN)/ape
# Ape's plugin costs six seconds a run, and only the contract tests use it.
PYTEST := $(BIN)/pytest -p no:ape_test
# In a cache of its own: in that of `forge lint`, which compiles no code, forge finds no test and says success.
INVARIANTS := $(BIN)/forge test --out .build/invariants --cache-path .build/invariants-cache
# Which keyholders demo and story meet.
MET := $(if $(KEYHOLDERS),CONSENTRY_KEYHOLDERS='$(KEYHOLDERS)')

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Make .venv and fetch the tools; ends at once when nothing has changed
	@$(PYTHON) -m tools.setup

.PHONY: kubo
kubo: setup ## Put ipfs in place: the one on PATH, else built from tools/kubo (three minutes, once)
	@$(PYTHON) -m tools.setup kubo

.PHONY: age
age: setup ## Put age in place, the peer of the bench: the one on PATH, else built (half a minute, once)
	@$(PYTHON) -m tools.setup age

.PHONY: hpke
hpke: setup ## Put in place the program in Go that opens our wraps in the tests (a few seconds, once)
	@$(PYTHON) -m tools.setup hpke

.PHONY: demo
demo: $(if $(filter kubo,$(STORE)),kubo,setup) ## Tell the whole story (BUNDLE=file, STORE=folder|kubo, KEYHOLDERS=local|services|file, NETWORK=URL)
	@$(if $(STORE),CONSENTRY_STORE='$(STORE)') $(MET) $(APE) run demo $(if $(NETWORK),--network '$(NETWORK)') $(if $(BUNDLE),--bundle '$(BUNDLE)')

.PHONY: story
story: kubo ## The insider: an administrator with store, hospital and two keyholders (BUNDLE=file, KEYHOLDERS=services)
	@$(MET) $(APE) run story $(if $(BUNDLE),--bundle '$(BUNDLE)')

.PHONY: drill
drill: setup ## Kill and freeze keyholders, cheat in every way, and say what each attacker got (SCENE=name)
	@$(if $(STORE),CONSENTRY_STORE='$(STORE)') $(APE) run drill $(if $(SCENE),--scene '$(SCENE)')

.PHONY: test
test: kubo age hpke ## Run every test
	$(BIN)/python -m tools.assure slither
	$(INVARIANTS)
	$(APE) test tests/contracts
	$(BIN)/python -m tests.contracts
	$(PYTEST) -n auto --maxprocesses 4 --dist loadfile tests/functional tests/attacks tests/integration
	$(PYTEST) tests/test_assured.py

.PHONY: lint
lint: setup ## Check format, style and types of Python and Solidity
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/forge fmt --check contracts tests
	$(BIN)/forge lint --deny warnings

.PHONY: check
check: lint kubo hpke ## The fast loop: lint, then functional and contract tests
	$(PYTEST) tests/functional
	$(APE) test tests/contracts
	$(INVARIANTS)

.PHONY: assure
assure: setup ## Attack the contracts with slither, halmos, medusa and mutation (STEP=name; under an hour)
	@$(BIN)/python -m tools.assure $(STEP)

.PHONY: bench-gas
bench-gas: setup ## Measure gas on Anvil, exactly
	@$(BIN)/python bench/gas.py

.PHONY: bench-store
bench-store: kubo age ## Measure deposits beside the usual ways, on Kubo and Anvil (ten minutes)
	@$(BIN)/python bench/store.py

.PHONY: bench-keys
bench-keys: setup age ## Measure keyholders as processes: open, release, deposit, seal (ten minutes)
	@$(BIN)/python bench/keys.py

.PHONY: bench
bench: bench-gas bench-store bench-keys ## All benches (half an hour)

.PHONY: clean
clean: ## Remove what set-up and builds made in the checkout (the cache outside it stays)
	rm -rf .venv .build .mypy_cache .pytest_cache .ruff_cache .hypothesis dist report
	rm -rf contracts/.cache tools/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
