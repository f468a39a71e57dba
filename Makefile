# make demo: installs and runs the demo study. make test: installs and passes the checks.
# make faults: kills real processes for some minutes. make simulations: judges thousands of fabricated studies.
# make browser: reads MLflow's pages and the report in a headless Chromium (Debian's `chromium`); pictures go to build/screenshots.
# make bench: takes the figures of README, then times the demo's search against plain Ray Tune; an hour on two idle cores.
# It writes build/bench.json and build/time_to_verdict.md.
# An existing .venv is reused; PYTHON chooses the interpreter that makes a new one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test faults browser simulations bench install clean

demo: install
	$(BIN)/python -m study.run --preset demo

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile

faults: install
	$(BIN)/python -m pytest -m "faults and alone"
	$(BIN)/python -m pytest -m "faults and not alone" -n 3 --durations=5

browser: install
	$(BIN)/python -m pytest -m browser -n 0 --durations=5

simulations: install
	$(BIN)/python -m pytest -m slow -n 2 -rP --durations=5 tests/analysis/test_simulations.py

bench: install
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.time_to_verdict

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
