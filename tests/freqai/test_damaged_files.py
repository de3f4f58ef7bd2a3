"""A backtest on what an earlier one left: damaged, foreign or incomplete files are made again."""

import json
import os
import shutil
import sys
import types
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
import torch
from tests.freqai.freqtrade_host import TWO_PAIRS, Run

from freqai_rnn.store.trained_model import TrainedModel, checksum


def empty(path: Path) -> None:
    os.truncate(path, 0)


def beside(model: Path, name: str) -> Path:
    return model.with_name(model.name.replace("model.zip", name))


def own_complaints(run: Run) -> list[str]:
    """Warnings and errors of this package; freqtrade warns of other things."""
    lines = run.log.splitlines()
    return [line for line in lines if line.startswith(("WARNING freqai_rnn", "ERROR freqai_rnn"))]


def assert_as_undisturbed(run: Run, undisturbed: Run, complaint: str | None, trained: int) -> None:
    assert run.n_trainings == trained
    assert "raised exception" not in run.log
    for coin in ("BTC", "ETH"):
        pd.testing.assert_frame_equal(
            run.predictions(coin), undisturbed.predictions(coin), check_exact=True
        )
    complaints = own_complaints(run)
    assert len(complaints) == (complaint is not None), complaints
    assert all(complaint in line for line in complaints)


def of_another_window(path: Path) -> None:
    """With as many rows."""
    found = pd.read_feather(path)
    found["date"] += pd.Timedelta(days=1)
    found.to_feather(path)


def without_labels(path: Path) -> None:
    pd.read_feather(path)[["date", "do_predict"]].to_feather(path)


SPOIL_PREDICTIONS = {
    "truncated": lambda path: os.truncate(path, 10),
    "empty": empty,
    "of another window": of_another_window,
    "without labels": without_labels,
}


FAST = [("truncated", 1), ("of another window", 2)]
REST = [(name, n) for name in SPOIL_PREDICTIONS for n in (1, 2) if (name, n) not in FAST]


@pytest.mark.parametrize(
    ("name", "n_jobs"),
    [*FAST, *(pytest.param(*one, marks=pytest.mark.slow) for one in REST)],
)
def test_damaged_predictions_are_made_again_from_the_model(trained, trained_host, name, n_jobs):
    first, *later = trained.prediction_files()
    whole, others = first.read_bytes(), {path: path.stat().st_mtime_ns for path in later}
    SPOIL_PREDICTIONS[name](first)
    parallel = {"freqai": {"model_training_parameters": {"n_jobs": n_jobs}}}
    run = trained.refused_backtest(overlay=TWO_PAIRS | parallel)
    assert_as_undisturbed(run, trained_host[1], str(first), trained=0)
    assert len(pd.read_feather(first)) == 96
    assert pd.read_feather(first).equals(pd.read_feather(BytesIO(whole)))
    assert {path: path.stat().st_mtime_ns for path in later} == others


def test_lost_predictions_are_made_again_though_later_ones_are_there(trained, trained_host):
    trained.prediction_files()[0].unlink()
    run = trained.refused_backtest(overlay=TWO_PAIRS)
    assert_as_undisturbed(run, trained_host[1], None, trained=0)


@pytest.mark.parametrize(
    "part",
    [
        "metadata.json",
        pytest.param("feature_pipeline.pkl", marks=pytest.mark.slow),
        pytest.param("label_pipeline.pkl", marks=pytest.mark.slow),
    ],
)
def test_a_model_with_a_damaged_file_beside_it_is_trained_again(trained, trained_host, part):
    damaged = beside(trained.model_files()[0], part)
    empty(damaged)
    trained.prediction_files()[0].unlink()
    run = trained.refused_backtest(overlay=TWO_PAIRS)
    assert_as_undisturbed(run, trained_host[1], damaged.name, trained=1)


def test_a_model_of_an_older_release_is_one_line_and_trained_again(
    trained, trained_host, monkeypatch
):
    """It names a class that has gone since."""
    path = trained.model_files()[0]
    gone = types.ModuleType("freqai_rnn.freqai.old_room")
    old = type("TrainedModel", (), {"__module__": gone.__name__})
    gone.TrainedModel = old
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, gone.__name__, gone)
        torch.save({"pytrainer": old()}, path)
    history = beside(path, "history.json")
    recorded = json.loads(history.read_text()) | {"sha256": checksum(path.read_bytes())}
    history.write_text(json.dumps(recorded))
    trained.prediction_files()[0].unlink()
    run = trained.refused_backtest(overlay=TWO_PAIRS)
    assert_as_undisturbed(run, trained_host[1], "written by an incompatible version", trained=1)


@pytest.mark.parametrize("has_model", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_predictions_whose_metadata_are_damaged_are_made_again(trained, trained_host, has_model):
    model = trained.model_files()[0]
    empty(beside(model, "metadata.json"))
    if not has_model:  # as with save_backtest_models: false
        model.unlink()
    run = trained.refused_backtest(overlay=TWO_PAIRS)
    assert_as_undisturbed(run, trained_host[1], "_metadata.json", trained=1)


@pytest.mark.parametrize(
    ("at", "name"),
    [
        ("settings", "pair_dictionary.json"),
        ("identifier", "global_metadata.json"),
        pytest.param("settings", "global_metadata.json", marks=pytest.mark.slow),
        pytest.param("identifier", "pair_dictionary.json", marks=pytest.mark.slow),
    ],
)
def test_a_backtest_starts_without_a_damaged_list(trained, trained_host, at, name):
    folder = trained.settings_folders()[-1]
    damaged = (folder if at == "settings" else folder.parent) / name
    damaged.touch()
    empty(damaged)
    run = trained.refused_backtest(overlay=TWO_PAIRS)
    complaints = own_complaints(run)
    assert len(complaints) == 1
    assert str(damaged) in complaints[0]
    pd.testing.assert_frame_equal(run.predictions(), trained_host[1].predictions())


def test_damaged_settings_of_the_last_run_are_named_and_stop_nothing(trained):
    damaged = trained.settings_folders()[-1] / "settings.json"
    os.truncate(damaged, 100)
    other = {"freqai": {"model_training_parameters": {"hidden_size": 4}}}
    run = trained.backtest(overlay=other)
    (complaint,) = own_complaints(run)
    assert str(damaged) in complaint
    assert not own_complaints(trained.backtest(overlay=other))


def test_a_model_made_with_other_settings_is_trained_again(trained):
    """Of the other cell, with all its files."""
    gru = TWO_PAIRS | {"freqaimodel": "GRURegressor"}
    undisturbed = trained.backtest(overlay=gru)
    lstm, own = (
        folder / trained.model_files()[0].parent.name for folder in trained.settings_folders()
    )
    for path in lstm.iterdir():
        shutil.copy(path, own)
    for path in trained.prediction_files():
        path.unlink()
    run = trained.refused_backtest(overlay=gru)
    assert_as_undisturbed(run, undisturbed, "cell_type lstm -> gru", trained=1)
    assert TrainedModel.read(trained.model_files()[0]).estimator.cell_type == "gru"


@pytest.mark.parametrize("identifier", ["../../escape", "absolute"])
def test_an_identifier_outside_the_models_is_refused_before_anything_is_written(host, identifier):
    outside = host.user_data.parent / "escape"
    given = str(outside) if identifier == "absolute" else identifier
    run = host.refused_backtest(overlay={"freqai": {"identifier": given}})
    assert f"got '{given}'" in run.log
    assert "freqai.identifier must name a folder in" in run.log
    assert not outside.exists()
    assert not run.frames
