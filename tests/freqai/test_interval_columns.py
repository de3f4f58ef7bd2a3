"""Intervals through freqtrade's commands: their columns, what they know and when, and none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.freqai.freqtrade_host import LABEL, MIDDLE, START, STOP, TWO_PAIRS, Host, Run

HOUR = pd.Timedelta(hours=1)
HORIZON = 3  # candles, see SMALL
COLUMNS = ["return_low", "return_high", "return_scale", "return_confidence"]
RELABELLED = START + 40 * HOUR
ONE_SLICE: dict[str, Any] = {"timerange": "20190601-20190605"}


def training(**parameters: Any) -> dict[str, Any]:
    return {"freqai": {"model_training_parameters": parameters}}


@pytest.fixture(scope="module")
def relabelled(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> Run:
    """A finished backtest of the first slice, whose labels are 7 from RELABELLED on."""
    host = Host(tmp_path_factory.mktemp("relabelled") / "user_data", candles)
    return host.backtest(overlay=ONE_SLICE | {"tiny": {"relabel_from": str(RELABELLED)}})


def predicted(run: Run, coin: str = "BTC") -> pd.DataFrame:
    frame = run.frames[coin].set_index("date")
    frame = frame[(frame.index >= START) & (frame.index < STOP)]
    return frame.filter(regex="^return_|^&-return$|^do_predict$|^close$")


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_each_interval_is_made_of_the_errors_known_at_its_candle(trained_host, coin):
    """Recomputed from the candles, by slice: FreqAI's frames are not asked for a label."""
    host, run = trained_host
    close = pd.read_feather(host.candles / f"{coin}_USD-1h.feather").set_index("date")["close"]
    realised = (close.shift(-HORIZON) / close - 1)[START : STOP - HOUR]
    found = predicted(run, coin)
    assert (found["do_predict"] == 1).all()
    for model, rows in zip(
        host.models(coin), (slice(START, MIDDLE - HOUR), slice(MIDDLE, STOP - HOUR)), strict=True
    ):
        part = found[rows]
        errors = (realised[rows] - part[LABEL]).to_numpy()
        for row in (0, HORIZON, len(part) // 2, len(part) - 1):
            until_now = errors[: row + 1].copy()
            until_now[max(row - HORIZON + 1, 0) :] = np.nan  # their labels are still to come
            band = model.intervals.bands(until_now[:, None])
            scale, half_width = band.scale[-1, 0], band.half_width[-1, 0]
            value = part[LABEL].iloc[row]
            expected = [value - half_width, value + half_width, scale, abs(value) / scale]
            np.testing.assert_allclose(part[COLUMNS].iloc[row], expected, rtol=1e-9)
    assert found["return_scale"].nunique() > 100


def test_the_scale_is_about_the_labels_spread(trained_host):
    found = predicted(trained_host[1])
    spread = (found["close"].shift(-HORIZON) / found["close"] - 1).std()
    assert found["return_scale"].between(spread / 4, 4 * spread).all()


@pytest.mark.parametrize("hours_before", [0, 1])
def test_a_label_changes_the_intervals_once_it_is_known_and_none_before(
    trained_host, relabelled, hours_before
):
    old, new = (predicted(run)[: MIDDLE - HOUR] for run in (trained_host[1], relabelled))
    known = RELABELLED + (HORIZON - hours_before) * HOUR
    if hours_before:
        pd.testing.assert_frame_equal(new[:known], old[:known], check_exact=True)
    else:
        assert (new.loc[known:, "return_scale"] > old.loc[known:, "return_scale"]).all()
        pd.testing.assert_series_equal(new[LABEL], old[LABEL], check_exact=True)


def test_a_label_that_looks_further_ahead_than_declared_is_known_no_sooner(host):
    run = host.backtest(overlay=ONE_SLICE | {"tiny": {"horizon": 7}})
    assert "Raise it to 7" in run.log
    (model,) = host.models()
    assert model.intervals.lag == 7


def test_a_label_that_looks_as_far_ahead_as_declared_is_no_warning(trained_host):
    assert "Raise it to" not in trained_host[1].log
    assert trained_host[0].models()[0].intervals.lag == HORIZON


def test_later_candles_change_no_earlier_column(trained_host, tmp_path):
    now = START + 130 * HOUR
    assert now > MIDDLE
    other = trained_host[0].with_other_prices(tmp_path, now)
    found, before = predicted(other.backtest()), predicted(trained_host[1])
    unknown = found.index >= now
    pd.testing.assert_frame_equal(found[~unknown], before[~unknown], check_exact=True)
    assert (found.loc[unknown, COLUMNS] != before.loc[unknown, COLUMNS]).all(axis=None)


def test_without_intervals_predictions_are_the_same_to_the_bit(trained_host, host):
    run = host.backtest(overlay=TWO_PAIRS | training(interval_coverage=None))
    assert "no intervals" not in run.log
    for coin in ("BTC", "ETH"):
        found, before = predicted(run, coin), predicted(trained_host[1], coin)
        assert list(found) == [name for name in before if name not in COLUMNS]
        pd.testing.assert_frame_equal(found, before.drop(columns=COLUMNS), check_exact=True)
    assert all(model.intervals is None for model in host.models())


def test_a_wider_coverage_is_a_wider_interval_of_another_folder(trained, trained_host):
    run = trained.backtest(overlay=ONE_SLICE | training(interval_coverage=0.95))
    assert len(trained.settings_folders()) == 2
    narrow, wide = (predicted(one)[: MIDDLE - HOUR] for one in (trained_host[1], run))
    width = wide["return_high"] - wide["return_low"]
    assert (width > narrow["return_high"] - narrow["return_low"]).all()
    pd.testing.assert_series_equal(wide[LABEL], narrow[LABEL], check_exact=True)


@pytest.mark.parametrize("test_size", [pytest.param(0, marks=pytest.mark.slow), 20])
def test_too_few_validation_targets_make_columns_of_0_and_a_line_in_the_log(host, test_size):
    overlay = ONE_SLICE | {"freqai": {"data_split_parameters": {"test_size": test_size}}}
    run = host.backtest(overlay=overlay)
    assert f"no intervals around predictions, their columns are 0: {test_size} validation" in (
        run.log
    )
    found = predicted(run)[: MIDDLE - HOUR]
    assert (found[COLUMNS] == 0).all(axis=None)
    assert (found["do_predict"] == 1).all()
    assert (found[LABEL] != 0).all()


def test_a_candle_without_a_prediction_has_no_interval(host):
    hole = START + 20 * HOUR
    run = host.backtest(overlay=ONE_SLICE | {"tiny": {"nan_at": str(hole.tz_localize(None))}})
    found = predicted(run)[: MIDDLE - HOUR]
    nothing = found["do_predict"] == 0
    assert nothing.sum() == 6  # windows with that candle
    assert (found.loc[nothing, COLUMNS] == 0).all(axis=None)
    assert (found.loc[~nothing, COLUMNS] != 0).all(axis=None)


def test_a_coverage_out_of_range_is_refused_before_any_training(host):
    """tests/settings has more of them."""
    run = host.refused_backtest(overlay=training(interval_coverage=1.5))
    (said,) = run.errors
    assert "interval_coverage must be a number above 0 and below 1, or None" in said
    assert run.n_trainings == 0
