"""One pair without candles keeps no other from being predicted, and goes on by itself."""

from collections.abc import Callable

import pytest
from tests.live.host import live_predictions
from tests.live.scenarios import BotRun
from tests.live.silences import OTHERS, SILENT

WITHOUT = "the exchange has no candles"


@pytest.fixture(scope="module")
def silent(finished_run: Callable[[str], BotRun]) -> BotRun:
    return finished_run("silent")


@pytest.mark.parametrize("start", ["without", "restarted"])
def test_the_others_are_predicted_as_if_it_were_not_there(silent: BotRun, start: str) -> None:
    """A restart has candles of it in memory, from its files."""
    log = silent.notes[start]
    for pair in OTHERS:
        assert f"Predicting {pair}" in log
        assert len(live_predictions(silent.user_data, pair)) >= 4
    assert f"Predicting {SILENT}" not in log


def test_it_is_predicted_as_soon_as_it_has_candles(silent: BotRun) -> None:
    assert silent.notes["fifth"]["do_predict"] == 1
    assert silent.notes["again"]["do_predict"] == 1


def test_the_log_of_a_start_names_it_once_and_has_no_error_of_ours(silent: BotRun) -> None:
    for start in ("without", "restarted"):
        assert silent.notes[start].count(f"{SILENT}: {WITHOUT}") == 1
        assert silent.notes[start].count(WITHOUT) == 1
    errors = [line for line in silent.log.splitlines() if " ERROR freqai_rnn" in line]
    assert not errors
