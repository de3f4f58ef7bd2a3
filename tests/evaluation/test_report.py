import json
import math
import os
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from tests.evaluation.freqai_files import (
    LABELS,
    RESULT,
    START,
    StoredBacktest,
    flat,
    noisy,
    perfect,
    read,
    shuffled,
)

from freqai_rnn import metrics
from freqai_rnn.__main__ import main
from freqai_rnn.columns import INTERVAL_COLUMNS
from freqai_rnn.evaluation.backtests.configuration import read_timerange
from freqai_rnn.evaluation.backtests.predictions import StoredRun
from freqai_rnn.evaluation.pages.figures import Chart
from freqai_rnn.evaluation.pages.html import Box, Cell, Charts, Column, Heading, Record, Table, page
from freqai_rnn.evaluation.pages.report import file_name, safe_name, write_report
from freqai_rnn.evaluation.scores import OVERALL, PER_MODEL, PER_PAIR, score_run, verdict
from freqai_rnn.evaluation.uncertainty import Estimate

FEW = 200

UNKNOWN = Estimate(math.nan, math.nan)


def runs_of(backtest: StoredBacktest, **arguments) -> list[StoredRun]:
    return read(backtest.write(), backtest.identifier, **arguments)


def scores_of(backtest: StoredBacktest):
    (run,) = runs_of(backtest)
    return run, score_run(run, FEW, show_progress=False)


def test_numbers_are_those_of_the_stored_predictions(backtest):
    run, scores = scores_of(backtest)
    realised, predicted, volatility, moves = [], [], [], []
    for pair in backtest.pairs:
        close = backtest.closes(pair)
        labels, next_move = close.shift(-4) / close - 1, close.shift(-1) / close - 1
        known = metrics.known_volatility(labels.to_numpy(), 4)
        known_next = metrics.known_volatility(next_move.to_numpy(), 1)
        for path in sorted(backtest.folder.glob(f"*_predictions/cb_{pair[:3].lower()}*.feather")):
            stored = pd.read_feather(path)
            predicted += stored["&-return"].tolist()
            for date in stored["date"]:
                now = close.index.get_loc(date)
                realised.append(close.iloc[now + 4] / close.iloc[now] - 1)
                volatility.append(known[now])
                moves.append(np.clip(next_move.iloc[now] / known_next[now], -6, 6))
    outcomes = metrics.Outcomes(*map(np.array, (realised, volatility, moves)))
    expected = metrics.summary(outcomes, np.array(predicted))
    overall = scores[0]
    assert {name: e.value for name, e in overall.metrics.items()} == pytest.approx(expected)
    assert overall.n_evaluated == len(realised) == 2 * 3 * 240
    assert overall.spread == pytest.approx(np.std(predicted) / np.std(realised))
    assert run.timeframe == "1h"


def test_scores_are_overall_per_pair_and_per_model(backtest):
    _, scores = scores_of(backtest)
    assert [score.scope for score in scores] == [OVERALL] + 2 * [PER_PAIR] + 6 * [PER_MODEL]
    assert [score.first for score in scores[3::2]] == [
        START + i * pd.Timedelta(hours=240) for i in range(3)
    ]


def test_one_pair_has_no_score_per_pair(backtest):
    _, scores = scores_of(replace(backtest, pairs=("BTC/USD",)))
    assert [score.scope for score in scores] == [OVERALL] + 3 * [PER_MODEL]


def test_shuffled_predictions_are_within_their_error_of_nothing(backtest):
    run, scores = scores_of(backtest)
    assert not scores[0].metrics["next_ic"].differs_from(0)
    assert "say nothing beyond chance" in verdict(run, scores[0], UNKNOWN)


def test_planted_signal_is_found_with_its_size_and_not_suspected(backtest):
    run, scores = scores_of(replace(backtest, predict=noisy(0.2)))
    found = scores[0].metrics["scaled_ic"]
    assert found.differs_from(0)
    assert not found.differs_from(0.2)
    assert scores[0].metrics["r2_against_zero"].value == pytest.approx(0.04, abs=0.03)
    assert "do agree with what happened" in verdict(run, scores[0], UNKNOWN)
    assert not any("Too good" in line for line in scores[0].warnings)


def test_predictions_that_know_the_future_are_too_good_to_be_true(backtest):
    _, scores = scores_of(replace(backtest, predict=perfect))
    assert "Too good to be true" in scores[0].warnings[0]


def test_nothing_is_called_too_good_where_the_error_is_not_known(backtest):
    """Two days are too few for an error: chance alone gives large coefficients there."""
    few = replace(backtest, predict=noisy(0.5), pairs=("BTC/USD",), n_slices=1, slice_candles=48)
    _, scores = scores_of(few)
    found = scores[0].metrics["scaled_ic"]
    assert found.value > 0.25
    assert math.isnan(found.error)
    assert not any("Too good" in line for line in scores[0].warnings)


def test_flat_predictions_are_called_so(backtest):
    _, scores = scores_of(replace(backtest, predict=flat))
    assert scores[0].warnings[0] == "Flat: the predictions spread 0.00% as far as what happened."


def test_worse_than_zero_beyond_its_error_is_a_warning(backtest):
    run, scores = scores_of(replace(backtest, predict=lambda y, _rng: -y))
    assert any("Worse than predicting zero" in line for line in scores[0].warnings)
    assert "worse than predicting zero" in verdict(run, scores[0], UNKNOWN)
    assert "are opposite to what happened" in verdict(run, scores[0], UNKNOWN)


def test_predictions_of_exactly_zero_are_pointed_out(backtest):
    def gaps(y, _rng):
        return y.where(np.arange(len(y)) % 10 > 0, 0.0)

    _, scores = scores_of(replace(backtest, predict=gaps))
    assert any("10.0% of the predictions are exactly 0" in line for line in scores[0].warnings)


def test_candles_without_do_predict_are_no_predictions(backtest):
    def broken_at_the_first(y, rng):
        return np.where(np.arange(len(y)) < 12, 1e6, shuffled(y, rng))

    _, scores = scores_of(
        replace(backtest, predict=broken_at_the_first, not_predicted=tuple(range(12)))
    )
    assert scores[0].n_evaluated == scores[0].n_candles - 24
    assert scores[0].used == pytest.approx(1 - 24 / 1440)
    assert scores[0].metrics["rmse"].value < 1


def test_missing_candles_are_filled_as_freqtrade_fills_them(backtest):
    (run,) = runs_of(replace(backtest, missing=(5, 6, 7), pairs=("BTC/USD",)))
    realised = run.candles["realised"].to_numpy()
    close = backtest.closes("BTC/USD").iloc[backtest.n_before :].to_numpy()
    assert realised[1] == pytest.approx(close[4] / close[1] - 1)  # candle 5 repeats candle 4
    assert realised[5] == pytest.approx(close[9] / close[4] - 1)


def test_candles_whose_future_is_not_known_are_left_out(backtest):
    config = backtest.write()
    path = backtest.user_data / "data/coinspot/BTC_USD-1h.feather"
    pd.read_feather(path).iloc[: -backtest.horizon].to_feather(path)
    (run,) = read(config)
    assert run.candles.groupby("pair")["realised"].agg(lambda y: y.isna().sum()).tolist() == [4, 0]


def test_other_timeframes_work(backtest):
    run, scores = scores_of(replace(backtest, timeframe="5m", horizon=12))
    assert run.target == "the return over the next 12 candles"
    assert run.warnings == ()
    assert scores[0].n_evaluated == 1440


def test_label_of_another_meaning_is_noticed(backtest):
    backtest.write()
    params = backtest.folder / "run_params.json"
    params.write_text(
        params.read_text().replace('"label_period_candles": 4', '"label_period_candles": 6')
    )
    (run,) = read(backtest.user_data / "config.json")
    assert "so no number here is right. Undo the change of the strategy" in run.warnings[0]


def test_several_labels_are_evaluated_one_by_one(backtest):
    runs = runs_of(replace(backtest, labels=("&-return", "&-log")))
    assert [run.label for run in runs] == ["&-return", "&-log"]
    written = write_report(runs, backtest.user_data / "reports", FEW)
    assert written[0].read_text().count("Record</h3>") == 2


def test_a_label_is_chosen_by_its_name(backtest):
    (run,) = runs_of(replace(backtest, labels=("&-return", "&-range")), labels=["&-range"])
    assert run.label == "&-range"


def towards_the_mean(realised: pd.Series, rng: np.random.Generator) -> pd.Series:
    """Knows something of a label that is far from 0, and little of its size."""
    noise = rng.normal(scale=realised.std(), size=len(realised))
    return realised.mean() + 0.4 * (realised - realised.mean() + noise)


def test_a_label_that_is_no_return_is_measured_from_its_training_mean(backtest):
    (run,) = runs_of(replace(backtest, labels=("&-range",), predict=towards_the_mean))
    overall = score_run(run, FEW, show_progress=False)[0]
    rows, means = run.evaluated, []
    for _, part in run.candles.groupby(["pair", "trained"], sort=False):
        close = backtest.closes(part["pair"].iloc[0])
        first = (part["date"].iloc[0] - close.index[0]) // pd.Timedelta("1h") - backtest.n_before
        trained = LABELS["&-range"](close, 4).iloc[first:][: int(0.9 * backtest.n_before)]
        means += [trained.mean()] * len(part)
    squares, of_means = (
        np.square(rows["realised"] - forecast).sum() for forecast in (rows["predicted"], means)
    )
    found = {name: one.value for name, one in overall.metrics.items()}
    assert list(found) == ["r2_against_zero", "rank_correlation", "rmse", "mae"]
    assert found["r2_against_zero"] == pytest.approx(1 - squares / of_means)
    assert found["rank_correlation"] == pytest.approx(
        (rows["predicted"] - means).corr(rows["realised"] - means, method="spearman")
    )
    assert overall.warnings == ()


def test_a_label_that_is_no_return_gets_no_verdict_of_a_return(backtest):
    several = replace(
        backtest, labels=("&-range", "&-class"), predict=towards_the_mean, half_width=0.03
    )
    runs = [replace(run, result=RESULT) for run in runs_of(several)]
    html, numbers = write_report(runs, backtest.user_data / "reports", FEW)
    said = re.sub(r"<script.*?</script>", "", html.read_text(), flags=re.DOTALL)
    verdict = json.loads(numbers.read_text())["runs"][0]["verdict"]
    assert verdict.startswith("FreqAI model predicted the label &-range of BTC/USD, ETH/USD")
    assert "rank the candles better than chance (rank correlation 0." in verdict
    assert "they are better than predicting the training mean (R² 0." in verdict
    assert "&-range is not the return of the closing price over label_period_candles = 4" in verdict
    assert "Intervals for 80% held" in said
    returns = ("zero", " IC", "the direction right", "direction was right", "round trip")
    for words in (*returns, "one line of reversal", "middling"):
        assert words not in said, words
    assert "&-range: not a return" in said.replace("&amp;", "&")


def test_returns_and_other_labels_share_a_page_in_tables_of_their_own(backtest):
    runs = runs_of(replace(backtest, labels=("&-return", "&-range")))
    html = write_report(runs, backtest.user_data / "reports", FEW)[0].read_text()
    assert html.count("The numbers: overall") == 2
    assert "R² vs zero" in html
    assert "R² vs the training mean" in html


def test_details_of_a_label_are_not_those_of_one_with_a_longer_name(backtest):
    runs = runs_of(replace(backtest, labels=("&-return", "&-return_4"), half_width=0.02))
    for run in runs:
        assert set(INTERVAL_COLUMNS) <= set(run.candles)
        assert not [name for name in run.candles if name.startswith("4_")]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param(
            {"labels": ["&-range"]},
            "The strategy has no label &-return any more, got &-range. Undo the change, or run the "
            "backtest again.",
            id="renamed_label",
        ),
        pytest.param(
            {"labels": ["&-none"]},
            r"StoredStrategy cannot compute its labels of BTC/USD \(KeyError: '&-none'\). Make its "
            "features and set_freqai_targets run on the candles on disk.",
            id="error_in_the_strategy",
        ),
        pytest.param(
            {"strategy": "NoStrategy"},
            "The strategy cannot be loaded, and only it can compute its labels: Impossible to load "
            "Strategy 'NoStrategy'.* Set strategy and strategy_path in the configuration",
            id="no_strategy",
        ),
    ],
)
def test_labels_that_cannot_be_computed_are_an_error_that_says_what_to_do(
    backtest, changed, message
):
    config = backtest.write()
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    with pytest.raises(ValueError, match=f"^{message}"):
        read(config)


def test_the_strategy_is_that_of_the_backtest(backtest):
    """Its result names it, as it may have been given on the command line."""
    config = backtest.write()
    config.write_text(json.dumps(json.loads(config.read_text()) | {"strategy": "NoStrategy"}))
    results = backtest.user_data / "backtest_results"
    results.mkdir()
    summary = {"freqai_identifier": "test", "freqaimodel": "GRURegressor", **RESULT}
    with zipfile.ZipFile(results / "1.zip", "w") as archive:
        archive.writestr("1.json", json.dumps({"strategy": {"StoredStrategy": summary}}))
        archive.writestr("1_config.json", "{}")
    (run,) = read(config)
    assert run.model == "GRURegressor"


def test_missing_predictions_are_an_error_that_lists_what_is_there(backtest):
    config = backtest.write()
    with pytest.raises(FileNotFoundError, match=r"no predictions.* The newest in .*:\n  test$"):
        read(config, "other")


def test_of_many_identifiers_the_five_newest_are_listed_a_line_each(backtest):
    config = backtest.write()
    for age in range(1, 9):
        copy = backtest.folder.parent / f"older/{age}"
        shutil.copytree(backtest.folder, copy)
        for path in copy.glob("backtesting_predictions/*"):
            os.utime(path, (10**9 - age, 10**9 - age))
    with pytest.raises(FileNotFoundError) as error:
        read(config, "other")
    names = ["test", "older/1", "older/2", "older/3", "older/4", "and 4 more"]
    assert str(error.value).splitlines()[1:] == [f"  {name}" for name in names]


def test_without_any_predictions_the_error_says_so(backtest):
    config = backtest.write()
    shutil.rmtree(backtest.folder)
    with pytest.raises(FileNotFoundError, match=r"No identifier has any\.$"):
        read(config, "other")


def test_failed_training_shows_as_a_gap(backtest):
    config = backtest.write()
    path = sorted(backtest.folder.glob("backtesting_predictions/cb_eth*"))[1]
    path.unlink()
    (run,) = read(config)
    assert run.warnings == (
        "ETH/USD has predictions for 480 of 720 candles: a training may have failed, which the "
        "log of the backtest tells.",
    )


def test_of_overlapping_slices_the_model_trained_last_counts(backtest):
    config = backtest.write()
    folder = backtest.folder / "backtesting_predictions"
    first = sorted(folder.glob("cb_btc*"))[0]
    seconds = int((START + pd.Timedelta(hours=120)).timestamp())
    later = pd.read_feather(first).iloc[120:].assign(**{"&-return": 0.5}).reset_index(drop=True)
    later.to_feather(folder / f"cb_btc_{seconds}_prediction.feather")
    (run,) = read(config)
    assert "120 candles were predicted by two models" in run.warnings[0]
    assert run.candles["predicted"].eq(0.5).sum() == 120
    assert len(run.candles) == 1440


def test_timerange_selects_candles(backtest):
    (run,) = runs_of(backtest, timerange=read_timerange("20240302-20240304"))
    assert len(run.candles) == 2 * 48
    assert run.candles["date"].min() == pd.Timestamp("2024-03-02", tz="UTC")


def test_pairs_of_one_coin_cannot_be_told_apart(backtest):
    config = backtest.write()
    params = backtest.folder / "run_params.json"
    params.write_text(params.read_text().replace('"ETH/USD"', '"BTC/EUR"'))
    with pytest.raises(ValueError, match="BTC, which must belong to one pair"):
        read(config)


def test_latest_settings_of_an_identifier_count(backtest):
    config = backtest.write()
    for name in ("settings-old", "settings-new"):
        folder = backtest.folder / name
        shutil.copytree(
            backtest.folder / "backtesting_predictions", folder / "backtesting_predictions"
        )
        recorded = json.loads((backtest.folder / "run_params.json").read_text())["freqai"]
        own = {"timeframe": "1h", "feature_parameters": recorded["feature_parameters"]}
        (folder / "settings.json").write_text(json.dumps(own))
    shutil.rmtree(backtest.folder / "backtesting_predictions")
    os.utime(backtest.folder / "settings-new/settings.json", (4 * 10**9, 4 * 10**9))
    (run,) = read(config)
    assert run.folder.name == "settings-new"
    (run,) = read(config, "test/settings-old")
    assert run.folder.name == "settings-old"


def test_command_writes_a_page_and_the_same_numbers(backtest, capsys):
    config = backtest.write()
    assert main(["report", "-c", str(config), "--replicates", str(FEW)]) == 0
    html, numbers = (Path(line) for line in capsys.readouterr().out.split())
    assert html == backtest.user_data / "reports/test.html"
    content = json.loads(numbers.read_text(), parse_constant=lambda name: pytest.fail(name))
    (run,) = content["runs"]
    assert run["verdict"] in html.read_text()
    assert run["scores"][0]["n_evaluated"] == 1440
    assert run["trainings"][0]["train_seconds"] == 5.0
    assert html.stat().st_size < 6e6


def test_what_is_not_defined_is_null_in_the_numbers(backtest):
    runs = runs_of(replace(backtest, predict=lambda y, _rng: 0 * y, history=False))
    numbers = write_report(runs, backtest.user_data / "reports", FEW)[1]
    (run,) = json.loads(numbers.read_text(), parse_constant=pytest.fail)["runs"]
    assert run["scores"][0]["metrics"]["scaled_ic"] == {"value": None, "error": None}


def test_several_identifiers_share_a_page(tmp_path, capsys):
    one = StoredBacktest(tmp_path / "user_data")
    two = replace(one, identifier="group/two", predict=noisy(0.3), history=False)
    one.write()
    config = two.write()
    arguments = ["report", "-c", str(config), "--identifier", "test", "group/two"]
    assert main([*arguments, "--replicates", str(FEW)]) == 0
    html = Path(capsys.readouterr().out.split()[0])
    assert re.fullmatch(r"test\+group-two-[0-9a-f]{8}\.html", html.name)
    text = html.read_text()
    assert "No losses to show" in text
    assert text.count("class=lead") == 2


def test_page_loads_nothing_from_elsewhere(backtest):
    html = write_report(runs_of(backtest), backtest.user_data / "reports", FEW)[0].read_text()
    assert "default-src 'none'" in html
    own = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=|url\(|@import", own)


def test_names_are_escaped(backtest):
    evil = "</script><img src=x onerror=alert(1)>"
    (run,) = runs_of(backtest)
    runs = [replace(run, model=evil, command=evil, identifier=name) for name in ("a", "b")]
    html = write_report(runs, backtest.user_data / "reports", FEW)[0].read_text()
    assert "<img" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "&lt;/script&gt;&lt;img" in html


def test_every_text_of_every_part_is_escaped():
    evil = "<img src=x>\"'&"
    table = Table([Column(evil, evil), Column("n")], [[Cell(evil, evil, evil), Cell("1", 1.0)]])
    parts = [
        Heading(evil),
        Box(evil, evil, {evil: "red"}, [evil], table=table),
        Charts([Chart(evil, evil, go.Figure(layout={"height": 100}))], "a"),
        Record({evil: evil}, evil, [evil]),
    ]
    html = page(evil, [evil], parts, evil)
    outside_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert "<img" not in outside_scripts
    assert outside_scripts.count("&lt;img src=x&gt;&#34;&#39;&amp;") == 20


def test_text_in_a_chart_cannot_end_the_script():
    figure = go.Figure(layout={"height": 100, "title": {"text": "</script><b>"}})
    html = page("", [], [Charts([Chart("", "", figure)], "a")], "")
    data = html.partition("id=charts>")[2].partition("</script>")[0]
    (chart,) = json.loads(data)
    assert chart["id"] == "a-0"
    assert chart["layout"]["title"]["text"] == "</script><b>"


def test_error_is_told_and_ends_with_1(tmp_path, capsys):
    assert main(["report", "-c", str(tmp_path / "none.json")]) == 1
    assert capsys.readouterr().err == f"error: The file {tmp_path / 'none.json'} is missing.\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a+b_1.2", "a+b_1.2"),
        ("a/b", "a-b-[0-9a-f]{8}"),
        ("../../x", "x-[0-9a-f]{8}"),
        ("<é>", "report-[0-9a-f]{8}"),
        ("x" * 300, "x{120}-[0-9a-f]{8}"),
    ],
)
def test_file_name_is_safe(text, name):
    assert re.fullmatch(name.replace("+", "\\+"), safe_name(text))


def test_different_identifiers_have_different_files():
    groups = [["a-b"], ["a/b"], ["a[b]*?"], ["a", "b"], ["a+b"], ["x" * 130], ["x" * 131]]
    assert len({file_name(names) for names in groups}) == len(groups)
    assert file_name(["a", "a"]) == file_name(["a"]) == "a"


@pytest.mark.parametrize("number", ["0", "-5", "1", "2.5", "many"])
def test_too_few_replicates_are_refused(number, capsys):
    with pytest.raises(SystemExit) as end:
        main(["report", "-c", "none.json", f"--replicates={number}"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"--replicates: must be a whole number of at least 2, got '{number}'" in said
