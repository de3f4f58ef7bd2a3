"""What the strategy gets: a true prediction for every candle, from its past alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import pairwise_distances
from tests.freqai.freqtrade_host import (
    LABEL,
    MIDDLE,
    START,
    STOP,
    TWO_PAIRS,
    Host,
    Run,
    recorded,
    recording,
)

from freqai_rnn.store.trained_model import TrainedModel

HOUR = pd.Timedelta(hours=1)
DATES = pd.date_range(START, STOP - HOUR, freq="h")
S = 6  # sequence_length of the small configuration


def predicted_one_by_one(
    model: TrainedModel, features: pd.DataFrame, dates: pd.DatetimeIndex
) -> np.ndarray:
    """Each candle's window cut out of a long frame, and put through network and line alone."""
    raw = features[model.feature_names]
    scaled, _, _ = model.feature_pipeline.transform(raw.fillna(0.0), outlier_check=True)
    values = torch.from_numpy(scaled.to_numpy(dtype=np.float32, copy=True))
    answers, line = [], model.estimator.line_
    for row in pd.Index(features["date"]).get_indexer(dates):
        window = values[None, row - S + 1 : row + 1]
        with torch.no_grad():
            network = model.estimator.network_(window)[0].numpy()
        candle = np.clip((window[0, -1].numpy() - line.mean) / line.scale, -4, 4)
        answer = network + line.coefficients @ candle + line.intercept
        answers.append(answer * model.estimator.calibration_.scale)
    frame = pd.DataFrame(np.stack(answers), columns=model.label_names, dtype=float)
    return np.asarray(model.label_pipeline.inverse_transform(frame)[0])[:, 0]


def recomputed(host: Host, coin: str, overlay: dict | None = None) -> pd.Series:
    """The predictions of both slices, from the saved models and a frame of 40 days more."""
    features = host.features(f"{coin}/USD", overlay)
    first, second = host.models(coin)
    slices = [(first, DATES[DATES < MIDDLE]), (second, DATES[DATES >= MIDDLE])]
    values = [predicted_one_by_one(model, features, dates) for model, dates in slices]
    return pd.Series(np.concatenate(values), DATES)


def assert_every_candle_is_predicted(host: Host, run: Run, coin: str) -> None:
    found = run.predictions(coin)
    assert list(found.index) == list(DATES)
    assert (found["do_predict"] == 1).all()
    assert found[LABEL].std() > 0
    expected = recomputed(host, coin, TWO_PAIRS)
    np.testing.assert_allclose(found[LABEL], expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_every_candle_has_the_prediction_of_its_own_window(trained_host, coin):
    host, run = trained_host
    assert run.n_trainings == 4
    assert_every_candle_is_predicted(host, run, coin)


@pytest.mark.parametrize(
    "new_process",
    [
        pytest.param(False, id="same process"),
        pytest.param(True, id="new process", marks=pytest.mark.slow),
    ],
)
def test_models_from_disk_predict_every_candle_alike(trained, trained_host, new_process):
    for path in trained.prediction_files():
        path.unlink()
    run = trained.backtest(overlay=TWO_PAIRS, new_process=new_process)
    assert run.n_trainings == 0
    assert len(trained.prediction_files()) == 4
    for coin in ("BTC", "ETH"):
        assert_every_candle_is_predicted(trained, run, coin)
        pd.testing.assert_frame_equal(
            run.predictions(coin), trained_host[1].predictions(coin), check_exact=True
        )


def test_finished_predictions_are_used_again(trained, trained_host):
    for path in trained.model_files() + trained.model_files("ETH"):
        path.unlink()
    run = trained.backtest(overlay=TWO_PAIRS)
    assert run.n_trainings == 0
    for coin in ("BTC", "ETH"):
        pd.testing.assert_frame_equal(
            run.predictions(coin), trained_host[1].predictions(coin), check_exact=True
        )


def test_label_statistics_are_those_of_the_slices_own_training(trained):
    """FreqAI would give the second slice those that it loaded for the first."""
    for path in trained.prediction_files():
        path.unlink()
    found = trained.backtest(overlay=TWO_PAIRS).predictions()
    for model, date in zip(trained.models(), (START, MIDDLE), strict=True):
        for name in ("mean", "std"):
            expected = model.label_statistics[f"labels_{name}"][LABEL]
            assert found.loc[date, f"{LABEL}_{name}"] == expected
    assert found.loc[START, f"{LABEL}_std"] != found.loc[MIDDLE, f"{LABEL}_std"]


# --- context


@pytest.mark.parametrize(
    "at", ["2019-06-06 10:00", "2019-06-04 23:00"], ids=["within a slice", "last of a slice"]
)
def test_a_missing_feature_costs_exactly_the_windows_that_hold_it(host, trained_host, at):
    whole = trained_host[1].predictions()
    found = host.backtest(overlay={"tiny": {"nan_at": at}}).predictions()
    missing = pd.date_range(at, periods=S, freq="h", tz="UTC")
    assert list(found.index[found["do_predict"] != 1]) == list(missing)
    assert (found.loc[missing, ["do_predict", LABEL]] == 0).all(axis=None)
    same = found.index.difference(missing)
    # other windows in a batch may round a sum of products otherwise
    pd.testing.assert_frame_equal(found.loc[same], whole.loc[same], rtol=1e-5, atol=0)


def test_rows_without_a_label_stay_as_context(host):
    run = host.backtest(overlay=recording() | {"tiny": {"unlabelled_hour": 12}})
    candles, split = recorded(host), host.models()[0].estimator.split_
    assert "Trained lstm on 480 rows" in run.log
    assert candles["features"].shape == (480, 4)
    assert np.isfinite(candles["features"]).all()
    assert np.array_equal(candles["candle_index"], np.arange(480))
    unlabelled = np.flatnonzero(np.isnan(candles["targets"][:, 0]))
    by_hand = [row for row in range(480) if row % 24 == 12 or row >= 477]
    assert list(unlabelled) == by_hand
    targets = np.concatenate(split)
    assert not set(targets) & set(unlabelled)
    assert {row + 1 for row in by_hand if 5 <= row < 300} <= set(split.train_rows)
    assert (run.predictions()["do_predict"] == 1).all()


OUTLIERS = {
    "svm": {"use_SVM_to_remove_outliers": True, "svm_params": {"shuffle": False, "nu": 0.2}},
    "dbscan": {"use_DBSCAN_to_remove_outliers": True},
    "di": {"DI_threshold": 0.3},
}


def outliers_among_training_rows(host: Host, overlay: dict) -> np.ndarray:
    model, features = host.models()[0], host.features("BTC/USD", overlay)
    date = features["date"]
    rows = features[(date >= START - pd.Timedelta(days=20)) & (date < START)]
    _, inlier, _ = model.feature_pipeline.transform(
        rows[model.feature_names].reset_index(drop=True), outlier_check=True
    )
    return np.flatnonzero(inlier != 1)


@pytest.mark.parametrize("name", OUTLIERS)
def test_outliers_stay_as_context(host, name):
    overlay = recording(**OUTLIERS[name])
    run = host.backtest(overlay=overlay)
    candles, split = recorded(host), host.models()[0].estimator.split_
    assert candles["features"].shape == (480, 4)
    assert np.isfinite(candles["features"]).all()
    dropped = np.flatnonzero(np.isnan(candles["targets"][:477, 0]))
    assert 0 < len(dropped) < 240
    if name != "dbscan":  # which judges a row by all others
        # The last 72 labelled rows validate; no training row is far from itself, DI's measure.
        judged = range(477) if name == "svm" else range(477 - 72, 477)
        assert set(dropped) == set(outliers_among_training_rows(host, overlay)) & set(judged)
    targets = set(np.concatenate(split))
    assert not targets & set(dropped)
    # each row after an outlier has a window with the outlier in it, and trains all the same
    after = set(dropped + 1) - set(dropped)
    assert {row for row in after if 5 <= row < 400} <= targets
    found = run.predictions()
    assert set(found["do_predict"]) <= {0, 1}
    assert (found["do_predict"] == 0).any() or name == "dbscan"  # which finds none here
    np.testing.assert_allclose(found[LABEL], recomputed(host, "BTC", overlay), rtol=1e-4, atol=1e-8)


def test_di_values_are_distances_to_the_training_rows(host):
    overlay = {"freqai": {"feature_parameters": OUTLIERS["di"]}}
    found = host.backtest(overlay=overlay).predictions()
    features = host.features("BTC/USD", overlay).set_index("date")
    for model, dates in zip(
        host.models(), (DATES[DATES < MIDDLE], DATES[DATES >= MIDDLE]), strict=True
    ):
        index, scaler = model.feature_pipeline["di"], model.feature_pipeline["scaler"]._skl
        scaled = scaler.transform(features.loc[dates, model.feature_names].to_numpy())
        nearest = pairwise_distances(index.trained_data, scaled).min(axis=0)
        np.testing.assert_allclose(
            found.loc[dates, "DI_values"], nearest / index.avg_mean_dist, rtol=1e-6
        )
    assert list(found["do_predict"]) == list((found["DI_values"] < 0.3).astype(int))


def test_principal_components_train_and_predict(host):
    overlay = recording(principal_component_analysis=True)
    run = host.backtest(overlay=overlay)
    train = recorded(host)["features"][:400]
    assert np.abs(np.corrcoef(train.T) - np.eye(train.shape[1])).max() < 0.05
    np.testing.assert_allclose(train.std(axis=0), 1, rtol=0.05)
    found = run.predictions()
    np.testing.assert_allclose(found[LABEL], recomputed(host, "BTC", overlay), rtol=1e-4, atol=1e-8)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, candles: Path) -> Host:
    """A finished backtest without any option, to be read only."""
    host = Host(tmp_path_factory.mktemp("plain") / "user_data", candles)
    host.backtest(overlay=recording())
    return host


def test_noise_reaches_the_training_rows_only(host, plain):
    clean = recorded(plain)["features"]
    overlay = recording(noise_standard_deviation=0.1)
    run = host.backtest(overlay=overlay)
    noise = recorded(host)["features"] - clean
    n_train = 477 - 72
    assert noise[:n_train].std() == pytest.approx(0.1, rel=0.1)
    assert (noise[n_train:] == 0).all()
    np.testing.assert_allclose(
        run.predictions()[LABEL], recomputed(host, "BTC", overlay), rtol=1e-4, atol=1e-8
    )


def test_features_are_standardised_by_the_training_rows_alone(host, plain):
    raw = host.features("BTC/USD").set_index("date")
    raw = raw[START - pd.Timedelta(days=20) : START - HOUR].to_numpy()
    train = raw[: 477 - 72]
    expected = (raw - train.mean(axis=0)) / train.std(axis=0)
    np.testing.assert_allclose(recorded(plain)["features"], expected, atol=1e-4)


# --- the future


@pytest.mark.parametrize(
    "hours",
    [
        pytest.param(40, id="first slice"),
        pytest.param(96, id="between", marks=pytest.mark.slow),
        pytest.param(130, id="second slice"),
    ],
)
def test_later_candles_change_no_earlier_prediction(host, trained_host, tmp_path, hours):
    now = START + hours * HOUR
    other = host.with_other_prices(tmp_path, now)

    found, before = other.backtest().predictions(), trained_host[1].predictions()
    unknown = found.index >= now
    pd.testing.assert_frame_equal(found[~unknown], before[~unknown], check_exact=True)
    assert not found[unknown].equals(before[unknown])
    if now >= MIDDLE:
        first, second = (item.models()[1].estimator for item in (other, trained_host[0]))
        assert first.__getstate__()["weights"] == second.__getstate__()["weights"]


def test_labels_are_not_read_when_predicting(host, trained_host):
    one_slice = {"timerange": "20190601-20190605"}
    before = trained_host[1].predictions()[: MIDDLE - HOUR]
    after = host.backtest(overlay=one_slice | {"tiny": {"relabel_from": "2019-06-01T00:00Z"}})
    assert after.n_trainings == 1
    found = after.predictions()[: MIDDLE - HOUR]
    pd.testing.assert_frame_equal(found, before, check_exact=True)
    control = {
        "freqai": {"identifier": "control"},
        "tiny": {"relabel_from": "2019-05-30T00:00Z"},
    }
    trained_on = host.backtest(overlay=one_slice | control)
    assert not trained_on.predictions()[: MIDDLE - HOUR].equals(before)


# --- the same numbers


def test_a_second_run_gives_the_same_numbers(host, trained_host):
    torch.rand(3), np.random.rand(3)  # the state of the global generators does not matter
    run = host.backtest()
    assert run.n_trainings == 2
    pd.testing.assert_frame_equal(
        run.frames["BTC"], trained_host[1].frames["BTC"], check_exact=True
    )


def test_a_second_run_with_noise_and_an_svm_gives_the_same_numbers(host):
    options = {"noise_standard_deviation": 0.1, "use_SVM_to_remove_outliers": True}
    first = host.backtest(overlay={"freqai": {"feature_parameters": options}})
    torch.rand(3), np.random.rand(3)
    again = {"freqai": {"identifier": "again", "feature_parameters": options}}
    second = host.backtest(overlay=again)
    assert first.n_trainings == second.n_trainings == 2
    pd.testing.assert_frame_equal(first.frames["BTC"], second.frames["BTC"], check_exact=True)


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(["ETH/USD", "BTC/USD"], id="turned"),
        pytest.param(["ETH/USD"], id="alone", marks=pytest.mark.slow),
    ],
)
def test_other_pairs_change_nothing(host, trained_host, pairs):
    run = host.backtest(overlay={"exchange": {"pair_whitelist": pairs}})
    assert run.n_trainings == 2 * len(pairs)
    for coin, frame in run.frames.items():
        pd.testing.assert_frame_equal(frame, trained_host[1].frames[coin], check_exact=True)
    assert not run.predictions("ETH").equals(trained_host[1].predictions("BTC"))


@pytest.mark.slow
def test_a_new_process_trains_the_same_model(host, trained_host):
    run = host.backtest(overlay={"freqai": {"identifier": "elsewhere"}}, new_process=True)
    assert run.n_trainings == 2
    pd.testing.assert_frame_equal(
        run.frames["BTC"], trained_host[1].frames["BTC"], check_exact=True
    )
