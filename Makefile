# make demo: installs and runs the demo study. make test: installs and passes the checks.
# make faults: kills real processes for some minutes.
# An existing .venv is reused; PYTHON chooses the interpreter that makes a new one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test faults install clean

demo: install
	$(BIN)/python -m study.run --preset demo

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

faults: install
	$(BIN)/python -m pytest -m faults -n 3 --durations=5

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
