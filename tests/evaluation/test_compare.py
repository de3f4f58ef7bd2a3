import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.freqai_files import (
    StoredBacktest,
    model_run,
    noisy,
    perfect,
    read,
    shuffled,
)

from freqai_rnn import metrics
from freqai_rnn.__main__ import main
from freqai_rnn.evaluation.backtests.configuration import (
    Configuration,
    read_configuration,
    read_json,
)
from freqai_rnn.evaluation.backtests.predictions import StoredRun, outcomes_of
from freqai_rnn.evaluation.backtests.runs import (
    DEFAULT_SETTINGS,
    _logged_train_seconds,
    _train_seconds,
    model_configuration,
    read_settings,
)
from freqai_rnn.evaluation.comparison import (
    as_mapping,
    common_candles,
    compare,
    findings,
    lead,
    markdown_table,
)
from freqai_rnn.evaluation.pages.compare import comparison_page
from freqai_rnn.evaluation.pages.record import as_json
from freqai_rnn.evaluation.reversal import LINES

ROOT = Path(__file__).resolve().parents[2]
FEW = 300


def stored(backtest: StoredBacktest, identifier: str, **changes) -> StoredRun:
    config = replace(backtest, identifier=identifier, **changes).write()
    return read(config, identifier)[0]


def test_every_model_and_zero_are_measured_on_the_same_candles(backtest):
    a = model_run("A", stored(backtest, "a", predict=noisy(0.3), not_predicted=(0, 1, 2)))
    b = model_run("B", stored(backtest, "b", predict=shuffled, not_predicted=(2, 300)))
    found = compare([a, b], "B", FEW)
    assert len(found.candles) == 2 * (720 - 4)
    assert list(found.metrics) == ["A", "B", *LINES, "zero"]
    assert found.models == ["A", "B"]
    outcomes = outcomes_of(found.candles)
    for name in ("A", "B"):
        expected = metrics.summary(outcomes, found.candles[name].to_numpy())
        values = {metric: estimate.value for metric, estimate in found.metrics[name].items()}
        assert values == pytest.approx(expected)
    assert found.metrics["zero"]["r2_against_zero"] == (0.0, 0.0)
    assert math.isnan(found.metrics["zero"]["directional_accuracy"].value)


def test_difference_is_model_minus_baseline(backtest):
    a = model_run("A", stored(backtest, "a", predict=noisy(0.3)))
    b = model_run("B", stored(backtest, "b", predict=shuffled))
    found = compare([a, b], "B", FEW)
    assert list(found.differences) == ["A", *LINES]
    for metric, difference in found.differences["A"].items():
        expected = found.metrics["A"][metric].value - found.metrics["B"][metric].value
        assert difference.value == pytest.approx(expected)
    assert found.differences["A"]["next_ic"].differs_from(0)


def test_paired_difference_is_better_known_than_the_models(backtest):
    """Two models that are wrong alike: their errors are large, that of the difference is not."""

    def alike(offset):
        def predict(y, rng):
            return noisy(0.2)(y, rng) + 0.0005 * offset * rng.normal(size=len(y))

        return predict

    a = model_run("A", stored(backtest, "a", predict=alike(1)))
    b = model_run("B", stored(backtest, "b", predict=alike(2)))
    found = compare([a, b], "B", FEW)
    assert found.differences["A"]["next_ic"].error < found.metrics["A"]["next_ic"].error / 2


def test_missing_baseline_gives_way_to_the_first_model(backtest):
    assert compare([model_run("A", stored(backtest, "a"))], "B", FEW).baseline == "A"


def test_texts_say_what_is_significant_and_what_is_not(backtest):
    a = model_run("A", stored(backtest, "a", predict=noisy(0.3)))
    b = model_run("B", stored(backtest, "b", predict=shuffled))
    found = compare([a, b], "B", FEW)
    lines = findings(found)
    assert lines[0].startswith("A is better than predicting zero (R² 0.")
    assert "B is worse than predicting zero" in lines[1] or "B is not dist" in lines[1]
    assert "has no significant relation to the returns" in lines[1]
    assert lines[2].startswith("A is more exact than B (R² +0.")
    assert "knows more of the next candle" in lines[2]
    assert "6 tests" in lines[-1]
    assert "Better than predicting zero, beyond their error: A." in lead(found)


def test_table_has_a_row_per_model_and_one_for_zero(backtest):
    found = compare([model_run("A", stored(backtest, "a"))], "A", FEW)
    lines = markdown_table(found).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["A", *LINES, "zero"]
    assert "| 12 | −3.4 % | 2.0 s | 0.5 s |" in lines[2]


def test_numbers_are_json(backtest):
    found = compare([model_run("A", stored(backtest, "a"))], "A", FEW)
    content = json.loads(as_json(as_mapping(found)), parse_constant=pytest.fail)
    assert content["metrics"]["zero"]["scaled_ic"]["value"] is None


def test_model_without_predictions_is_left_out_and_named(backtest):
    a = model_run("A", stored(backtest, "a"))
    none = stored(backtest, "b", not_predicted=tuple(range(720)))
    found = compare([a, model_run("B", none)], "A", FEW)
    assert found.models == ["A"]
    assert "B has no prediction with do_predict 1, and is left out." in found.warnings


def test_what_no_sound_model_shows_is_a_warning(backtest):
    found = compare([model_run("A", stored(backtest, "a", predict=perfect))], "A", FEW)
    assert found.warnings[0].startswith("A: Too good to be true")


def test_models_without_a_common_candle_are_an_error(backtest):
    a = stored(backtest, "a", not_predicted=tuple(range(360)))
    b = stored(backtest, "b", not_predicted=tuple(range(360, 720)))
    with pytest.raises(ValueError, match="no candle in common"):
        common_candles([model_run("A", a), model_run("B", b)])


def test_few_common_candles_are_a_warning(backtest):
    a = model_run("A", stored(backtest, "a"))
    b = model_run("B", stored(backtest, "b", not_predicted=tuple(range(360))))
    assert "Only 720 of 1,440 candles" in compare([a, b], "A", FEW).warnings[0]


def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "user_data").mkdir(exist_ok=True)
    offline = [ROOT / "config/config.json", ROOT / "config/offline.json"]
    return read_configuration(offline, tmp_path / "user_data")


def test_settings_replace_those_of_the_configuration(tmp_path):
    own = {"conv_width": 24, "model_training_parameters": {"n_estimators": 3}}
    config = model_configuration(configuration(tmp_path), "LightGBMRegressor", own)
    assert config["freqai"]["model_training_parameters"] == {"n_estimators": 3}
    assert config["freqai"]["conv_width"] == 24
    assert config["freqai"]["train_period_days"] == 210
    assert config["freqaimodel"] == "LightGBMRegressor"


def test_what_shapes_a_model_changes_its_identifier(tmp_path):
    base = configuration(tmp_path)

    def identifier(own, code="", model="A"):
        return model_configuration(base, model, own, code)["freqai"]["identifier"]

    found = {
        identifier({}),
        identifier({"conv_width": 2}),
        identifier({}, "code"),
        identifier({}, model="B"),
    }
    assert len(found) == 4
    assert identifier({}) == identifier({})
    assert identifier({}).startswith("compare/A-")


def test_secrets_are_not_copied(tmp_path):
    base = configuration(tmp_path)
    content = dict(base.content)
    content["exchange"] = {**content["exchange"], "key": "SECRET", "secret": "SECRET"}
    content["telegram"] = content["api_server"] = {"token": "SECRET"}
    config = model_configuration(replace(base, content=content), "A", {})
    assert "SECRET" not in json.dumps(config)
    assert content["exchange"]["key"] == "SECRET"


def test_model_without_settings_is_an_error():
    with pytest.raises(ValueError, match=r"must have settings for XGBoostRegressor, got .*GRU"):
        read_settings(DEFAULT_SETTINGS, ["XGBoostRegressor"])


def test_shipped_settings_name_all_our_models_that_train_and_two_of_freqtrades():
    """The pretrained one is for its own timeframe and label only."""
    assert list(read_settings(DEFAULT_SETTINGS, None)) == list(read_json(DEFAULT_SETTINGS))
    ours = {path.stem for path in (ROOT / "freqaimodels").glob("*Regressor.py")} - {
        "PretrainedRegressor"
    }
    theirs = {"LightGBMRegressor", "PyTorchTransformerRegressor"}
    assert set(read_json(DEFAULT_SETTINGS)) == ours | theirs


def test_training_seconds_come_from_the_log_once_per_window():
    period = "from 2019-01-01 00:00:00 to 2019-02-01 00:00:00"
    window = f"x - Training BTC/USD, 1/2 pairs {period}, 1/3 trains"
    done = "x - ---- Done training BTC/USD ({} secs) ----"
    log = "\n".join([window, done.format(1.5), window.replace("BTC", "ETH"), done.format(2.0)])
    again = "\n".join([log, window, done.format(9.0)])
    assert _logged_train_seconds(log) == pytest.approx(3.5)
    assert _logged_train_seconds(again) == pytest.approx(11.0)
    assert math.isnan(_logged_train_seconds(window))


@pytest.mark.parametrize(
    ("history", "seconds"),
    [
        pytest.param({"train_seconds": 7.25}, 6 * 7.25, id="recorded"),
        pytest.param({}, 6 * 5.0, id="older_history"),
        pytest.param(None, 1.5, id="without_history"),
    ],
)
def test_training_seconds_are_those_recorded_else_those_logged(backtest, history, seconds):
    stored(replace(backtest, history=history is not None), "a")
    for path in backtest.user_data.rglob("*_history.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | history))
    (run,) = read(backtest.user_data / "config.json", "a")
    log = (
        "x - Training BTC/USD, 1/2 pairs from a to b, 1/3 trains\n Done training BTC/USD (1.5 secs)"
    )
    assert _train_seconds(run, log) == pytest.approx(seconds)


def test_zero_is_not_better_than_itself(backtest):
    """The error of zero's R² is 0, and so is its distance from 0."""
    found = compare([model_run("A", stored(backtest, "a"))], "A", FEW)
    assert not found.metrics["zero"]["r2_against_zero"].differs_from(0)
    assert np.isnan(found.metrics["zero"]["scaled_ic"].value)


def test_other_labels_are_compared_with_the_training_mean_and_not_with_reversal(backtest):
    def knowing(realised, rng):
        return realised.mean() + 0.4 * (realised - realised.mean()) + 0.0001 * rng.normal()

    ranges = replace(backtest, labels=("&-range",))
    a = model_run("A", stored(ranges, "a", predict=knowing))
    b = model_run("B", stored(ranges, "b", predict=lambda y, _rng: 0 * y + y.mean() / 2))
    found = compare([a, b], "B", FEW)
    assert list(found.metrics) == ["A", "B", "the training mean"]
    assert found.metrics["the training mean"]["r2_against_zero"] == (0.0, 0.0)
    assert found.metrics["A"]["r2_against_zero"].value > 0.5
    lines = findings(found)
    assert lines[0].startswith("A is better than predicting the training mean (R² 0.")
    assert "agrees with the labels (rank correlation 0.9" in lines[0]
    assert "Better than predicting the training mean, beyond their error: A." in lead(found)
    table = markdown_table(found)
    assert table.startswith("| model | R² vs the training mean | rank correlation | RMSE | Δ R² |")
    page = comparison_page(found, datetime.now(UTC))
    said = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    for words in ("next IC", "reversal", "zero"):
        assert words not in f"{lead(found)} {lines} {table} {said}".replace("or nothing", ""), words


def with_model(name: str, **settings: object) -> dict[str, object]:
    return {"models": {name: {"model_training_parameters": settings}}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"arguments": ["--label", "&-range"]}, "--label must be one of &-return, got &-range."),
        ({"arguments": ["--timerange", "2024"]}, "timerange must be YYYYMMDD-YYYYMMDD"),
        ({"labels": ["&-none"]}, "StoredStrategy cannot compute its labels of BTC/USD"),
        ({"strategy": "NoStrategy"}, "The strategy cannot be loaded"),
        ({"timeframe": "1w"}, "timeframe must be minutes, hours or days"),
        (
            {"exchange": {"name": "coinspot", "pair_whitelist": ["BTC/USD", "BTC/EUR"]}},
            "Prediction files name a coin only, and BTC/EUR, BTC/USD share one.",
        ),
        (with_model("RNNRegressor"), "There is no freqaimodel RNNRegressor"),
        (with_model("GRURegressor", sequence_length=0), "sequence_length must be"),
    ],
    ids=["label", "timerange", "broken", "strategy", "timeframe", "coin", "model", "settings"],
)
def test_what_cannot_be_compared_is_refused_before_the_first_training(
    backtest, capsys, changed, message
):
    config = backtest.write()
    models = {"LightGBMRegressor": {}} | changed.pop("models", {})  # the first one is sound
    settings = backtest.user_data / "settings.json"
    settings.write_text(json.dumps(models))
    line = ["compare", "-c", str(config), "--settings", str(settings)]
    line += changed.pop("arguments", [])
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    assert main(line) == 1
    said = capsys.readouterr()
    assert f"error: {message}" in said.err
    assert said.out == ""
    assert not (backtest.user_data / "reports").exists()
