"""A network that is trained already, through freqtrade's own commands."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.freqai.freqtrade_host import (
    LABEL,
    MIDDLE,
    START,
    TWO_PAIRS,
    Host,
    Run,
    own_command,
)
from tests.freqai.test_lookahead import training, weights

from freqai_rnn.store.network_file import NetworkFile

MODEL = {"freqaimodel": "PretrainedRegressor"}


def using(network: Path, **more: Any) -> dict[str, Any]:
    """A configuration that predicts with a network file; SMALL's settings of networks stay."""
    return {**training(MODEL, network=str(network)), **more}


def pretrain(host: Host, output: Path, overlay: dict[str, Any]) -> str:
    files = [part for path in host.config(overlay) for part in ("-c", str(path))]
    places = ("--userdir", str(host.user_data), "--datadir", str(host.candles))
    done = own_command(["pretrain", *files, *places, "--output", str(output)])
    assert done.returncode == 0, done.stderr
    return done.stdout


POOL = training(TWO_PAIRS, train_pairs="whitelist")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> Path:
    """Of BTC and ETH until the first of June, as a pooled backtest trains it first."""
    folder = tmp_path_factory.mktemp("network")
    pretrain(Host(folder / "user_data", candles), folder / "network.npz", POOL)
    return folder / "network.npz"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, candles: Path, network: Path) -> tuple[Host, Run]:
    host = Host(tmp_path_factory.mktemp("pretrained") / "user_data", candles)
    return host, host.backtest(overlay=using(network, **TWO_PAIRS))


def test_the_command_writes_the_network_that_a_pooled_backtest_trains_first(host, network):
    host.backtest(overlay=POOL)
    found = NetworkFile.read(network)
    assert found.origin.pairs == ["BTC/USD", "ETH/USD"]
    assert found.origin.until == START - pd.Timedelta(hours=1)
    first = host.models()[0].estimator
    for name, weight in found.estimator.network_.state_dict().items():
        assert weight.equal(first.network_.state_dict()[name])


def test_nothing_is_trained_and_every_candle_is_predicted(run):
    host, done = run
    assert done.n_trainings == 0
    assert weights(host, "BTC")[0] == weights(host, "ETH")[1]
    for coin in ("BTC", "ETH"):
        predictions = done.predictions(coin)
        assert (predictions["do_predict"] == 1).all()
        assert predictions[LABEL].std() > 0
    assert "is trained already" in done.log
    assert "learned from BTC/USD, ETH/USD until 2019-05-31 23:00" in done.log


def test_what_it_has_seen_it_does_not_predict(host, network):
    """The network knows candles until June; the first slice begins on the 28th of May."""
    overlay = using(network, timerange="20190528-20190605")
    done = host.backtest(overlay=overlay)
    frame = done.frames["BTC"].set_index("date")
    seen = frame.index < START
    asked = frame.index >= pd.Timestamp("2019-05-28", tz="UTC")
    assert (frame.loc[seen & asked, "do_predict"] == 0).all()
    assert (frame.loc[seen & asked, LABEL] == 0).all()
    later = frame[(frame.index >= START) & (frame.index < frame.index[-1])]
    assert (later["do_predict"] == 1).all()
    assert done.log.count("It predicts nothing before that") == 1


def test_other_candles_later_change_nothing_before_them(run, tmp_path, network):
    other = run[0].with_other_prices(tmp_path, MIDDLE)
    done = other.backtest(overlay=using(network))
    before = run[1].predictions()
    early = before.index < MIDDLE
    pd.testing.assert_frame_equal(done.predictions()[early], before[early], check_exact=True)


def test_another_file_is_another_model(host, network, tmp_path):
    host.backtest(overlay=using(network))
    other = tmp_path / "other.npz"
    read = NetworkFile.read(network)
    read.estimator.calibration_.scale[:] = 1.0
    read.write(other)
    host.backtest(overlay=using(other))
    assert len(host.settings_folders()) == 2


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"label_period_candles": 2}, "label_period_candles must be 3, as of the network, got 2"),
        ({"indicator_periods_candles": [5]}, "the network needs %-return_4_BTC/USD_1h"),
    ],
    ids=["horizon", "features"],
)
def test_what_the_network_is_not_made_for_is_said(host, network, overlay, message):
    config = using(network)
    config["freqai"] = {**config["freqai"], "feature_parameters": overlay}
    log = host.refused_backtest(overlay=config).log
    assert pd.Series(log.splitlines()).str.contains(message).any(), log


def test_a_file_that_is_not_there_is_refused_before_anything_is_done(host, tmp_path):
    log = host.refused_backtest(overlay=using(tmp_path / "none.npz")).log
    assert "The network file" in log
    assert "cannot be used" in log


def test_the_command_says_what_it_needs(host, tmp_path):
    files = [part for path in host.config() for part in ("-c", str(path))]
    places = ("--userdir", str(host.user_data), "--datadir", str(host.candles))
    done = own_command(["pretrain", *files, *places, "--output", str(tmp_path / "x.npz")])
    assert done.returncode == 1
    assert "train_pairs" in done.stderr
    assert not (tmp_path / "x.npz").exists()


def together(network: Path, **more: Any) -> dict[str, Any]:
    """The ensemble with a network file as its last member."""
    overlay = training({"freqaimodel": "EnsembleRegressor"}, pretrained__network=str(network))
    return {**overlay, **more}


MEMBER = "return_pretrained"


@pytest.mark.parametrize("pairs", ["own", "whitelist"])
def test_as_a_member_it_predicts_what_it_predicts_alone_but_for_its_scale(
    run, host, network, pairs
):
    """And nothing in the first slice: the candles of May, which it has seen, would judge it."""
    overlay = together(network, **TWO_PAIRS)
    overlay["freqai"]["model_training_parameters"]["train_pairs"] = pairs
    done = host.backtest(overlay=overlay)
    assert done.log.count("goes without the network") == 1
    assert "it learned from candles until 2019-05-31 23:00" in done.log
    for coin in ("BTC", "ETH"):
        alone = run[1].predictions(coin)[LABEL]
        frame = done.frames[coin].set_index("date").loc[alone.index]
        assert (frame["do_predict"] == 1).all()
        seen = frame.index < MIDDLE
        assert (frame.loc[seen, MEMBER] == 0).all()
        ratio = frame.loc[~seen, MEMBER] / alone[~seen]
        assert ratio.min() > 0
        assert ratio.max() == pytest.approx(ratio.min(), rel=1e-4)
        assert "pretrained" in host.models(coin)[1].estimator.members_
        assert "pretrained" not in host.models(coin)[0].estimator.members_


def test_an_ensemble_without_the_features_of_a_network_goes_without_it(host, network):
    overlay = together(network)
    overlay["freqai"]["feature_parameters"] = {"indicator_periods_candles": [5]}
    done = host.backtest(overlay=overlay)
    assert "goes without the network" in done.log
    assert "the strategy has no %-return_4_BTC/USD_1h" in done.log
    assert MEMBER not in done.frames["BTC"]


def test_another_network_makes_another_ensemble(host, network, tmp_path):
    other = tmp_path / "other.npz"
    read = NetworkFile.read(network)
    read.estimator.calibration_.scale[:] = 1.0
    read.write(other)
    host.backtest(overlay=together(network))
    host.backtest(overlay=together(other))
    assert len(host.settings_folders()) == 2
