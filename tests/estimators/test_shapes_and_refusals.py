"""Shapes and types that RecurrentRegressor reads, and data that it refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from tests.estimators.naive import assert_same_fit, make_data, naive_predictions, quick

from freqai_rnn.estimators.base import never


@pytest.mark.parametrize(
    ("shape", "n_labels"), [((60,), 1), ((60, 1), 1), ((60, 2), 2), ((60, 3), 3)], ids=str
)
def test_predictions_have_the_shape_of_y(shape, n_labels):
    X, y = make_data(n_labels=n_labels)
    model = quick().fit(X, y.reshape(shape))
    assert model.predict(X).shape == shape
    assert model.predict(X[:7]).shape == (7, *shape[1:])
    np.testing.assert_allclose(model.predict(X), naive_predictions(model, X), rtol=0, atol=1e-6)


def test_one_column_of_y_trains_like_no_columns():
    X, y = make_data()
    assert_same_fit(quick().fit(X, y[:, None]), quick().fit(X, y))


def test_each_label_has_its_own_column():
    X, y = make_data(n_labels=2)
    model = quick(max_epochs=30).fit(X, np.stack([y[:, 0] + 50, y[:, 1] - 50], axis=1) / 50)
    predictions = model.predict(X)[3:]
    assert (predictions[:, 0] > 0).all()
    assert (predictions[:, 1] < 0).all()


def test_frames_and_lists_are_read_like_arrays():
    X, y = make_data()
    model = quick().fit(X, y)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    framed = quick().fit(frame, pd.Series(y))
    assert_same_fit(framed, model)
    assert_same_fit(quick().fit(X.tolist(), y.tolist()), model)
    np.testing.assert_array_equal(
        framed.predict(frame[30:], context=frame[:30]), model.predict(X[30:], context=X[:30])
    )
    with pytest.raises(ValueError, match="feature names"):
        framed.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize("flags", ["float64", "fortran", "read_only", "strided"])
def test_the_layout_of_an_array_does_not_matter_and_it_is_not_changed(flags):
    X, y = make_data()
    given = {
        "float64": X.astype(np.float64),
        "fortran": np.asfortranarray(X),
        "read_only": X.copy(),
        "strided": np.repeat(X, 2, axis=0)[::2],
    }[flags]
    given.flags.writeable = flags != "read_only"
    model = quick().fit(given, y)
    assert_same_fit(model, quick().fit(X, y))
    np.testing.assert_array_equal(model.predict(given), model.predict(X))
    np.testing.assert_array_equal(given, X)


ROWS = np.arange(60)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"X": np.full((60, 3), np.inf)}, "X contains infinity", id="infinite_X"),
        pytest.param(
            {"X": np.full((60, 3), -np.inf)}, "X contains infinity", id="minus_infinite_X"
        ),
        pytest.param({"y": np.full(60, np.inf)}, "y contains infinity", id="infinite_y"),
        pytest.param({"y": None}, "requires y to be passed", id="no_y"),
        pytest.param({"y": np.ones(59)}, "inconsistent numbers of samples", id="short_y"),
        pytest.param({"y": np.ones((60, 1, 1))}, "dim 3", id="cubic_y"),
        pytest.param({"X": np.ones(60)}, "Expected 2D array", id="flat_X"),
        pytest.param({"X": np.ones((60, 3, 1))}, "dim 3", id="cubic_X"),
        pytest.param({"X": np.full((60, 3), np.nan)}, "No window to train on", id="nan_X"),
        pytest.param({"y": np.full(60, np.nan)}, "No window to train on", id="nan_y"),
        pytest.param(
            {"X": np.ones((3, 3)), "y": np.ones(3)},
            "No window to train on: 3 rows hold 0 complete windows of sequence_length=4; 0 of "
            "them validate and validation_gap=0 rows around those are left out",
            id="too_few_rows",
        ),
        pytest.param(
            {"validation_mask": ROWS > 1},
            "60 rows hold 57 complete windows of sequence_length=4; 57 of them validate",
            id="everything_validates",
        ),
        pytest.param({"sample_weight": np.ones(59)}, "sample_weight", id="short_weights"),
        pytest.param({"sample_weight": -np.ones(60)}, "[Nn]egative values", id="negative_weights"),
        pytest.param({"sample_weight": np.full(60, np.nan)}, "contains NaN", id="nan_weights"),
        pytest.param({"sample_weight": np.zeros(60)}, "weight|No window", id="no_weight"),
        pytest.param(
            {"candle_index": ROWS[:-1]},
            r"candle_index must have one entry per row, \(60,\), got \(59,\)",
            id="short_index",
        ),
        pytest.param(
            {"candle_index": ROWS / 1},
            "candle_index must be of type int64, got float64",
            id="fractional_index",
        ),
        pytest.param({"candle_index": ROWS // 2}, "increase from row to row", id="repeated_index"),
        pytest.param(
            {"candle_index": ROWS[::-1]}, "increase from row to row, got 59 then 58", id="reversed"
        ),
        pytest.param(
            {"validation_mask": np.ones(59, bool)},
            r"validation_mask must have one entry per row, \(60,\), got \(59,\)",
            id="short_mask",
        ),
        pytest.param(
            {"validation_mask": ROWS % 2},
            "validation_mask must be of type bool, got int64",
            id="mask_of_numbers",
        ),
    ],
)
def test_data_that_does_not_fit_together_is_refused(changes, message):
    X, y = make_data()
    with pytest.raises(ValueError, match=message):
        quick().fit(**{"X": X, "y": y} | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"X": np.full((9, 3), np.inf)}, "X contains infinity", id="infinite"),
        pytest.param({"X": np.ones((9, 2))}, "has 2 features, but .* 3 features", id="columns"),
        pytest.param({"X": np.ones(9)}, "Expected 2D array", id="flat"),
        pytest.param({"context": np.ones((3, 2))}, "has 2 features", id="columns_of_context"),
        pytest.param({"context": np.full((3, 3), np.inf)}, "infinity", id="infinite_context"),
        pytest.param({"candle_index": np.arange(8)}, r"\(9,\), got \(8,\)", id="short_index"),
        pytest.param({"candle_index": np.zeros(9, int)}, "increase", id="repeated_index"),
    ],
)
def test_predict_refuses_data_unlike_that_of_fit(fitted, changes, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(**{"X": np.ones((9, 3))} | changes)


def test_a_loss_that_is_not_finite_names_the_epoch_and_the_learning_rate():
    X, y = make_data()
    with pytest.raises(
        FloatingPointError, match=r"loss became inf in epoch 1: lower learning_rate"
    ):
        quick().fit(X, y * 1e30)
    with pytest.raises(FloatingPointError, match=r"in epoch [12]: .*\(now 1e\+38\)"):
        quick(learning_rate=1e38).fit(X, y)


def test_predict_before_fit_is_refused():
    with pytest.raises(NotFittedError):
        quick().predict(np.ones((9, 3)))


class Stop(BaseException):
    """As Ctrl-C raises one."""


def stop():
    raise Stop


@pytest.mark.parametrize(
    ("parameters", "factor", "should_stop", "error"),
    [
        pytest.param({}, 1e30, never, FloatingPointError, id="data"),
        pytest.param({"num_layers": 0}, 1, never, ValueError, id="parameter"),
        pytest.param({}, 1, stop, Stop, id="stopped"),
    ],
)
def test_a_failed_fit_leaves_the_estimator_as_it_was(parameters, factor, should_stop, error):
    X, y = make_data()
    model = quick().fit(X, y)
    before = model.predict(X)
    model.set_params(**parameters)
    with pytest.raises(error):
        model.fit(X[:, :2], make_data(n_labels=2)[1] * factor, should_stop=should_stop)
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.get_params() == quick(**parameters).get_params()


def test_a_failed_first_fit_leaves_the_estimator_unfitted():
    X, y = make_data()
    model = quick()
    with pytest.raises(FloatingPointError):
        model.fit(X, y * 1e30)
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert vars(model) == vars(quick())
