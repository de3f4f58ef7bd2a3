"""How FreqAI's split, weights, earlier models and reports reach the estimator and the disk."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.freqai.freqtrade_host import LABEL, Host, Run, recorded, recording

from freqai_rnn import RecurrentRegressor
from freqai_rnn.store.trained_model import TrainedModel

N_LABELLED = 477  # of 480 training candles, the last 3 have no label
N_TEST = math.ceil(0.15 * N_LABELLED)  # scikit-learn's split rounds up


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> tuple[Host, Run]:
    """A finished backtest whose model keeps what it gives to the estimator, to be read only."""
    host = Host(tmp_path_factory.mktemp("plain") / "user_data", candles)
    return host, host.backtest(overlay=recording())


def weights_of(estimator: RecurrentRegressor) -> bytes:
    return estimator.__getstate__()["weights"]


def fitted_by_hand(
    model: TrainedModel,
    candles: dict[str, np.ndarray],
    init_model: RecurrentRegressor | None = None,
    **changes: object,
) -> RecurrentRegressor:
    """The estimator alone, on what the FreqAI model handed to it."""
    given = candles | changes
    return RecurrentRegressor(**asdict(model.estimator.settings_)).fit(
        given["features"],
        given["targets"],
        sample_weight=given["weights"],
        validation_mask=given["validation_mask"],
        candle_index=given["candle_index"],
        init_model=init_model,
    )


@pytest.mark.parametrize(
    "gap", [*(pytest.param(gap, marks=pytest.mark.slow) for gap in (1, 3)), 24]
)
def test_no_training_label_looks_at_a_validation_candle(host, gap):
    parameters = {"feature_parameters": {"label_period_candles": gap}}
    host.backtest(overlay={"freqai": parameters})
    n_labelled = 480 - gap
    first_test = n_labelled - math.ceil(0.15 * n_labelled)
    split = host.models()[0].estimator.split_
    assert list(split.valid_rows) == list(range(first_test, n_labelled))
    assert list(split.train_rows) == list(range(5, first_test - gap))


@pytest.mark.parametrize("test_size", [0.3, 100], ids=["share", "candles"])
def test_the_split_is_that_of_data_split_parameters(host, test_size):
    host.backtest(overlay={"freqai": {"data_split_parameters": {"test_size": test_size}}})
    n_test = math.ceil(0.3 * N_LABELLED) if test_size == 0.3 else 100
    assert host.models()[0].estimator.n_valid_windows_ == n_test


def test_without_test_candles_every_epoch_is_trained(host):
    parameters = {
        "data_split_parameters": {"test_size": 0},
        "model_training_parameters": {"max_epochs": 4, "early_stopping_patience": 1},
    }
    run = host.backtest(overlay={"freqai": parameters})
    assert "no validation, so all epochs count and predictions are not scaled" in run.log
    estimator = host.models()[0].estimator
    assert len(estimator.history_) == estimator.best_epoch_ == 4
    assert all(record.valid_loss is None for record in estimator.history_)
    assert list(estimator.split_.train_rows) == list(range(5, N_LABELLED))
    assert (run.predictions()["do_predict"] == 1).all()
    (history,) = host.model_files()[0].parent.glob("*_history.json")
    assert json.loads(history.read_text())["validation"] == {}


def test_weights_of_the_loss_are_freqais(host, plain):
    run = host.backtest(overlay=recording(weight_factor=0.2))
    candles, (model, _) = recorded(host), host.models()
    expected = np.exp(-np.arange(N_LABELLED) / (0.2 * N_LABELLED))[::-1]
    np.testing.assert_allclose(candles["weights"][:N_LABELLED], expected)
    assert weights_of(fitted_by_hand(model, candles)) == weights_of(model.estimator)
    equal = fitted_by_hand(model, candles, weights=np.ones(480))
    assert weights_of(equal) != weights_of(model.estimator)
    without = plain[1].predictions()[LABEL]
    assert not np.allclose(run.predictions()[LABEL], without, rtol=1e-3)


# --- continual learning

CONTINUAL = recording()
CONTINUAL["freqai"]["continual_learning"] = True


def test_continual_learning_starts_from_the_weights_before(host):
    run = host.backtest(overlay=CONTINUAL)
    first, second = host.models()
    candles = recorded(host, 1)
    assert [record.epoch for record in second.estimator.history_] == [1, 2]
    continued = fitted_by_hand(second, candles, init_model=first.estimator)
    assert weights_of(continued) == weights_of(second.estimator)
    assert weights_of(fitted_by_hand(second, candles)) != weights_of(second.estimator)
    assert run.n_trainings == 2


def test_without_continual_learning_each_window_starts_anew(plain):
    second = plain[0].models()[1]
    assert weights_of(fitted_by_hand(second, recorded(plain[0], 1))) == weights_of(second.estimator)


@pytest.mark.slow
def test_continual_learning_with_a_tiny_step_stays_where_it_was(host):
    """With the patience of a fresh start: the second model trains all its epochs, too."""
    tiny = {"learning_rate": 1e-9, "max_epochs": 3, "early_stopping_patience": 3}
    overlay = {"freqai": {"continual_learning": True, "model_training_parameters": tiny}}
    host.backtest(overlay=overlay)
    first, second = (model.estimator for model in host.models())
    assert len(first.history_) == len(second.history_) == 3
    for before, after in zip(
        first.network_.parameters(), second.network_.parameters(), strict=True
    ):
        np.testing.assert_allclose(after.detach(), before.detach(), atol=1e-6)


@pytest.mark.parametrize(
    "kept",
    [pytest.param("models", marks=pytest.mark.slow), "models and predictions"],
)
def test_continual_learning_goes_on_from_the_latest_model_on_disk(host, kept):
    """As after an interruption, which leaves the first two of three slices finished."""
    three_slices = CONTINUAL | {"timerange": "20190601-20190610"}
    host.backtest(overlay=three_slices)
    last = host.model_files()[2]
    weights = weights_of(TrainedModel.read(last).estimator)
    last.unlink()
    finished = host.prediction_files()
    for path in finished if kept == "models" else finished[2:]:
        path.unlink()
    after = host.backtest(overlay=three_slices)
    assert after.n_trainings == 1
    assert weights_of(host.models()[2].estimator) == weights


def test_continual_learning_with_another_architecture_says_that_it_starts_anew(host, tmp_path):
    (tmp_path / "GrowingRegressor.py").write_text(
        "from freqai_rnn import RecurrentRegressor\n"
        "from freqai_rnn.freqai.model import RecurrentFreqaiModel\n"
        "class GrowingRegressor(RecurrentFreqaiModel):\n"
        "    prototype = RecurrentRegressor()\n"
        "    def fit_task(self, task, dk, init_model):\n"
        "        if init_model is not None:\n"
        "            task.estimator.set_params(hidden_size=16)\n"
        "        return super().fit_task(task, dk, init_model)\n"
    )
    overlay = {
        "freqaimodel": "GrowingRegressor",
        "freqaimodel_path": str(tmp_path),
        "freqai": {"continual_learning": True},
    }
    run = host.backtest(overlay=overlay)
    assert run.log.count("The network's architecture changed, training starts anew") == 1
    assert [model.estimator.settings_.hidden_size for model in host.models()] == [8, 16]
    assert (run.predictions()["do_predict"] == 1).all()


# --- reports


def test_tensorboard_shows_both_losses_of_every_epoch(host):
    overlay = {
        "freqai": {"activate_tensorboard": True, "model_training_parameters": {"max_epochs": 3}}
    }
    host.backtest(overlay=overlay)
    for path, model in zip(host.model_files(), host.models(), strict=True):
        (folder,) = (entry for entry in path.parent.iterdir() if entry.is_dir())
        events = EventAccumulator(str(folder)).Reload()
        for name in ("train_loss", "valid_loss"):
            scalars = events.Scalars(name)
            assert [event.step for event in scalars] == [1, 2, 3]
            expected = [getattr(record, name) for record in model.estimator.history_]
            np.testing.assert_allclose([event.value for event in scalars], expected, rtol=1e-6)


def strict_json(path: Path) -> dict:
    """JSON as every reader knows it: Python's own would take NaN, too."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{path} holds {constant}")

    return json.loads(path.read_text(), parse_constant=refuse)


def history_files(host: Host) -> list[Path]:
    return sorted(host.settings_folders()[-1].glob("sub-train-BTC_*/*_history.json"))


def test_history_beside_each_model(trained_host):
    host, _ = trained_host
    for path, model in zip(history_files(host), host.models(), strict=True):
        history, estimator = strict_json(path), model.estimator
        assert [tuple(epoch.values()) for epoch in history["evaluations"]] == estimator.history_
        assert [epoch["epoch"] for epoch in history["evaluations"]] == [1, 2]
        assert history["pair"] == "BTC/USD"
        assert history["settings"]["hidden_size"] == 8
        assert history["n_train_windows"] == 397
        assert history["n_valid_windows"] == N_TEST
        assert {"rmse", "scaled_ic"} <= history["validation"][LABEL].keys()


def test_validation_metrics_are_in_the_labels_own_unit(plain):
    model, candles = plain[0].models()[0], recorded(plain[0])
    rows = np.arange(N_LABELLED - N_TEST, N_LABELLED)
    scaler = model.label_pipeline["scaler"]._skl
    predicted = model.estimator.predict(candles["features"])[rows, 0]
    error = (predicted - candles["targets"][rows, 0]) * scaler.scale_[0]
    assert model.validation[LABEL]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)


def test_history_is_valid_json_where_a_metric_is_not_defined(host):
    """What to predict of labels that are all 0."""
    host.backtest(overlay={"tiny": {"relabel_from": "2019-05-28T00:00Z", "relabel_as": 0.0}})
    for path in history_files(host):
        assert strict_json(path)["validation"][LABEL]["scaled_ic"] is None
