"""What every estimator on candles shares: parameters by name, vectors with an entry per row."""

import re
from dataclasses import fields

import numpy as np
import pytest

from freqai_rnn import RecurrentRegressor, Settings
from freqai_rnn.estimators.base import (
    CandleRegressor,
    row_vector,
    with_parameters,
    with_those_it_has,
)

GRU = RecurrentRegressor(cell_type="gru", seed=7)


class Mean(CandleRegressor):
    """A model that is no network, with the least that one needs."""

    def __init__(self, sequence_length=3):
        self.sequence_length = sequence_length

    def fit(self, X, y, **_):
        return self

    def predict(self, X, context=None, candle_index=None):
        return np.zeros(len(X))


def test_other_parameters_are_those_of_a_copy():
    copy = with_parameters(GRU, {"hidden_size": 4})
    assert copy.get_params() == {**GRU.get_params(), "hidden_size": 4}
    assert GRU.hidden_size == 128


def test_a_value_out_of_range_is_refused_before_any_data_is_there():
    with pytest.raises(ValueError, match=r"^dropout must be .* got 2\.$"):
        with_parameters(GRU, {"dropout": 2})


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("hidden_dim", "hidden_size"),
        ("learn_rate", "learning_rate"),
        ("n_layers", "num_layers"),
        ("epochs", "max_epochs"),
        ("Dropout", "dropout"),
        ("seq_length", "sequence_length"),
        ("batchsize", "batch_size"),
        ("n_checkpoint", "n_checkpoints"),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_one_named(key, near):
    message = f"{key} (= 5) is not a setting; did you mean {near}? Valid names: "
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        with_parameters(GRU, {"hidden_size": 4, key: 5})
    assert str(caught.value).endswith(", ".join(GRU.get_params()) + ".")


@pytest.mark.parametrize(
    ("key", "whose"),
    [
        *((name, "this model, but of tree models") for name in ("n_estimators", "num_leaves")),
        *((name, "this model, but of tree models") for name in ("tree_method", "verbosity")),
        ("zzz", "this model"),
    ],
)
def test_a_name_of_another_model_gets_no_hint(key, whose):
    message = f"{key} (= 5) is not a setting of {whose}. Valid names: "
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        with_parameters(GRU, {key: 5})


def test_only_the_parameters_an_estimator_has_are_set():
    assert with_those_it_has(GRU, seed=3, validation_gap=2).get_params() == {
        **GRU.get_params(),
        "seed": 3,
        "validation_gap": 2,
    }
    assert with_those_it_has(Mean(), seed=3, sequence_length=5).get_params() == {
        "sequence_length": 5
    }


def test_the_least_estimator_has_nothing_to_report():
    fitted = Mean().fit(np.zeros((4, 1)), np.zeros(4))
    fitted.check_parameters()
    assert fitted.training_record() == {}
    assert len(fitted.valid_rows_) == 0


def test_a_row_vector_has_one_entry_per_row_of_a_type_that_loses_nothing():
    assert row_vector("candle_index", None, 3, np.int64) is None
    assert row_vector("candle_index", [1, 2, 4], 3, np.int64).tolist() == [1, 2, 4]
    with pytest.raises(ValueError, match=r"^candle_index must have one entry per row, \(3,\), got"):
        row_vector("candle_index", [1, 2], 3, np.int64)
    with pytest.raises(ValueError, match=r"^candle_index must be of type int64, got float64"):
        row_vector("candle_index", [1.0, 2.0, 3.0], 3, np.int64)


def test_the_parameters_of_the_network_are_its_settings_with_the_same_defaults():
    """RecurrentRegressor and Settings both list them: scikit-learn wants no checks in one."""
    of_estimator = {item.name: (item.type, item.default) for item in fields(RecurrentRegressor)}
    assert of_estimator == {item.name: (item.type, item.default) for item in fields(Settings)}
