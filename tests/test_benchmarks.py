"""The quality benchmark on candles of one's own: any folder of freqtrade's, any pairs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.benchmarks.candles import Market, repeat_last_known
from tests.benchmarks.quality import SCORES, Forecasts, jackknife, outcomes_of
from tests.benchmarks.slices import tasks

from freqai_rnn.evaluation.reversal import LINE
from freqai_rnn.metrics import Outcomes
from freqai_rnn.sample_data import read_sample_candles, resample_complete

# freqtrade's own uses of what pandas will drop
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:freqtrade")
ROOT = Path(__file__).resolve().parents[1]
COINS = {"ONE": "BTC", "TWO": "XRP"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Candles as ``freqtrade download-data`` leaves them, of pairs that the project never names."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name, coin in COINS.items():
        candles = resample_complete(read_sample_candles(coin), "1h").head(6500)
        candles.to_feather(folder / f"{name}_EUR-1h.feather")
    return folder


def run(*arguments: str, output: Path) -> dict:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments, "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((output / f"{arguments[0]}.json").read_text())
    for title in found["tables"]:
        assert title in done.stdout
    return found


@pytest.mark.slow
def test_quality_measures_any_folder_of_candles(folder, tmp_path):
    models = ["lightgbm", "ridge, pooled", LINE, "zero"]
    found = run(
        *("quality", "--datadir", str(folder), "--labels", "return", "--slices", "1"),
        *("--models", *models),
        output=tmp_path,
    )
    scores = {row["model"]: row for row in found["scores"]}
    assert list(scores) == models
    assert {row["n"] for row in found["scores"]} == {len(COINS)}
    assert {row["market"] for row in found["scores"]} == {f"{folder.name} 1h"}
    assert scores["zero"]["R²"] == 0
    for name in models[:3]:
        assert abs(scores[name]["next IC"]) < 0.5
        assert scores[name]["error of next IC"] > 0


@pytest.mark.slow
def test_worth_trades_on_any_folder_of_candles(folder, tmp_path):
    models = ["lightgbm", LINE, "zero"]
    found = run(
        *("worth", "--datadir", str(folder), "--labels", "return", "--slices", "2"),
        *("--models", *models),
        output=tmp_path,
    )
    rows = pd.DataFrame(found["scores"])
    assert set(rows["model"]) == set(models)
    assert (tmp_path / "worth.html").stat().st_size > 10_000
    plain = rows[(rows["fee"] == 0.001) & (rows["delay"] == 0) & rows["short"]]
    plain = plain[plain["quarter"].isna()].set_index(["model", "rule"])
    assert plain.loc[(LINE, "sign"), "exposure"] > 0.99
    assert plain.loc[(LINE, "sign"), "trades"] > plain.loc[(LINE, "1 round trips"), "trades"]
    assert (plain.loc["zero", "gain"] == 0).all()
    assert any(title.startswith("Placebo") for title in found["tables"])


def test_slices_are_of_the_pairs_and_days_asked_for(folder):
    market = Market(str(folder), "1h", "20171001-20180620")
    (task,) = tasks([market], ["return"], pairs=["TWO/EUR"])
    assert task.pair == "TWO/EUR"
    _, dates = outcomes_of(task)
    assert dates.iloc[-1] < pd.Timestamp("2018-06-20", tz="UTC")
    with pytest.raises(SystemExit, match="too few to train on 5000 and test on 720"):
        tasks([market._replace(timerange="20171001-20180301")], ["return"])


def test_a_feature_that_is_missing_later_repeats_its_last_value():
    nan, inf = np.nan, np.inf
    frame = pd.DataFrame({"a": [nan, 1, nan, 2, inf], "b": [nan, nan, 3, 4, 5]})
    expected = pd.DataFrame({"a": [nan, 1, nan, 2, 2], "b": [nan, nan, 3, 4, 5]})
    pd.testing.assert_frame_equal(repeat_last_known(frame), expected)


def test_an_error_is_that_of_a_jackknife_over_months():
    """Against one by hand: each month left out in turn."""
    rng = np.random.default_rng(0)
    months = np.repeat([f"2020-{n:02}" for n in range(1, 9)], 50)
    y, p = rng.normal(size=(2, 400))
    outcomes = Outcomes(y, np.ones(400), y)
    found = Forecasts(pd.DataFrame({"cluster": months, "x": p}), outcomes, pd.Series())
    estimate = jackknife(found, "x", SCORES["next IC"]).estimate

    def score(chosen: np.ndarray) -> float:
        a, b = y[chosen], p[chosen]
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    without = [score(months != month) for month in np.unique(months)]
    n = len(without)
    expected = np.sqrt((n - 1) / n * np.sum(np.square(np.array(without) - np.mean(without))))
    assert estimate.value == pytest.approx(score(months != ""))
    assert estimate.error == pytest.approx(expected)
    assert 0.5 < estimate.error * np.sqrt(400) < 1.6  # of independent rows about 1 / sqrt(n)
    assert stats.norm.sf(abs(estimate.value) / estimate.error) > 0.001
