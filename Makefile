# Two commands do all the set-up on a fresh machine: `make quickstart` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results
REPORT ?= report
PYTEST_WORKERS ?= 2
GOLDEN ?= ../shared/reference/golden/A
# One thread per test process: small products gain nothing from more, and lose much where processes share the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint golden slow learns torture bench gpu clean

help:  ## what there is
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# The stamp is newer than pyproject.toml once everything that it names is installed.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 13); sys.exit(None if ok else "dimebench needs Python 3.11 or 3.12: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

QUICK := suite=quick --results $(RESULTS)
JUDGE := $(BIN)/dimebench compare dime crossq sac random $(QUICK)
# It ends with the first paragraph of the comparison once more: what is claimed.
quickstart: $(VENV)/installed  ## install, then train, compare and report on two small real tasks
	$(BIN)/dimebench run $(QUICK) --seeds 5
	$(JUDGE)
	$(BIN)/dimebench report --html $(QUICK) --out $(REPORT)
	@said=$$($(JUDGE)) && printf '\n%s\n' "$$said" | sed '2,$${/^$$/q;}'
	@echo 'next: open $(REPORT)/quick/report.html in a browser'
	@echo 'next: $(BIN)/dimebench plan suite=dmc-hard --seeds 10'

test: lint  ## style, types, layering, and all tests but the slow ones
	$(PYTEST) -n $(PYTEST_WORKERS) --dist worksteal -m "not slow"

lint: $(VENV)/installed-dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

golden: $(VENV)/installed-dev  ## the learners against golden numbers, an error per case: make golden GOLDEN=DIR
	GOLDEN=$(abspath $(GOLDEN)) $(PYTEST) tests/golden -m "not slow"

slow: $(VENV)/installed-dev  ## the checks that take longer
	$(PYTEST) -m slow

learns: $(VENV)/installed-dev  ## train every learner until it solves a task, about an hour
	$(PYTEST) tests/engines/test_learns.py -m slow -s

KILLS ?= 200
torture: $(VENV)/installed-dev  ## SIGKILL at random instants, the same bits in the end: make torture KILLS=200 [SEED=0]
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.resume.kills --kills $(KILLS) --seed $(or $(SEED),0)

bench: $(VENV)/installed  ## throughput of this machine beside its floors, a few minutes
	$(BIN)/dimebench bench --seconds 2

SECONDS ?= 840
OUT ?= gpu-out
gpu: $(VENV)/installed-dev  ## everything that needs a GPU, in the time given: make gpu [PARTS=smoke,figures] [SECONDS=840] [OUT=gpu-out]
	$(if $(wildcard $(GOLDEN)),GOLDEN=$(abspath $(GOLDEN))) $(BIN)/python -m benchmarks.gpu --seconds $(SECONDS) --out $(OUT) $(if $(PARTS),--only $(PARTS))

clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
