"""One network for the pairs of a bot: one fit a round, and predictions that a backtest makes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.exchange.candles import Market
from tests.live.host import (
    INTERVAL,
    LABEL,
    assert_close,
    backtest,
    historic_predictions,
    model_files,
)
from tests.live.pooling import OTHER, PAIRS, TRAIN_PAIRS
from tests.live.scenarios import BotRun

from freqai_rnn.store.trained_model import TrainedModel


@pytest.fixture(scope="module")
def shared(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("shared")


def networks(run: BotRun, pair: str) -> list[bytes]:
    files = model_files(run.user_data, pair.split("/")[0])
    return [TrainedModel.read(path).estimator.__getstate__()["weights"] for path in files]


def test_a_round_is_one_fit_whatever_the_number_of_pairs(shared: BotRun) -> None:
    assert shared.notes["first"] == 1
    assert shared.notes["second"] == 2


def test_all_pairs_have_the_network_of_the_round(shared: BotRun) -> None:
    first = [networks(shared, pair)[0] for pair in PAIRS]
    second = [networks(shared, pair)[1] for pair in PAIRS]
    assert first == [first[0]] * len(PAIRS)
    assert second == [second[0]] * len(PAIRS)
    assert first[0] != second[0]


def test_a_backtest_predicts_what_the_bot_predicted(
    shared: BotRun, exchange_url: str, markets: list[Market], tmp_path: Path
) -> None:
    used = shared.models_in_use()
    live = historic_predictions(shared.user_data)
    live = live.loc[live.index.intersection(used.index)]
    live = live[live["do_predict"] == 1]
    model = model_files(shared.user_data)[0]
    of_first = used[used == model.name.removesuffix("_model.zip")].index
    dates = live.index.intersection(of_first)
    assert len(dates) >= 1
    beside = {"freqai": TRAIN_PAIRS}
    again = backtest(tmp_path / "backtest", markets[0], model, dates, exchange_url, beside)
    columns = [LABEL, *INTERVAL]
    assert_close(live.loc[dates, columns], again[columns])


def test_nothing_went_wrong(shared: BotRun) -> None:
    assert not shared.errors


@pytest.mark.slow
def test_a_pair_added_later_takes_the_network_that_is_there(
    finished_run: Callable[[str], BotRun],
) -> None:
    run = finished_run("joined later")
    assert "Trained lstm" not in run.log
    assert networks(run, PAIRS[2])[0] == networks(run, PAIRS[0])[0]
    assert not run.errors


def test_a_pair_is_predicted_by_a_network_from_a_file_without_training(
    shared: BotRun, finished_run: Callable[[str], BotRun]
) -> None:
    run = finished_run("pretrained")
    assert "Trained lstm" not in run.log
    assert networks(run, OTHER)[0] == networks(shared, PAIRS[0])[0]
    predicted = historic_predictions(run.user_data, OTHER)
    assert (predicted["do_predict"] == 1).sum() >= 1
    assert not run.errors
