"""``freqai-rnn check`` beside what the real backtest does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import RunMode
from freqtrade.resolvers import StrategyResolver
from tests.exchange.candles import Market
from tests.exchange.server import Exchange, serving
from tests.freqai.freqtrade_host import MIDDLE, ROOT, START, TWO_PAIRS, Host, Run, own_command

BEST_IC = 0.059  # of docs/benchmarks.md


def check(host: Host, *arguments: str, overlay: dict[str, Any] | None = None) -> tuple[int, str]:
    """Exit code, and all that is printed."""
    line = ["check", "--userdir", str(host.user_data), "--datadir", str(host.candles)]
    for path in host.config(overlay):
        line += ["-c", str(path)]
    done = own_command([*line, *arguments])
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def fact(text: str, name: str) -> str:
    (found,) = re.findall(rf"^{re.escape(name)} +(.*)$", text, flags=re.MULTILINE)
    return found


def unusual(text: str) -> list[str]:
    _, _, below = text.partition("\nunusual:")
    return [line for line in below.partition("\nwrong:")[0].splitlines() if line.startswith("- ")]


def shortened(host: Host, tmp_path: Path, keep: Any) -> Host:
    """The same candles, of which only some are left."""
    folder = tmp_path / "some"
    folder.mkdir()
    for path in host.candles.glob("*.feather"):
        candles = pd.read_feather(path)
        candles[keep(candles["date"])].reset_index(drop=True).to_feather(folder / path.name)
    return Host(host.user_data, folder)


class Checked(NamedTuple):
    """What the command said, and then the backtest did."""

    host: Host
    code: int
    text: str
    left: set[str]
    run: Run


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> Checked:
    """To be read only."""
    host = Host(tmp_path_factory.mktemp("checked") / "user_data", candles)
    code, text = check(host)
    left = {path.name for path in host.user_data.rglob("*") if path.is_file()}
    return Checked(host, code, text, left, host.backtest())


@pytest.mark.parametrize(
    "end",
    [
        "20190608",
        *(pytest.param(end, marks=pytest.mark.slow) for end in ("20190605", "20190612")),
    ],
)
def test_the_number_of_trainings_is_that_of_the_backtest(host, end):
    overlay = {**TWO_PAIRS, "timerange": f"20190601-{end}"}
    code, text = check(host, overlay=overlay)
    assert code == 0, text
    trainings = int(fact(text, "trainings").split()[0])
    run = host.backtest(overlay=overlay)
    assert run.n_trainings == trainings
    assert f", {trainings} of them on disk already" in check(host, overlay=overlay)[1]


def test_the_sample_configuration_trains_fifteen_times(tmp_path):
    """As README says of `make backtest`."""
    from freqai_rnn.checks.plan import plan
    from freqai_rnn.freqai.setup import expectation

    files = [ROOT / "config/config.json", ROOT / "config/offline.json"]
    paths = {"strategy_path": str(ROOT / "strategies"), "freqaimodel": "LSTMRegressor"}
    paths["freqaimodel_path"] = str(ROOT / "freqaimodels")
    (tmp_path / "user_data").mkdir()
    expected = expectation(files, tmp_path / "user_data", is_backtest=True, **paths)
    assert plan(expected, None, tmp_path).n_trainings == 15


def test_targets_are_those_that_the_training_counts(checked):
    logged = re.search(r"(\d+) training and (\d+) validation windows of 6", checked.run.log)
    told = re.search(r"(\d+) to train on and (\d+) to validate", fact(checked.text, "targets"))
    assert told.groups() == logged.groups()
    n_features = len(checked.host.models()[0].feature_names)
    assert fact(checked.text, "features").startswith(f"{n_features};")


def test_the_disk_is_what_the_trainings_take(checked):
    told = float(re.match(r"([\d.]+) MB", fact(checked.text, "disk"))[1])
    folders = checked.host.settings_folders()[-1].glob("sub-train-*")
    taken = sum(path.stat().st_size for folder in folders for path in folder.iterdir()) / 1e6
    assert told == pytest.approx(taken, rel=0.1, abs=0.1)


def test_nothing_of_it_is_left(checked):
    assert checked.left == {"small.json", "overlay.json"}


MODEL, FEATURES = "model_training_parameters", "feature_parameters"
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong setting": ({"freqai": {MODEL: {"hiden_size": 8}}}, "hiden_size"),
    "a window longer than the training": (
        {"freqai": {MODEL: {"sequence_length": 1000}}},
        "sequence_length=1000 .* Raise train_period_days",
    ),
    "no such strategy": ({"strategy": "NoStrategy"}, "NoStrategy"),
    "no such model": ({"freqaimodel": "NoRegressor"}, "There is no freqaimodel NoRegressor"),
    "a model of freqtrade's": ({"freqaimodel": "LightGBMRegressor"}, "one of this package"),
    "no label": ({"tiny": {"no_label": True}}, "the strategy has no label"),
    "a feature that is text": (
        {"tiny": {"text_at": "2019-05-20"}},
        "must hold numbers, got 'high'",
    ),
    "a label without a value": (
        {"tiny": {"labelled_from": "2100-01-01T00:00Z"}},
        "&-return holds no value in the 480 candles",
    ),
    "an open timerange": ({"timerange": "20190601-"}, "open ended"),
    "no candles of a timeframe": (
        {"freqai": {FEATURES: {"include_timeframes": ["1h", "4h"]}}},
        r"1 of 2 series of candles are not in .*BTC/USD 4h.* "
        "--timeframes 1h 4h --timerange 20190510-20190608",  # 20 days and 10 candles of 4 h
    ),
    "a period before all candles": (
        {"timerange": "20171001-20171003"},
        "480 of 480 candles of the period from 2017-09-11 .* 12 are needed",
    ),
    "a pattern of pairs": (
        {"exchange": {"pair_whitelist": ["BTC/USD", ".*/USD"]}},
        r"pair_whitelist must list pairs, got \.\*/USD",
    ),
    "pairs that the exchange chooses": (
        {"exchange": {"pair_whitelist": []}, "pairlists": [{"method": "VolumePairList"}]},
        "pair_whitelist must list pairs, got none",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_configuration_is_named_before_any_training(host, fault):
    overlay, message = BROKEN[fault]
    code, text = check(host, overlay=overlay)
    assert code == 1, text
    told = [line for line in text.splitlines() if line.startswith(("error: ", "- "))]
    assert re.search(message, "\n".join(told)), text
    assert "time " not in text, "something was trained"


def test_a_configuration_that_is_no_json_is_named(host):
    files = host.config()
    files[-1].write_text('{"timerange": ')
    done = own_command(["check", "-c", str(files[-1]), "--userdir", str(host.user_data)])
    assert done.returncode == 1
    assert f"error: {files[-1]} must be JSON" in done.stderr


def test_a_sound_configuration_has_nothing_wrong(checked):
    assert checked.code == 0
    assert "\nwrong: nothing" in checked.text
    assert fact(checked.text, "periods").endswith("from 2019-06-01 to 2019-06-08")


def test_features_that_wander_or_stand_still_are_unusual(host, checked):
    _, text = check(host, overlay={"strategy": "PriceStrategy"})
    (one,) = [line for line in unusual(text) if "one value in a whole period" in line]
    assert one.startswith("- 1 of 6 features")
    assert "%-one" in one
    (walks,) = [line for line in unusual(text) if "random walks" in line]
    assert walks.startswith("- 1 of 6 features")
    assert "%-price" in walks
    assert not [line for line in unusual(checked.text) if "features" in line]


def test_periods_that_begin_before_the_candles_are_unusual(host, tmp_path):
    """The first period is that of 20 days before START, the second of 20 before MIDDLE."""
    later = shortened(host, tmp_path, lambda date: date >= MIDDLE - pd.Timedelta(days=15))
    code, text = check(later)
    (line,) = unusual(text)[:1]
    assert code == 0
    assert "216 of 480 candles of the period from 2019-05-12 to 2019-06-01 are missing" in line
    assert "begin on 2019-05-21 (2 of 2 periods)" in line


def test_holes_and_an_early_end_are_unusual(host, tmp_path):
    def keep(date: pd.Series) -> pd.Series:
        hole = (date >= START - pd.Timedelta(days=10)) & (date < START - pd.Timedelta(days=9))
        return ~hole & (date < MIDDLE)

    _, text = check(shortened(host, tmp_path, keep))
    assert any(
        "24 of 480 candles since 2019-05-12 are missing in holes" in u for u in unusual(text)
    )
    assert any("the candles end on 2019-06-05 00:00" in u for u in unusual(text))


def window_of(host: Host) -> pd.Series:
    """The closes of the first training period."""
    candles = pd.read_feather(host.candles / "BTC_USD-1h.feather").set_index("date").asfreq("h")
    close = candles["close"].ffill()
    return close[(close.index >= START - pd.Timedelta(days=20)) & (close.index < START)]


def test_the_break_even_is_the_cost_over_the_spread_of_the_label(host):
    _, text = check(host, "--spread", "0.1", overlay={"tiny": {"label": "&-gain"}})
    window = window_of(host)
    needed = (2 * 0.001 + 0.001) / (1.755 * (window.shift(-3) / window - 1).std())
    trip = fact(text, "round trip")
    assert trip == "0.300% for entry and exit (fee 0.100% a side, spread 0.100%)"
    assert float(fact(text, "costs of &-gain").split()[-1]) == pytest.approx(needed, abs=5e-4)
    assert any("pays the costs" in line for line in unusual(text)) == (needed > BEST_IC)


AHEAD = (1, 2, 4, 8, 12, 24, 48, 96)


def test_the_cost_frontier_is_that_of_the_candles(host, checked):
    window = window_of(host)
    spreads = [((window.shift(-n) / window - 1) ** 2).mean() ** 0.5 for n in AHEAD]
    assert fact(checked.text, "candles ahead").split() == [str(n) for n in AHEAD]
    assert fact(checked.text, "returns spread").split() == [f"{one:.2%}" for one in spreads]
    needed = [0.002 / (1.755 * one) for one in spreads]
    assert fact(checked.text, "IC that pays").split() == [f"{one:.3f}" for one in needed]


@pytest.mark.parametrize("percent", ["0", "0.15", "20"])
def test_the_horizon_is_the_shortest_that_pays(host, percent):
    _, text = check(host, "--spread", percent)
    needed = [float(ic) for ic in fact(text, "IC that pays").split()]
    paying = [n for n, ic in zip(AHEAD, needed, strict=True) if ic <= BEST_IC]
    told = fact(text, "horizon")
    (dear,) = [line for line in unusual(text) if "pays the costs" in line] or [""]
    if not paying:
        assert told.startswith("none of these pays")
        assert dear.endswith("raise label_period_candles.")
        return
    assert told.startswith(f"{paying[0]} candles are the shortest that pays")
    assert told.endswith("(BTC/USD to 2019-06-01)")
    assert dear.endswith(f"raise label_period_candles to {paying[0]} or more.")


def test_a_fee_is_the_configured_one_else_the_markets_else_a_common_one(host):
    """The exchange is one of this machine; freqtrade asks it where a strategy needs markets."""
    from freqai_rnn.checks.costs import Fee, fee_of
    from freqai_rnn.freqai.setup import start

    exchange = {
        "name": "binance",
        "enable_ws": False,
        "only_from_ccxt": True,
        "pair_whitelist": ["BTC/USDT"],
    }
    with serving(Exchange([Market.of_samples(0)])) as url:
        ccxt = {
            "urls": {"api": {"public": url}},
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "fees": {"trading": {"taker": 0.0042}},
        }
        overlay = {"strategy": "PreparedStrategy", "exchange": exchange | {"ccxt_config": ccxt}}
        config = host.read_config(overlay | {"stake_currency": "USDT"}, RunMode.DRY_RUN)
        strategy = StrategyResolver.load_strategy(config)
        start(strategy, config)
    assert fee_of(0.002, strategy, "BTC/USDT") == Fee(0.002)
    assert fee_of(None, strategy, "BTC/USDT") == Fee(0.0042, ", which the market takes from takers")
    common = Fee(0.001, ", a common one, as none is configured")
    assert fee_of(None, strategy, "ABC/USDT") == common
    strategy.dp = DataProvider(config, None)
    assert fee_of(None, strategy, "BTC/USDT") == common


def test_a_label_that_is_no_return_over_the_horizon_has_no_break_even(host):
    _, text = check(host, overlay={"tiny": {"horizon": 12}})
    assert "costs of" not in text
    assert "candles ahead" not in text


def test_a_label_of_one_value_has_no_break_even(host):
    _, text = check(host, overlay={"tiny": {"relabel_from": "2010-01-01T00:00Z"}})
    assert "- &-return has one value in the whole period: nothing to predict." in unusual(text)
    assert "costs of" not in text
    assert "inf" not in text


def test_without_a_timerange_it_is_a_bot_that_trains_each_pair_again(host):
    code, text = check(
        host, overlay={**TWO_PAIRS, "timerange": "", "freqai": {"live_retrain_hours": 6}}
    )
    assert code == 0, text
    assert fact(text, "periods").startswith("1 a pair every 6 hours (live_retrain_hours)")
    assert fact(text, "trainings").startswith("2 (2 pairs × 1 periods)")


def test_a_bot_whose_candles_are_not_on_disk_is_told_so(host, tmp_path):
    empty = Host(host.user_data, tmp_path / "none")
    code, text = check(empty, overlay={"timerange": ""})
    assert code == 0, text
    (line,) = unusual(text)
    assert "1 of 1 series of candles are not in" in line
    assert "download-data --timeframes 1h --days 21, or let the bot" in line


def test_a_warning_of_the_model_is_among_what_is_unusual(host):
    _, text = check(host, overlay={"hidden_size": 8})
    assert "- hidden_size (= 8) at the top of the configuration is not read there" in text
